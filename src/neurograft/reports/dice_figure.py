"""Dice of every test subject, a row per strategy: each subject a dot, under it the quartiles."""

import numpy as np
import pandas as pd
from markupsafe import Markup
from matplotlib.axes import Axes

from neurograft.reports.number_text import decimal
from neurograft.reports.series_style import SeriesStyle
from neurograft.reports.svg import GROUND, INK, drawing, inline_svg, new_figure, plain_axes

_GOLDEN = 0.6180339887498949


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
    strategies = [strategy for strategy in styles if strategy in present]
    with drawing():
        figure = new_figure(4.9, 0.62 + 0.62 * len(strategies))
        ax = figure.add_axes((0.02, 0.5 / figure.get_figheight(), 0.95, 1 - 0.56 / figure.get_figheight()))
        plain_axes(ax, grid="x")
        described = []
        for row, strategy in enumerate(strategies):
            dice = dice_by_subject(scores[scores["strategy"] == strategy]).to_numpy(float)
            _draw_row(ax, -row, dice, styles[strategy])
            ax.text(lowest, -row + 0.37, strategy, color=INK, va="center", weight="bold", parse_math=False)
            middle = decimal(float(np.median(dice))) if len(dice) else "not defined"
            described.append(f"{strategy}: median {middle}, {len(dice)} subjects")
        ax.set_xlim(lowest - 0.005, 1.0)
        ax.set_ylim(-len(strategies) + 0.45, 0.56)
        ax.set_yticks([])
        ax.spines["left"].set_visible(False)
        ax.set_xlabel("Dice of a test subject")
    return inline_svg(figure, name, "Dice per test subject. " + "; ".join(described))


def _draw_row(ax: Axes, row: float, dice: np.ndarray, style: SeriesStyle) -> None:
    if not len(dice):
        ax.text(0.5, row, "not defined for any subject", color=INK, va="center", transform=ax.get_yaxis_transform())
        return
    # Spread by the golden ratio: as even as chance, and the same each time.
    spread = ((np.arange(len(dice)) * _GOLDEN) % 1 - 0.5) * 0.24
    ax.plot(
        dice, row + 0.02 + spread, linestyle="none", marker=style.marker, markersize=4.2, color=style.colour,
        markeredgecolor=GROUND, markeredgewidth=0.4, alpha=0.75, clip_on=False,
    )  # fmt: skip
    low, middle, high = np.percentile(dice, [25, 50, 75])
    below = row - 0.26
    ax.plot([dice.min(), dice.max()], [below, below], color=style.colour, linewidth=1, solid_capstyle="butt")
    ax.barh(below, high - low, left=low, height=0.15, color=style.colour, linewidth=0)
    ax.plot([middle, middle], [below - 0.12, below + 0.12], color=INK, linewidth=2, solid_capstyle="butt")


def common_lowest(scores: pd.DataFrame) -> float:
    """Left end of the Dice axis: the lowest subject, rounded down to a tenth, and never above 0.8."""
    dice = scores.dropna(subset=["dice"]).groupby(["strategy", "training_subjects", "label", "subject"])["dice"].mean()
    return 0.0 if dice.empty else float(max(0.0, min(0.8, np.floor((dice.min() - 0.01) * 10) / 10)))
