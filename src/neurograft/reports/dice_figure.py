"""Dice of every test subject, a row per strategy: each subject a dot, under it the quartiles."""

import pandas as pd
from markupsafe import Markup

from neurograft.reports.box_figure import BoxRow, ValueAxis, box_figure, lowest_share
from neurograft.reports.series_style import SeriesStyle


def dice_by_subject(scores: pd.DataFrame) -> pd.Series:
    """Mean Dice per subject over its seeds and cases, without those that are not defined.

    Args:
        scores: columns ``subject`` and ``dice``, of one strategy.
    """
    return scores.dropna(subset=["dice"]).groupby("subject", sort=True)["dice"].mean()


def dice_figure(scores: pd.DataFrame, styles: dict[str, SeriesStyle], name: str, lowest: float) -> Markup:
    """Draw strip and box of one label at one number of training subjects.

    Args:
        scores: columns ``strategy``, ``subject``, ``dice``.
        styles: of the strategies, in the order of the rows.
        name: unique in the page.
        lowest: left end of the axis, the same for figures to be compared.

    Returns:
        An SVG element.
    """
    present = set(scores["strategy"])
    rows = [
        BoxRow(
            strategy,
            dice_by_subject(scores[scores["strategy"] == strategy]).to_numpy(float),
            style,
            unit_counted="subject",
        )
        for strategy, style in styles.items()
        if strategy in present
    ]
    axis = ValueAxis("Dice of a test subject", lowest, 1.0)
    return box_figure(rows, axis, name, "Dice per test subject", "not defined for any subject")


def common_lowest(scores: pd.DataFrame) -> float:
    """Left end of the Dice axis: the lowest subject, rounded down to a tenth, and never above 0.8."""
    dice = scores.dropna(subset=["dice"]).groupby(["strategy", "training_subjects", "label", "subject"])["dice"].mean()
    return lowest_share(dice.to_numpy(float))
