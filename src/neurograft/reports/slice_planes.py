"""Which slices of a case to show, and how a plane lies before a reader in radiological convention."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from neurograft.reports.comparison import SliceExample

MARGIN_MM = 6.0
SMALLEST_SIDE_MM = 24.0
FURTHEST_PREDICTION_MM = 12.0
"""How far beyond the true structure a stray prediction still widens the view."""


@dataclass(frozen=True)
class Plane:
    """An anatomical plane: the array axis through it, those across and up, and the four letters.

    Arrays are RAS, so index 0 of the axes is left, posterior, inferior. Radiological convention
    puts the patient's right on the reader's left; sagittal planes look at the nose on the left.
    """

    name: str
    through: int
    across: int
    up: int
    letters: tuple[str, str, str, str]
    """Left, right, top and bottom of the picture."""


PLANES = (
    Plane("axial", 2, 0, 1, ("R", "L", "A", "P")),
    Plane("coronal", 1, 0, 2, ("R", "L", "S", "I")),
    Plane("sagittal", 0, 1, 2, ("A", "P", "S", "I")),
)


@dataclass(frozen=True)
class View:
    """A cube in mm that every plane of a case shows, so that their scales agree."""

    centre_mm: tuple[float, float, float]
    side_mm: float


def planar(volume: NDArray[Any], plane: Plane, index: int) -> NDArray[Any]:
    """Cut a slice as rows from bottom to top and columns from the reader's left to right.

    Args:
        volume: (D, H, W) in RAS.
        plane: the plane.
        index: of the slice along ``plane.through``.

    Returns:
        (rows, columns). Both horizontal directions run against the array: right to left, front to back.
    """
    rows_by_columns = np.moveaxis(volume, (plane.through, plane.up, plane.across), (0, 1, 2))[index]
    return rows_by_columns[:, ::-1]


def shown_structure(example: SliceExample) -> NDArray[np.bool_]:
    """The mask that the view follows: the truth, else the prediction, else the whole image."""
    for classes in (example.truth, example.prediction):
        if (classes > 0).any():
            return np.asarray(classes > 0)
    return np.ones(example.image.shape, bool)


def largest_slice(mask: NDArray[np.bool_], axis: int) -> int:
    """The index along `axis` at which the mask's cross-section is largest; of several, the middle one."""
    areas = mask.sum(axis=tuple(other for other in range(3) if other != axis))
    best = np.flatnonzero(areas == areas.max())
    return int(best[len(best) // 2])


def view_of(example: SliceExample) -> View:
    """A cube around the true structure with a margin, widened for predictions that lie nearby."""
    spacing = np.asarray(example.spacing_mm, float)
    start, stop = _extent_mm(shown_structure(example), spacing)
    if (example.prediction > 0).any():
        first, last = _extent_mm(example.prediction > 0, spacing)
        start = np.minimum(start, np.maximum(first, start - FURTHEST_PREDICTION_MM))
        stop = np.maximum(stop, np.minimum(last, stop + FURTHEST_PREDICTION_MM))
    side = max(float((stop - start).max()) + 2 * MARGIN_MM, SMALLEST_SIDE_MM)
    # No larger than the image: a structure that fills it is shown without bars around it.
    side = min(side, float((np.asarray(example.image.shape) * spacing).max()))
    x, y, z = (start + stop) / 2
    return View((float(x), float(y), float(z)), side)


def box_of(view: View, example: SliceExample) -> tuple[slice, slice, slice]:
    """The voxels of a case that a view shows."""
    x, y, z = (
        slice(
            max(0, int((middle - view.side_mm / 2) / side)),
            min(size, int(np.ceil((middle + view.side_mm / 2) / side))),
        )
        for middle, side, size in zip(view.centre_mm, example.spacing_mm, example.image.shape, strict=True)
    )
    return x, y, z


def predicted_outside(example: SliceExample, view: View) -> int:
    """How many predicted voxels lie outside the view in any direction."""
    voxels_mm = (np.argwhere(example.prediction > 0) + 0.5) * np.asarray(example.spacing_mm)
    return int((np.abs(voxels_mm - view.centre_mm) > view.side_mm / 2).any(axis=1).sum())


def _extent_mm(mask: NDArray[np.bool_], spacing: NDArray[np.float64]) -> tuple[NDArray[Any], NDArray[Any]]:
    voxels = np.argwhere(mask)
    return voxels.min(axis=0) * spacing, (voxels.max(axis=0) + 1) * spacing
