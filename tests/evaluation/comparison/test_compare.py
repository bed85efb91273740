"""The table of comparisons: figures, families, repeats, and what it refuses."""

import math
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from neurograft.evaluation.comparison.columns import COMPARISON_COLUMNS, COMPARISON_MEANINGS
from neurograft.evaluation.comparison.compare import compare_measures, compare_methods
from neurograft.evaluation.comparison.corrections import correct_p
from neurograft.evaluation.comparison.detectable import smallest_detectable_difference

SHIFTS = {"full": 0.03, "head": 0.0, "scratch": -0.002}


def scores(
    subjects: int = 12, seeds: int | None = None, seed: int = 0, spread: float = 0.02, **more: Any
) -> pd.DataFrame:
    generator = np.random.default_rng(seed)
    level = generator.normal(0.8, 0.05, subjects)
    rows = [
        {"subject": f"s{i}", "case": f"s{i}", "method": method, "value": level[i] + shift + generator.normal(0, spread)}
        | ({} if seeds is None else {"seed": repeat})
        | more
        for i in range(subjects)
        for method, shift in SHIFTS.items()
        for repeat in range(seeds or 1)
    ]
    return pd.DataFrame(rows)


def test_columns_and_pairs() -> None:
    table = compare_methods(scores(), "dice", "putamen", draws=200)
    assert tuple(table.columns) == COMPARISON_COLUMNS
    assert all(COMPARISON_MEANINGS.values())
    assert list(zip(table["first"], table["second"], strict=True)) == [
        ("full", "head"),
        ("full", "scratch"),
        ("head", "scratch"),
    ]
    against = compare_methods(scores(), "dice", "putamen", reference="head", draws=200)
    assert list(zip(against["first"], against["second"], strict=True)) == [("full", "head"), ("scratch", "head")]


def test_figures_of_a_row() -> None:
    frame = scores()
    row = compare_methods(frame, "dice", "putamen", draws=2000).iloc[0]
    wide = frame.pivot(index="subject", columns="method", values="value")
    differences = wide["full"] - wide["head"]
    assert (row["n_subjects"], row["n_cases"], row["family_size"]) == (12, 12, 3)
    assert row["mean_first"] - row["mean_second"] == pytest.approx(row["difference"])
    assert row["difference"] == pytest.approx(differences.mean())
    assert row["p_t"] == pytest.approx(stats.ttest_1samp(differences, 0).pvalue)
    assert row["p_wilcoxon"] == pytest.approx(stats.wilcoxon(differences, method="exact").pvalue)
    assert row["d_z"] == pytest.approx(differences.mean() / differences.std())
    assert row["low"] < row["difference"] < row["high"]
    assert row["detectable_alpha"] == pytest.approx(0.05 / 3)
    expected = smallest_detectable_difference(differences.std(), 12, alpha=0.05 / 3)
    assert row["smallest_detectable_difference"] == pytest.approx(expected)
    assert row["verdict"].startswith("dice of putamen: full is better than head (")
    assert row["mixed_note"] == "the table has no fold or seed: there are no repeats to model"


def test_correction_is_over_the_rows_of_the_call() -> None:
    table = compare_methods(scores(), "dice", "putamen", correction="bonferroni", draws=100)
    assert table["p_corrected"].tolist() == pytest.approx(np.minimum(1, 3 * table["p_sign_flip"]).tolist())
    single = compare_methods(scores(), "dice", "putamen", reference="scratch", correction="none", draws=100)
    assert (single["p_corrected"] == single["p_sign_flip"]).all()


@pytest.mark.parametrize(("family", "size"), [("measure", 6), ("table", 12)])
def test_family_of_several_measures_and_labels(family: Any, size: int) -> None:
    parts = [
        scores(9, seed=number, measure=measure, label=label)
        for number, (measure, label) in enumerate((m, n) for m in ("hd95_mm", "dice") for n in ("left", "right"))
    ]
    frame = pd.concat(parts, ignore_index=True)
    table = compare_measures(frame, {"dice": True, "hd95_mm": False}, family=family, draws=100)
    assert len(table) == 12
    assert table["measure"].drop_duplicates().tolist() == ["dice", "hd95_mm"]
    assert (table["family_size"] == size).all()
    for _, rows in table.groupby("measure" if family == "measure" else "family"):
        assert rows["p_corrected"].tolist() == pytest.approx(correct_p(rows["p_sign_flip"]).p.tolist())
    assert all(f"Holm over {size} comparisons" in sentence for sentence in table["verdict"])
    one = compare_methods(frame, "dice", "right", draws=100).iloc[0]
    same = table[(table["measure"] == "dice") & (table["label"] == "right")].iloc[0]
    assert (one["difference"], one["low"], one["p_t"]) == (same["difference"], same["low"], same["p_t"])


def test_seeds_enter_and_can_unsettle() -> None:
    frame = scores(12, seeds=4, spread=0.01)
    row = compare_methods(frame, "dice", "", draws=500).iloc[0]
    assert (row["seeds"], row["seeds_agreeing"], row["seeds_first"], row["seeds_second"]) == (4, 4, 4, 4)
    assert row["mixed_difference"] == pytest.approx(row["difference"])
    assert row["mixed_low"] > 0
    assert "same sign in 4 of 4 seeds" in row["verdict"]
    means = frame.groupby(["method", "seed"])["value"].mean().unstack()
    welch = stats.ttest_ind(means.loc["full"], means.loc["head"], equal_var=False)
    assert row["p_seeds"] == pytest.approx(welch.pvalue)
    # One training that went wrong for everybody: the means over seeds still differ in every subject.
    bad = frame["value"].where((frame["method"] != "full") | (frame["seed"] != 0), frame["value"] - 0.05)
    turned = compare_methods(frame.assign(value=bad), "dice", "", draws=500).iloc[0]
    assert turned["low"] > 0
    assert turned["p_corrected"] < 0.05
    assert "not settled between full and head" in turned["verdict"]
    assert "the sign holds in 3 of 4 seeds" in turned["verdict"]


def test_trainings_that_scatter_unsettle_though_their_signs_agree() -> None:
    frame = scores(20, seeds=3, spread=0.005)
    scatter = frame["seed"].map({0: 0.10, 1: 0.0, 2: -0.02}).where(frame["method"] == "full", 0.0)
    row = compare_methods(frame.assign(value=frame["value"] + scatter), "dice", "", draws=500).iloc[0]
    assert row["low"] > 0
    assert (row["seeds"], row["seeds_agreeing"]) == (3, 3)
    assert row["mixed_low"] < 0
    assert "with other trainings in the reckoning" in row["verdict"]


def test_two_scans_of_a_person_are_no_two_people() -> None:
    frame = scores(8)
    twice = pd.concat([frame, frame.assign(case=frame["case"] + "-again")])
    one, other = (compare_methods(f, "dice", "", draws=500).iloc[0] for f in (frame, twice))
    assert (other["n_subjects"], other["n_cases"]) == (8, 16)
    figures = ["difference", "low", "high", "p_t", "p_sign_flip", "d_z", "smallest_detectable_difference"]
    assert other[figures].tolist() == pytest.approx(one[figures].tolist())


def test_a_distance_is_better_when_lower() -> None:
    higher, lower = (compare_methods(scores(), "hd95_mm", "", "head", yes, draws=500).iloc[0] for yes in (True, False))
    assert "full is better" in higher["verdict"]
    assert "full is worse" in lower["verdict"]
    assert higher["difference"] == lower["difference"]
    neither = compare_methods(scores(), "volume_mm3", "", "head", None, draws=500).iloc[0]
    assert "full is higher" in neither["verdict"]


def test_same_seed_same_table_whatever_the_order() -> None:
    frame = scores(25, seeds=2)
    first = compare_methods(frame, "dice", "", reference="head", draws=300, seed=3)
    shuffled = frame.sample(frac=1, random_state=0).sort_values("method", kind="stable")
    pd.testing.assert_frame_equal(compare_methods(shuffled, "dice", "", reference="head", draws=300, seed=3), first)
    other = compare_methods(frame, "dice", "", reference="head", draws=300, seed=4)
    assert (other["low"] != first["low"]).all()


def test_one_subject_and_none() -> None:
    row = compare_methods(scores(1), "dice", "").iloc[0]
    assert row["verdict"] == "dice: nothing can be said of full and head from 1 subject."
    figures = ["low", "high", "p_t", "p_wilcoxon", "p_sign_flip", "p_corrected", "d_z", "d_z_low"]
    figures += ["smallest_detectable_difference"]
    assert row[figures].isna().all()
    assert "fewer than two subjects" in row["note"]
    none = compare_methods(scores(3).assign(value=math.nan), "dice", "").iloc[0]
    assert (none["n_subjects"], none["family_size"]) == (0, 0)
    assert "from no subject" in none["verdict"]


def test_undefined_values_are_counted_and_said() -> None:
    frame = scores(10)
    frame.loc[frame.index[frame["method"] == "head"][:2], "value"] = math.nan
    row = compare_methods(frame, "hd95_mm", "", higher_is_better=False, draws=200).iloc[0]
    assert (row["n_subjects"], row["undefined_first"], row["undefined_second"]) == (8, 0, 2)
    assert "2 values of head undefined, and left out for both" in row["verdict"]


def test_different_subjects() -> None:
    frame = scores(8).drop(index=1)
    with pytest.raises(ValueError, match="same subjects; only one of them has s0"):
        compare_methods(frame, "dice", "")
    row = compare_methods(frame, "dice", "", reference="head", inner=True, draws=100).iloc[0]
    assert (row["n_subjects"], row["subjects_dropped"], row["cases_dropped"]) == (7, 1, 1)
    assert "1 in all, were dropped" in row["verdict"]


@given(
    st.lists(st.tuples(st.floats(-1, 1), st.floats(-1, 1), st.floats(-1, 1)), min_size=1, max_size=12),
    st.sampled_from([True, False, None]),
)
@settings(max_examples=25, deadline=None)
def test_never_better_when_the_interval_holds_zero(values: list[tuple[float, ...]], direction: bool | None) -> None:
    rows = [
        (f"s{i}", f"s{i}", method, value)
        for i, of_subject in enumerate(values)
        for method, value in zip("ABC", of_subject, strict=True)
    ]
    frame = pd.DataFrame(rows, columns=["subject", "case", "method", "value"])
    table = compare_methods(frame, "dice", "", higher_is_better=direction, correction="none", draws=200)
    for row in table.to_dict("records"):
        holds_zero = not (row["low"] > 0 or row["high"] < 0)
        claimed = any(word in row["verdict"] for word in ("better", "worse", "higher", "lower"))
        assert not (holds_zero and claimed)
        assert not (claimed and row["p_corrected"] >= 0.05)


def test_two_methods_that_are_alike_are_seldom_told_apart() -> None:
    claimed = 0
    generator = np.random.default_rng(1)
    for _ in range(100):
        values = generator.exponential(size=(10, 2))
        rows = [(f"s{i}", f"s{i}", m, values[i, j]) for i in range(10) for j, m in enumerate("AB")]
        frame = pd.DataFrame(rows, columns=["subject", "case", "method", "value"])
        sentence = compare_methods(frame, "dice", "", draws=200).iloc[0]["verdict"]
        claimed += "better" in sentence or "worse" in sentence
    assert claimed <= 10


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"measure": "dice", "reference": "none"}, "'none' and another of the methods; the table has full, head"),
        ({"measure": "iou"}, "no measure 'iou' in the table; it has dice"),
        ({"measure": "dice", "label": "left"}, "no label 'left' in the table; it has right"),
    ],
)
def test_unknown_names_are_refused(arguments: dict[str, str], message: str) -> None:
    frame = scores(3, measure="dice", label="right")
    with pytest.raises(ValueError, match=message):
        compare_methods(frame, **({"label": "right"} | arguments))  # type: ignore[arg-type]


def test_a_single_method_is_refused() -> None:
    frame = scores(3)
    with pytest.raises(ValueError, match="at least two of the methods; the table has full"):
        compare_methods(frame[frame["method"] == "full"], "dice", "")
    with pytest.raises(ValueError, match="column 'measure'"):
        compare_measures(frame, {"dice": True})
