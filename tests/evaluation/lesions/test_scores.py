from pathlib import Path
from typing import Any, get_args

import nibabel as nib
import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from numpy.typing import NDArray

from neurograft.evaluation.lesions.matching import LesionMatches, MatchPolicy, match_lesions
from neurograft.evaluation.lesions.scores import lesion_scores

FIGURES = ["sensitivity", "precision", "f1", "f1_by_counts", "false_positives_per_scan"]
PAIRS = st.tuples(hnp.arrays(np.bool_, (1, 3, 9)), hnp.arrays(np.bool_, (1, 3, 9)))


def scan(
    found: dict[float, bool], true: dict[float, bool], split: tuple[float, ...] = (), merged: tuple[float, ...] = ()
) -> LesionMatches:
    """A scan by hand: volume in mL -> whether that lesion was found, or is true."""
    return LesionMatches(
        "any-overlap",
        0.0,
        26,
        np.array(list(found), dtype=float),
        np.array(list(found.values()), dtype=bool),
        np.array([2 if volume in split else 1 for volume in found], dtype=np.int64),
        np.array(list(true), dtype=float),
        np.array(list(true.values()), dtype=bool),
        np.array([2 if volume in merged else 1 for volume in true], dtype=np.int64),
    )


def overall(*scans: LesionMatches) -> pd.Series:
    return lesion_scores(scans, draws=200).iloc[0]


def test_hand_computed() -> None:
    row = overall(
        scan({0.5: True, 0.02: True, 0.001: False}, {0.6: True, 0.03: False}, split=(0.5,)),
        scan({2.0: False}, {0.004: False, 3.0: True, 0.05: False}, merged=(3.0,)),
        scan({}, {}),
    )
    assert (row["n_reference"], row["n_found"], row["n_missed"]) == (4, 2, 2)
    assert (row["n_predicted"], row["n_true"], row["n_false"]) == (5, 2, 3)
    assert (row["n_split"], row["n_merged"], row["n_scans"], row["n_subjects"]) == (1, 1, 3, 3)
    assert row[FIGURES].tolist() == pytest.approx([2 / 4, 2 / 5, 4 / 9, 4 / 9, 1.0])


def test_size_bins_hold_their_lower_end() -> None:
    scans = [scan({0.005: True, 0.01: False, 0.1: True, 1.0: True}, {0.0099: False, 0.99: True})]
    frame = lesion_scores(scans, draws=10)
    assert frame["size"].tolist() == [
        "all",
        "0 to below 0.01 mL",
        "0.01 to below 0.1 mL",
        "0.1 to below 1 mL",
        "at least 1 mL",
    ]
    assert frame["n_reference"].tolist() == [4, 1, 1, 1, 1]
    assert frame["n_found"].tolist() == [3, 1, 0, 1, 1]
    assert frame["n_predicted"].tolist() == [2, 1, 0, 1, 0]
    assert frame["n_false"].tolist() == [1, 1, 0, 0, 0]
    assert frame["sensitivity"].tolist() == [0.75, 1, 0, 1, 1]
    assert frame["precision"].tolist() == pytest.approx([0.5, 0, np.nan, 1, np.nan], nan_ok=True)


def test_a_volume_that_is_an_edge_but_for_rounding() -> None:
    spacing = (0.1, 0.7, 1 / 0.7)  # 0.1 mm3, but for rounding
    mask = np.zeros((102, 1, 3), dtype=bool)
    mask[:100, 0, 0] = True  # 0.01 mL
    mask[:99, 0, 2] = True
    frame = lesion_scores([match_lesions(mask, mask, spacing)], draws=10)
    assert frame["n_reference"].tolist() == [2, 1, 1, 0, 0]


def test_undefined_figures() -> None:
    neither = overall(scan({}, {}))
    assert neither[["sensitivity", "precision", "f1", "f1_by_counts"]].isna().all()
    assert neither["false_positives_per_scan"] == 0
    missed = overall(scan({1.0: False}, {}))
    assert missed[FIGURES].tolist() == pytest.approx([0, np.nan, 0, 0, 0], nan_ok=True)
    invented = overall(scan({}, {1.0: False}))
    assert invented[FIGURES].tolist() == pytest.approx([np.nan, 0, 0, 0, 1], nan_ok=True)
    wrong = overall(scan({1.0: False}, {1.0: False}))
    assert wrong[FIGURES].tolist() == [0, 0, 0, 0, 1]


def test_the_two_f1_differ_when_lesions_are_split() -> None:
    row = overall(scan({1.0: True, 2.0: False}, {0.1: True, 0.2: True, 0.3: True, 0.4: False}))
    assert row["f1"] == pytest.approx(2 * 0.5 * 0.75 / 1.25)
    assert row["f1_by_counts"] == pytest.approx(2 * 1 / (2 * 1 + 1 + 1))


@settings(deadline=None)
@given(st.lists(PAIRS, min_size=1, max_size=4), st.sampled_from(get_args(MatchPolicy)), st.sampled_from([0, 0.3]))
def test_figures_hold_together(
    pairs: list[tuple[NDArray[Any], NDArray[Any]]], policy: MatchPolicy, cutoff: float
) -> None:
    matches = [match_lesions(*pair, (10, 10, 10), policy, cutoff, 6) for pair in pairs]
    frame = lesion_scores(matches, size_edges_ml=(0, 1.5, 2.5, float("inf")), draws=20)
    counts = [name for name in frame if name.startswith("n_") and name not in ("n_scans", "n_subjects")]
    assert (frame[counts].iloc[0] == frame[counts].iloc[1:].sum()).all()
    shares = frame[["sensitivity", "precision", "f1", "f1_by_counts"]].to_numpy()
    assert ((shares >= 0) & (shares <= 1) | np.isnan(shares)).all()
    for name in FIGURES:
        known = frame[frame[f"{name}_low"].notna()]
        assert (known[f"{name}_low"] <= known[f"{name}_high"]).all()
    if policy == "one-to-one":
        whole = frame.iloc[0]
        assert whole["n_found"] == whole["n_true"]
        assert whole["f1"] == pytest.approx(whole["f1_by_counts"], nan_ok=True)


def test_interval_resamples_subjects() -> None:
    scans = [scan({1.0: True, 2.0: True}, {1.0: True}), scan({1.0: False}, {1.0: False, 2.0: False})] * 3
    free = overall(*scans)
    assert free["f1_low"] < free["f1"] < free["f1_high"]
    pairs = lesion_scores(scans, subjects=["a", "a", "b", "b", "c", "c"], draws=200).iloc[0]
    # Every person has the same two scans, so there is nothing between people to vary.
    assert pairs["n_subjects"] == 3
    assert pairs["f1_low"] == pytest.approx(pairs["f1"]) == pytest.approx(pairs["f1_high"])


def test_wrong_arguments_are_refused() -> None:
    one = scan({1.0: True}, {})
    other = match_lesions(np.ones((1, 1, 1)), None, (1, 1, 1), "one-to-one")
    with pytest.raises(ValueError, match="one policy"):
        lesion_scores([one, other])
    with pytest.raises(ValueError, match="at least one scan"):
        lesion_scores([])
    with pytest.raises(ValueError, match="must rise"):
        lesion_scores([one], size_edges_ml=(0, 1, 1))
    with pytest.raises(ValueError, match="one subject a scan"):
        lesion_scores([one], subjects=["a", "b"])


def test_real_masks_against_themselves_and_a_neighbour(shared_data: Path) -> None:
    folder = shared_data / "ms-lesion-masks"
    first, second = (nib.load(folder / f"sub-{subject}_desc-consensus_mask.nii.gz") for subject in ("29", "30"))
    mask, other = np.asarray(first.dataobj), np.asarray(second.dataobj)
    spacing = [float(length) for length in first.header.get_zooms()]
    same = overall(match_lesions(mask, mask, spacing))
    assert same[FIGURES].tolist() == [1, 1, 1, 1, 0]
    assert same["n_reference"] == 20
    swapped = overall(match_lesions(other, mask, spacing))
    forward = overall(match_lesions(mask, other, spacing))
    assert swapped["sensitivity"] == forward["precision"] < 0.5
    assert forward["n_false"] == 18 - forward["n_true"]
