import itertools
import time
import tracemalloc
from typing import Any, get_args

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from monai.metrics import compute_panoptic_quality
from numpy.typing import NDArray
from scipy import ndimage

from neurograft.evaluation.lesions.detection import detect_lesions
from neurograft.evaluation.lesions.matching import MATCH_WORDS, LesionMatches, MatchPolicy, match_lesions

# Lines of sparse masks: many small lesions that touch one another's in every way.
PAIRS = st.tuples(hnp.arrays(np.bool_, (1, 3, 12)), hnp.arrays(np.bool_, (1, 3, 12)))
POLICIES = st.sampled_from(get_args(MatchPolicy))
CUTOFFS = st.sampled_from([0.0, 0.1, 0.2, 1 / 3, 0.5])


def line(*spans: tuple[int, int], length: int = 40) -> NDArray[Any]:
    mask = np.zeros((length, 1, 1), dtype=np.uint8)
    for first, last in spans:
        mask[first:last] = 1
    return mask


def match(reference: NDArray[Any], prediction: NDArray[Any] | None, *arguments: Any) -> LesionMatches:
    return match_lesions(reference, prediction, (1, 1, 1), *arguments)


def outcome(matches: LesionMatches) -> tuple[list[bool], list[bool]]:
    return matches.reference_found.tolist(), matches.prediction_true.tolist()


def test_one_found_one_missed_one_invented() -> None:
    matches = match(line((0, 4), (10, 12)), line((2, 6), (20, 23), (30, 31)))
    assert outcome(matches) == ([True, False], [True, False, False])
    assert matches.reference_volumes_ml.tolist() == pytest.approx([0.004, 0.002])
    assert matches.prediction_volumes_ml.tolist() == pytest.approx([0.004, 0.003, 0.001])


def test_a_split_lesion() -> None:
    reference, prediction = line((0, 10)), line((0, 3), (4, 9))
    serves_many = match(reference, prediction)
    assert outcome(serves_many) == ([True], [True, True])
    assert serves_many.reference_partners.tolist() == [2]
    assert serves_many.prediction_partners.tolist() == [1, 1]
    alone = match(reference, prediction, "one-to-one")
    assert outcome(alone) == ([True], [False, True])
    assert alone.reference_partners.tolist() == [2]


def test_a_merged_lesion() -> None:
    reference, prediction = line((0, 3), (4, 9)), line((0, 10))
    serves_many = match(reference, prediction)
    assert outcome(serves_many) == ([True, True], [True])
    assert serves_many.prediction_partners.tolist() == [2]
    assert outcome(match(reference, prediction, "one-to-one")) == ([False, True], [True])


def test_any_overlap_asks_one_lesion_and_total_overlap_all_together() -> None:
    reference, prediction = line((0, 10)), line((0, 3), (4, 7))
    assert outcome(match(reference, prediction, "any-overlap", 0.5)) == ([False], [True, True])
    assert outcome(match(reference, prediction, "total-overlap", 0.5)) == ([True], [True, True])
    assert outcome(match(prediction, reference, "any-overlap", 0.5)) == ([True, True], [False])
    assert outcome(match(prediction, reference, "total-overlap", 0.5)) == ([True, True], [True])


@pytest.mark.parametrize(("policy", "share"), [("any-overlap", 0.5), ("total-overlap", 0.5), ("one-to-one", 1 / 3)])
def test_cutoff_is_strict(policy: MatchPolicy, share: float) -> None:
    reference, prediction = line((0, 4)), line((2, 6))
    assert outcome(match(reference, prediction, policy, share)) == ([False], [False])
    assert outcome(match(reference, prediction, policy, share - 1e-9)) == ([True], [True])


def test_one_to_one_takes_the_best_sum_and_not_the_best_pair_first() -> None:
    # A chain: IoU 4/12, 6/16 in the middle, 4/12. The two outer pairs are worth more than the middle one.
    matches = match(line((1, 12), (13, 18)), line((0, 5), (6, 17)), "one-to-one")
    assert outcome(matches) == ([True, True], [True, True])


def test_one_to_one_takes_the_best_sum_and_not_the_most_pairs() -> None:
    # The same chain with IoU 2/12, 6/14, 2/12: the middle pair is worth more than the two outer ones.
    matches = match(line((2, 12), (14, 18)), line((0, 4), (6, 16)), "one-to-one")
    assert outcome(matches) == ([True, False], [False, True])


def best_sum(iou: NDArray[Any]) -> float:
    rows, columns = iou.shape
    if rows > columns:
        return best_sum(iou.T)
    return max(sum(iou[r, c] for r, c in enumerate(order)) for order in itertools.permutations(range(columns), rows))


@settings(deadline=None)
@given(PAIRS, CUTOFFS)
def test_one_to_one_equals_trying_every_assignment(pair: tuple[NDArray[Any], NDArray[Any]], cutoff: float) -> None:
    # A neighbourhood of faces on few lines keeps the number of lesions small enough to try them all.
    reference, prediction = pair[0][:, :1], pair[1][:, :1]
    true, true_count = ndimage.label(reference)
    predicted, predicted_count = ndimage.label(prediction)
    matches = match(reference, prediction, "one-to-one", cutoff)
    assert matches.reference_found.sum() == matches.prediction_true.sum()
    if not (true_count and predicted_count):
        assert not matches.reference_found.any()
        assert not matches.prediction_true.any()
        return
    iou = np.zeros((true_count, predicted_count))
    for row, column in np.ndindex(iou.shape):
        first, second = true == row + 1, predicted == column + 1
        iou[row, column] = (first & second).sum() / (first | second).sum()
    iou[iou <= cutoff] = 0
    # Lesions are numbered along the line on both sides, so found ones must allow a full pairing of the best sum.
    chosen = iou[np.ix_(matches.reference_found, matches.prediction_true)]
    assert (best_sum(chosen) if chosen.size else 0.0) == pytest.approx(best_sum(iou))


@settings(deadline=None)
@given(PAIRS, POLICIES, CUTOFFS)
def test_equals_a_slow_version(pair: tuple[NDArray[Any], NDArray[Any]], policy: MatchPolicy, cutoff: float) -> None:
    reference, prediction = pair
    matches = match(reference, prediction, policy, cutoff, 6)
    (true, true_count), (predicted, predicted_count) = ndimage.label(reference), ndimage.label(prediction)
    lesions = [true == number for number in range(1, true_count + 1)]
    others = [predicted == number for number in range(1, predicted_count + 1)]
    assert sorted(matches.reference_partners) == sorted(sum((a & b).any() for b in others) for a in lesions)
    assert sorted(matches.prediction_partners) == sorted(sum((a & b).any() for a in lesions) for b in others)
    if policy == "any-overlap":
        found = sum(any((a & b).sum() / a.sum() > cutoff for b in others) for a in lesions)
        confirmed = sum(any((a & b).sum() / b.sum() > cutoff for a in lesions) for b in others)
    elif policy == "total-overlap":
        found = sum((a & prediction).sum() / a.sum() > cutoff for a in lesions)
        confirmed = sum((b & reference).sum() / b.sum() > cutoff for b in others)
    else:
        return
    assert matches.reference_found.sum() == found
    assert matches.prediction_true.sum() == confirmed


@settings(max_examples=40, deadline=None)
@given(PAIRS)
def test_one_to_one_above_half_equals_panoptic_recognition(pair: tuple[NDArray[Any], NDArray[Any]]) -> None:
    (true, _), (predicted, _) = ndimage.label(pair[0]), ndimage.label(pair[1])
    hits, invented, missed, _ = compute_panoptic_quality(
        torch.from_numpy(predicted), torch.from_numpy(true), output_confusion_matrix=True
    ).tolist()
    matches = match(*pair, "one-to-one", 0.5, 6)
    assert matches.reference_found.sum() == matches.prediction_true.sum() == hits
    assert (~matches.prediction_true).sum() == invented
    assert (~matches.reference_found).sum() == missed


@settings(deadline=None)
@given(PAIRS, POLICIES, CUTOFFS)
def test_exchanging_the_sides_exchanges_the_results(
    pair: tuple[NDArray[Any], NDArray[Any]], policy: MatchPolicy, cutoff: float
) -> None:
    forth, back = match(*pair, policy, cutoff), match(*pair[::-1], policy, cutoff)
    assert forth.reference_found.sum() == back.prediction_true.sum()
    assert forth.reference_partners.tolist() == back.prediction_partners.tolist()
    if policy != "one-to-one":
        assert outcome(forth) == outcome(back)[::-1]


@settings(deadline=None)
@given(PAIRS, CUTOFFS)
def test_total_overlap_finds_what_detection_finds(pair: tuple[NDArray[Any], NDArray[Any]], cutoff: float) -> None:
    table = detect_lesions(*pair, (1, 1, 1))
    assert (table.covered_share > cutoff).tolist() == match(*pair, "total-overlap", cutoff).reference_found.tolist()


@settings(deadline=None)
@given(PAIRS)
def test_without_a_cutoff_the_two_generous_policies_agree(pair: tuple[NDArray[Any], NDArray[Any]]) -> None:
    assert outcome(match(*pair, "any-overlap")) == outcome(match(*pair, "total-overlap"))


@pytest.mark.parametrize("policy", get_args(MatchPolicy))
def test_empty_sides(policy: MatchPolicy) -> None:
    mask, nothing = line((0, 2), (5, 6)), line()
    assert outcome(match(nothing, nothing, policy)) == ([], [])
    assert outcome(match(mask, nothing, policy)) == ([False, False], [])
    assert outcome(match(mask, None, policy)) == ([False, False], [])
    assert outcome(match(nothing, mask, policy)) == ([], [False, False])
    assert policy in MATCH_WORDS


def test_wrong_arguments_are_refused() -> None:
    mask = line((0, 2))
    with pytest.raises(ValueError, match="any-overlap"):
        match(mask, mask, "best")
    with pytest.raises(ValueError, match="below 1"):
        match(mask, mask, "any-overlap", 1.0)
    with pytest.raises(ValueError, match="one shape"):
        match(mask, line(length=41))
    with pytest.raises(ValueError, match="three dimensions"):
        match(mask[:, :, 0], mask[:, :, 0])


def test_thousands_of_lesions_in_a_whole_volume() -> None:
    generator = np.random.default_rng(4)
    reference = np.zeros((256, 256, 256), dtype=np.uint8)
    for centre, half in zip(generator.integers(4, 252, (6000, 3)), generator.integers(1, 4, (6000, 3)), strict=True):
        reference[tuple(slice(c - h, c + h) for c, h in zip(centre, half, strict=True))] = 1
    prediction = np.roll(reference, 2, axis=0)
    tracemalloc.start()
    started = time.perf_counter()
    matches = match(reference, prediction, "one-to-one")
    seconds = time.perf_counter() - started
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert len(matches.reference_found) > 4000
    assert 0.5 < matches.reference_found.mean() < 1
    # A matrix of all pairs would hold 200 MB and a loop over masks take minutes.
    assert seconds < 10
    assert peak < 12 * reference.size
