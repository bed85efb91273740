"""Scores against the number of labelled people, each method with its fitted curve and band."""

from collections.abc import Mapping, Sequence

import numpy as np
from markupsafe import Markup
from matplotlib.axes import Axes
from matplotlib.ticker import FixedLocator, NullLocator

from neurograft.reports.number_text import decimal
from neurograft.reports.series_style import SeriesStyle
from neurograft.reports.svg import GROUND, MUTED, drawing, inline_svg, new_figure, plain_axes
from neurograft.studies.answers.label_need import MethodCurve

_POINTS = 60


def learning_curve_figure(
    curves: Sequence[MethodCurve],
    styles: Mapping[str, SeriesStyle],
    unadapted: float | None,
    what: str,
    name: str,
    target: float | None = None,
) -> Markup:
    """Draw the curves of one experiment; the axis of people is logarithmic.

    Args:
        curves: one a method.
        styles: of the methods.
        unadapted: mean of the source as it is, drawn as a dashed line, or said in words where it lies so far off
            that the curves would be pressed together; ``None`` where it was not scored.
        what: label of the vertical axis.
        name: unique in the page.
        target: drawn as a dotted line.

    Returns:
        An SVG element.
    """
    described = []
    with drawing():
        figure = new_figure(6.4, 3.9)
        ax = figure.add_axes((0.125, 0.13, 0.855, 0.84))
        plain_axes(ax)
        ax.set_xscale("log")
        for curve in curves:
            style = styles[curve.method]
            if curve.fit is not None:
                sizes = np.geomspace(min(curve.sizes), max(curve.sizes), _POINTS).tolist()
                low, high = curve.fit.band(sizes)
                ax.fill_between(sizes, low, high, color=style.colour, alpha=0.12, linewidth=0)
                ax.plot(sizes, curve.fit.fitted.at(sizes)[0], color=style.colour, linewidth=1.4)
            else:
                ax.plot(curve.sizes, curve.means, color=style.colour, linewidth=1.0)
            ax.plot(
                curve.sizes, curve.means, style.marker, color=style.colour, markersize=6, markeredgecolor=GROUND,
                markeredgewidth=0.6, linestyle="none",
            )  # fmt: skip
            points = ", ".join(f"{decimal(m)} with {n}" for n, m in zip(curve.sizes, curve.means, strict=True))
            described.append(f"{curve.method}: {points}")
        if unadapted is not None:
            _draw_unadapted(ax, unadapted)
            described.append(f"the source as it is: {decimal(unadapted)}")
        if target is not None:
            ax.axhline(target, color=MUTED, linewidth=1.0, linestyle=(0, (1, 2)))
        ticks = sorted({size for curve in curves for size in curve.sizes})
        ax.xaxis.set_major_locator(FixedLocator(ticks))
        ax.xaxis.set_minor_locator(NullLocator())
        ax.set_xticklabels([str(tick) for tick in ticks])
        ax.set_xlabel("Labelled people")
        ax.set_ylabel(what)
    return inline_svg(figure, name, f"{what} against labelled people. " + "; ".join(described))


def _draw_unadapted(ax: Axes, value: float) -> None:
    """The source as it is: a line, or words where it is further from the curves than they are high."""
    low, high = ax.get_ylim()
    if low - (high - low) <= value <= high + (high - low):
        ax.axhline(value, color=MUTED, linewidth=1.2, linestyle=(0, (5, 3)))
        return
    below = value < low
    words = f"the source as it is: {decimal(value)}, {'below' if below else 'above'} what is drawn"
    height, side = (0.02, "bottom") if below else (0.98, "top")
    ax.text(0.99, height, words, ha="right", va=side, transform=ax.transAxes, color=MUTED, fontsize=8)
