"""What label states say of a voxel."""

from pathlib import Path

import numpy as np
import pytest

from neurograft.cohorts import Case
from neurograft.cohorts.open_labels import open_labels, require_known_extent
from neurograft.errors import InputError
from neurograft.imaging.grid import Grid
from neurograft.imaging.labels import IGNORE, LabelTable

# One row along the axis that runs upwards: each voxel is an axial slice.
GRID = Grid.from_affine((1, 1, 6), np.eye(4))
CLASSES = np.array([[[0, 1, 0, 2, IGNORE, 0]]], np.int16)
MARKED = LabelTable.from_names({1: "a", 2: "b"}, ignore_value=9)
BARE = LabelTable.from_names({1: "a", 2: "b"})


def _case(state: object, axis: str = "") -> Case:
    covariates = {"label_axis": axis} if axis else {}
    return Case("c", "s", None, {}, Path("c_dseg.nii.gz"), label_state=state, covariates=covariates)


def _open(state: object, axis: str = "") -> tuple[list[int], list[list[int]]]:
    known, masks = open_labels(_case(state, axis), CLASSES, MARKED, GRID)
    return known.ravel().tolist(), [np.flatnonzero(mask.ravel()).tolist() for mask in masks]


@pytest.mark.parametrize(
    ("state", "axis", "drawn", "is_open"),
    [
        ("dense", "", [0, 1, 0, 2, 0, 0], [[4], [4]]),
        ({"a": "dense", "b": "dense"}, "", [0, 1, 0, 2, 0, 0], [[4], [4]]),
        ("slices", "", [0, 1, 0, 2, 0, 0], [[4], [4]]),
        # One state for all: a slice counts as drawn when any label is in it.
        ("slices", "axial", [0, 1, 0, 2, 0, 0], [[0, 2, 4, 5], [0, 2, 4, 5]]),
        # The row is one sagittal slice, which shows labels.
        ("slices", "sagittal", [0, 1, 0, 2, 0, 0], [[4], [4]]),
        # A state a label: a marked voxel, not being a, can only be b.
        ({"a": "dense", "b": "slices"}, "", [0, 1, 0, 2, 0, 0], [[], [4]]),
        ({"a": "dense", "b": "slices"}, "axial", [0, 1, 0, 2, 0, 0], [[], [0, 1, 2, 4, 5]]),
        ({"a": "slices", "b": "slices"}, "axial", [0, 1, 0, 2, 0, 0], [[0, 2, 3, 4, 5], [0, 1, 2, 4, 5]]),
        ({"a": "dense", "b": "none"}, "", [0, 1, 0, 0, 0, 0], [[], [0, 1, 2, 3, 4, 5]]),
        ({"a": "slices", "b": "none"}, "", [0, 1, 0, 0, 0, 0], [[4], [0, 1, 2, 3, 4, 5]]),
    ],
)
def test_states(state: object, axis: str, drawn: list[int], is_open: list[list[int]]) -> None:
    assert _open(state, axis) == (drawn, is_open)


def test_labels_of_one_extent_share_one_mask() -> None:
    for state, axis in (("dense", ""), ("slices", "axial"), ("slices", "")):
        first, second = open_labels(_case(state, axis), CLASSES, MARKED, GRID)[1]
        assert first is second


@pytest.mark.parametrize(
    ("state", "axis", "message"),
    [
        ("slices", "", "a, b is annotated in some slices only in case c"),
        ({"a": "dense", "b": "slices"}, "", "b is annotated in some slices only"),
        ({"a": "none", "b": "none"}, "", "a, b is not annotated in case c"),
        ("slices", "up", "label_axis of case c is 'up'"),
    ],
)
def test_refused_without_a_word_on_where(state: object, axis: str, message: str) -> None:
    with pytest.raises(InputError, match=message) as caught:
        require_known_extent(_case(state, axis), BARE)
    assert caught.value.file == Path("c_dseg.nii.gz")


def test_usable_with_one() -> None:
    require_known_extent(_case("slices", "coronal"), BARE)
    require_known_extent(_case("slices"), MARKED)
    require_known_extent(_case({"a": "none", "b": "dense"}), BARE)
