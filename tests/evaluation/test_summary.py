import math

import numpy as np
import pandas as pd
import pytest

from neurograft.evaluation.mean_intervals import mean_intervals
from neurograft.evaluation.policies import Policies
from neurograft.evaluation.summary import SUMMARY_MEANINGS, summarise

NAN = math.nan
SCORES = pd.DataFrame(
    [
        ("a-1", "a", "SNpc", "label", "ok", 0.8, 2.0, 1.5),
        ("a-1", "a", "LC", "label", "both-empty", NAN, 0.0, NAN),
        ("a-1", "a", "mean", "mean", "ok", 0.8, NAN, NAN),
        ("a-2", "a", "SNpc", "label", "ok", 0.6, -4.0, 2.5),
        ("a-2", "a", "LC", "label", "ok", 0.5, 0.0, 0.5),
        ("a-2", "a", "mean", "mean", "ok", 0.55, NAN, NAN),
        ("b-1", "b", "SNpc", "label", "prediction-missing", 0.0, NAN, NAN),
        ("b-1", "b", "LC", "label", "prediction-missing", 0.0, NAN, NAN),
        ("b-1", "b", "mean", "mean", "prediction-missing", 0.0, NAN, NAN),
        ("c-1", "c", "SNpc", "label", "reference-empty", 0.0, 3.0, NAN),
        ("c-1", "c", "LC", "label", "prediction-empty", 0.0, -6.0, NAN),
        ("c-1", "c", "mean", "mean", "reference-empty", 0.0, NAN, NAN),
    ],
    columns=["case", "subject", "label", "kind", "status", "dice", "volume_difference_mm3", "hausdorff_voxel_mm"],
)


def _row(table: pd.DataFrame, label: str, measure: str) -> pd.Series:
    found = table[(table["label"] == label) & (table["measure"] == measure)]
    assert len(found) == 1
    return found.iloc[0]


def test_a_row_a_label_and_measure_with_everything_counted() -> None:
    table = summarise(SCORES, Policies(missing="score-zero"), draws=500)
    assert table.columns.tolist() == list(SUMMARY_MEANINGS)
    assert list(dict.fromkeys(table["label"])) == ["SNpc", "LC", "mean"]
    snpc, lc = _row(table, "SNpc", "dice"), _row(table, "LC", "dice")
    assert (snpc["n"], snpc["n_subjects"], snpc["n_left_out"]) == (4, 3, 0)
    assert (lc["n"], lc["n_subjects"], lc["n_left_out"]) == (3, 3, 1)
    assert snpc["mean"] == pytest.approx(1.4 / 4)
    assert snpc["sd"] == pytest.approx(math.sqrt((0.45**2 + 0.25**2 + 2 * 0.35**2) / 3))
    assert lc["mean"] == pytest.approx(0.5 / 3)
    assert (snpc["min"], snpc["median"], snpc["max"]) == (0.0, pytest.approx(0.3), 0.8)
    assert (snpc["n_missing"], snpc["n_reference_empty"], snpc["n_both_empty"]) == (1, 1, 0)
    assert (lc["n_missing"], lc["n_prediction_empty"], lc["n_both_empty"]) == (1, 1, 1)
    assert _row(table, "SNpc", "volume_difference_mm3")["mean"] == pytest.approx(1 / 3)
    assert snpc["policy"] == Policies(missing="score-zero").words()


def test_undefined_distances_are_left_out_and_counted() -> None:
    row = _row(summarise(SCORES, Policies(), draws=50), "SNpc", "hausdorff_voxel_mm")
    assert (row["n"], row["n_left_out"], row["mean"], row["unit"]) == (2, 2, 2.0, "mm")
    # Both are one person's, so nothing can be said of other people.
    assert row["n_subjects"] == 1
    assert math.isnan(row["low"])


def test_a_mean_over_labels_has_no_row_for_what_it_never_has() -> None:
    table = summarise(SCORES, Policies(), draws=50)
    assert table.loc[table["label"] == "mean", "measure"].tolist() == ["dice"]


def test_interval_is_over_subjects() -> None:
    values = np.array([[0.8], [0.6], [0.0], [0.0]])
    expected = mean_intervals(values, ["a", "a", "b", "c"], draws=500, seed=3)[:, 0]
    row = _row(summarise(SCORES, Policies(), draws=500, seed=3), "SNpc", "dice")
    assert (row["low"], row["high"]) == tuple(expected)
