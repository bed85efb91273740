"""Dice and label overlaps: hand-computed values, MONAI, and a slow version."""

import math
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from monai.metrics import compute_dice
from numpy.typing import NDArray

from neurograft.evaluation.overlap import Overlap, dice, label_overlaps


def test_hand_computed() -> None:
    reference = np.array([1, 1, 1, 0, 0, 0])
    prediction = np.array([0, 0, 1, 1, 1, 0])
    assert dice(reference, prediction) == pytest.approx(2 * 1 / 6)
    assert dice(reference, reference) == 1.0
    assert dice(reference, 1 - reference) == 0.0


@pytest.mark.parametrize(("policy", "both"), [("skip", math.nan), ("perfect", 1.0)])
def test_empty_masks(policy: Any, both: float) -> None:
    empty, full = np.zeros((2, 2, 2)), np.ones((2, 2, 2))
    assert dice(empty, empty, policy) == pytest.approx(both, nan_ok=True)
    assert dice(empty, full, policy) == 0.0
    assert dice(full, empty, policy) == 0.0


def test_mask_may_have_any_non_zero_value() -> None:
    assert dice(np.array([0, 255]), np.array([False, True])) == 1.0


def test_different_shapes_are_refused() -> None:
    with pytest.raises(ValueError, match=r"\(2, 3\) and \(3, 2\)"):
        dice(np.zeros((2, 3)), np.zeros((3, 2)))
    with pytest.raises(ValueError, match="one shape"):
        label_overlaps(np.zeros((2, 3), int), np.zeros((1, 3), int), [1])


def test_equals_monai() -> None:
    generator = np.random.default_rng(0)
    for _ in range(10):
        reference, prediction = generator.random((2, 1, 1, 5, 6, 7)) < 0.3
        expected = compute_dice(torch.from_numpy(prediction), torch.from_numpy(reference)).item()
        assert dice(reference, prediction) == pytest.approx(expected, abs=1e-6)


def slow_overlaps(
    reference: NDArray[Any], prediction: NDArray[Any], values: list[int], ignore: int | None
) -> dict[int, Overlap]:
    counts = {value: [0, 0, 0] for value in values}
    for truth, guess in zip(reference.ravel().tolist(), prediction.ravel().tolist(), strict=True):
        if truth == ignore:
            continue
        for value in values:
            counts[value][0] += truth == value
            counts[value][1] += guess == value
            counts[value][2] += truth == value == guess
    return {value: Overlap(*count) for value, count in counts.items()}


@settings(max_examples=60, deadline=None)
@given(
    seed=st.integers(0, 10_000),
    values=st.lists(st.sampled_from([0, 1, 2, 7, 255, 14_175, 2_000_000]), unique=True),
    ignore=st.sampled_from([None, -1, 7]),
)
def test_label_overlaps_equal_slow_version(seed: int, values: list[int], ignore: int | None) -> None:
    generator = np.random.default_rng(seed)
    present = generator.choice([-1, 0, 1, 2, 7, 255, 14_175, 2_000_000], size=3)
    reference, prediction = generator.choice(present, size=(2, 3, 4, 2)).astype(np.int32)
    result = label_overlaps(reference, prediction, values, ignore)
    assert result == slow_overlaps(reference, prediction, values, ignore)
    assert list(result) == values


def test_large_volume_is_counted_in_pieces() -> None:
    reference = np.zeros((100, 100, 100), dtype=np.int16)
    prediction = np.zeros((100, 100, 100), dtype=np.uint8)
    reference[:60], prediction[50:] = 3, 3
    assert label_overlaps(reference, prediction, [3])[3] == Overlap(600_000, 500_000, 100_000)


def test_empty_array() -> None:
    empty = np.zeros((0, 3, 3), dtype=np.int16)
    assert label_overlaps(empty, empty, [1])[1] == Overlap(0, 0, 0)


def test_value_given_twice_is_refused() -> None:
    with pytest.raises(ValueError, match="distinct"):
        label_overlaps(np.zeros(3, int), np.zeros(3, int), [1, 1])


@pytest.mark.parametrize(
    ("overlap", "status"),
    [
        (Overlap(1, 1, 0), "ok"),
        (Overlap(0, 1, 0), "reference-empty"),
        (Overlap(1, 0, 0), "prediction-empty"),
        (Overlap(0, 0, 0), "both-empty"),
    ],
)
def test_status(overlap: Overlap, status: str) -> None:
    assert overlap.status == status
    assert math.isnan(overlap.dice) == (status == "both-empty")
