"""From the folder of a study to its tables, its answer and its page."""

import logging
from collections import Counter
from pathlib import Path

import pandas as pd

from neurograft.errors import InputError
from neurograft.imaging.files import read_image, read_label_map
from neurograft.imaging.orientation import reorient
from neurograft.inference.files import mask_path
from neurograft.reports.comparison import SliceExample
from neurograft.reports.number_text import DASH, counted, duration
from neurograft.reports.study import StudyReport
from neurograft.reports.study_markdown import write_study_markdown
from neurograft.reports.study_methods import experiments_by_seeds, methods_paragraph
from neurograft.reports.study_page import write_study_page
from neurograft.reports.training_facts import computed_with
from neurograft.studies.cells.scoring import MASKS
from neurograft.studies.cells.training import people_of
from neurograft.studies.folder import StudyFolder
from neurograft.studies.people import people_words
from neurograft.studies.protocol.schema import TWIN, UNADAPTED
from neurograft.studies.results import StudyResults, study_results, write_results
from neurograft.studies.tables import comparable, headline_label, sizes_of

logger = logging.getLogger(__name__)

PAGE, MARKDOWN = "report.html", "report.md"
WORST_CASES = 2


def write_study_report(root: Path) -> StudyResults | None:
    """Write tables, answer, page and Markdown into the study's folder ``results``.

    Returns:
        What was found; ``None`` where nothing is scored yet, and nothing is written then.

    Raises:
        InputError: there is no study.
    """
    results = study_results(root)
    if results is None:
        return None
    folder = write_results(results, root)
    report = study_report(results, root)
    write_study_page(report, folder / PAGE)
    write_study_markdown(report, folder / MARKDOWN)
    return results


def study_report(results: StudyResults, root: Path) -> StudyReport:
    """Put together what the page shows."""
    folder = StudyFolder(root)
    methods, references = methods_paragraph(results)
    claims = tuple(results.claims)
    needs = tuple(need.sentence() for need in results.needs)
    said = [sentence for sentence in results.sentences() if sentence not in {*claims, *needs}]
    # The sums over all sizes stand first, for all experiments; the sentences on single sizes follow.
    count = {answer.name: 1 + any(UNADAPTED in size.against for size in answer.sizes) for answer in results.answers}
    leading = [s for answer in results.answers for s in answer.sentences()[: count[answer.name]]]
    scored = next(
        iter({str(folder.result(c.id)["policy"]) for c in folder.cells() if _is_scored(folder, c.id, c.kind)}), ""
    )
    return StudyReport(
        results=results,
        answer=(*leading, *(sentence for sentence in said if sentence not in leading)),
        claims=claims,
        needs=needs,
        warnings=results.warnings,
        examples=tuple(_examples(results, folder)),
        facts=_facts(results, folder),
        methods=methods,
        references=references,
        notes=(
            *results.protocol.notes,
            "Intervals and tests resample test people; where trainings were repeated, a verdict also asks that they "
            "agree.",
            *([f"Empty masks and missing predictions: {scored}."] if scored else []),
        ),
    )


def _is_scored(folder: StudyFolder, identifier: str, kind: str) -> bool:
    return kind == "score" and folder.is_finished(identifier)


def _facts(results: StudyResults, folder: StudyFolder) -> dict[str, str]:
    machines: Counter[str] = Counter()
    kinds: set[str] = set()
    days: set[str] = set()
    versions: dict[str, str] = {}
    seconds = 0.0
    for cell in folder.cells():
        if not folder.is_finished(cell.id):
            continue
        result = folder.result(cell.id)
        seconds += float(result["seconds"])
        machines[f"{result['host']}: {result.get('machine', '')}".rstrip(": ")] += 1
        kinds.add(str(result.get("machine", "")))
        days.add(str(result["started"])[:10])
        versions |= result.get("versions", {})
    runs = results.runs
    protocol = results.protocol
    trainings = [f"trainings{of} {', '.join(map(str, seeds))}" for seeds, of in experiments_by_seeds(protocol)]
    tests = {f"test people of {one.name} {one.test.seed}" for one in protocol.experiments}
    facts = {
        "cohorts": "; ".join(f"{name}: {one.path or one.phantom}" for name, one in protocol.cohorts.items()),
        "seeds": "; ".join([*trainings, *sorted(tests)]),
        "date": " to ".join(sorted({min(days), max(days)})) if days else DASH,
        "hardware": "; ".join(sorted(filter(None, kinds))),
        "cells": str(sum(machines.values())),
        "machines": "\n".join(f"{name} ({counted(count, 'cell')})" for name, count in machines.most_common()),
        "work in all": duration(seconds),
    }
    if not runs.empty:
        facts["training"] = f"{duration(float(runs['training_seconds'].sum()))} for {len(runs)} models"
        if compute := computed_with(runs):
            facts["computed with"] = compute
        facts["peak memory of a training"] = f"{runs['peak_memory_mib'].max():.0f} MiB"
        again = int((runs["attempt"] > 1).sum())
        if again:
            facts["continued elsewhere"] = f"{counted(again, 'training')}, after a worker was lost"
    facts["versions"] = "\n".join(f"{name} {value}" for name, value in versions.items())
    return facts


def _examples(results: StudyResults, folder: StudyFolder) -> list[SliceExample]:
    """The worst cases of the chosen strategy at its largest size, and its middling one, by experiment."""
    examples: list[SliceExample] = []
    measure = results.protocol.scoring.measures[0]
    for name in dict.fromkeys(map(str, results.scores["experiment"])):
        own = results.scores[results.scores["experiment"] == name]
        answer = next((one for one in results.answers if one.name == name and one.sizes), None)
        sizes = sizes_of(own[own["split"] == "test"])
        if answer is None and not sizes:
            continue  # of a study that is half done
        size = answer.sizes[-1].size if answer is not None else sizes[-1]
        method = answer.sizes[-1].choice.leading if answer is not None else None
        frame = comparable(own, size)
        frame = frame[(frame["label"] == headline_label(own)) & (frame["size"] == size)]
        if method is None:
            adapted = frame[~frame["strategy"].isin((TWIN, UNADAPTED))]
            method = str((adapted if len(adapted) else frame)["method"].iloc[0])
        frame = frame[frame["method"] == method]
        if frame.empty or measure not in frame:
            continue
        by_case = frame.groupby("case")[measure].mean().dropna().sort_values()
        if measure not in ("dice", "iou"):
            by_case = by_case[::-1]
        picked = [
            (f"{name}: worst case" if k == 0 else f"{name}: second worst", c)
            for k, c in enumerate(by_case.index[:WORST_CASES])
        ]
        picked.append((f"{name}: middling case", by_case.index[len(by_case) // 2]))
        shown: set[str] = set()
        for title, case in picked:
            example = None if str(case) in shown else _example(title, str(case), method, size, frame, folder)
            if example is not None:
                examples.append(example)
                shown.add(str(case))
    return examples


def _example(
    title: str, case_id: str, method: str, size: str, frame: pd.DataFrame, folder: StudyFolder
) -> SliceExample | None:
    """A case with the prediction of the first training of a method; ``None`` where no mask was kept."""
    row = frame[frame["case"] == case_id].iloc[0]
    for reading in folder.read_lines(folder.readings):
        same = all(str(reading[key]) == str(row[key]) for key in ("experiment", "method", "size", "test"))
        if not same or reading["split"] != "test" or str(reading["draw"]) != str(row["draw"]):
            continue
        masks = folder.cell(reading["cell"]) / MASKS
        spec = next(cell.spec for cell in folder.cells() if cell.id == reading["cell"])
        try:
            cohort = people_of(folder, spec).select_labels(spec["labels"])
        except InputError as error:
            # The figures stand; there is only no picture to show beside them.
            logger.warning("no slices of %s: %s", case_id, error.problem)
            return None
        case = next(one for one in cohort.cases if one.id == case_id)
        file = masks / mask_path(cohort, case)
        if case.label is None or not file.is_file():
            return None
        image = read_image(next(iter(case.images.values())))
        truth = cohort.labels.to_classes(read_label_map(case.label).data)
        prediction = cohort.labels.to_classes(read_label_map(file).data)
        turned = [reorient(layer, image.grid, "RAS") for layer in (image.data, truth, prediction)]
        return SliceExample(
            title=title,
            case=case_id,
            strategy=f"{method}, {people_words(size)}",
            dice=float(row["dice"]),
            image=turned[0][0],
            truth=turned[1][0],
            prediction=turned[2][0],
            spacing_mm=turned[0][1].spacing_mm,
            label_names=tuple(cohort.labels.names),
        )
    return None
