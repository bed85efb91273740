"""What a study found: all tables, the answer, and the files that hold them."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

import neurograft
from neurograft.outputs import write_json, write_table
from neurograft.studies.answers.label_need import LabelNeed, MethodCurve, method_curves, needs_for
from neurograft.studies.answers.statement import ExperimentAnswer, answer_claim, answer_experiment
from neurograft.studies.folder import StudyFolder
from neurograft.studies.people import people_words
from neurograft.studies.protocol.schema import ICC, Protocol
from neurograft.studies.run import protocol_of
from neurograft.studies.tables import (
    agreement_study,
    compare_study,
    gather_paired,
    gather_runs,
    gather_scores,
    study_costs,
    summarise_study,
)

RESULTS = "results"
"""Folder in a study's."""
TABLES = ("scores", "summary", "comparisons", "agreement", "runs", "costs")
"""All but the last two are the same to the bit however often the study was cut off."""
MOST_WARNINGS = 12


@dataclass(frozen=True, eq=False)
class StudyResults:
    """Everything that a study found.

    Attributes:
        protocol: of the study.
        scores: a row a training, case and label.
        summary: a row an experiment, size, method, measure and label.
        comparisons: a row a pair of methods, by experiment, size, measure and label.
        agreement: ICC of measured quantities.
        runs: a row a training.
        costs: time and memory of the trainings of a method.
        answers: one an experiment.
        claims: a sentence for each claim and experiment.
        curves: learning curves.
        needs: labelled people for the protocol's target.
        warnings: cells that failed or are missing, so that the figures are not of the whole study.
    """

    protocol: Protocol
    scores: pd.DataFrame
    summary: pd.DataFrame
    comparisons: pd.DataFrame
    agreement: pd.DataFrame
    runs: pd.DataFrame
    costs: pd.DataFrame
    answers: tuple[ExperimentAnswer, ...]
    claims: tuple[str, ...]
    curves: tuple[MethodCurve, ...]
    needs: tuple[LabelNeed, ...]
    warnings: tuple[str, ...] = ()

    def sentences(self) -> list[str]:
        """The answer in words: whether transfer helped first, then the claims and the need of labels.

        An experiment without transfer has the verdicts of its comparisons instead.
        """
        said = [sentence for answer in self.answers for sentence in answer.sentences() or self._verdicts(answer)]
        return [*said, *self.claims, *(need.sentence() for need in self.needs)]

    def _verdicts(self, answer: ExperimentAnswer) -> list[str]:
        """What the comparisons of an experiment say of the measure and label that answers are about."""
        rows = self.comparisons
        about = (rows["experiment"] == answer.name) & (rows["measure"] == answer.measure)
        own = rows[about & (rows["label"] == answer.label)].to_dict("records")
        return [f"{answer.name}, {people_words(str(row['size']))}: {row['verdict']}" for row in own]


def study_results(root: Path) -> StudyResults | None:
    """Read the finished cells of a study, and draw the conclusions; ``None`` where nothing is scored yet.

    Raises:
        InputError: there is no study.
    """
    folder = StudyFolder(root)
    protocol = protocol_of(folder)
    scores = gather_scores(folder)
    if scores.empty or not (scores["split"] == "test").any():
        return None
    runs, paired = gather_runs(folder), gather_paired(folder)
    measure = protocol.scoring.measures[0]
    target = protocol.target
    curves = tuple(method_curves(scores, measure))
    needs: tuple[LabelNeed, ...] = ()
    if target is not None:
        needs = tuple(needs_for(target, paired if target.measure.startswith(ICC) else scores))
    return StudyResults(
        protocol=protocol,
        scores=scores,
        summary=summarise_study(protocol, scores),
        comparisons=compare_study(protocol, scores),
        agreement=agreement_study(paired),
        runs=runs,
        costs=study_costs(folder, runs),
        answers=tuple(
            answer_experiment(protocol, scores, name) for name in dict.fromkeys(map(str, scores["experiment"]))
        ),
        claims=tuple(sentence for claim in protocol.claims for sentence in answer_claim(protocol, scores, claim)),
        curves=curves,
        needs=needs,
        warnings=tuple(_warnings(folder)),
    )


def write_results(results: StudyResults, root: Path) -> Path:
    """Write the tables and the answer into the study's folder ``results``, each in one move.

    Returns:
        The folder.
    """
    folder = root / RESULTS
    for name in TABLES:
        table: pd.DataFrame = getattr(results, name)
        file = folder / f"{name}.tsv"
        if table.empty:
            file.unlink(missing_ok=True)  # what an earlier plan of the study left
        else:
            write_table(file, table)
    answer: dict[str, Any] = {
        "neurograft": neurograft.__version__,
        "title": results.protocol.title,
        "warnings": list(results.warnings),
        "sentences": results.sentences(),
        "experiments": [answer.to_dict() for answer in results.answers],
        "claims": list(results.claims),
        "labels_needed": [need.to_dict() for need in results.needs],
    }
    write_json(folder / "answer.json", _plain(answer))
    return folder


def _warnings(folder: StudyFolder) -> list[str]:
    cells = folder.cells()
    done, failed = folder.finished(), folder.failed()
    open_cells = [cell for cell in cells if cell.id not in done and cell.id not in failed]
    said = []
    if open_cells:
        said.append(f"{len(open_cells)} of {len(cells)} cells are not finished: the figures are of those that are.")
    for cell in cells:
        if cell.id in failed and cell.id not in done:
            said.append(f"{cell.title} failed: {failed[cell.id]['error']}")
    more = len(said) - MOST_WARNINGS
    return said if more <= 0 else [*said[:MOST_WARNINGS], f"{more} more cells failed."]


def _plain(value: Any) -> Any:
    """Plain JSON data: numbers of numpy as Python's, what is not finite as ``None``."""
    if isinstance(value, dict):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    if hasattr(value, "item"):
        value = value.item()
    if isinstance(value, float) and not (float("-inf") < value < float("inf")):
        return None
    return value
