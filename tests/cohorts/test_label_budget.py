"""Slices of a budget: how many, where, and that nothing but seed and names decides them."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from neurograft.cohorts.label_budget import AnnotatedSlices, array_axis, choose_slices
from neurograft.imaging.grid import Grid
from neurograft.recipes.schema import LabelBudgetConfig

SHAPE = (40, 30, 20)
GRID = Grid.from_affine(SHAPE, np.eye(4))


def _choose(classes: np.ndarray | None = None, subject: str = "s", case: str = "c", seed: int = 0, **budget: object):
    classes = np.zeros(SHAPE, np.int16) if classes is None else classes
    return choose_slices(classes, GRID, LabelBudgetConfig(**budget), subject, case, seed)


def test_no_axis_means_no_limit() -> None:
    assert _choose() is None


@pytest.mark.parametrize(("plane", "axis"), [("sagittal", 0), ("coronal", 1), ("axial", 2)])
def test_a_share_is_of_the_whole_axis_and_margins_stay_free(plane: str, axis: int) -> None:
    chosen = _choose(axis=plane, share=0.3, margin=0.2)
    assert (chosen.plane, chosen.axis) == (plane, axis)
    assert len(chosen.slices) == round(0.3 * SHAPE[axis])
    cut = SHAPE[axis] // 10
    assert cut <= min(chosen.slices)
    assert max(chosen.slices) < SHAPE[axis] - cut
    assert list(chosen.slices) == sorted(set(chosen.slices))


def test_axes_are_those_of_the_body_whatever_the_file_s_order() -> None:
    affine = np.zeros((4, 4))
    affine[1, 0], affine[2, 1], affine[0, 2], affine[3, 3] = -1, 1, 1, 1  # PSR
    grid = Grid.from_affine((5, 6, 7), affine)
    assert grid.orientation == "PSR"
    assert [array_axis(grid, plane) for plane in ("sagittal", "coronal", "axial")] == [2, 0, 1]
    budget = LabelBudgetConfig(axis="sagittal", slices=2)
    chosen = choose_slices(np.zeros((5, 6, 7), int), grid, budget, "s", "c", 0)
    assert chosen.axis == 2
    assert chosen.mask((5, 6, 7)).sum() == 2 * 5 * 6


def test_even_slices_are_the_middles_of_equal_parts() -> None:
    assert _choose(axis="axial", slices=4, margin=0, selection="even").slices == (2, 7, 12, 17)
    assert _choose(axis="axial", slices=1, margin=0.1, selection="even").slices == (10,)
    gaps = np.diff(_choose(axis="sagittal", share=0.33, selection="even").slices)
    assert set(gaps) <= {2, 3}
    assert _choose(axis="axial", slices=99, margin=0, selection="even").slices == tuple(range(20))


@settings(max_examples=50, deadline=None)
@given(
    plane=st.sampled_from(["sagittal", "coronal", "axial", "random"]),
    share=st.floats(0.001, 1),
    margin=st.floats(0, 0.99),
    selection=st.sampled_from(["random", "even"]),
    within=st.sampled_from(["volume", "labels"]),
)
def test_there_is_always_a_slice(plane, share, margin, selection, within) -> None:
    classes = np.zeros(SHAPE, np.int16)
    classes[11:13, 4, 7:9] = 1
    chosen = _choose(classes, axis=plane, share=share, margin=margin, selection=selection, within=within)
    assert chosen.slices
    if within == "labels":
        assert all(classes.any(tuple(a for a in range(3) if a != chosen.axis))[list(chosen.slices)])


def test_within_labels_the_extent_of_the_labels_is_the_axis() -> None:
    classes = np.zeros(SHAPE, np.int16)
    classes[5, 5, 6:16] = 2
    assert _choose(classes, axis="axial", share=1.0, margin=0.2, within="labels").slices == tuple(range(7, 15))
    assert _choose(classes, axis="axial", share=1.0, margin=0.0, within="volume").slices == tuple(range(20))
    assert _choose(axis="axial", within="labels").slices == ()


def test_slices_that_were_never_annotated_are_not_chosen() -> None:
    classes = np.full(SHAPE, -1, np.int16)
    classes[:, :, [3, 9, 12]] = 0
    assert _choose(classes, axis="axial", slices=5).slices == (3, 9, 12)
    assert _choose(np.full(SHAPE, -1, np.int16), axis="axial").slices == ()


def test_seed_and_names_decide() -> None:
    budget = {"axis": "sagittal", "slices": 8}
    first = _choose(**budget)
    assert _choose(**budget) == first
    assert _choose(case="other", **budget) != first
    assert _choose(seed=1, **budget) != first
    assert _choose(subject="other", **budget) == first, "the subject decides a random axis only"
    fewer = _choose(axis="sagittal", slices=3)
    assert set(fewer.slices) < set(first.slices)


def test_a_random_axis_is_the_subject_s() -> None:
    axes = [_choose(subject=f"s{number}", axis="random", slices=1).plane for number in range(300)]
    for plane in ("sagittal", "coronal", "axial"):
        assert abs(axes.count(plane) - 100) < 5 * (300 * 2 / 9) ** 0.5
    one = {_choose(subject="s", case=f"c{number}", axis="random", slices=1).plane for number in range(20)}
    assert len(one) == 1


def test_random_slices_are_spread_over_the_axis() -> None:
    counts = np.zeros(20)
    for number in range(600):
        counts[list(_choose(case=f"c{number}", axis="axial", slices=3, margin=0.2).slices)] += 1
    assert (counts[:2] == 0).all()
    assert (counts[-2:] == 0).all()
    assert (abs(counts[2:-2] - 600 * 3 / 16) < 5 * (600 * 3 / 16) ** 0.5).all()


def test_the_mask_is_the_slices() -> None:
    mask = AnnotatedSlices("coronal", 1, (0, 2)).mask((2, 3, 4))
    assert mask.shape == (2, 3, 4)
    assert mask.sum((0, 2)).tolist() == [8, 0, 8]
