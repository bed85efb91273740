"""Confusion between labels, and sides taken for one another."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import confusion_matrix

from neurograft.evaluation.overlap.confusion import SideSwap, confusion_shares, side_swaps
from neurograft.evaluation.overlap.counts import LabelCounts, count_labels

LEFT, RIGHT = 17, 53
NAMES = {LEFT: "left hippocampus", RIGHT: "right hippocampus", 16: "brain stem"}


def head() -> np.ndarray:
    """Two hippocampi of 40 voxels each, apart, and a brain stem between them."""
    labels = np.zeros((12, 8, 8), dtype=np.int16)
    labels[1:3, 2:6, 1:6] = LEFT
    labels[9:11, 2:6, 1:6] = RIGHT
    labels[5:7, 3:5, :] = 16
    return labels


def exchanged(labels: np.ndarray) -> np.ndarray:
    other = labels.copy()
    other[labels == LEFT], other[labels == RIGHT] = RIGHT, LEFT
    return other


def swap_of(reference: np.ndarray, prediction: np.ndarray, threshold: float = 0.05) -> SideSwap:
    counts = count_labels(reference, prediction, [16, LEFT, RIGHT])
    (swap,) = side_swaps(counts, [(LEFT, RIGHT)], threshold)
    return swap


def test_shares_by_hand() -> None:
    reference = np.array([1, 1, 1, 1, 2, 2, 0, 0])
    prediction = np.array([1, 2, 2, 0, 2, 9, 1, 0])
    shares = confusion_shares(count_labels(reference, prediction, [1, 2, 3]), {1: "a", 2: "b", 3: "c"})
    assert list(shares.index) == ["a", "b", "c"]
    assert list(shares.columns) == ["a", "b", "c", "background"]
    assert shares.loc["a"].tolist() == [0.25, 0.5, 0, 0.25]
    assert shares.loc["b"].tolist() == [0, 0.5, 0, 0.5]
    assert shares.loc["c"].isna().all()


def test_shares_equal_scikit_learn() -> None:
    reference, prediction = np.random.default_rng(0).integers(0, 4, size=(2, 6, 6, 6))
    shares = confusion_shares(count_labels(reference, prediction, [1, 2, 3]), {1: "a", 2: "b", 3: "c"})
    expected = confusion_matrix(reference.ravel(), prediction.ravel(), labels=[1, 2, 3, 0], normalize="true")[:3]
    np.testing.assert_allclose(shares.to_numpy(), expected)
    np.testing.assert_allclose(shares.sum(axis=1), 1)


def test_names_are_complete_and_distinct() -> None:
    counts = count_labels(np.array([1, 2]), np.array([1, 2]), [1, 2])
    with pytest.raises(ValueError, match=r"without a name: \[2\]"):
        confusion_shares(counts, {1: "a"})
    with pytest.raises(ValueError, match="distinct"):
        confusion_shares(counts, {1: "a", 2: "a"})
    with pytest.raises(ValueError, match="background"):
        confusion_shares(counts, {1: "a", 2: "background"})


def test_right_prediction_has_no_swap() -> None:
    swap = swap_of(head(), head())
    assert not swap.swapped
    assert not swap.partly
    assert (swap.share_left_as_right, swap.share_right_as_left, swap.wrong_side_voxels) == (0, 0, 0)
    assert (swap.mean_dice, swap.mean_dice_exchanged) == (1, 0)
    assert swap.words("left", "right") == ""


def test_exchanged_sides_are_swapped() -> None:
    swap = swap_of(head(), exchanged(head()))
    assert swap.swapped
    assert not swap.partly
    assert (swap.share_left_as_right, swap.share_right_as_left, swap.wrong_side_voxels) == (1, 1, 80)
    assert (swap.mean_dice, swap.mean_dice_exchanged) == (0, 1)
    assert swap.words("left", "right") == (
        "left and right are swapped: 100% of left is labelled right and 100% of right is labelled left (80 voxels); "
        "exchanging the two labels of the prediction would raise their mean Dice from 0.000 to 1.000."
    )


def test_mirrored_image_is_swapped() -> None:
    assert swap_of(head(), head()[::-1]).swapped


def test_part_of_one_side_on_the_other() -> None:
    prediction = head()
    prediction[1:3, 2:6, 1:3][prediction[1:3, 2:6, 1:3] == LEFT] = RIGHT
    swap = swap_of(head(), prediction)
    assert not swap.swapped
    assert swap.partly
    assert swap.share_left_as_right == pytest.approx(16 / 40)
    assert swap.share_right_as_left == 0
    assert swap.wrong_side_voxels == 16
    assert (
        swap.words("left", "right") == "left and right are partly swapped: 40% of left is labelled right (16 voxels)."
    )
    assert not swap_of(head(), prediction, threshold=0.5).partly
    assert swap_of(head(), prediction, threshold=0.4).partly


def test_only_one_side_shown_and_called_by_the_other() -> None:
    reference, prediction = head(), exchanged(head())
    reference[reference == RIGHT], prediction[prediction == LEFT] = 0, 0
    swap = swap_of(reference, prediction)
    assert swap.swapped
    assert math.isnan(swap.share_right_as_left)
    assert swap.mean_dice_exchanged == 1
    reference_alone = head()
    reference_alone[reference_alone == RIGHT] = 0
    assert not swap_of(reference_alone, reference_alone).swapped


def test_absent_structures_are_no_swap() -> None:
    empty = np.zeros((4, 4, 4), dtype=np.int16)
    swap = swap_of(empty, empty)
    assert not swap.swapped
    assert not swap.partly
    assert math.isnan(swap.mean_dice)
    missed = swap_of(head(), np.where(head() == 16, 16, 0))
    assert not missed.swapped
    assert missed.mean_dice == missed.mean_dice_exchanged == 0


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 10_000))
def test_swapped_means_that_exchanging_helps(seed: int) -> None:
    reference, prediction = np.random.default_rng(seed).choice([0, LEFT, RIGHT], size=(2, 3, 3, 2))
    swap = swap_of(reference, prediction)
    other = exchanged(prediction)

    def mean_dice(labels: np.ndarray) -> float:
        counts = count_labels(reference, labels, [LEFT, RIGHT])
        return float(np.nanmean([counts.overlap(LEFT).dice, counts.overlap(RIGHT).dice]))

    assert swap.mean_dice == pytest.approx(mean_dice(prediction))
    assert swap.mean_dice_exchanged == pytest.approx(mean_dice(other))
    assert swap.swapped == (swap.mean_dice_exchanged > swap.mean_dice)
    assert swap_of(reference, other).mean_dice == pytest.approx(swap.mean_dice_exchanged)
    wrong = ((reference == LEFT) & (prediction == RIGHT)) | ((reference == RIGHT) & (prediction == LEFT))
    assert swap.wrong_side_voxels == int(wrong.sum())


def test_wrong_arguments_are_refused() -> None:
    counts = LabelCounts((LEFT, RIGHT), np.zeros((3, 3), dtype=np.int64))
    with pytest.raises(ValueError, match="value 99 was not counted"):
        side_swaps(counts, [(LEFT, 99)])
    with pytest.raises(ValueError, match="17 twice"):
        side_swaps(counts, [(LEFT, LEFT)])
    for threshold in (0.0, 1.5):
        with pytest.raises(ValueError, match="threshold"):
            side_swaps(counts, [(LEFT, RIGHT)], threshold)
    assert side_swaps(counts, []) == []
