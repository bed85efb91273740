import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from neurograft.imaging.cropping import Box, box_holding, centred_box, crop, middle_box, nonzero_box, paste


def test_nonzero_box_over_all_channels() -> None:
    data = np.zeros((2, 6, 7, 8))
    data[0, 1, 2, 3] = -1
    data[1, 4, 2, 5] = 2
    assert nonzero_box(data) == Box((1, 2, 3), (5, 3, 6))
    assert nonzero_box(data, margin=(2, 2, 2)) == Box((0, 0, 1), (6, 5, 8))
    assert nonzero_box(data, margin=(0, 1, 0)) == Box((1, 1, 3), (5, 4, 6))
    assert nonzero_box(data[0]) == Box((1, 2, 3), (2, 3, 4))


def test_an_empty_volume_keeps_all() -> None:
    assert nonzero_box(np.zeros((1, 3, 4, 5))) == Box((0, 0, 0), (3, 4, 5))


@pytest.mark.parametrize(
    ("centre", "size", "start"),
    [
        ((5, 5, 5), (3, 3, 3), (4, 4, 4)),
        ((5, 5, 5), (4, 4, 4), (4, 4, 4)),
        ((4.5, 4.5, 4.5), (4, 4, 4), (3, 3, 3)),
        ((0, 9, 5), (4, 4, 1), (0, 6, 5)),
        ((0, 0, 0), (10, 12, 13), (0, -1, -1)),
    ],
)
def test_centred_box(centre: tuple, size: tuple, start: tuple) -> None:
    box = centred_box((10, 10, 10), centre, size)
    assert box.start == start
    assert box.size == size


def test_crop_fills_what_lies_beyond() -> None:
    data = np.arange(8).reshape(2, 2, 2)
    cut = crop(data, Box((-1, 0, 1), (2, 2, 3)), fill=9)
    assert cut.shape == (3, 2, 2)
    assert (cut[0] == 9).all()
    assert (cut[..., 1] == 9).all()
    assert cut[1:, :, 0].tolist() == [[1, 3], [5, 7]]


def test_crop_gives_a_copy() -> None:
    data = np.zeros((3, 3, 3))
    crop(data, Box.whole((3, 3, 3)))[:] = 1
    assert not data.any()


def test_a_box_wholly_outside_is_all_fill() -> None:
    cut = crop(np.ones((2, 2, 2)), Box((5, -4, 0), (7, -2, 2)), fill=3)
    assert (cut == 3).all()
    assert (paste(cut, Box((5, -4, 0), (7, -2, 2)), (2, 2, 2), fill=1) == 1).all()


def test_paste_refuses_another_size() -> None:
    with pytest.raises(ValueError, match="does not fit"):
        paste(np.ones((2, 2, 2)), Box((0, 0, 0), (2, 2, 3)), (4, 4, 4))


sizes = st.tuples(*[st.integers(1, 6)] * 3)


@given(shape=sizes, size=sizes, channels=st.integers(1, 2))
def test_paste_undoes_a_crop_about_the_middle(shape: tuple, size: tuple, channels: int) -> None:
    data = np.arange(1, channels * np.prod(shape) + 1).reshape(channels, *shape)
    box = middle_box(shape, size)
    changed = crop(data, box, fill=-1)
    assert changed.shape == (channels, *size)
    back = paste(changed, box, shape)
    kept = back != 0
    np.testing.assert_array_equal(back[kept], data[kept])
    # All that the box shows comes back.
    assert kept.sum() == channels * np.prod(np.minimum(shape, size))
    np.testing.assert_array_equal(crop(back, box, fill=-1), changed)


def test_boxes_move_grow_join_and_are_clipped() -> None:
    box = Box((1, 2, 3), (4, 4, 4))
    assert box.shifted((10, -2, 0)) == Box((11, 0, 3), (14, 2, 4))
    assert box.grown(2) == Box((-1, 0, 1), (6, 6, 6))
    assert box.grown(2).clipped((5, 9, 5)) == Box((0, 0, 1), (5, 6, 5))
    assert box.joined(Box((0, 3, 3), (2, 9, 4))) == Box((0, 2, 3), (4, 9, 4))
    assert not box.is_empty
    assert box.clipped((9, 2, 9)).is_empty
    assert Box((12, 0, 0), (14, 1, 1)).clipped((9, 2, 9)).is_empty


def test_a_box_on_another_grid_covers_the_same_place() -> None:
    box = Box((2, 4, 1), (4, 5, 3))
    assert box.mapped(np.eye(4)) == box
    # Voxels half as large, first edges aligned: index i becomes 2 i + 0.5.
    halved = np.diag([2.0, 2.0, 2.0, 1.0])
    halved[:3, 3] = 0.5
    assert box.mapped(halved) == Box((4, 8, 2), (8, 10, 6))
    assert box.mapped(np.linalg.inv(halved)) == Box((1, 2, 0), (2, 3, 2))
    # The first axis runs the other way in a volume of ten, the others change places.
    turned = np.array([[-1, 0, 0, 9], [0, 0, 1, 0], [0, 1, 0, 0], [0, 0, 0, 1]])
    assert box.mapped(turned) == Box((6, 1, 4), (8, 3, 5))


@pytest.mark.parametrize(
    ("needed", "centre", "expected"),
    [
        (Box((4, 4, 4), (6, 6, 6)), (4.5, 4.5, 4.5), Box((3, 3, 3), (7, 7, 7))),
        # The centre would leave a part out: moved.
        (Box((1, 4, 4), (4, 6, 6)), (9, 4.5, 4.5), Box((1, 3, 3), (5, 7, 7))),
        # Longer than the size: grown along that axis.
        (Box((1, 4, 4), (8, 6, 6)), (4.5, 4.5, 4.5), Box((1, 3, 3), (8, 7, 7))),
        # At the border: moved inwards; what lies beyond does not count.
        (Box((-3, 9, 4), (2, 10, 6)), (0, 9, 4.5), Box((0, 6, 3), (4, 10, 7))),
    ],
)
def test_a_box_that_must_hold_another(needed: Box, centre: tuple, expected: Box) -> None:
    assert box_holding(needed, centre, (4, 4, 4), (10, 10, 10)) == expected


def test_a_box_takes_all_of_a_smaller_volume() -> None:
    assert box_holding(Box((1, 0, 0), (2, 1, 1)), (1, 0, 0), (4, 4, 1), (3, 9, 1)) == Box((0, 0, 0), (3, 4, 1))
