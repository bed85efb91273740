"""Slice scores: each policy by hand, a slow version, and the same figures whatever the axis or layout."""

import math
import time
from typing import Any, get_args

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import jaccard_score

from neurograft.evaluation.overlap.slices import (
    SLICE_POLICY_WORDS,
    SliceMean,
    SlicePolicy,
    pooled_dice,
    pooled_mean_iou,
    slice_scores,
)

NAN = float("nan")

# One label in four slices of two voxels: right, empty in both, missed, half right.
REFERENCE = np.array([[1, 1], [0, 0], [1, 0], [1, 0]], dtype=np.int16).T.reshape(2, 1, 4)
PREDICTION = np.array([[1, 1], [0, 0], [0, 0], [1, 1]], dtype=np.int16).T.reshape(2, 1, 4)


@pytest.mark.parametrize(
    ("policy", "dice", "iou"),
    [
        ("skip", [1, NAN, 0, 2 / 3], [1, NAN, 0, 1 / 2]),
        ("perfect", [1, 1, 0, 2 / 3], [1, 1, 0, 1 / 2]),
        ("reference-slices", [1, NAN, 0, 2 / 3], [1, NAN, 0, 1 / 2]),
        ("shared-slices", [1, NAN, NAN, 2 / 3], [1, NAN, NAN, 1 / 2]),
    ],
)
def test_policies_by_hand(policy: Any, dice: list[float], iou: list[float]) -> None:
    scores = slice_scores(REFERENCE, PREDICTION, [1], policy=policy)
    assert scores.dice[:, 0] == pytest.approx(dice, nan_ok=True)
    assert scores.iou[:, 0] == pytest.approx(iou, nan_ok=True)
    assert scores.mean_iou == pytest.approx(iou, nan_ok=True)
    counted = sum(not math.isnan(value) for value in dice)
    assert scores.mean_dice_of(1) == SliceMean(pytest.approx(np.nanmean(dice)), counted, 4 - counted)
    assert scores.mean_iou_of(1) == scores.mean_of_mean_iou
    assert scores.mean_of_mean_iou == SliceMean(pytest.approx(np.nanmean(iou)), counted, 4 - counted)


def test_prediction_where_the_reference_is_empty() -> None:
    # Exchanged, the missed slice becomes one in which only the prediction shows the label.
    assert slice_scores(PREDICTION, REFERENCE, [1]).dice[2, 0] == 0
    assert math.isnan(slice_scores(PREDICTION, REFERENCE, [1], policy="reference-slices").dice[2, 0])


def test_p4_default_is_skip() -> None:
    assert slice_scores(REFERENCE, PREDICTION, [1]).policy == "skip"
    assert set(SLICE_POLICY_WORDS) == set(get_args(SlicePolicy))


def test_mean_iou_is_over_the_labels_of_a_slice() -> None:
    reference = np.array([[1, 1, 2, 0], [1, 1, 1, 1], [0, 0, 0, 0]]).T[:, None]
    prediction = np.array([[1, 2, 2, 0], [1, 1, 3, 1], [0, 0, 0, 0]]).T[:, None]
    first = (1 / 2 + 1 / 2) / 2
    second = (3 / 4 + 0) / 2
    scores = slice_scores(reference, prediction, [1, 2, 3])
    assert scores.mean_iou == pytest.approx([first, second, NAN], nan_ok=True)
    perfect = slice_scores(reference, prediction, [1, 2, 3], policy="perfect")
    assert perfect.mean_iou == pytest.approx([(1 / 2 + 1 / 2 + 1) / 3, (3 / 4 + 1 + 0) / 3, 1])
    assert scores.mean_iou_of(1).value == pytest.approx((1 / 2 + 3 / 4) / 2)
    assert scores.mean_iou_of(2) == SliceMean(1 / 2, 1, 2)
    assert scores.mean_dice_of(2) == SliceMean(pytest.approx(2 / 3), 1, 2)
    in_reference = slice_scores(reference, prediction, [1, 2, 3], policy="reference-slices")
    assert in_reference.mean_iou == pytest.approx([first, 3 / 4, NAN], nan_ok=True)
    shared = slice_scores(reference, prediction, [1, 2, 3], policy="shared-slices")
    assert shared.mean_iou == pytest.approx([first, 3 / 4, NAN], nan_ok=True)


def test_background_as_a_class() -> None:
    reference, prediction = np.array([[1, 0, 0], [0, 0, 0]]).T[:, None], np.array([[1, 1, 0], [0, 0, 0]]).T[:, None]
    scores = slice_scores(reference, prediction, [1], background=True)
    # The slice without the label is left out although its background agrees.
    assert scores.mean_iou == pytest.approx([(1 / 2 + 1 / 2) / 2, NAN], nan_ok=True)
    assert scores.iou.shape == (2, 1)
    perfect = slice_scores(reference, prediction, [1], background=True, policy="perfect")
    assert perfect.mean_iou == pytest.approx([1 / 2, 1])
    other = np.where(prediction == 1, 1, 9)
    assert slice_scores(reference, other, [1], background=True).mean_iou[0] == pytest.approx(1 / 2)


def test_voxels_without_annotation_are_left_out() -> None:
    reference, prediction = np.array([[1, -1, 0], [-1, -1, -1]]).T[:, None], np.array([[1, 1, 0], [1, 1, 1]]).T[:, None]
    scores = slice_scores(reference, prediction, [1], ignore=-1)
    assert scores.dice[:, 0] == pytest.approx([1, NAN], nan_ok=True)
    perfect = slice_scores(reference, prediction, [1, 2], policy="perfect", ignore=-1)
    assert perfect.dice.tolist()[0] == [1, 1]
    assert np.isnan(perfect.dice[1]).all()
    assert perfect.mean_iou == pytest.approx([1, NAN], nan_ok=True)


def slow_scores(
    reference: np.ndarray, prediction: np.ndarray, values: list[int], policy: str, ignore: int | None
) -> np.ndarray:
    """IoU of each slice across axis 2 and label, by scikit-learn."""
    figures = np.full((reference.shape[2], len(values)), NAN)
    for number in range(reference.shape[2]):
        kept = np.ones(reference.shape[:2], dtype=bool) if ignore is None else reference[:, :, number] != ignore
        for column, value in enumerate(values):
            if not kept.any():
                continue
            truth, guess = reference[:, :, number][kept] == value, prediction[:, :, number][kept] == value
            if not truth.any() and not guess.any():
                figures[number, column] = 1 if policy == "perfect" else NAN
                continue
            needs_truth, needs_guess = policy in {"reference-slices", "shared-slices"}, policy == "shared-slices"
            if (truth.any() or not needs_truth) and (guess.any() or not needs_guess):
                figures[number, column] = jaccard_score(truth, guess, zero_division=0)
    return figures


@settings(max_examples=60, deadline=None)
@given(
    seed=st.integers(0, 10_000),
    values=st.lists(st.sampled_from([0, 1, 2, 7, 100_000]), unique=True, min_size=1),
    policy=st.sampled_from(get_args(SlicePolicy)),
    ignore=st.sampled_from([None, 0, 7]),
    axis=st.integers(0, 2),
)
def test_equals_slow_version(seed: int, values: list[int], policy: Any, ignore: int | None, axis: int) -> None:
    generator = np.random.default_rng(seed)
    reference, prediction = generator.choice([0, 0, 0, 1, 2, 7, 100_000], size=(2, 3, 2, 5)).astype(np.int32)
    reference[:, :, 4], prediction[:, :, 3:] = 0, 0
    expected = slow_scores(reference, prediction, values, policy, ignore)
    moved = np.moveaxis(reference, 2, axis), np.moveaxis(prediction, 2, axis)
    for first, second in (moved, tuple(map(np.ascontiguousarray, moved)), (np.asfortranarray(moved[0]), moved[1])):
        scores = slice_scores(first, second, values, axis, policy, ignore=ignore)
        np.testing.assert_allclose(scores.iou, expected)
        np.testing.assert_allclose(scores.dice, 2 * expected / (1 + expected))
        defined = ~np.isnan(expected).all(axis=1)
        assert (~np.isnan(scores.mean_iou)).tolist() == defined.tolist()
        np.testing.assert_allclose(scores.mean_iou[defined], np.nanmean(expected[defined], axis=1))


def test_large_volume_is_counted_in_pieces() -> None:
    reference = np.zeros((110, 100, 90), dtype=np.int16)
    prediction = np.zeros((110, 100, 90), dtype=np.uint8)
    reference[1:61, 1:, 10:], prediction[31:101, 1:, :80] = 3, 3
    for axis, expected in ((0, 2), (1, 2), (2, 2)):
        scores = slice_scores(reference, prediction, [3], axis=axis)
        assert scores.dice.shape == (reference.shape[axis], 1)
        assert scores.dice.ndim == expected
    assert slice_scores(reference, prediction, [3], axis=2).dice[40, 0] == pytest.approx(2 * 30 / 130)
    assert slice_scores(reference, prediction, [3], axis=0).dice[40, 0] == pytest.approx(2 * 70 / 160)
    assert slice_scores(reference, prediction, [3], axis=1).dice[40, 0] == pytest.approx(
        2 * 30 * 70 / (60 * 80 + 70 * 80)
    )


def test_pooled_over_cases_weighs_slices_not_cases() -> None:
    one = slice_scores(REFERENCE, PREDICTION, [1])
    other = slice_scores(REFERENCE[:, :, :1], PREDICTION[:, :, :1], [1])
    assert pooled_dice([one, other], 1) == SliceMean(pytest.approx((1 + 0 + 2 / 3 + 1) / 4), 4, 1)
    assert pooled_mean_iou(iter([one, other])) == SliceMean(pytest.approx((1 + 0 + 1 / 2 + 1) / 4), 4, 1)
    with pytest.raises(ValueError, match="at least one case"):
        pooled_mean_iou([])
    with pytest.raises(ValueError, match=r"value 2 was not scored; scored were \[1\]"):
        pooled_dice([one], 2)


def test_nothing_anywhere_is_undefined() -> None:
    empty = np.zeros((3, 3, 5), dtype=int)
    mean = slice_scores(empty, empty, [1]).mean_dice_of(1)
    assert math.isnan(mean.value)
    assert (mean.slices_counted, mean.slices_left_out) == (0, 5)
    assert slice_scores(empty, empty, [1], policy="perfect").mean_of_mean_iou == SliceMean(1.0, 5, 0)
    assert slice_scores(empty[:0], empty[:0], [1], background=True).mean_of_mean_iou.slices_left_out == 5
    assert slice_scores(empty, empty, [0]).mean_dice_of(0) == SliceMean(1.0, 5, 0)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"values": []}, "at least one label value"),
        ({"values": [1, 1]}, "distinct"),
        ({"axis": 3}, "axis 3 does not exist in an array with 3 axes"),
        ({"policy": "none"}, "a slice policy is one of"),
        ({"prediction": np.zeros((1, 1, 4), dtype=int)}, "one shape"),
    ],
)
def test_wrong_arguments_are_refused(arguments: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        slice_scores(**{"reference": REFERENCE, "prediction": PREDICTION, "values": [1], **arguments})


def test_speed_on_a_whole_head() -> None:
    reference = np.zeros((256, 256, 256), dtype=np.int32)
    reference[60:200, 40:210, 60:190] = np.random.default_rng(0).integers(0, 15, size=(140, 170, 130))
    prediction = np.roll(reference, 1, axis=0)
    best = math.inf
    for _ in range(3):
        start = time.perf_counter()
        slice_scores(reference, prediction, range(1, 15))
        best = min(best, time.perf_counter() - start)
    # About 0.05 s where nothing else runs; a machine that is busy may take several times as long.
    assert best < 0.8
