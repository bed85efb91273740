import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from neurograft.imaging.labels import IGNORE
from neurograft.imaging.partial_classes import FIRST_CODE, decode_open_labels, encode_open_labels, is_open_for

SHAPE = (3, 4, 2)


def test_the_four_ways_in_which_a_voxel_is_known() -> None:
    classes = np.array([[[0, 2, 0, 0, 0]]])
    looked = np.array([[[True, False, False, False, True]]])
    coded, table = encode_open_labels(classes, [~looked, np.array([[[False, True, True, False, False]]])])
    assert table is not None
    # Row by row: only label 1 open, both open (which is IGNORE), a known label, no label open.
    assert coded.tolist() == [[[0, 2, IGNORE, FIRST_CODE, 0]]]
    assert table.tolist() == [[True, False]]


@settings(max_examples=60, deadline=None)
@given(
    st.integers(1, 5).flatmap(
        lambda n: st.tuples(arrays(np.int16, SHAPE, elements=st.integers(0, n)), arrays(bool, (n, *SHAPE)))
    )
)
def test_decoding_gives_back_what_was_encoded(drawn: tuple[np.ndarray, np.ndarray]) -> None:
    classes, masks = drawn
    coded, table = encode_open_labels(classes, list(masks))
    known, back = decode_open_labels(coded, table, len(masks))
    np.testing.assert_array_equal(known, classes)
    for number, (mask, again) in enumerate(zip(masks, back, strict=True), start=1):
        # A voxel with a label is known, whatever the masks say.
        np.testing.assert_array_equal(again, mask & (classes == 0))
        np.testing.assert_array_equal(is_open_for(coded, table, number), again)
    if table is not None:
        assert table.any(1).all()
        assert not table.all(1).any()
        assert len(np.unique(table, axis=0)) == len(table)
    else:
        assert coded.min() >= IGNORE


def test_labels_of_one_extent_need_no_codes() -> None:
    mask = np.arange(8).reshape(2, 2, 2) > 3
    coded, table = encode_open_labels(np.zeros((2, 2, 2), int), [mask] * 100)
    assert table is None
    assert (coded == np.where(mask, IGNORE, 0)).all()


@pytest.mark.parametrize("labels", [70, 1])
def test_any_number_of_labels(labels: int) -> None:
    rng = np.random.default_rng(0)
    masks = list(rng.random((labels, 5, 5, 5)) < 0.5)
    coded, table = encode_open_labels(np.zeros((5, 5, 5), int), masks)
    _, back = decode_open_labels(coded, table, labels)
    np.testing.assert_array_equal(np.stack(back), np.stack(masks))
