"""The voxel boundary: hand-computed, a slow version, and MONAI's edges."""

from itertools import product
from typing import Any

import numpy as np
import torch
from monai.metrics.utils import get_mask_edges
from numpy.typing import NDArray

from neurograft.evaluation.surfaces.boundary import boundary_points, voxel_boundary


def slow_boundary(mask: NDArray[Any]) -> NDArray[np.bool_]:
    boundary = np.zeros(mask.shape, dtype=bool)
    for place in product(*map(range, mask.shape)):
        if not mask[place]:
            continue
        for axis, step in product(range(mask.ndim), (-1, 1)):
            neighbour = list(place)
            neighbour[axis] += step
            within = 0 <= neighbour[axis] < mask.shape[axis]
            boundary[place] |= not within or not mask[tuple(neighbour)]
    return boundary


def test_hand_computed_in_a_plane() -> None:
    mask = np.array([[0, 1, 1, 1, 1], [0, 1, 1, 1, 1], [0, 1, 1, 1, 1]])
    expected = [[0, 1, 1, 1, 1], [0, 1, 0, 0, 1], [0, 1, 1, 1, 1]]
    np.testing.assert_array_equal(voxel_boundary(mask), np.array(expected, dtype=bool))


def test_a_diagonal_gap_does_not_open_the_inside() -> None:
    mask = np.ones((5, 5, 5))
    mask[1, 1, 1] = 0
    assert voxel_boundary(mask)[1, 1, 2]
    assert not voxel_boundary(mask)[2, 2, 2]


def test_equals_slow_version(pair: Any) -> None:
    for mask in (pair.reference, pair.prediction):
        np.testing.assert_array_equal(voxel_boundary(mask), slow_boundary(mask))


def test_equals_monai(pair: Any) -> None:
    theirs = get_mask_edges(torch.from_numpy(pair.prediction), torch.from_numpy(pair.reference), crop=True)
    # MONAI cuts the common box out with a margin of one voxel, beyond the image where it must.
    lowest = np.argwhere(pair.reference | pair.prediction).min(axis=0) - 1
    for mask, edges in zip((pair.prediction, pair.reference), theirs, strict=True):
        expected = np.argwhere(edges.numpy()) + lowest
        np.testing.assert_array_equal(boundary_points(mask), expected)


def test_empty_mask_has_none() -> None:
    assert boundary_points(np.zeros((3, 4, 5))).shape == (0, 3)
