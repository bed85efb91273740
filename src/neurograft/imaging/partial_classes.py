"""Class maps in which some voxels are known for some labels only.

A voxel of a class map is known in one of four ways:

- a label's class ``k`` (from 1): it is that label, and no other;
- 0: it is background, free of every label;
- `IGNORE` (-1): nobody annotated it, it may be anything;
- a code ``c`` of -2 or less: it is free of some labels, but it may be background or any label that
  row ``-2 - c`` of a table of open labels marks.

So one map of integers holds all that is known, and goes whole through every turn, crop, resampling
and augmentation that takes the nearest voxel.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from neurograft.imaging.labels import IGNORE

FIRST_CODE = IGNORE - 1
"""The class of voxels whose open labels stand in row 0 of the table; the next row's is one less."""


def encode_open_labels(
    classes: NDArray[np.integer], open_labels: Sequence[NDArray[np.bool_]]
) -> tuple[NDArray[np.int16], NDArray[np.bool_] | None]:
    """Write into a class map which labels its background voxels may still be.

    Args:
        classes: integers (D, H, W), 0 or the class of a label; a voxel with a label's class is known.
        open_labels: for each label, in the order of the classes, where nobody looked for it: (D, H, W).

    Returns:
        The map with codes, and the table of open labels (rows, labels) that they point to, or ``None``
        where no code is needed because every voxel is known for all labels or for none.
    """
    coded = classes.astype(np.int16)
    if not open_labels:
        return coded, None
    if all(mask is open_labels[0] for mask in open_labels):
        coded[(coded == 0) & open_labels[0]] = IGNORE
        return coded, None
    background = np.flatnonzero(coded.ravel() == 0)
    # Sets of open labels are numbered as labels are added, so that their number stays that of the sets in use.
    sets, number = np.zeros((1, 0), bool), np.zeros(len(background), np.int64)
    for mask in open_labels:
        number = 2 * number + mask.ravel()[background]
        used = np.flatnonzero(np.bincount(number, minlength=2 * len(sets)))
        sets = np.column_stack([sets[used // 2], used % 2 == 1])
        renumbered = np.zeros(2 * int(used.max(initial=0)) + 2, np.int64)
        renumbered[used] = np.arange(len(used))
        number = renumbered[number]
    partly = sets.any(1) & ~sets.all(1)
    meaning = np.where(sets.all(1), IGNORE, 0)
    meaning[partly] = FIRST_CODE - np.arange(int(partly.sum()))
    coded.ravel()[background] = meaning[number]
    return coded, sets[partly] if partly.any() else None


def decode_open_labels(
    coded: NDArray[np.integer], table: NDArray[np.bool_] | None, labels: int
) -> tuple[NDArray[np.int16], list[NDArray[np.bool_]]]:
    """The inverse of `encode_open_labels`.

    Args:
        coded: class map with codes.
        table: open labels (rows, labels) that the codes point to.
        labels: number of labels.

    Returns:
        The map with 0 in place of every code, and for each label where it is open.
    """
    known = np.maximum(coded, 0).astype(np.int16)
    if table is None:
        return known, [coded == IGNORE] * labels
    # Row 0: known; row 1: everything open; then the table's rows.
    rows = np.vstack([np.zeros((1, labels), bool), np.ones((1, labels), bool), table])
    place = np.maximum(-coded.astype(np.int64), 0)
    return known, [rows[:, label][place] for label in range(labels)]


def is_open_for(coded: NDArray[np.integer], table: NDArray[np.bool_] | None, label: int) -> NDArray[np.bool_]:
    """Where one label, counted from 1, is open."""
    mask: NDArray[np.bool_] = coded == IGNORE
    if table is not None:
        for row in np.flatnonzero(table[:, label - 1]):
            mask = mask | (coded == FIRST_CODE - row)
    return mask
