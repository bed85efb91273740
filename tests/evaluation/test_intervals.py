"""Bootstrap over subjects, against scipy and against a slow version."""

import math

import numpy as np
import pytest
from scipy.stats import bootstrap, ttest_1samp

from neurograft.evaluation.intervals import (
    expanded_level,
    subject_bootstrap,
    subject_row_bootstrap,
    two_group_bootstrap,
)

VALUES = np.random.default_rng(3).normal(0.8, 0.1, size=25)
ONE_CASE_EACH = {f"s{number:02d}": [float(value)] for number, value in enumerate(VALUES)}


@pytest.mark.parametrize("statistic", [np.mean, np.median])
@pytest.mark.parametrize("level", [0.95, 0.8])
def test_equals_scipy_with_one_case_a_subject(statistic: object, level: float) -> None:
    expected = bootstrap(
        (VALUES,), statistic, confidence_level=level, n_resamples=20_000, method="percentile", rng=1
    ).confidence_interval
    low, high = subject_bootstrap(ONE_CASE_EACH, statistic, level, draws=20_000, seed=2, expanded=False)  # type: ignore[arg-type]
    assert (low, high) == pytest.approx(tuple(expected), abs=2e-3)


def test_two_identical_scans_of_a_person_add_no_certainty() -> None:
    doubled = {subject: values * 2 for subject, values in ONE_CASE_EACH.items()}
    assert subject_bootstrap(doubled) == pytest.approx(subject_bootstrap(ONE_CASE_EACH))


@pytest.mark.parametrize("statistic", [np.mean, np.median])
def test_uneven_numbers_of_cases_equal_slow_version(statistic: object) -> None:
    cases = {"b": [0.1, 0.2, 0.9], "a": [0.5], "c": [0.7, 0.8]}
    groups = [cases[subject] for subject in sorted(cases)]
    drawn = np.random.default_rng(5).integers(3, size=(400, 3))
    estimates = [statistic([value for subject in row for value in groups[subject]]) for row in drawn]  # type: ignore[operator]
    result = subject_bootstrap(cases, statistic, draws=400, seed=5)  # type: ignore[arg-type]
    assert result == pytest.approx(tuple(np.percentile(estimates, [2.5, 97.5])))


def test_reproducible_and_independent_of_order() -> None:
    turned = dict(reversed(ONE_CASE_EACH.items()))
    assert subject_bootstrap(ONE_CASE_EACH, seed=4) == subject_bootstrap(turned, seed=4)
    assert subject_bootstrap(ONE_CASE_EACH, seed=4) != subject_bootstrap(ONE_CASE_EACH, seed=5)


def test_undefined_cases_are_left_out() -> None:
    with_gaps = ONE_CASE_EACH | {"s00": [*ONE_CASE_EACH["s00"], math.nan], "s99": [math.nan]}
    assert subject_bootstrap(with_gaps) == subject_bootstrap(ONE_CASE_EACH)


@pytest.mark.parametrize("values", [{}, {"a": [0.5, 0.7]}, {"a": [0.5], "b": [math.nan]}])
def test_no_interval_from_one_subject(values: dict[str, list[float]]) -> None:
    assert all(map(math.isnan, subject_bootstrap(values)))


def test_constant_values_give_a_point() -> None:
    assert subject_bootstrap({"a": [0.5], "b": [0.5]}) == (0.5, 0.5)


def test_coverage_is_near_its_level() -> None:
    generator = np.random.default_rng(0)
    hits = 0
    for _ in range(300):
        sample = {str(number): [value] for number, value in enumerate(generator.normal(size=40))}
        low, high = subject_bootstrap(sample, draws=300)
        hits += low <= 0 <= high
    assert 0.89 < hits / 300 < 0.98


def test_bad_settings_are_refused() -> None:
    with pytest.raises(ValueError, match="95"):
        subject_bootstrap(ONE_CASE_EACH, level=95)


def test_expanded_interval_is_as_wide_as_students() -> None:
    # Values without skew, for which the two are to agree.
    half = np.random.default_rng(7).normal(size=6)
    values = np.concatenate([half, -half])
    low, high = subject_bootstrap({f"{i:02d}": [v] for i, v in enumerate(values)}, draws=100_000, expanded=True)
    interval = ttest_1samp(values, 0).confidence_interval()
    assert (low, high) == pytest.approx((interval.low, interval.high), rel=0.04)
    assert expanded_level(0.95, 10_000) == pytest.approx(0.95, abs=1e-4)
    assert expanded_level(0.95, 5) > 0.99
    with pytest.raises(ValueError, match="two subjects"):
        expanded_level(0.95, 1)


def test_expanded_interval_covers_with_few_subjects() -> None:
    generator = np.random.default_rng(1)
    plain = expanded = 0
    for _ in range(400):
        sample = {str(number): [value] for number, value in enumerate(generator.normal(size=6))}
        low, high = subject_bootstrap(sample, draws=400, expanded=False)
        plain += low <= 0 <= high
        low, high = subject_bootstrap(sample, draws=400)
        expanded += low <= 0 <= high
    assert plain / 400 < 0.9
    assert expanded / 400 > 0.9


def test_rows_of_one_value_equal_the_plain_bootstrap() -> None:
    rows = np.array([ONE_CASE_EACH[subject] for subject in sorted(ONE_CASE_EACH)])
    result = subject_row_bootstrap(rows, lambda r: r[..., 0].mean(axis=1), seed=4)
    assert result == pytest.approx(subject_bootstrap(ONE_CASE_EACH, seed=4))
    assert all(map(math.isnan, subject_row_bootstrap(rows[:1], lambda r: r[..., 0].mean(axis=1))))
    with pytest.raises(ValueError, match="shape"):
        subject_row_bootstrap(rows[:, 0], lambda r: r.mean(axis=1))


def test_pairs_of_values_stay_together() -> None:
    rows = np.stack([VALUES, VALUES - 0.1], axis=1)
    result = subject_row_bootstrap(rows, lambda r: (r[..., 0] - r[..., 1]).mean(axis=1))
    assert result == pytest.approx((0.1, 0.1))


def test_resamples_without_a_figure() -> None:
    def spread(rows: np.ndarray) -> np.ndarray:
        sd = rows[..., 0].std(axis=1)
        return np.where(sd > 0, sd, np.nan)

    # All the same subject: one resample in four of two subjects' is so, and more than one in twenty of three's.
    assert all(map(math.isnan, subject_row_bootstrap(np.array([[0.0], [1.0], [2.0]]), spread)))
    low, high = subject_row_bootstrap(np.arange(6.0)[:, None], spread)
    assert 0 < low < high


def test_two_groups_equal_scipy() -> None:
    first, second = VALUES[:12], VALUES[12:]
    expected = bootstrap(
        (first, second),
        lambda a, b, axis: a.mean(axis) - b.mean(axis),
        n_resamples=20_000,
        method="percentile",
        rng=1,
    ).confidence_interval
    result = two_group_bootstrap(first, second, lambda a, b: a.mean(axis=1) - b.mean(axis=1), draws=20_000)
    assert result == pytest.approx(tuple(expected), abs=3e-3)
    assert all(map(math.isnan, two_group_bootstrap(first[:1], second, lambda a, b: a.mean(axis=1))))
