"""Where label maps hold anything at all, and which of the wanted labels each voxel holds.

A whole-brain map is mostly zeros. Whatever counts labels first cuts both maps to the smallest box
that holds every voxel that is not 0 in either of them, and then walks that box in slabs.
"""

from collections.abc import Callable, Iterator, Sequence
from math import prod
from typing import Any

import numpy as np
from numpy.typing import NDArray

Positions = NDArray[np.int64]

_VOXELS_AT_ONCE = 1 << 18
"""A slab's voxels stay in the processor's cache, and memory does not grow with the volume."""
_MAX_TABLE_ENTRIES = 1 << 16
"""Above this range of values a table is given up for a binary search."""


def require_label_maps(reference: NDArray[Any], prediction: NDArray[Any]) -> None:
    """Refuse two arrays that cannot be compared label by label.

    Raises:
        ValueError: the shapes differ, there is no axis, or the values are no integers.
    """
    if reference.shape != prediction.shape:
        raise ValueError(f"reference and prediction must have one shape, got {reference.shape} and {prediction.shape}")
    if reference.ndim == 0:
        raise ValueError("a label map needs at least one axis, got a single number")
    for name, labels in (("reference", reference), ("prediction", prediction)):
        if labels.dtype.kind not in "iub":
            raise ValueError(f"a label map must hold integers, but the {name} is of type {labels.dtype}")


def require_distinct(values: Sequence[int]) -> None:
    """Refuse label values of which one is given twice.

    Raises:
        ValueError: naming all of them.
    """
    if len(set(values)) != len(values):
        raise ValueError(f"label values must be distinct, got {list(values)}")


def occupied_box(*maps: NDArray[Any]) -> tuple[slice, ...]:
    """The smallest box that holds every voxel that is not 0 in any of the maps.

    Args:
        maps: integer arrays of one shape, at least one.

    Returns:
        A slice per axis; all of them empty when every map is 0 throughout.

    Example:
        >>> occupied_box(np.array([[0, 0, 0], [0, 5, 0]]), np.array([[0, 0, 0], [0, 0, 1]]))
        (slice(1, 2, None), slice(1, 3, None))
    """
    boxes = [box for labels in maps if (box := _own_box(labels)) is not None]
    if not boxes:
        return (slice(0, 0),) * maps[0].ndim
    return tuple(
        slice(min(part.start for part in parts), max(part.stop for part in parts)) for parts in zip(*boxes, strict=True)
    )


def position_lookup(values: Sequence[int]) -> Callable[[NDArray[Any]], Positions]:
    """A function from label maps to each voxel's position in `values`.

    Args:
        values: distinct label values.

    Returns:
        Takes an integer array and gives one of its shape: 1 for the first value, 2 for the second,
        and so on; 0 for a value not among them.
    """
    if not values:
        return lambda labels: np.zeros(labels.shape, dtype=np.int64)
    values = [int(value) for value in values]  # a numpy integer may be too narrow for the sums below
    before, span = min(values) - 1, max(values) - min(values)
    if span < _MAX_TABLE_ENTRIES:
        # One entry more at either end: `clip` sends every value out of range to one of the two zeros.
        table = np.zeros(span + 3, dtype=np.int64)
        table[np.asarray(values, dtype=np.int64) - before] = np.arange(1, len(values) + 1)
        return lambda labels: table.take(labels.astype(np.int64) - before, mode="clip")
    order = np.argsort(values)
    ordered = np.asarray(values, dtype=np.int64)[order]

    def search(labels: NDArray[Any]) -> Positions:
        nearest = np.searchsorted(ordered, labels).clip(max=len(ordered) - 1)
        return np.where(ordered[nearest] == labels, order[nearest] + 1, 0)

    return search


def memory_order(labels: NDArray[Any]) -> tuple[int, ...]:
    """The axes of an array from the slowest in memory to the fastest."""
    return tuple(int(axis) for axis in np.argsort([-abs(stride) for stride in labels.strides], kind="stable"))


def slabs(shape: Sequence[int]) -> Iterator[slice]:
    """Cut the first axis of an array into parts of a bounded number of voxels, or of one layer each."""
    if not prod(shape):
        return
    thickness = max(1, _VOXELS_AT_ONCE // prod(shape[1:]))
    for first in range(0, shape[0], thickness):
        yield slice(first, min(first + thickness, shape[0]))


def _own_box(labels: NDArray[Any]) -> tuple[slice, ...] | None:
    """Box of the voxels of one map that are not 0; ``None`` when there is none."""
    box: list[slice] = []
    for axis in range(labels.ndim):
        others = tuple(other for other in range(labels.ndim) if other != axis)
        # Or-ing whole planes is several times faster than asking for each voxel whether it is not 0.
        occupied = np.flatnonzero(np.bitwise_or.reduce(labels, axis=others))
        if not occupied.size:
            return None
        box.append(slice(int(occupied[0]), int(occupied[-1]) + 1))
    return tuple(box)
