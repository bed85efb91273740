import math

import numpy as np
import pytest

from neurograft.evaluation.cases import score_case

NAMES = ["anterior", "posterior", "both absent"]


def test_rows_of_a_case() -> None:
    reference = np.array([1, 1, 1, 2, 0, 0], dtype=np.int16)
    prediction = np.array([1, 1, 0, 0, 0, 1], dtype=np.int16)
    anterior, posterior, absent = score_case(reference, prediction, NAMES, voxel_volume_mm3=2.0)
    assert (anterior.dice, anterior.reference_mm3, anterior.prediction_mm3) == (pytest.approx(2 / 3), 6.0, 6.0)
    assert (anterior.status, posterior.status, absent.status) == ("ok", "prediction-empty", "both-empty")
    assert (posterior.dice, posterior.volume_difference_mm3) == (0.0, -2.0)
    assert math.isnan(absent.dice)
    assert score_case(reference, prediction, NAMES, 2.0, empty="perfect")[2].dice == 1.0


def test_reference_empty_scores_zero() -> None:
    (score,) = score_case(np.zeros(3, int), np.array([0, 1, 0]), ["LC"], 1.0)
    assert (score.dice, score.status, score.volume_difference_mm3) == (0.0, "reference-empty", 1.0)


def test_missing_prediction_is_a_failure_for_every_label() -> None:
    scores = score_case(np.array([1, 1, 0]), None, NAMES, 0.5, empty="perfect")
    assert [score.status for score in scores] == ["prediction-missing"] * 3
    assert [score.dice for score in scores] == [0.0, 0.0, 0.0]
    assert [score.reference_mm3 for score in scores] == [1.0, 0.0, 0.0]
    assert all(math.isnan(score.prediction_mm3) and math.isnan(score.volume_difference_mm3) for score in scores)


def test_voxels_without_annotation_do_not_count() -> None:
    reference = np.array([1, 0, -1, -1])
    prediction = np.array([1, 0, 1, 0])
    (score,) = score_case(reference, prediction, ["LC"], 1.0)
    assert (score.dice, score.prediction_mm3) == (1.0, 1.0)
