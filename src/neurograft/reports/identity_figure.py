"""Predicted against reference value of every case, with the line on which both are the same."""

import numpy as np
from markupsafe import Markup

from neurograft.reports.box_figure import value_ends
from neurograft.reports.paired_measurements import PairedMeasurements
from neurograft.reports.series_style import ONE_SERIES
from neurograft.reports.svg import GROUND, MUTED, drawing, inline_svg, new_figure, plain_axes

SIDE_INCHES = 3.4


def identity_figure(measured: PairedMeasurements, name: str) -> Markup:
    """Draw a scatter whose two axes are the same.

    Args:
        measured: at least one case.
        name: unique in the page.

    Returns:
        An SVG element.
    """
    limits = value_ends(np.concatenate([measured.reference, measured.prediction]))
    unit = f", {measured.unit}" if measured.unit else ""
    with drawing():
        figure = new_figure(SIDE_INCHES, SIDE_INCHES)
        ax = figure.add_axes((0.19, 0.14, 0.78, 0.83))
        plain_axes(ax)
        ax.plot(limits, limits, color=MUTED, linewidth=1, linestyle=(0, (4, 3)))
        ax.plot(
            measured.reference, measured.prediction, linestyle="none", marker=ONE_SERIES.marker, markersize=4.8,
            color=ONE_SERIES.colour, markeredgecolor=GROUND, markeredgewidth=0.4, alpha=0.8, clip_on=False, gid="dots",
        )  # fmt: skip
        ax.set_xlim(limits)
        ax.set_ylim(limits)
        ax.locator_params(nbins=5)
        ax.set_xlabel(f"Reference{unit}")
        ax.set_ylabel(f"Prediction{unit}")
    alternative = (
        f"Predicted against reference {measured.quantity} of {measured.label}: {len(measured.cases)} cases, "
        f"{int((measured.prediction > measured.reference).sum())} of them above the line of identity"
    )
    return inline_svg(figure, name, alternative, titles={"dots": measured.titles()})
