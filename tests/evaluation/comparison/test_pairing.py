"""What is compared with what: subjects, cases and runs of two methods."""

import math
from typing import Any

import numpy as np
import pandas as pd
import pytest

from neurograft.evaluation.comparison.pairing import (
    differences_by_seed,
    means_by_seed,
    paired_by_subject,
    paired_units,
    shared_runs,
)

COLUMNS = ["subject", "case", "method", "value"]


def table(rows: list[tuple[Any, ...]], *runs: str) -> pd.DataFrame:
    return pd.DataFrame(rows, columns=[*COLUMNS, *runs])


def test_a_subject_is_the_mean_of_its_cases_and_a_case_of_its_runs() -> None:
    frame = table(
        [
            ("b", "b1", "new", 0.8, 0),
            ("b", "b1", "new", 0.6, 1),
            ("b", "b2", "new", 0.9, 0),
            ("b", "b1", "old", 0.5, 0),
            ("b", "b1", "old", 0.5, 1),
            ("b", "b2", "old", 0.7, 0),
            ("a", "a1", "new", 0.4, 0),
            ("a", "a1", "old", 0.3, 0),
        ],
        "seed",
    )
    pair = paired_by_subject(frame, "new", "old")
    assert pair.subjects == ("a", "b")
    assert pair.first == pytest.approx([0.4, 0.8])  # b: mean of (0.7, 0.9), not of three values
    assert pair.second == pytest.approx([0.3, 0.6])
    assert pair.differences == pytest.approx([0.1, 0.2])
    assert (pair.n, pair.cases) == (2, 3)


def test_order_of_rows_does_not_matter() -> None:
    generator = np.random.default_rng(0)
    frame = table([(s, s, m, generator.random()) for s in "dacb" for m in ("x", "y")])
    one, other = (paired_by_subject(f, "x", "y") for f in (frame, frame.sample(frac=1, random_state=1)))
    assert one.subjects == other.subjects == ("a", "b", "c", "d")
    assert (one.differences == other.differences).all()


def test_undefined_on_one_side_leaves_the_case_out_on_both() -> None:
    frame = table(
        [
            ("a", "a1", "x", 1.0),
            ("a", "a1", "y", 5.0),
            ("a", "a2", "x", math.nan),
            ("a", "a2", "y", 100.0),
            ("b", "b1", "x", math.nan),
            ("b", "b1", "y", 7.0),
        ]
    )
    pair = paired_by_subject(frame, "x", "y")
    assert (pair.subjects, pair.subjects_undefined) == (("a",), ("b",))
    assert (pair.first[0], pair.second[0]) == (1.0, 5.0)
    assert (pair.undefined_first, pair.undefined_second, pair.cases) == (2, 0, 1)


def test_a_run_that_failed_is_left_out_for_both_methods() -> None:
    rows = [("a", "a1", "x", 1.0, 0), ("a", "a1", "x", math.nan, 1), ("a", "a1", "y", 2.0, 0), ("a", "a1", "y", 9.0, 1)]
    pair = paired_by_subject(table(rows, "seed"), "x", "y")
    assert (pair.first[0], pair.second[0]) == (1.0, 2.0)
    # With other runs on the other side there is no partner to leave out.
    pair = paired_by_subject(table([*rows[:3], ("a", "a1", "y", 9.0, 2)], "seed"), "x", "y")
    assert (pair.first[0], pair.second[0]) == (1.0, 5.5)


def test_runs_of_a_case_that_only_one_method_has() -> None:
    rows = [(s, f"{s}1", m, 1.0, "0", seed) for s in "ab" for m in "xy" for seed in (0, 1, 2)]
    lacking = [row for row in rows if row[2:] != ("y", 1.0, "0", 2) or row[0] != "a"]
    frame, left_out = shared_runs(table([*lacking, ("c", "c1", "x", 1.0, "0", 0)], "fold", "seed"), "x", "y")
    assert left_out == 1
    # The case that only one has is left to the pairing, which counts cases.
    assert frame.groupby(["subject", "method"]).size().to_dict() == {
        ("a", "x"): 2, ("a", "y"): 2, ("b", "x"): 3, ("b", "y"): 3, ("c", "x"): 1,
    }  # fmt: skip
    # Without any run in common the trainings are independent of each other.
    apart = table([("a", "a1", "x", 1.0, 0), ("a", "a1", "y", 2.0, math.nan)], "seed")
    assert shared_runs(apart, "x", "y")[1] == 0


def test_different_subjects_or_cases_are_refused_unless_asked_for() -> None:
    frame = table([("a", "1", "x", 1.0), ("a", "1", "y", 2.0), ("b", "1", "x", 3.0), ("a", "2", "y", 4.0)])
    with pytest.raises(ValueError, match=r"same subjects; only one of them has b$"):
        paired_by_subject(frame, "x", "y")
    with pytest.raises(ValueError, match=r"same cases; only one of them has a/2$"):
        paired_by_subject(frame[frame["subject"] == "a"], "x", "y")
    pair = paired_by_subject(frame, "x", "y", inner=True)
    assert (pair.subjects, pair.subjects_dropped, pair.cases_dropped) == (("a",), ("b",), 2)
    assert (pair.first[0], pair.second[0]) == (1.0, 2.0)


def test_two_subjects_may_name_their_cases_alike() -> None:
    frame = table([(s, "scan-1", m, v) for s, m, v in (("a", "x", 1), ("b", "x", 2), ("a", "y", 3), ("b", "y", 5))])
    assert paired_by_subject(frame, "x", "y").differences == pytest.approx([-2.0, -3.0])


def test_repeated_values_are_refused() -> None:
    frame = table([("a", "1", "x", 1.0), ("a", "1", "x", 2.0), ("a", "1", "y", 2.0)])
    with pytest.raises(ValueError, match=r"'x' has two values for .*'1'.*by 'fold' or 'seed'"):
        paired_units(frame, "x", "y")
    assert len(paired_units(frame.assign(seed=[0, 1, 0]), "x", "y")) == 2


def test_a_method_without_seeds_can_be_paired() -> None:
    frame = table([("a", "1", "x", 1.0, 0), ("a", "1", "x", 3.0, 1), ("a", "1", "y", 2.0, None)], "seed")
    pair = paired_by_subject(frame, "x", "y")
    assert (pair.first[0], pair.second[0]) == (2.0, 2.0)
    assert differences_by_seed(frame, "x", "y") == {}


@pytest.mark.parametrize(
    ("frame", "message"),
    [
        (table([("a", "1", "x", 1.0)]), "need two of the methods x"),
        (table([("a", "1", "x", math.inf), ("a", "1", "y", 1.0)]), "finite or NaN"),
        (table([(None, "1", "x", 1.0), ("a", "1", "y", 1.0)]), "a subject and a case"),
        (table([("a", "1", "x", 1.0)]).drop(columns="case"), "lacks the columns case"),
    ],
)
def test_wrong_tables_are_refused(frame: pd.DataFrame, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        paired_by_subject(frame, "x", "y")


def test_differences_and_means_by_seed() -> None:
    frame = table(
        [
            *[("a", "1", "x", 1.0, 0), ("a", "2", "x", 3.0, 0), ("b", "1", "x", 10.0, 0), ("a", "1", "x", 7.0, 1)],
            *[("a", "1", "y", 0.0, 0), ("a", "2", "y", 0.0, 0), ("b", "1", "y", 4.0, 0), ("a", "1", "y", 8.0, 1)],
        ],
        "seed",
    )
    assert differences_by_seed(frame, "x", "y") == {"0": 4.0, "1": -1.0}  # ((1 + 3) / 2 + (10 - 4)) / 2
    assert means_by_seed(frame, "x") == pytest.approx([6.0, 7.0])
    assert differences_by_seed(frame.drop(columns="seed").drop_duplicates(COLUMNS[:3]), "x", "y") == {}
    assert means_by_seed(frame.drop(columns="seed"), "x").size == 0
