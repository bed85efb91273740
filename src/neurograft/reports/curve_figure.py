"""Learning curves: training loss, and validation Dice where it was measured."""

from collections.abc import Mapping

import numpy as np
import pandas as pd
from markupsafe import Markup

from neurograft.reports.number_text import decimal
from neurograft.reports.series_style import SeriesStyle, strategy_of_arm
from neurograft.reports.svg import GROUND, drawing, inline_svg, new_figure, plain_axes

LOSS = "training/loss"
VALIDATION = "validation/dice"

SMOOTHED_FROM_STEPS = 60
"""A loss with at least so many points is drawn as a running mean; fewer are drawn as they are."""


def smoothing_window(points: int) -> int:
    """Points that go into a running mean of the loss: a thirtieth of the curve, and an odd number."""
    return 1 if points < SMOOTHED_FROM_STEPS else points // 30 // 2 * 2 + 1


def has_values(curves: Mapping[str, pd.DataFrame], column: str) -> bool:
    """Whether any arm logged a column."""
    return any(column in curve and bool(curve[column].notna().any()) for curve in curves.values())


def curve_figure(
    curves: Mapping[str, pd.DataFrame], styles: dict[str, SeriesStyle], column: str, what: str, name: str
) -> Markup:
    """Draw one logged quantity of every arm against the training step.

    Args:
        curves: arm name to columns ``step`` and `column`; NaN where nothing was logged.
        styles: of the strategies and of arms that belong to none.
        column: what is drawn; the loss is smoothed.
        what: label of the vertical axis.
        name: unique in the page.

    Returns:
        An SVG element.
    """
    described = []
    with drawing():
        figure = new_figure(4.9, 3.1)
        ax = figure.add_axes((0.115, 0.15, 0.865, 0.82))
        plain_axes(ax)
        for arm, curve in curves.items():
            if column not in curve:
                continue
            logged = curve[["step", column]].dropna()
            if logged.empty:
                continue
            style = styles[strategy_of_arm(arm, styles) or arm]
            steps, values = logged["step"].to_numpy(float), logged[column].to_numpy(float)
            if column == LOSS:
                values = (
                    pd.Series(values)
                    .rolling(smoothing_window(len(values)), center=True, min_periods=1)
                    .mean()
                    .to_numpy()
                )
            ax.plot(
                steps, values, color=style.colour, linewidth=1.6, marker=style.marker, markersize=5.5,
                markeredgecolor=GROUND, markeredgewidth=0.6, markevery=_marked(len(values), style.slot),
            )  # fmt: skip
            described.append(f"{arm}: from {decimal(values[0], 2)} to {decimal(values[-1], 2)} at step {steps[-1]:.0f}")
        ax.set_xlabel("Training step")
        ax.set_ylabel(what)
        ax.set_xlim(left=0)
        if column == VALIDATION:
            low, high = ax.get_ylim()
            ax.set_ylim(max(low, 0.0) if low < 0.15 else np.floor(low * 10) / 10, min(1.0, max(high, low + 0.1)))
    return inline_svg(figure, name, f"{what} against training step. " + "; ".join(described))


def _marked(points: int, slot: int) -> list[int]:
    """Points that get a marker: all of a short curve, about eight of a long one, apart from other series' ones."""
    step = max(1, points // 8)
    return list(range(slot * step // 8 if step > 1 else 0, points, step))
