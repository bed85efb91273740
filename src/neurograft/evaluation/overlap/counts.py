"""How many voxels every pair of labels shares: one pass over two label maps, and all overlaps from it.

Masks that are empty have no natural Dice score. The policy is explicit: when only one of the two
is empty the score is 0; when both are, the score is undefined (``skip``, NaN, left out of means)
or 1 (``perfect``). Whoever prints a mean prints the policy beside it.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from neurograft.evaluation.overlap.positions import (
    memory_order,
    occupied_box,
    position_lookup,
    require_distinct,
    require_label_maps,
    slabs,
)
from neurograft.evaluation.policies import EmptyPolicy

OverlapStatus = Literal["ok", "reference-empty", "prediction-empty", "both-empty"]


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


@dataclass(frozen=True, eq=False)
class LabelCounts:
    """Voxels of two label maps by what the one and what the other calls them.

    Args:
        values: distinct label values, n of them.
        matrix: (n + 1, n + 1) voxel counts, a row per value in the reference, a column per value in
            the prediction, in the order of `values`. Row and column 0 are every other value, which
            is background as a rule.

    Raises:
        ValueError: a value given twice, or a matrix of another shape.
    """

    values: tuple[int, ...]
    matrix: NDArray[np.int64]

    def __post_init__(self) -> None:
        require_distinct(self.values)
        side = len(self.values) + 1
        if self.matrix.shape != (side, side):
            raise ValueError(f"{len(self.values)} labels need a matrix of {side} x {side}, got {self.matrix.shape}")

    def __add__(self, other: "LabelCounts") -> "LabelCounts":
        """Counts of two cases together.

        Raises:
            ValueError: other labels were counted, or in another order.
        """
        if self.values != other.values:
            raise ValueError(f"counts of different labels do not add up: {self.values} and {other.values}")
        return LabelCounts(self.values, self.matrix + other.matrix)

    @property
    def total_voxels(self) -> int:
        """All voxels that were compared; those left out as not annotated are not among them."""
        return int(self.matrix.sum())

    def overlap(self, value: int) -> Overlap:
        """Overlap of one label.

        Raises:
            ValueError: the value was not counted.
        """
        return self.group((value,))

    def group(self, values: Sequence[int]) -> Overlap:
        """Overlap of several labels taken together, such as left and right, or all tissues.

        A voxel is a hit when reference and prediction both hold a label of the group, be it another
        one: confusion inside the group is no error of the group.

        Raises:
            ValueError: no value, or one that was not counted.
        """
        rows = sorted({self.row_of(value) for value in values})
        if not rows:
            raise ValueError("a group needs at least one label value")
        return Overlap(
            reference_voxels=int(self.matrix[rows].sum()),
            prediction_voxels=int(self.matrix[:, rows].sum()),
            intersection_voxels=int(self.matrix[np.ix_(rows, rows)].sum()),
        )

    def row_of(self, value: int) -> int:
        """Row, and column, of a value in the matrix.

        Raises:
            ValueError: the value was not counted.
        """
        if value not in self.values:
            raise ValueError(f"label value {value} was not counted; counted were {list(self.values)}")
        return self.values.index(value) + 1


def count_labels(
    reference: NDArray[Any], prediction: NDArray[Any], values: Sequence[int], ignore: int | None = None
) -> LabelCounts:
    """Count the voxels of every pair of labels in one pass.

    Args:
        reference: integer label map with one axis or more.
        prediction: integer label map of the same shape.
        values: distinct label values to count; others count as background.
        ignore: where the reference has this value, voxels are left out on both sides (not annotated).

    Raises:
        ValueError: the shapes differ, an array holds no integers, or a value is given twice.

    Example:
        >>> count_labels(np.array([0, 1, 1, 2]), np.array([0, 1, 2, 2]), [1, 2]).matrix.tolist()
        [[1, 0, 0], [0, 1, 1], [0, 0, 1]]
    """
    require_label_maps(reference, prediction)
    values = tuple(map(int, values))
    require_distinct(values)
    positions = position_lookup(values)
    # Voxels to ignore get a row of their own, which is dropped in the end, so that no slab is filtered.
    dropped = len(values) + 1
    side = dropped + (ignore is not None)
    box = occupied_box(reference, prediction)
    order = memory_order(reference)
    inner_reference, inner_prediction = (labels[box].transpose(order) for labels in (reference, prediction))
    counts = np.zeros(side * dropped, dtype=np.int64)
    for slab in slabs(inner_reference.shape):
        pairs = positions(inner_reference[slab])
        if ignore is not None:
            pairs[inner_reference[slab] == ignore] = dropped
        pairs *= dropped
        pairs += positions(inner_prediction[slab])
        counts += np.bincount(pairs.ravel(), minlength=counts.size)
    matrix = counts.reshape(side, dropped)[:dropped]
    if ignore != 0:
        zero = int(positions(np.zeros(1, dtype=np.int64))[0])
        matrix[zero, zero] += reference.size - inner_reference.size
    matrix.flags.writeable = False
    return LabelCounts(values, matrix)


def label_overlaps(
    reference: NDArray[Any], prediction: NDArray[Any], values: Sequence[int], ignore: int | None = None
) -> dict[int, Overlap]:
    """Overlap of every label of two label maps; arguments and errors as `count_labels`.

    Returns:
        One `Overlap` a value, in the order of `values`, zeros for a value found nowhere.
    """
    counts = count_labels(reference, prediction, values, ignore)
    return {value: counts.overlap(value) for value in values}


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
    return label_overlaps(reference.astype(bool), prediction.astype(bool), [1])[1].dice_under(empty)
