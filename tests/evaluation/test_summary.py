import math

import pandas as pd
import pytest

from neurograft.evaluation.intervals import subject_bootstrap
from neurograft.evaluation.summary import summarise

NAN = math.nan
SCORES = pd.DataFrame(
    [
        ("a-1", "a", "SNpc", 0.8, 10.0, 12.0, 2.0, "ok"),
        ("a-1", "a", "LC", NAN, 0.0, 0.0, 0.0, "both-empty"),
        ("a-2", "a", "SNpc", 0.6, 10.0, 6.0, -4.0, "ok"),
        ("a-2", "a", "LC", 0.5, 4.0, 4.0, 0.0, "ok"),
        ("b-1", "b", "SNpc", 0.0, 10.0, NAN, NAN, "prediction-missing"),
        ("b-1", "b", "LC", 0.0, 5.0, NAN, NAN, "prediction-missing"),
        ("c-1", "c", "SNpc", 0.0, 0.0, 3.0, 3.0, "reference-empty"),
        ("c-1", "c", "LC", 0.0, 6.0, 0.0, -6.0, "prediction-empty"),
    ],
    columns=["case", "subject", "label", "dice", "reference_mm3", "prediction_mm3", "volume_difference_mm3", "status"],
)


def test_one_row_a_label_with_everything_counted() -> None:
    table = summarise(SCORES, draws=500)
    assert table["label"].tolist() == ["SNpc", "LC"]
    snpc, lc = table.to_dict("records")
    assert (snpc["n"], snpc["n_subjects"], lc["n"], lc["n_subjects"]) == (4, 3, 3, 3)
    assert snpc["dice_mean"] == pytest.approx(1.4 / 4)
    assert snpc["dice_sd"] == pytest.approx(math.sqrt((0.45**2 + 0.25**2 + 2 * 0.35**2) / 3))
    assert lc["dice_mean"] == pytest.approx(0.5 / 3)
    assert (snpc["dice_min"], snpc["n_missing"], snpc["n_reference_empty"], snpc["n_both_empty"]) == (0.0, 1, 1, 0)
    assert (lc["n_missing"], lc["n_prediction_empty"], lc["n_both_empty"]) == (1, 1, 1)
    assert snpc["volume_difference_mm3_mean"] == pytest.approx(1 / 3)
    assert "left out" in snpc["policy"]
    assert "prediction missing: Dice 0" in snpc["policy"]


def test_interval_is_over_subjects() -> None:
    expected = subject_bootstrap({"a": [0.8, 0.6], "b": [0.0], "c": [0.0]}, draws=500, seed=3)
    row = summarise(SCORES, draws=500, seed=3).iloc[0]
    assert (row["dice_low"], row["dice_high"]) == expected


def test_policy_for_absent_labels_changes_the_mean() -> None:
    lc = summarise(SCORES, empty="perfect", draws=10).iloc[1]
    assert lc["n"] == 4
    assert lc["dice_mean"] == pytest.approx(1.5 / 4)
    assert "Dice 1" in lc["policy"]
