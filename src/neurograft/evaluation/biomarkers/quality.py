"""Reasons to doubt a biomarker, found in the masks and intensities that it was measured from.

A contrast ratio against a region of three voxels at the rim of the image is a number like any other.
The flags say what stands behind it; none of them changes a figure.
"""

from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from neurograft.evaluation.biomarkers.contrast import ReferenceStatistic, reference_signal
from neurograft.evaluation.biomarkers.intensity import region_intensities

QualityFlag = Literal[
    "structure-empty",
    "nonfinite-intensities",
    "reference-region-missing",
    "reference-region-empty",
    "reference-region-tiny",
    "reference-region-touches-border",
    "reference-region-off-image",
    "reference-region-overlaps-structure",
    "reference-signal-not-positive",
]

FLAG_MEANINGS: dict[QualityFlag, str] = {
    "structure-empty": "the structure has no voxel: no intensity and no contrast ratio",
    "nonfinite-intensities": "voxels of the structure or the reference region are NaN or infinite, and are left out",
    "reference-region-missing": "no reference region was given: no contrast ratio",
    "reference-region-empty": "the reference region has no voxel, or lies wholly off the image: no contrast ratio",
    "reference-region-tiny": "the reference region has too few voxels for a steady signal",
    "reference-region-touches-border": "the reference region reaches the border of the image and may be cut off",
    "reference-region-off-image": "part of the reference region has no signal: zero, NaN or infinite",
    "reference-region-overlaps-structure": "structure and reference region share voxels, which draws their ratio to 0",
    "reference-signal-not-positive": "the signal of the reference region is not positive: no contrast ratio",
}

LEAST_REFERENCE_VOXELS = 20
"""The mean of 20 independent voxels has a standard error of under a quarter of the noise."""

MOST_OFF_IMAGE_SHARE = 0.05
"""Share of a reference region that may lack signal before it is said to lie off the image."""


def reference_flags(
    image: NDArray[Any],
    structure_mask: NDArray[Any],
    reference_mask: NDArray[Any] | None,
    least_voxels: int = LEAST_REFERENCE_VOXELS,
    most_off_image_share: float = MOST_OFF_IMAGE_SHARE,
    reference_statistic: ReferenceStatistic = "mean",
) -> tuple[QualityFlag, ...]:
    """Reasons to doubt a contrast ratio, in the order of `FLAG_MEANINGS`; none when all is well.

    Args:
        image: intensities, any shape.
        structure_mask: same shape, non-zero inside the structure.
        reference_mask: same shape, non-zero inside the reference region; ``None`` where there is none.
        least_voxels: a smaller reference region is tiny.
        most_off_image_share: share of the reference region, 0 to 1, that may be zero, NaN or infinite
            (padding, or outside the field of view) before it is flagged.
        reference_statistic: what the reference signal is.

    Raises:
        ValueError: the shapes differ, or an unknown statistic.
    """
    structure = region_intensities(image, structure_mask)
    nonfinite = not np.isfinite(structure).all()
    found: set[QualityFlag] = set()
    if not structure.size:
        found.add("structure-empty")
    if reference_mask is None:
        found.add("reference-region-missing")
    else:
        reference = region_intensities(image, reference_mask)
        finite = np.isfinite(reference)
        nonfinite |= not finite.all()
        if not reference.size:
            found.add("reference-region-empty")
        else:
            inside = reference_mask != 0
            if reference.size < least_voxels:
                found.add("reference-region-tiny")
            if _touches_border(inside):
                found.add("reference-region-touches-border")
            if np.mean(~finite | (reference == 0)) > most_off_image_share:
                found.add("reference-region-off-image")
            if (structure_mask[inside] != 0).any():
                found.add("reference-region-overlaps-structure")
            if not reference_signal(reference, reference_statistic) > 0:
                found.add("reference-signal-not-positive")
    if nonfinite:
        found.add("nonfinite-intensities")
    return tuple(flag for flag in FLAG_MEANINGS if flag in found)


def _touches_border(inside: NDArray[np.bool_]) -> bool:
    """Whether a mask reaches the first or last slice along an axis; an axis of one slice is all border."""
    return any(inside.take((0, -1), axis=axis).any() for axis in range(inside.ndim))
