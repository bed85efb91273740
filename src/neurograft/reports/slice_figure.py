"""A slice of a case with the contours of the true and the predicted structure."""

from typing import Any

import numpy as np
from markupsafe import Markup
from matplotlib.axes import Axes
from numpy.typing import NDArray

from neurograft.reports.comparison import SliceExample
from neurograft.reports.slice_planes import Plane, View, box_of, planar
from neurograft.reports.svg import drawing, inline_svg, new_figure

# Orange and sky blue of Okabe and Ito (2008): told apart with every common colour blindness, and
# both bright on a grey image. The truth is broad and below, so that it shows where the two agree.
TRUTH_COLOUR = "#f5a700"
PREDICTION_COLOUR = "#6fd0ff"
_DASHES = (5.0, 2.4)
"""Points drawn and left out along the prediction's contour."""
_SIDE_INCHES = 3.0


def slice_figure(example: SliceExample, plane: Plane, index: int, view: View, name: str) -> Markup:
    """Draw one plane of a case, zoomed on the structure, one mm as long across as up.

    Args:
        example: the case.
        plane: which plane.
        index: of the slice along ``plane.through``.
        view: the cube of the case in mm.
        name: unique in the page.

    Returns:
        An SVG element: the image as a picture within, the contours as lines.
    """
    picture = np.nan_to_num(planar(example.image, plane, index).astype(float))
    rows, columns = picture.shape
    up_mm, across_mm = example.spacing_mm[plane.up], example.spacing_mm[plane.across]
    # Columns run against the array, so the centre is measured from the other end.
    centre = (columns * across_mm - view.centre_mm[plane.across], view.centre_mm[plane.up])
    left, bottom = (middle - view.side_mm / 2 for middle in centre)
    with drawing():
        figure = new_figure(_SIDE_INCHES, _SIDE_INCHES)
        ax = figure.add_axes((0, 0, 1, 1))
        ax.axis("off")
        figure.patch.set_facecolor("#000000")
        darkest, brightest = _window(example.image[box_of(view, example)])
        ax.imshow(
            picture, cmap="gray", vmin=darkest, vmax=brightest, origin="lower", interpolation="bilinear",
            interpolation_stage="data", extent=(0, columns * across_mm, 0, rows * up_mm),
        )  # fmt: skip
        # Dark edges first, so that no line hides another and both stand out on a bright structure.
        for classes, colour, width, dashes in (
            (example.truth, "#00000099", 3.8, None),
            (example.prediction, "#00000099", 2.8, _DASHES),
            (example.truth, TRUTH_COLOUR, 2.6, None),
            (example.prediction, PREDICTION_COLOUR, 1.6, _DASHES),
        ):
            _contours(ax, planar(classes, plane, index), (across_mm, up_mm), colour, width, dashes)
        ax.set_xlim(left, left + view.side_mm)
        ax.set_ylim(bottom, bottom + view.side_mm)
        ax.set_aspect("equal")
        _letters(ax, plane)
        _scale_bar(ax, view)
    by = f" by {example.strategy}" if example.strategy else ""
    alternative = (
        f"{plane.name} slice {index + 1} of case {example.case} with contours of the truth and of the prediction{by}; "
        f"{plane.letters[0]} is on the left"
    )
    return inline_svg(figure, name, alternative, image_dpi=130)


def _window(image: NDArray[Any]) -> tuple[float, float]:
    finite = image[np.isfinite(image)]
    if not finite.size:
        return 0.0, 1.0
    darkest, brightest = (float(value) for value in np.percentile(finite, [0.5, 99.8]))
    return darkest, max(brightest, darkest + 1e-6)


def _contours(
    ax: Axes,
    classes: NDArray[Any],
    spacing_mm: tuple[float, float],
    colour: str,
    width: float,
    dashes: tuple[float, float] | None,
) -> None:
    rows, columns = classes.shape
    # A ring of background closes the contour of a structure that reaches the edge of the image.
    across = (np.arange(-1, columns + 1) + 0.5) * spacing_mm[0]
    up = (np.arange(-1, rows + 1) + 0.5) * spacing_mm[1]
    for value in np.unique(classes[classes > 0]):
        mask = np.pad(classes == value, 1).astype(float)
        lines = ax.contour(across, up, mask, levels=[0.5], colors=[colour], linewidths=width)
        if dashes is not None:
            # Dashes scale with the width of their line; a contour and its dark edge need the same.
            lines.set_linestyle([(0, tuple(length / width for length in dashes))])


def _letters(ax: Axes, plane: Plane) -> None:
    places = ((0.03, 0.5), (0.97, 0.5), (0.5, 0.97), (0.5, 0.03))
    aligned = (("left", "center"), ("right", "center"), ("center", "top"), ("center", "bottom"))
    for letter, (x, y), (ha, va) in zip(plane.letters, places, aligned, strict=True):
        ax.text(x, y, letter, transform=ax.transAxes, color="#ffffff", ha=ha, va=va, fontsize=10, weight="bold")


def _scale_bar(ax: Axes, view: View) -> None:
    length_mm = 10 if view.side_mm >= 30 else 5
    share = length_mm / view.side_mm
    ax.plot([0.96 - share, 0.96], [0.035, 0.035], transform=ax.transAxes, color="#ffffff", linewidth=2.5)
    ax.text(
        0.96 - share / 2, 0.05, f"{length_mm} mm", transform=ax.transAxes, color="#ffffff", ha="center", va="bottom",
        fontsize=8.5,
    )  # fmt: skip
