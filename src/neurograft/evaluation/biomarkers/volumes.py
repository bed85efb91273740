"""Volumes of labels in cubic millimetres, and how far a predicted volume is off."""

from collections.abc import Sequence
from typing import Any

from numpy.typing import NDArray

from neurograft.evaluation.overlap.counts import label_overlaps


def label_volumes_mm3(labels: NDArray[Any], values: Sequence[int], voxel_volume_mm3: float) -> dict[int, float]:
    """Volume of each label of a label map.

    Args:
        labels: integer label map, any shape.
        values: distinct label values, 0 for a value found nowhere.
        voxel_volume_mm3: volume of one voxel.

    Example:
        >>> import numpy as np
        >>> label_volumes_mm3(np.array([0, 1, 1, 7]), [1, 2], voxel_volume_mm3=0.5)
        {1: 1.0, 2: 0.0}
    """
    overlaps = label_overlaps(labels, labels, values)
    return {value: overlap.reference_voxels * voxel_volume_mm3 for value, overlap in overlaps.items()}


def volume_difference_mm3(reference_mm3: float, prediction_mm3: float) -> float:
    """Signed difference: positive when the prediction is too large."""
    return prediction_mm3 - reference_mm3


def relative_volume_difference(reference_mm3: float, prediction_mm3: float) -> float:
    """Signed difference as a share of the reference's volume; NaN for an empty reference."""
    if reference_mm3 == 0:
        return float("nan")
    return (prediction_mm3 - reference_mm3) / reference_mm3
