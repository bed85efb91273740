"""Overlap of two masks, and of every label of two label maps in one pass.

Masks that are empty have no natural Dice score. The policy is explicit: when only one of the two
is empty the score is 0; when both are, the score is undefined (``skip``, NaN, left out of means)
or 1 (``perfect``). Whoever prints a mean prints the policy beside it.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

EmptyPolicy = Literal["skip", "perfect"]
"""Dice when both masks are empty: undefined (NaN), or 1."""

OverlapStatus = Literal["ok", "reference-empty", "prediction-empty", "both-empty"]

_VOXELS_AT_ONCE = 1 << 18
"""Counted in pieces that stay in the processor's cache, so that memory does not grow with the volume."""
_MAX_LOOKUP_ENTRIES = 1 << 16
"""Above this range of values a lookup table is given up for a binary search."""


@dataclass(frozen=True)
class Overlap:
    """How many voxels a label has in the reference, in the prediction, and in both."""

    reference_voxels: int
    prediction_voxels: int
    intersection_voxels: int

    @property
    def status(self) -> OverlapStatus:
        """Which of the two masks, if any, is empty."""
        if self.reference_voxels and self.prediction_voxels:
            return "ok"
        if self.reference_voxels:
            return "prediction-empty"
        return "reference-empty" if self.prediction_voxels else "both-empty"

    @property
    def dice(self) -> float:
        """Dice score; NaN when both masks are empty."""
        return self.dice_under("skip")

    def dice_under(self, empty: EmptyPolicy) -> float:
        """Dice score, 2 |R n P| / (|R| + |P|), under a policy for two empty masks."""
        total = self.reference_voxels + self.prediction_voxels
        if total == 0:
            return float("nan") if empty == "skip" else 1.0
        return 2 * self.intersection_voxels / total


def dice(reference: NDArray[Any], prediction: NDArray[Any], empty: EmptyPolicy = "skip") -> float:
    """Dice score of two masks of one shape; any non-zero value counts as inside.

    Raises:
        ValueError: the shapes differ.

    Reference:
        L. R. Dice, "Measures of the amount of ecologic association between species", Ecology, 1945.

    Example:
        >>> dice(np.array([1, 1, 0, 0]), np.array([0, 1, 1, 0]))
        0.5
    """
    _require_same_shape(reference, prediction)
    inside_reference, inside_prediction = reference.astype(bool), prediction.astype(bool)
    overlap = Overlap(
        reference_voxels=int(np.count_nonzero(inside_reference)),
        prediction_voxels=int(np.count_nonzero(inside_prediction)),
        intersection_voxels=int(np.count_nonzero(inside_reference & inside_prediction)),
    )
    return overlap.dice_under(empty)


def label_overlaps(
    reference: NDArray[Any], prediction: NDArray[Any], values: Sequence[int], ignore: int | None = None
) -> dict[int, Overlap]:
    """Overlap of every label of two label maps, counted in one pass.

    Args:
        reference: integer label map, any shape.
        prediction: integer label map of the same shape.
        values: distinct label values to count; others count as background.
        ignore: where the reference has this value, voxels are left out on both sides (not annotated).

    Returns:
        One `Overlap` a value, in the order of `values`, zeros for a value found nowhere.

    Raises:
        ValueError: the shapes differ, or a value is given twice.
    """
    _require_same_shape(reference, prediction)
    if len(set(values)) != len(values):
        raise ValueError(f"label values must be distinct, got {list(values)}")
    rows = len(values) + 1
    counts = np.zeros((rows, rows), dtype=np.int64)
    flat_reference, flat_prediction = reference.ravel(), prediction.ravel()
    for first in range(0, flat_reference.size, _VOXELS_AT_ONCE):
        part = slice(first, first + _VOXELS_AT_ONCE)
        pairs = _positions(flat_reference[part], values) * rows + _positions(flat_prediction[part], values)
        if ignore is not None:
            pairs = pairs[flat_reference[part] != ignore]
        counts += np.bincount(pairs, minlength=rows * rows).reshape(rows, rows)
    in_reference, in_prediction = counts.sum(axis=1), counts.sum(axis=0)
    return {
        value: Overlap(int(in_reference[row]), int(in_prediction[row]), int(counts[row, row]))
        for row, value in enumerate(values, start=1)
    }


def _positions(labels: NDArray[Any], values: Sequence[int]) -> NDArray[np.int64]:
    """Position of each voxel's value in `values`, counted from 1; 0 for a value not among them."""
    if not values:
        return np.zeros(labels.shape, dtype=np.int64)
    lowest, highest = int(labels.min()), int(labels.max())
    if highest - lowest < _MAX_LOOKUP_ENTRIES:
        lookup = np.zeros(highest - lowest + 1, dtype=np.int64)
        for position, value in enumerate(values, start=1):
            if lowest <= value <= highest:
                lookup[value - lowest] = position
        return lookup[labels.astype(np.int64) - lowest]
    order = np.argsort(values)
    ordered = np.asarray(values, dtype=np.int64)[order]
    nearest = np.searchsorted(ordered, labels).clip(max=len(values) - 1)
    return np.where(ordered[nearest] == labels, order[nearest] + 1, 0)


def _require_same_shape(reference: NDArray[Any], prediction: NDArray[Any]) -> None:
    if reference.shape != prediction.shape:
        raise ValueError(f"reference and prediction must have one shape, got {reference.shape} and {prediction.shape}")
