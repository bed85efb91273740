"""An experiment's files: tables, a page, and the table as Markdown."""

from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pandas as pd

from neurograft.demos.experiment import Experiment, Findings
from neurograft.hardware import describe_machine, peak_memory_mib
from neurograft.imaging.files import read_image, read_label_map
from neurograft.imaging.orientation import reorient
from neurograft.inference.files import mask_path
from neurograft.outputs import write_table, write_text
from neurograft.reports import ComparisonReport, SliceExample, summary_markdown, write_comparison_page
from neurograft.reports.markdown import table_markdown
from neurograft.reports.training_facts import training_facts
from neurograft.studies.comparison import ComparisonResult
from neurograft.studies.comparison_summary import (
    against_source,
    figures,
    short_of_everyone,
    summarise_comparison,
    verdicts,
)
from neurograft.studies.people import EVERYONE, people_words
from neurograft.training.record import library_versions


def write_experiment(experiment: Experiment, result: ComparisonResult, folder: Path, command: str) -> ComparisonReport:
    """Write an experiment's tables and page into `folder`.

    Returns:
        What the page shows.
    """
    summary = summarise_comparison(result)
    biomarkers = experiment.measure(result) if experiment.measure is not None else None
    findings = experiment.find(result) if experiment.find is not None else Findings(())
    seeds = ", ".join(map(str, experiment.comparison.seeds))
    report = ComparisonReport(
        title=experiment.title,
        question=experiment.question,
        answer=(
            *findings.answer,
            *((experiment.answer(result) if experiment.answer else verdicts(summary)) or figures(summary)),
            *against_source(summary),
            *short_of_everyone(summary),
            *_recovery(biomarkers),
        ),
        summary=summary,
        scores=result.scores.rename(columns={"people": "training_subjects"}),
        curves=_curves(experiment, result),
        examples=_examples(experiment, result),
        method=experiment.method,
        provenance={
            "command": command,
            "data": experiment.data,
            "seeds": seeds,
            "date": datetime.now(UTC).strftime("%Y-%m-%d"),
            "hardware": describe_machine(),
            **training_facts(result.runs),
            # Models that an earlier, interrupted run made count too.
            "peak memory": f"{max(peak_memory_mib(), result.runs['peak_memory_mib'].max()):.0f} MiB",
            **library_versions(),
        },
        notes=(*experiment.notes, f"Empty masks and missing predictions: {result.policy}."),
        biomarkers=biomarkers,
        further_tables=findings.shown,
    )
    tables = {"summary": summary, "scores": report.scores, "runs": result.runs, **findings.tables}
    if biomarkers is not None:
        tables["biomarkers"] = biomarkers
    for name, table in tables.items():
        write_table(folder / f"{experiment.name}-{name}.tsv", table)
    write_text(folder / f"{experiment.name}.md", _markdown(report))
    write_comparison_page(report, folder / f"{experiment.name}.html")
    return report


def _markdown(report: ComparisonReport) -> str:
    facts = "\n".join(f"- {key}: {value}" for key, value in report.provenance.items())
    notes = "\n".join(f"- {note}" for note in report.notes)
    answer = "\n".join(f"- {sentence}" for sentence in report.answer)
    further = "".join(f"{caption}\n\n{table_markdown(table)}\n" for caption, table in report.further_tables.items())
    return f"{summary_markdown(report.summary)}\n{further}{answer}\n\n{notes}\n\n{facts}\n"


def _curves(experiment: Experiment, result: ComparisonResult) -> Mapping[str, pd.DataFrame]:
    seed = experiment.comparison.seeds[0]
    curves = {}
    for arm in experiment.comparison.arms:
        file = result.folders[arm.method, str(arm.people), seed] / "metrics.csv"
        if file.is_file():
            curves[arm.name] = pd.read_csv(file)
    return curves


def _examples(experiment: Experiment, result: ComparisonResult) -> tuple[SliceExample, ...]:
    """Worst and best test case of the best adapted model of the first seed, or of the best that learnt from few."""
    seed = experiment.comparison.seeds[0]
    scores = result.scores[result.scores["seed"] == seed]
    adapted = scores[~scores["strategy"].isin(["scratch", "none"])]
    scores = scores[scores["people"] != EVERYONE] if adapted.empty else adapted
    means = scores.groupby(["strategy", "people"])["dice"].mean()
    strategy, people = max(means.index, key=lambda key: float(means[key]))
    chosen = scores[(scores["strategy"] == strategy) & (scores["people"] == people)]
    by_case = chosen.groupby("case")["dice"].mean().sort_values()
    folder = result.folders[strategy, people, seed]
    examples = []
    for title, case_id in (("worst case", by_case.index[0]), ("best case", by_case.index[-1])):
        test = experiment.comparison.test
        labels = test.select_labels(experiment.comparison.recipe.labels).labels
        case = next(case for case in test.cases if case.id == case_id)
        if case.label is None:
            continue
        image = read_image(next(iter(case.images.values())))
        mask = read_label_map(folder.with_name(f"{folder.name}-predictions") / mask_path(test, case))
        layers = [image.data, labels.to_classes(read_label_map(case.label).data), labels.to_classes(mask.data)]
        turned = [reorient(layer, image.grid, "RAS") for layer in layers]
        examples.append(
            SliceExample(
                title=title,
                case=str(case_id),
                strategy=f"{strategy}, {people_words(people)}",
                dice=float(by_case[case_id]),
                image=turned[0][0],
                truth=turned[1][0],
                prediction=turned[2][0],
                spacing_mm=turned[0][1].spacing_mm,
                label_names=tuple(labels.names),
            )
        )
    return tuple(examples)


def _recovery(biomarkers: pd.DataFrame | None) -> list[str]:
    """How near measured contrast ratios come to the true ones, a sentence a strategy."""
    if biomarkers is None:
        return []
    sentences = []
    manual = biomarkers.drop_duplicates("case")
    error = np.abs(manual["manual_contrast_ratio"] - manual["true_contrast_ratio"]).mean()
    sentences.append(
        f"Contrast ratio measured with the true mask: mean absolute error {error:.3f} (n = {len(manual)}; partial "
        "volume, bias and noise)."
    )
    for strategy, rows in biomarkers.groupby("strategy", sort=False):
        found = rows.dropna(subset=["predicted_contrast_ratio"])
        if found.empty:
            sentences.append(f"Contrast ratio with the masks of {strategy}: none, all {len(rows)} masks are empty.")
            continue
        error = np.abs(found["predicted_contrast_ratio"] - found["true_contrast_ratio"]).mean()
        empty = f", {len(rows) - len(found)} empty masks left out" if len(found) < len(rows) else ""
        sentences.append(
            f"Contrast ratio with the masks of {strategy}: mean absolute error {error:.3f} (n = {len(found)}{empty})."
        )
    return sentences
