import numpy as np
import pytest

from neurograft.imaging.slice_interpolation import nearest_slice, shape_based


@pytest.mark.parametrize("axis", [0, 1, 2])
def test_the_nearest_slice_of_two_at_one_distance_the_lower(axis) -> None:
    classes = np.full((7, 7, 7), -1, np.int16)
    view = np.moveaxis(classes, axis, 0)
    view[1], view[5] = 1, 2
    filled = np.moveaxis(nearest_slice(classes, np.array([1, 5]), axis), axis, 0)
    assert [int(plane[0, 0]) for plane in filled] == [1, 1, 1, 1, 2, 2, 2]


def test_a_square_that_grows_is_interpolated_exactly() -> None:
    classes = np.full((30, 5, 30), -1, np.int16)
    for place, half in ((0, 3), (4, 11)):
        classes[:, place] = 0
        classes[15 - half : 15 + half, place, 15 - half : 15 + half] = 4
    filled = shape_based(classes, np.array([0, 4]), axis=1)
    # On the middle row the outline lies on a line between the two.
    assert [int((filled[:, place, 15] == 4).sum()) for place in range(5)] == [6, 10, 14, 18, 22]


def test_a_label_shown_on_one_side_ends_halfway_and_labels_do_not_mix() -> None:
    classes = np.full((9, 5, 9), -1, np.int16)
    classes[:, [0, 4]] = 0
    classes[1:4, 0, 1:4] = 1
    classes[5:8, [0, 4], 5:8] = 3
    filled = shape_based(classes, np.array([0, 4]), axis=1)
    assert [int((filled[:, place] == 1).sum()) for place in range(5)] == [9, 9, 9, 0, 0]
    assert [int((filled[:, place] == 3).sum()) for place in range(5)] == [9] * 5
    assert np.array_equal(filled[:, [0, 4]], classes[:, [0, 4]])


def test_spacing_decides_which_outline_is_nearer() -> None:
    classes = np.zeros((9, 3, 9), np.int16)
    classes[2:7, 0, 4] = 1
    classes[4, 2, 2:7] = 1
    even = shape_based(classes, np.array([0, 2]), 1)[:, 1]
    assert np.array_equal(even, even.T)
    uneven = shape_based(classes, np.array([0, 2]), 1, (5.0, 1.0, 1.0))[:, 1]
    assert not np.array_equal(uneven, uneven.T)


def test_nothing_drawn_gives_nothing() -> None:
    assert not shape_based(np.zeros((4, 4, 4), np.int16), np.array([0, 3]), 0).any()
