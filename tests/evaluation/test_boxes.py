"""Boxes around labels: against a search by hand, in either memory order and for any values."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from neurograft.evaluation.boxes import grow_box, join_boxes, joint_boxes


@settings(max_examples=60, deadline=None)
@given(
    st.integers(0, 10_000),
    st.sampled_from([(1, 2, 3), (3, 9), (0, 1), (-4, 2), (70_000, 3), (1_000_000_007, -1_000_000_007)]),
    st.sampled_from("CF"),
    st.tuples(*[st.integers(1, 5)] * 3),
)
def test_equals_a_search_by_hand(seed: int, values: tuple[int, ...], order: str, shape: tuple[int, int, int]) -> None:
    generator = np.random.default_rng(seed)
    choices = np.array([5, 5, 5, *values], dtype=np.int64)
    reference, prediction = (np.asarray(generator.choice(choices, shape), order=order) for _ in range(2))  # type: ignore[call-overload]
    boxes = joint_boxes(reference, prediction, values)
    assert list(boxes) == list(values)
    for value, box in boxes.items():
        places = np.argwhere((reference == value) | (prediction == value))
        if not len(places):
            assert box is None
            continue
        expected = tuple(slice(*ends) for ends in zip(places.min(axis=0), places.max(axis=0) + 1, strict=True))
        assert box == expected


@pytest.mark.parametrize("kind", [np.uint8, np.int8, np.uint16, np.int16, np.uint32, np.int32, np.uint64, np.int64])
def test_any_integer_type(kind: type) -> None:
    labels = np.zeros((3, 4, 5), dtype=kind)
    labels[1:, 2, 3] = 100
    expected = (slice(1, 3), slice(2, 3), slice(3, 4))
    assert joint_boxes(labels, np.zeros_like(labels), [100, 1]) == {100: expected, 1: None}


def test_a_mask_is_a_label_map_too() -> None:
    mask = np.eye(3, dtype=bool)
    assert joint_boxes(mask, ~mask, [1]) == {1: (slice(0, 3), slice(0, 3))}


def test_join_and_grow() -> None:
    first, second = (slice(0, 2), slice(4, 5)), (slice(1, 3), slice(2, 3))
    assert join_boxes([first, None, second]) == (slice(0, 3), slice(2, 5))
    assert join_boxes([None]) is None
    assert grow_box((slice(0, 3), slice(2, 5)), (4, 5)) == (slice(0, 4), slice(1, 5))


def test_nothing_to_look_for() -> None:
    assert joint_boxes(np.zeros((2, 2), int), np.zeros((2, 2), int), []) == {}
    assert joint_boxes(np.zeros((0, 2), int), np.zeros((0, 2), int), [3]) == {3: None}
