"""From a row per case and label to a row per label: means, spread, intervals, and what is behind them."""

import numpy as np
import pandas as pd

from neurograft.evaluation.intervals import subject_bootstrap
from neurograft.evaluation.overlap import EmptyPolicy

EMPTY_POLICY_TEXT: dict[EmptyPolicy, str] = {
    "skip": "label absent from both: left out",
    "perfect": "label absent from both: Dice 1",
}
ONE_EMPTY_TEXT = "absent from one: Dice 0"
MISSING_TEXT = "prediction missing: Dice 0"


def summarise(
    scores: pd.DataFrame, empty: EmptyPolicy = "skip", level: float = 0.95, draws: int = 10_000, seed: int = 0
) -> pd.DataFrame:
    """Summarise scores per label, in the order in which labels first appear.

    A missing prediction counts as Dice 0; a case that is empty on both sides counts as the policy
    says. Volume differences are over the cases that have a prediction.

    Args:
        scores: rows with the columns ``case``, ``subject``, ``label``, ``dice``, ``reference_mm3``,
            ``prediction_mm3``, ``volume_difference_mm3`` and ``status``.
        empty: the policy for a label absent from both, applied here whatever the rows were made with.
        level: coverage of the interval of the mean Dice.
        draws: bootstrap resamples, over subjects.
        seed: of the bootstrap.

    Returns:
        One row a label: ``label``, ``n`` (cases in the mean), ``n_subjects`` (theirs), ``dice_mean``,
        ``dice_sd`` (n - 1 in the denominator), ``dice_low``, ``dice_high``, ``dice_min``,
        ``volume_difference_mm3_mean``, ``volume_difference_mm3_sd``, ``n_missing``, ``n_both_empty``,
        ``n_reference_empty``, ``n_prediction_empty`` and ``policy`` in words.
    """
    by_label = scores.groupby("label", sort=False)
    return pd.DataFrame([_summary_row(str(label), rows, empty, level, draws, seed) for label, rows in by_label])


def _summary_row(
    label: str, rows: pd.DataFrame, empty: EmptyPolicy, level: float, draws: int, seed: int
) -> dict[str, str | int | float]:
    both_empty = rows["status"] == "both-empty"
    dice = rows["dice"].where(~both_empty, np.nan if empty == "skip" else 1.0)
    counted = dice.notna()
    by_subject: dict[str, list[float]] = {}
    for subject, value in zip(rows.loc[counted, "subject"], dice[counted], strict=True):
        by_subject.setdefault(str(subject), []).append(float(value))
    low, high = subject_bootstrap(by_subject, level=level, draws=draws, seed=seed)
    difference = rows["volume_difference_mm3"]
    count = rows["status"].value_counts()
    return {
        "label": label,
        "n": int(counted.sum()),
        "n_subjects": len(by_subject),
        "dice_mean": float(dice.mean()),
        "dice_sd": float(dice.std()),
        "dice_low": low,
        "dice_high": high,
        "dice_min": float(dice.min()),
        "volume_difference_mm3_mean": float(difference.mean()),
        "volume_difference_mm3_sd": float(difference.std()),
        "n_missing": int(count.get("prediction-missing", 0)),
        "n_both_empty": int(count.get("both-empty", 0)),
        "n_reference_empty": int(count.get("reference-empty", 0)),
        "n_prediction_empty": int(count.get("prediction-empty", 0)),
        "policy": "; ".join((EMPTY_POLICY_TEXT[empty], ONE_EMPTY_TEXT, MISSING_TEXT)),
    }
