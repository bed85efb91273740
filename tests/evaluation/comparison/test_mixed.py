"""The mixed model of a difference: what it equals, what it widens, and when it does not answer."""

import math

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from neurograft.evaluation.comparison.mixed import mixed_difference


def table(
    seed: int,
    subjects: int,
    runs: int,
    difference: float = 0.02,
    by_subject: float = 0.02,
    by_run: float = 0.01,
    rest: float = 0.01,
) -> pd.DataFrame:
    """Scores of ``new`` and ``old`` by the model, with the same runs."""
    generator = np.random.default_rng(seed)
    level, shift = generator.normal(0.8, 0.1, subjects), generator.normal(0, by_subject, subjects)
    draw = generator.normal(0, by_run, runs)
    rows = []
    for i in range(subjects):
        for r in range(runs):
            old = level[i] + generator.normal(0, 0.01)
            new = old + difference + shift[i] + draw[r] + generator.normal(0, rest)
            rows += [(f"s{i}", f"s{i}", method, value, r) for method, value in (("new", new), ("old", old))]
    return pd.DataFrame(rows, columns=["subject", "case", "method", "value", "seed"])


def subject_differences(frame: pd.DataFrame) -> np.ndarray:
    means = frame.groupby(["subject", "method"])["value"].mean().unstack()
    return (means["new"] - means["old"]).to_numpy()


def test_without_a_variance_of_runs_it_is_the_paired_t_test_of_subject_means() -> None:
    frame = table(5, 10, 4, by_run=0.0, by_subject=0.05)
    result = mixed_difference(frame, "new", "old")
    assert result.variances["run"] == 0
    expected = stats.ttest_1samp(subject_differences(frame), 0)
    interval = expected.confidence_interval()
    assert result.p == pytest.approx(expected.pvalue, rel=1e-3)
    assert (result.low, result.high) == pytest.approx((interval.low, interval.high), rel=1e-3)
    assert result.degrees_of_freedom == 9
    assert (result.n_subjects, result.n_runs, result.note) == (10, 4, "runs paired")


def test_copies_of_a_run_add_no_certainty() -> None:
    frame = table(1, 9, 1)
    copies = pd.concat([frame.assign(seed=number) for number in range(6)], ignore_index=True)
    assert "repeat each other exactly" in mixed_difference(copies, "new", "old").note
    noise = np.random.default_rng(0).normal(0, 1e-4, len(copies))
    result = mixed_difference(copies.assign(value=copies["value"] + noise), "new", "old")
    assert result.p == pytest.approx(stats.ttest_1samp(subject_differences(frame), 0).pvalue, rel=0.05)


def test_variance_of_runs_widens_the_interval_as_the_analysis_of_variance_says() -> None:
    frame = table(2, 15, 5, by_run=0.03)
    result = mixed_difference(frame, "new", "old")
    means = frame.pivot_table(index=["subject", "seed"], columns="method", values="value")
    cells = (means["new"] - means["old"]).unstack().to_numpy()
    mean = cells.mean()
    of_subjects = 5 * ((cells.mean(1) - mean) ** 2).sum() / 14
    of_runs = 15 * ((cells.mean(0) - mean) ** 2).sum() / 4
    rest = ((cells - cells.mean(1, keepdims=True) - cells.mean(0) + mean) ** 2).sum() / 56
    squared_error = (of_subjects + of_runs - rest) / 75
    share_of_runs = (of_runs - rest) / 75
    freedom = squared_error**2 / ((of_subjects / 75) ** 2 / 14 + share_of_runs**2 / 4)
    reach = stats.t.ppf(0.975, freedom) * math.sqrt(squared_error)
    assert result.difference == pytest.approx(mean)
    assert result.degrees_of_freedom == pytest.approx(freedom, rel=1e-2)
    assert (result.low, result.high) == pytest.approx((mean - reach, mean + reach), rel=1e-2)


def test_covers_the_truth_where_the_mean_over_runs_does_not() -> None:
    covered = covered_by_means = 0
    for seed in range(60):
        frame = table(seed, 20, 5, by_subject=0.01, by_run=0.02, rest=0.02)
        result = mixed_difference(frame, "new", "old")
        covered += result.low <= 0.02 <= result.high
        interval = stats.ttest_1samp(subject_differences(frame), 0.02).pvalue
        covered_by_means += interval > 0.05
    assert covered >= 53
    assert covered_by_means <= 42


def test_different_runs_are_not_paired() -> None:
    frame = table(3, 12, 4, by_run=0.0)
    is_old = frame["method"] == "old"
    apart = frame.assign(seed=frame["seed"].where(~is_old, frame["seed"] + 10))
    result = mixed_difference(apart, "new", "old")
    assert "not paired" in result.note
    assert set(result.variances) == {"subject", "subject by method", "run", "rest"}
    assert (result.converged, result.n_runs) == (True, 8)
    assert result.difference == pytest.approx(subject_differences(apart).mean())
    assert result.low < result.difference < result.high
    assert mixed_difference(apart, "old", "new").difference == pytest.approx(-result.difference)


def test_one_run_against_several() -> None:
    frame = table(4, 12, 4, by_run=0.0)
    single = frame[(frame["method"] == "new") | (frame["seed"] == 0)]
    result = mixed_difference(single, "new", "old")
    assert result.converged
    assert result.n_runs == 5
    assert result.low < 0.02 < result.high


def test_folds_and_seeds_together_are_runs() -> None:
    frame = table(5, 8, 4)
    parts = frame.assign(fold=frame["seed"] // 2, seed=frame["seed"] % 2)
    assert mixed_difference(parts, "new", "old") == mixed_difference(frame, "new", "old")


def test_undefined_values_and_missing_cells() -> None:
    frame = table(6, 8, 3)
    frame.loc[[0, 7], "value"] = math.nan
    result = mixed_difference(frame, "new", "old")
    assert result.converged
    assert result.note == "runs paired"
    # A cell lost on one side only is lost on both.
    other = frame.drop(index=[1, 6])
    assert mixed_difference(other, "new", "old").difference == pytest.approx(result.difference)


def test_subjects_of_one_method_only_do_not_enter() -> None:
    frame = table(7, 8, 3)
    extra = frame[frame["method"] == "new"].assign(subject=lambda f: "x" + f["subject"], value=99.0)
    assert mixed_difference(pd.concat([frame, extra]), "new", "old") == mixed_difference(frame, "new", "old")


@pytest.mark.parametrize(
    ("frame", "note"),
    [
        (table(8, 8, 3).drop_duplicates(["subject", "method"]).drop(columns="seed"), "no fold or seed"),
        (table(8, 8, 1), "no subject is repeated"),
        (table(8, 2, 3), "2 subjects are too few"),
        (table(8, 8, 3).assign(value=0.5), "no spread"),
        (table(8, 8, 3).assign(value=math.nan), "no subject is repeated"),
    ],
)
def test_says_why_there_is_no_answer(frame: pd.DataFrame, note: str) -> None:
    result = mixed_difference(frame, "new", "old")
    assert note in result.note
    assert not result.converged
    assert all(map(math.isnan, (result.difference, result.low, result.high, result.p)))


def test_level_out_of_range_is_refused() -> None:
    with pytest.raises(ValueError, match="95"):
        mixed_difference(table(9, 4, 2), "new", "old", level=95)
