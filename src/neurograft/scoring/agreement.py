"""Agreement of the prediction with the reference, and with other raters, on all that was measured."""

from collections.abc import Sequence

import pandas as pd

from neurograft.evaluation.agreement.raters import PAIRWISE_COLUMNS, RATER_COLUMNS, pairwise_table, rater_ceiling
from neurograft.evaluation.agreement.row import AGREEMENT_COLUMNS, agreement_row
from neurograft.scoring.biomarker_rows import PREDICTION, REFERENCE
from neurograft.scoring.options import ScoringOptions
from neurograft.scoring.score_rows import GROUP, LABEL

PAIRED_COLUMNS = ("case", "subject", "label", "quantity", "unit", "reference", "prediction")

VOLUME = ("volume", "mm³")
QUANTITIES: dict[str, tuple[str, str]] = {
    "intensity_mean": ("mean intensity", ""),
    "intensity_median": ("median intensity", ""),
    "intensity_max": ("largest intensity", ""),
    "contrast_ratio_max": ("contrast ratio, largest", ""),
    "contrast_ratio_median": ("contrast ratio, median", ""),
}
"""Columns of the biomarkers whose agreement is tested, with the words and units for them."""

_BY = ["case", "subject", "label"]


def paired_quantities(per_case: pd.DataFrame, biomarkers: pd.DataFrame) -> pd.DataFrame:
    """Each measured quantity of each case in the reference beside the prediction.

    Volumes are those of every case with a prediction; a mask that is empty on one side has the volume
    0, and a label that both lack is left out, for two zeros would pass for agreement. Intensities of an
    empty mask do not exist; such cases are in the table and stay undefined.

    Returns:
        Rows with `PAIRED_COLUMNS`.
    """
    with_volume = per_case[
        per_case["kind"].isin((LABEL, GROUP))
        & per_case["prediction_mm3"].notna()
        & (per_case["status"] != "both-empty")
    ]
    volumes = with_volume[_BY].assign(
        quantity=VOLUME[0],
        unit=VOLUME[1],
        reference=with_volume["reference_mm3"],
        prediction=with_volume["prediction_mm3"],
    )
    frames = [volumes]
    if not biomarkers.empty:
        sides = {rater: biomarkers[biomarkers["rater"] == rater].set_index(_BY) for rater in (REFERENCE, PREDICTION)}
        for column, (words, unit) in _measured(QUANTITIES, biomarkers):
            both = pd.concat({rater: rows[column] for rater, rows in sides.items()}, axis=1, join="inner")
            frames.append(both.reset_index().assign(quantity=words, unit=unit))
    return pd.concat(frames, ignore_index=True)[list(PAIRED_COLUMNS)]


def agreement_table(paired: pd.DataFrame, level: float) -> pd.DataFrame:
    """Agreement of prediction (first) and reference (second): a row a quantity and label.

    Args:
        paired: of `paired_quantities`.
        level: coverage of the intervals.
    """
    rows = []
    for (quantity, unit, label), cases in paired.groupby(["quantity", "unit", "label"], sort=False):
        name = f"{quantity}, {unit}" if unit else str(quantity)
        people = cases["subject"].tolist()
        rows.append(agreement_row(name, str(label), cases["prediction"], cases["reference"], people, level))
    return pd.DataFrame(rows, columns=list(AGREEMENT_COLUMNS))


def rater_tables(
    scores: pd.DataFrame, biomarkers: pd.DataFrame, options: ScoringOptions
) -> tuple[pd.DataFrame | None, pd.DataFrame | None]:
    """The model among raters: Dice of every pair, and agreement of every pair on every quantity.

    Args:
        scores: Dice of every pair, case and label; empty without other raters.
        biomarkers: of everyone.
        options: level and seed of the intervals.

    Returns:
        Both tables with a column ``label``, the second with ``quantity`` too; ``None`` without raters.
    """
    if scores.empty:
        return None, None
    dice = [
        pairwise_table(
            rows.rename(columns={"dice": "value"}), PREDICTION, level=options.level, seed=options.seed
        ).assign(label=label)
        for label, rows in scores.groupby("label", sort=False)
    ]
    agreement = []
    for column, (words, unit) in _measured({"volume_mm3": VOLUME, **QUANTITIES}, biomarkers):
        for label, rows in biomarkers.groupby("label", sort=False):
            if rows["rater"].nunique() < 2 or PREDICTION not in set(rows["rater"]):
                continue
            table = rater_ceiling(rows.rename(columns={column: "value"}), PREDICTION, level=options.level)
            agreement.append(table.assign(quantity=f"{words}, {unit}" if unit else words, label=label))
    return (
        _together(dice, ["label", *PAIRWISE_COLUMNS]),
        _together(agreement, ["quantity", "label", *RATER_COLUMNS]),
    )


def _measured(quantities: dict[str, tuple[str, str]], biomarkers: pd.DataFrame) -> list[tuple[str, tuple[str, str]]]:
    """The quantities that were measured in any case."""
    return [
        (column, words)
        for column, words in quantities.items()
        if column in biomarkers and biomarkers[column].notna().any()
    ]


def _together(frames: Sequence[pd.DataFrame], columns: Sequence[str]) -> pd.DataFrame:
    return pd.concat(frames, ignore_index=True)[list(columns)]
