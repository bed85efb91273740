"""The folder of an evaluation: tables for reading on, and one JSON summary with a schema."""

from pathlib import Path
from typing import Any

import pandas as pd
from pydantic import BaseModel, ConfigDict

import neurograft
from neurograft.evaluation.agreement.row import AGREEMENT_COLUMNS
from neurograft.evaluation.summary import SUMMARY_MEANINGS
from neurograft.outputs import write_json, write_table
from neurograft.scoring.run import Evaluation

TABLES = (
    "per_case", "summary", "agreement", "paired", "confusion", "lesions", "lesion_detection", "lesion_scores",
    "biomarkers", "raters", "rater_agreement",
)  # fmt: skip
"""Tables of an evaluation, each written as ``<name>.tsv`` if it has rows."""


class EvaluationSummary(BaseModel):
    """What ``summary.json`` holds."""

    model_config = ConfigDict(extra="forbid")

    neurograft: str
    """Version that wrote it."""
    pairing: str
    """How references and predictions were paired."""
    pairs: dict[str, tuple[str, str | None]]
    """Case -> reference file and prediction file, ``None`` where there is none."""
    unused_predictions: list[str]
    """Predictions without a reference."""
    labels: list[str]
    """Names of what was scored."""
    policies: dict[str, str]
    """Name of the choice for each case without a natural value."""
    slice_policy: str | None
    """For axial slices without the label; ``None`` where slices were not scored."""
    lesion_matching: str | None
    """Which lesions of both sides belong together; ``None`` where none were looked for."""
    tolerance_mm: float
    """Of the surface Dice."""
    level: float
    """Coverage of all intervals."""
    bootstrap_draws: int
    seed: int
    side_swaps: list[str]
    """Sentences on sides that changed places."""
    summary: list[dict[str, str | int | float | None]]
    """Rows of ``summary.tsv``; undefined figures are null."""
    agreement: list[dict[str, str | int | float | None]]
    """Rows of ``agreement.tsv``."""


def evaluation_summary(evaluation: Evaluation) -> EvaluationSummary:
    """Put what an evaluation found into the form of ``summary.json``."""
    options, pairing = evaluation.options, evaluation.pairing
    return EvaluationSummary(
        neurograft=neurograft.__version__,
        pairing=pairing.how,
        pairs={
            pair.case: (str(pair.reference), None if pair.prediction is None else str(pair.prediction))
            for pair in pairing.pairs
        },
        unused_predictions=[str(path) for path in pairing.unused],
        labels=list(evaluation.labels),
        policies=options.policies.to_dict(),
        slice_policy=options.slices,
        lesion_matching=options.lesion_matching if options.lesions else None,
        tolerance_mm=options.tolerance_mm,
        level=options.level,
        bootstrap_draws=options.draws,
        seed=options.seed,
        side_swaps=list(evaluation.tables.swaps),
        summary=_records(evaluation.tables.summary[list(SUMMARY_MEANINGS)]),
        agreement=_records(evaluation.tables.agreement[list(AGREEMENT_COLUMNS)]),
    )


def write_evaluation(evaluation: Evaluation, folder: Path) -> None:
    """Write every table that has rows, and the JSON summary with its schema.

    Args:
        evaluation: what was found.
        folder: exists; files of the same names are replaced.
    """
    for name in TABLES:
        table: pd.DataFrame | None = getattr(evaluation.tables, name)
        if table is not None and not table.empty:
            write_table(folder / f"{name}.tsv", table)
    write_json(folder / "summary.json", evaluation_summary(evaluation).model_dump())
    write_json(folder / "summary.schema.json", EvaluationSummary.model_json_schema())


def _records(frame: pd.DataFrame) -> list[dict[str, Any]]:
    """Rows as plain Python values, ``None`` for what is undefined."""
    rows = frame.astype(object).where(frame.notna(), None).to_dict("records")
    return [
        {str(name): value.item() if hasattr(value, "item") else value for name, value in row.items()} for row in rows
    ]
