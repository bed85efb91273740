"""The smallest box around each label of two maps, so that what follows looks at a few thousand voxels only."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

Box = tuple[slice, ...]

_MAX_DIRECT_VALUE = 1 << 16
"""Above this value the search would make a list too long for its own good."""


def joint_boxes(reference: NDArray[Any], prediction: NDArray[Any], values: Sequence[int]) -> dict[int, Box | None]:
    """The smallest box that holds a label in both maps.

    Args:
        reference: integer label map.
        prediction: integer label map of the same shape.
        values: label values.

    Returns:
        One box a value, ``None`` for a value found in neither.
    """
    in_reference, in_prediction = _boxes(reference, values), _boxes(prediction, values)
    return {value: join_boxes([in_reference[value], in_prediction[value]]) for value in values}


def join_boxes(boxes: Sequence[Box | None]) -> Box | None:
    """The smallest box that holds all of some boxes; ``None`` when there is none to hold."""
    given = [box for box in boxes if box is not None]
    if not given:
        return None
    sides = zip(*given, strict=True)
    return tuple(slice(min(one.start for one in side), max(one.stop for one in side)) for side in sides)


def grow_box(box: Box, shape: Sequence[int], voxels: int = 1) -> Box:
    """A box with a margin on every side, as far as the image goes."""
    return tuple(
        slice(max(side.start - voxels, 0), min(side.stop + voxels, size)) for side, size in zip(box, shape, strict=True)
    )


def _boxes(labels: NDArray[Any], values: Sequence[int]) -> dict[int, Box | None]:
    if not values or not labels.size:
        return dict.fromkeys(values)
    if labels.dtype == np.bool_:
        labels = labels.view(np.uint8)
    if min(values) < 1 or max(values) > _MAX_DIRECT_VALUE:
        labels, positions = _renumbered(labels, values)
    else:
        positions = {value: value for value in values}
    # The search walks the axes in order and is twice as fast along the memory.
    turned = labels.flags.f_contiguous and not labels.flags.c_contiguous
    found = ndimage.find_objects(labels.T if turned else labels, max_label=max(positions.values()))
    boxes = [None if box is None else box[::-1] if turned else box for box in found]
    return {value: boxes[position - 1] for value, position in positions.items()}


def _renumbered(labels: NDArray[Any], values: Sequence[int]) -> tuple[NDArray[np.int32], dict[int, int]]:
    """Labels numbered from 1, others 0, and the number of each value."""
    ordered = np.unique(np.asarray(values, dtype=np.int64))
    nearest = np.searchsorted(ordered, labels).clip(max=len(ordered) - 1)
    numbered = np.where(ordered[nearest] == labels, nearest + 1, 0).astype(np.int32)
    return numbered, {int(value): number for number, value in enumerate(ordered, start=1)}
