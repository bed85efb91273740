"""A model among raters: the ceiling stands in the table, on the same cases."""

import math
from typing import Any

import numpy as np
import pandas as pd
import pytest

from neurograft.evaluation.agreement.raters import PAIRWISE_COLUMNS, RATER_COLUMNS, pairwise_table, rater_ceiling
from neurograft.evaluation.agreement.row import agreement_row
from neurograft.evaluation.intervals import subject_bootstrap

RANDOM = np.random.default_rng(0)
TRUTH = RANDOM.uniform(50, 100, 12)
VALUES = {name: TRUTH + RANDOM.normal(0, sd, 12) for name, sd in (("ann", 5), ("bob", 5), ("net", 2), ("cleo", 8))}


def _measurements(values: dict[str, Any]) -> pd.DataFrame:
    rows = [(f"s{number}", "1", rater, value) for rater, of in values.items() for number, value in enumerate(of)]
    return pd.DataFrame(rows, columns=["subject", "case", "rater", "value"])


def _scores(rows: list[tuple[str, str, str, float]]) -> pd.DataFrame:
    return pd.DataFrame(rows, columns=["first", "second", "subject", "value"])


def test_every_pair_with_the_model_first() -> None:
    table = rater_ceiling(_measurements(VALUES), "net")
    assert tuple(table) == RATER_COLUMNS
    assert table[["kind", "first", "second"]].to_numpy().tolist() == [
        ["model-rater", "net", "ann"],
        ["model-rater", "net", "bob"],
        ["model-rater", "net", "cleo"],
        ["rater-rater", "ann", "bob"],
        ["rater-rater", "ann", "cleo"],
        ["rater-rater", "bob", "cleo"],
        ["model-rater, mean", "", ""],
        ["rater-rater, mean", "", ""],
    ]


def test_figures_are_those_of_the_pair() -> None:
    table = rater_ceiling(_measurements(VALUES), "net").set_index(["first", "second"])
    expected = agreement_row("", "", VALUES["net"], VALUES["bob"])
    found = table.loc[("net", "bob")]
    for column in ("n", "icc_2_1", "icc_2_1_low", "ccc_high", "pearson", "bias", "loa_upper"):
        assert found[column] == pytest.approx(expected[column])
    assert found["bias"] == pytest.approx((VALUES["net"] - VALUES["bob"]).mean())


def test_mean_over_the_pairs_of_a_kind() -> None:
    table = rater_ceiling(_measurements(VALUES), "net").set_index("kind")
    for kind in ("model-rater", "rater-rater"):
        mean = table.loc[f"{kind}, mean"]
        assert mean["icc_2_1"] == pytest.approx(table.loc[kind, "icc_2_1"].mean())
        assert (mean["n"], mean["n_subjects"]) == (12, 12)
        assert math.isnan(mean["bias"])


def test_one_rater_has_no_ceiling() -> None:
    table = rater_ceiling(_measurements({name: VALUES[name] for name in ("ann", "net")}), "net")
    assert table["kind"].tolist() == ["model-rater"]


def test_pairs_are_compared_on_common_cases() -> None:
    """A rater who measured four of the cases limits all pairs to these, unless pairs go by themselves."""
    values = {name: VALUES[name].copy() for name in ("net", "ann", "bob")}
    values["bob"][4:] = math.nan
    values["ann"][0] = math.inf
    common = rater_ceiling(_measurements(values), "net")
    assert set(common["n"]) == {3}
    assert set(common["n_left_out"]) == {9}
    pairwise = rater_ceiling(_measurements(values), "net", cases="pairwise")
    assert pairwise["n"].tolist() == [11, 4, 3]
    assert pairwise["n_left_out"].tolist() == [1, 8, 9]
    assert pairwise["kind"].tolist() == ["model-rater", "model-rater", "rater-rater"]


def test_rows_that_are_absent_are_undefined_cases() -> None:
    full = _measurements({name: VALUES[name] for name in ("net", "ann", "bob")})
    absent = full[~((full["rater"] == "bob") & (full["subject"] == "s3"))]
    undefined = full.assign(value=full["value"].where(absent["value"].notna()))
    pd.testing.assert_frame_equal(rater_ceiling(absent, "net"), rater_ceiling(undefined, "net"))


def test_cases_of_a_subject_are_no_independent_cases() -> None:
    once = _measurements(VALUES)
    twice = pd.concat([once, once.assign(case="2")])
    one, two = rater_ceiling(once, "net"), rater_ceiling(twice, "net")
    assert two["n"].tolist()[:2] == [24, 24]
    assert two["n_subjects"].tolist()[:2] == [12, 12]
    assert two["icc_2_1_low"].tolist() == pytest.approx(one["icc_2_1_low"].tolist(), nan_ok=True)
    assert "24 cases of 12 subjects" in two["note"][0]


def test_no_common_case_says_so() -> None:
    values = {"net": [1.0, 2.0], "ann": [1.0, math.nan], "bob": [math.nan, 2.0]}
    table = rater_ceiling(_measurements(values), "net")
    assert table["n"].tolist()[:3] == [0, 0, 0]
    assert table["note"][0].startswith("0 subjects: too few")


@pytest.mark.parametrize(
    ("change", "options", "match"),
    [
        (lambda frame: frame, {"model": "gnn"}, r"'gnn' and at least one other .* got \['ann'"),
        (lambda frame: frame[frame["rater"] == "net"], {}, "at least one other"),
        (lambda frame: frame.drop(columns="case"), {}, r"lacks the columns \['case'\]"),
        (lambda frame: pd.concat([frame, frame.head(1)]), {}, r"several of cases \['1'\]"),
        (lambda frame: frame.assign(subject=None), {}, "needs a subject"),
        (lambda frame: frame, {"cases": "all"}, "one of common, pairwise, got 'all'"),
    ],
)
def test_bad_measurements_are_refused(change: Any, options: dict[str, Any], match: str) -> None:
    with pytest.raises(ValueError, match=match):
        rater_ceiling(change(_measurements(VALUES)), **{"model": "net", **options})


DICE = _scores(
    [
        ("net", "ann", "s0", 0.90), ("net", "ann", "s1", 0.80), ("net", "ann", "s2", 0.85),
        ("bob", "net", "s0", 0.84), ("bob", "net", "s1", 0.80), ("bob", "net", "s2", 0.79),
        ("bob", "ann", "s0", 0.88), ("bob", "ann", "s1", 0.84), ("bob", "ann", "s2", 0.83),
    ]
)  # fmt: skip


def test_scores_by_hand() -> None:
    table = pairwise_table(DICE, "net")
    assert tuple(table) == PAIRWISE_COLUMNS
    assert table[["kind", "first", "second"]].to_numpy().tolist() == [
        ["model-rater", "net", "ann"],
        ["model-rater", "net", "bob"],
        ["rater-rater", "ann", "bob"],
        ["model-rater, mean", "", ""],
        ["rater-rater, mean", "", ""],
        ["model minus ceiling", "", ""],
    ]
    assert table["mean"].tolist() == pytest.approx([0.85, 0.81, 0.85, 0.83, 0.85, -0.02])
    assert table["sd"][0] == pytest.approx(0.05)
    differences = {"s0": [0.87 - 0.88], "s1": [0.80 - 0.84], "s2": [0.82 - 0.83]}
    assert tuple(table.loc[5, ["low", "high"]]) == pytest.approx(subject_bootstrap(differences))


def test_scores_without_a_second_rater_have_no_ceiling() -> None:
    table = pairwise_table(DICE.head(3), "net")
    assert table["kind"].tolist() == ["model-rater"]


def test_undefined_scores_are_left_out_of_all_pairs() -> None:
    scores = DICE.copy()
    scores.loc[7, "value"] = math.nan
    table = pairwise_table(scores, "net")
    assert set(table["n"]) == {2}
    assert set(table["n_left_out"]) == {1}
    assert table["mean"][0] == pytest.approx(0.875)
    pairwise = pairwise_table(scores, "net", cases="pairwise")
    assert pairwise["n"].tolist() == [3, 3, 2]
    assert pairwise["mean"].tolist() == pytest.approx([0.85, 0.81, 0.855])


def test_score_intervals_resample_subjects() -> None:
    once = DICE.assign(case="1")
    twice = pd.concat([once, once.assign(case="2")])
    one, two = pairwise_table(once, "net"), pairwise_table(twice, "net")
    assert set(two["n"]) == {6}
    assert set(two["n_subjects"]) == {3}
    assert two["low"].tolist() == pytest.approx(one["low"].tolist())


def test_order_of_names_and_rows_does_not_matter() -> None:
    turned = DICE.rename(columns={"first": "second", "second": "first"})
    pd.testing.assert_frame_equal(pairwise_table(turned, "net"), pairwise_table(DICE, "net"))


@pytest.mark.parametrize(
    ("change", "model", "match"),
    [
        (lambda frame: frame, "gnn", r"'gnn' is in no pair, got \[\('ann', 'bob'\)"),
        (lambda frame: frame.drop(columns="subject"), "net", r"lacks the columns \['subject'\]"),
        (lambda frame: pd.concat([frame, _scores([("ann", "net", "s0", 0.5)])]), "net", r"several of cases \['s0'\]"),
        (lambda frame: frame.assign(second=frame["first"]), "net", "'net' twice"),
    ],
)
def test_bad_scores_are_refused(change: Any, model: str, match: str) -> None:
    with pytest.raises(ValueError, match=match):
        pairwise_table(change(DICE), model)
