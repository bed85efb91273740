"""Difference of prediction and reference against their mean, with bias and limits of agreement."""

import numpy as np
from markupsafe import Markup
from matplotlib.axes import Axes

from neurograft.evaluation.agreement.bland_altman import BlandAltman
from neurograft.reports.box_figure import value_ends
from neurograft.reports.identity_figure import SIDE_INCHES
from neurograft.reports.number_text import common_digits, decimal, interval, p_value
from neurograft.reports.paired_measurements import PairedMeasurements
from neurograft.reports.series_style import ONE_SERIES
from neurograft.reports.svg import GROUND, INK, MUTED, RULE, drawing, inline_svg, new_figure, plain_axes


def bland_altman_figure(measured: PairedMeasurements, name: str) -> Markup:
    """Draw a Bland-Altman plot; bands are the intervals of bias and limits.

    Args:
        measured: at least one case.
        name: unique in the page.

    Returns:
        An SVG element.
    """
    means = (measured.reference + measured.prediction) / 2
    differences = measured.prediction - measured.reference
    analysis = measured.analysis
    ends = _ends_of_limits(analysis) if measured.has_limits else []
    unit = f", {measured.unit}" if measured.unit else ""
    with drawing():
        figure = new_figure(SIDE_INCHES, SIDE_INCHES)
        # Wide enough on the right for the values of the lines.
        ax = figure.add_axes((0.19, 0.14, 0.65, 0.83))
        plain_axes(ax)
        ax.set_xlim(value_ends(means))
        ax.set_ylim(value_ends(np.array([*differences, *ends, 0.0])))
        ax.axhline(0, color=MUTED, linewidth=1, linestyle=(0, (1, 2)))
        if measured.has_limits:
            _draw_lines(ax, analysis)
        ax.plot(
            means, differences, linestyle="none", marker=ONE_SERIES.marker, markersize=4.8, color=ONE_SERIES.colour,
            markeredgecolor=GROUND, markeredgewidth=0.4, alpha=0.8, clip_on=False, gid="dots",
        )  # fmt: skip
        ax.locator_params(nbins=5)
        ax.set_xlabel(f"Mean of both{unit}")
        ax.set_ylabel(f"Prediction − reference{unit}")
    alternative = (
        f"Bland-Altman plot of {measured.quantity} of {measured.label}, {len(measured.cases)} cases: "
        f"{agreement_words(measured)}"
    )
    return inline_svg(figure, name, alternative, titles={"dots": measured.titles()})


def agreement_words(measured: PairedMeasurements) -> str:
    """Bias and limits with their unit, such as ``bias +12 (−3 to +27), limits −80 to +104 mm³``."""
    analysis = measured.analysis
    unit = f" {measured.unit}" if measured.unit else ""
    limits = (analysis.lower, analysis.upper) if measured.has_limits else ()
    digits = common_digits([analysis.bias, *limits])
    bias = f"bias {decimal(analysis.bias, digits, signed=True)}"
    if not measured.has_limits:
        return f"{bias}{unit}; too few subjects for limits of agreement"
    if np.isfinite(analysis.bias_low):
        bias += f" ({interval(analysis.bias_low, analysis.bias_high, signed=True, digits=digits)})"
    words = f"{bias}, limits {interval(analysis.lower, analysis.upper, signed=True, digits=digits)}{unit}"
    if np.isfinite(analysis.proportional_p):
        words += f"; slope of difference on mean: p {_equals(p_value(analysis.proportional_p))}"
    return words


def _equals(text: str) -> str:
    return text if text.startswith("<") else f"= {text}"


def _draw_lines(ax: Axes, analysis: BlandAltman) -> None:
    digits = common_digits([analysis.bias, analysis.lower, analysis.upper])
    for value, low, high, dashed in (
        (analysis.bias, analysis.bias_low, analysis.bias_high, False),
        (analysis.lower, analysis.lower_low, analysis.lower_high, True),
        (analysis.upper, analysis.upper_low, analysis.upper_high, True),
    ):
        if np.isfinite([low, high]).all():
            ax.axhspan(low, high, facecolor=RULE, alpha=0.55, linewidth=0)
        ax.axhline(value, color=INK, linewidth=1.3, linestyle=(0, (5, 3)) if dashed else "-")
    heights = _apart([analysis.lower, analysis.bias, analysis.upper], *ax.get_ylim())
    for value, height in zip((analysis.lower, analysis.bias, analysis.upper), heights, strict=True):
        ax.text(
            1.02, height, decimal(value, digits, signed=True), color=INK, va="center", fontsize=8.5,
            transform=ax.get_yaxis_transform(),
        )  # fmt: skip


def _ends_of_limits(analysis: BlandAltman) -> list[float]:
    """The limits with their intervals, of very wide ones only a part, so that the cases keep their room."""
    most = 0.25 * (analysis.upper - analysis.lower)
    below = np.nanmax([analysis.lower - analysis.lower_low, 0])
    above = np.nanmax([analysis.upper_high - analysis.upper, 0])
    return [analysis.lower - min(below, most), analysis.upper + min(above, most)]


def _apart(values: list[float], low: float, high: float) -> list[float]:
    """Heights for the texts of three ascending lines, moved from the middle one where they would touch."""
    least = 0.05 * (high - low)
    below, middle, above = values
    return [min(below, middle - least), middle, max(above, middle + least)]
