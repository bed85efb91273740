"""Label counts, overlaps and Dice: hand-computed values, MONAI, scikit-learn, and a slow version."""

import math
import time
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from monai.metrics import compute_dice
from numpy.typing import NDArray
from sklearn.metrics import confusion_matrix

from neurograft.evaluation.overlap.counts import LabelCounts, Overlap, count_labels, dice, label_overlaps


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
    ignore=st.sampled_from([None, -1, 0, 7]),
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


def test_hand_computed_matrix() -> None:
    reference = np.array([[0, 1, 1], [2, 2, 9]])
    prediction = np.array([[0, 1, 2], [2, 9, 1]])
    counts = count_labels(reference, prediction, [1, 2])
    assert counts.values == (1, 2)
    assert counts.matrix.tolist() == [[1, 1, 0], [0, 1, 1], [1, 0, 1]]
    assert counts.total_voxels == 6
    assert counts.overlap(1) == Overlap(2, 2, 1)
    assert counts.group([1, 2]) == Overlap(4, 4, 3)


@pytest.mark.parametrize("values", [[1, 2, 3], [3, 1], [0, 2], [2, 0, 4], [100_000, 1]])
def test_matrix_equals_scikit_learn(values: list[int]) -> None:
    generator = np.random.default_rng(3)
    for shape in ((4, 5, 6), (30,), (3, 9), (2, 2, 3, 3)):
        reference, prediction = generator.choice([0, 1, 2, 3, 4, 100_000], size=(2, *shape))
        other = -99
        folded = [np.where(np.isin(labels, values), labels, other).ravel() for labels in (reference, prediction)]
        expected = confusion_matrix(*folded, labels=[other, *values])
        assert count_labels(reference, prediction, values).matrix.tolist() == expected.tolist()


def test_zeros_around_the_labels_count() -> None:
    reference, prediction = np.zeros((2, 10, 10, 10), dtype=np.int32)
    reference[4:6, 5, 5], prediction[5, 5, 5] = 1, 2
    counts = count_labels(reference, prediction, [1, 2])
    assert counts.matrix.tolist() == [[998, 0, 0], [1, 0, 1], [0, 0, 0]]
    assert count_labels(reference, prediction, [0]).overlap(0) == Overlap(998, 999, 998)
    assert count_labels(np.zeros_like(reference), np.zeros_like(reference), [0]).overlap(0).intersection_voxels == 1000
    assert count_labels(reference, prediction, [1], ignore=0).total_voxels == 2


def test_memory_layout_does_not_matter() -> None:
    reference, prediction = np.random.default_rng(1).integers(0, 4, size=(2, 5, 6, 7))
    expected = count_labels(reference, prediction, [1, 2, 3]).matrix.tolist()
    for first, second in (
        (np.asfortranarray(reference), np.asfortranarray(prediction)),
        (np.asfortranarray(reference), prediction),
        (reference[::-1, :, ::-1], prediction[::-1, :, ::-1]),
        (reference.transpose(1, 2, 0), prediction.transpose(1, 2, 0)),
        (reference.astype(np.uint8), prediction.astype(np.int16)),
    ):
        assert count_labels(first, second, [1, 2, 3]).matrix.tolist() == expected


@settings(max_examples=60, deadline=None)
@given(seed=st.integers(0, 10_000), members=st.sets(st.sampled_from([1, 2, 3, 4]), min_size=1))
def test_group_is_union_against_union(seed: int, members: set[int]) -> None:
    reference, prediction = np.random.default_rng(seed).integers(0, 5, size=(2, 4, 5, 3))
    group = count_labels(reference, prediction, [1, 2, 3, 4]).group(sorted(members))
    one, other = np.isin(reference, list(members)), np.isin(prediction, list(members))
    assert group == Overlap(int(one.sum()), int(other.sum()), int((one & other).sum()))


@settings(max_examples=60, deadline=None)
@given(seed=st.integers(0, 10_000))
def test_exchanging_the_sides_transposes_the_matrix(seed: int) -> None:
    reference, prediction = np.random.default_rng(seed).integers(0, 4, size=(2, 3, 4, 5))
    counts, other = count_labels(reference, prediction, [1, 3]), count_labels(prediction, reference, [1, 3])
    assert counts.matrix.tolist() == other.matrix.T.tolist()
    assert counts.total_voxels == 60


def test_confusion_inside_a_group_is_a_hit() -> None:
    reference, prediction = np.array([1, 1, 2, 2, 0]), np.array([2, 2, 1, 1, 0])
    counts = count_labels(reference, prediction, [1, 2])
    assert counts.overlap(1).dice == 0
    assert counts.group([1, 2]).dice == 1


def test_voxels_without_annotation_are_left_out_of_both() -> None:
    reference, prediction = np.array([1, -1, -1, 0]), np.array([1, 1, 0, -1])
    counts = count_labels(reference, prediction, [1], ignore=-1)
    assert counts.matrix.tolist() == [[1, 0], [0, 1]]
    assert counts.total_voxels == 2


def test_counts_of_cases_add_up() -> None:
    first = count_labels(np.array([1, 2]), np.array([1, 1]), [1, 2])
    second = count_labels(np.array([0, 2, 2]), np.array([0, 2, 0]), [1, 2])
    assert (first + second).matrix.tolist() == [[1, 0, 0], [0, 1, 0], [1, 1, 1]]
    with pytest.raises(ValueError, match="different labels"):
        first + count_labels(np.array([1]), np.array([1]), [2, 1])


def test_unknown_values_and_wrong_matrices_are_refused() -> None:
    counts = count_labels(np.array([1, 2]), np.array([1, 1]), [1, 2])
    with pytest.raises(ValueError, match=r"value 3 was not counted; counted were \[1, 2\]"):
        counts.overlap(3)
    with pytest.raises(ValueError, match="at least one"):
        counts.group([])
    with pytest.raises(ValueError, match="2 x 2"):
        LabelCounts((1,), np.zeros((3, 3), dtype=np.int64))
    with pytest.raises(ValueError, match="read-only"):
        counts.matrix[0, 0] = 5


def test_numbers_that_are_no_integers_are_refused() -> None:
    with pytest.raises(ValueError, match="must hold integers, but the reference is of type float32"):
        count_labels(np.zeros((2, 2), dtype=np.float32), np.zeros((2, 2), dtype=int), [1])


def test_speed_on_a_whole_head() -> None:
    reference = np.zeros((256, 256, 256), dtype=np.int32)
    reference[60:200, 40:210, 60:190] = np.random.default_rng(0).integers(0, 15, size=(140, 170, 130))
    prediction = np.roll(reference, 1, axis=0)
    best = math.inf
    for _ in range(3):
        start = time.perf_counter()
        count_labels(reference, prediction, range(1, 15))
        best = min(best, time.perf_counter() - start)
    # About 0.03 s where nothing else runs; a machine that is busy may take several times as long.
    assert best < 0.6
