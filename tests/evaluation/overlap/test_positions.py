"""The occupied box, and label positions, against what plain numpy says."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from neurograft.evaluation.overlap.positions import (
    memory_order,
    occupied_box,
    position_lookup,
    require_label_maps,
    slabs,
)


@settings(max_examples=80, deadline=None)
@given(
    shape=st.lists(st.integers(1, 6), min_size=1, max_size=4),
    seed=st.integers(0, 10_000),
    voxels=st.integers(0, 3),
    dtype=st.sampled_from([bool, np.uint8, np.int16, np.int32, np.int64]),
)
def test_box_is_that_of_the_voxels(shape: list[int], seed: int, voxels: int, dtype: type) -> None:
    generator = np.random.default_rng(seed)
    maps = [np.zeros(shape, dtype=dtype) for _ in range(2)]
    for _ in range(voxels):
        labels = maps[int(generator.integers(2))]
        labels[tuple(generator.integers(shape))] = 1
    box = occupied_box(*maps)
    either = maps[0].astype(bool) | maps[1].astype(bool)
    assert int(either[box].sum()) == int(either.sum())
    if either.any():
        places = np.argwhere(either)
        assert [part.start for part in box] == places.min(axis=0).tolist()
        assert [part.stop for part in box] == (places.max(axis=0) + 1).tolist()
    else:
        assert either[box].size == 0


def test_negative_values_are_not_zero() -> None:
    assert occupied_box(np.array([0, 0, -1, 0], dtype=np.int8)) == (slice(2, 3),)


@settings(max_examples=80, deadline=None)
@given(
    values=st.lists(st.sampled_from([-5, -1, 0, 1, 2, 200, 70_000, 2_000_000_000]), unique=True),
    dtype=st.sampled_from([np.uint8, np.int16, np.int64]),
)
def test_lookup(values: list[int], dtype: type) -> None:
    everything = [-2_000_000_000, -6, -5, -2, -1, 0, 1, 2, 3, 199, 200, 201, 70_000, 2_000_000_000, 2_000_000_001]
    limits = np.iinfo(dtype)
    labels = np.array([label for label in everything if limits.min <= label <= limits.max], dtype=dtype)
    expected = [values.index(label) + 1 if label in values else 0 for label in labels.tolist()]
    assert position_lookup(values)(labels).tolist() == expected


def test_lookup_of_small_unsigned_values() -> None:
    lookup = position_lookup(list(np.array([0, 3], dtype=np.uint8)))
    assert lookup(np.array([3, 0, 1, 255], dtype=np.uint8)).tolist() == [2, 1, 0, 0]


@pytest.mark.parametrize("shape", [(5,), (1_000_000,), (3, 4), (2, 600, 600), (300, 100, 20), (0, 3), (3, 0)])
def test_slabs_cover_the_first_axis_once(shape: tuple[int, ...]) -> None:
    covered = [layer for slab in slabs(shape) for layer in range(slab.start, slab.stop)]
    assert covered == (list(range(shape[0])) if np.prod(shape) else [])


def test_memory_order() -> None:
    labels = np.zeros((2, 3, 4))
    assert memory_order(labels) == (0, 1, 2)
    assert memory_order(np.asfortranarray(labels)) == (2, 1, 0)
    assert memory_order(labels[:, ::-1].transpose(1, 2, 0)) == (2, 0, 1)


def test_unusable_arrays_are_refused() -> None:
    whole = np.zeros((2, 3), dtype=np.int16)
    with pytest.raises(ValueError, match="the prediction is of type float64"):
        require_label_maps(whole, np.zeros((2, 3)))
    with pytest.raises(ValueError, match="at least one axis"):
        require_label_maps(np.array(1), np.array(1))
