"""Figures of an overlap: the table of the module, scikit-learn, MONAI, and bounds."""

import math
from dataclasses import fields
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from monai.metrics import compute_iou
from sklearn.metrics import f1_score, jaccard_score, precision_score, recall_score

from neurograft.evaluation.overlap.counts import Overlap, label_overlaps
from neurograft.evaluation.overlap.scores import (
    dice,
    iou,
    overlap_scores,
    precision,
    relative_volume_difference,
    sensitivity,
    volume_difference_mm3,
    volume_similarity,
)

NAN = float("nan")


def test_hand_computed() -> None:
    scores = overlap_scores(Overlap(reference_voxels=8, prediction_voxels=4, intersection_voxels=3), 0.5)
    assert scores.status == "ok"
    assert scores.dice == pytest.approx(6 / 12)
    assert scores.iou == pytest.approx(3 / 9)
    assert scores.sensitivity == pytest.approx(3 / 8)
    assert scores.precision == pytest.approx(3 / 4)
    assert (scores.reference_mm3, scores.prediction_mm3, scores.volume_difference_mm3) == (4.0, 2.0, -2.0)
    assert scores.relative_volume_difference == pytest.approx(-0.5)
    assert scores.volume_similarity == pytest.approx(1 - 4 / 12)


@pytest.mark.parametrize(
    ("overlap", "policy", "expected"),
    # dice, iou, sensitivity, precision, volume difference, relative difference, volume similarity
    [
        (Overlap(0, 5, 0), "skip", (0, 0, NAN, 0, 10, NAN, 0)),
        (Overlap(0, 5, 0), "perfect", (0, 0, NAN, 0, 10, NAN, 0)),
        (Overlap(5, 0, 0), "skip", (0, 0, 0, NAN, -10, -1, 0)),
        (Overlap(5, 0, 0), "perfect", (0, 0, 0, NAN, -10, -1, 0)),
        (Overlap(0, 0, 0), "skip", (NAN, NAN, NAN, NAN, 0, NAN, NAN)),
        (Overlap(0, 0, 0), "perfect", (1, 1, NAN, NAN, 0, NAN, 1)),
    ],
)
def test_empty_masks(overlap: Overlap, policy: Any, expected: tuple[float, ...]) -> None:
    found = (
        dice(overlap, policy),
        iou(overlap, policy),
        sensitivity(overlap),
        precision(overlap),
        volume_difference_mm3(overlap, 2.0),
        relative_volume_difference(overlap),
        volume_similarity(overlap, policy),
    )
    assert found == pytest.approx(expected, nan_ok=True)
    assert overlap_scores(overlap, 2.0, policy).status == overlap.status


def test_equals_scikit_learn_and_monai() -> None:
    generator = np.random.default_rng(0)
    for _ in range(10):
        reference, prediction = (generator.random((2, 5, 6, 7)) < 0.3).astype(np.uint8)
        overlap = label_overlaps(reference, prediction, [1])[1]
        flat = reference.ravel(), prediction.ravel()
        assert dice(overlap) == pytest.approx(f1_score(*flat))
        assert iou(overlap) == pytest.approx(jaccard_score(*flat))
        assert sensitivity(overlap) == pytest.approx(recall_score(*flat))
        assert precision(overlap) == pytest.approx(precision_score(*flat))
        monai = compute_iou(torch.from_numpy(prediction)[None, None], torch.from_numpy(reference)[None, None]).item()
        assert iou(overlap) == pytest.approx(monai, abs=1e-6)


@given(st.integers(0, 50), st.integers(0, 50), st.integers(0, 50))
def test_bounds_and_relations(only_reference: int, only_prediction: int, both: int) -> None:
    overlap = Overlap(only_reference + both, only_prediction + both, both)
    scores = overlap_scores(overlap, 1.0)
    for field in fields(scores):
        value = getattr(scores, field.name)
        if field.name in {"dice", "iou", "sensitivity", "precision", "volume_similarity"} and not math.isnan(value):
            assert 0 <= value <= 1
    assert scores.dice == pytest.approx(2 * scores.iou / (1 + scores.iou), nan_ok=True)
    if both:
        assert scores.dice == pytest.approx(2 / (1 / scores.sensitivity + 1 / scores.precision))
        assert scores.volume_similarity >= scores.dice - 1e-12
        assert scores.relative_volume_difference == pytest.approx(scores.sensitivity / scores.precision - 1)
    mirrored = overlap_scores(Overlap(only_prediction + both, only_reference + both, both), 1.0)
    assert mirrored.sensitivity == pytest.approx(scores.precision, nan_ok=True)
    assert mirrored.volume_difference_mm3 == -scores.volume_difference_mm3


@pytest.mark.parametrize("volume", [0.0, -1.0, NAN])
def test_volume_of_a_voxel_is_positive(volume: float) -> None:
    with pytest.raises(ValueError, match="must be positive"):
        overlap_scores(Overlap(1, 1, 1), volume)
