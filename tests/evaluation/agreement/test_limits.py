"""Intervals of limits of agreement: published tables and coverage by simulation."""

import math

import numpy as np
import pytest
from scipy import stats

from neurograft.evaluation.agreement.limits import (
    DifferenceSpread,
    difference_spread,
    limit_intervals,
    repeated_limit_intervals,
)


def _standard(n: int) -> DifferenceSpread:
    return DifferenceSpread(0.0, 1.0, n, n, 1.0, 0.0, 0.0)


@pytest.mark.parametrize(("n", "factor"), [(10, 2.911), (20, 2.396), (30, 2.220)])
def test_exact_interval_equals_the_tables_of_tolerance_factors(n: int, factor: float) -> None:
    """One-sided factors for 95 % of a normal population with 95 % confidence (Natrella 1963; NIST handbook)."""
    result = limit_intervals(_standard(n), float(stats.norm.ppf(0.95)), 0.90, "exact")
    assert result.upper_high == pytest.approx(factor, abs=5e-4)
    assert result.lower_low == pytest.approx(-factor, abs=5e-4)


def test_approximate_interval_by_hand() -> None:
    """SD 2 over 12 subjects at factor 2: standard error sqrt(3 * 4 / 12) = 1, Student's t 2.201."""
    spread = DifferenceSpread(1.0, 4.0, 12, 12, 4.0, 0.0, 0.0)
    result = limit_intervals(spread, 2, 0.95, "approximate")
    assert (result.lower_low, result.lower_high) == pytest.approx((1 - 4 - 2.201, 1 - 4 + 2.201), abs=1e-3)
    assert (result.upper_low, result.upper_high) == pytest.approx((1 + 4 - 2.201, 1 + 4 + 2.201), abs=1e-3)


def test_both_methods_meet_where_subjects_are_many() -> None:
    exact, approximate = (limit_intervals(_standard(4000), 1.96, 0.95, method) for method in ("exact", "approximate"))
    assert exact.upper_low == pytest.approx(approximate.upper_low, abs=1e-3)
    assert exact.upper_high == pytest.approx(approximate.upper_high, abs=1e-3)


def test_exact_interval_covers_at_its_level() -> None:
    random = np.random.default_rng(0)
    inside = np.zeros(2)
    for _ in range(1500):
        spread = difference_spread(random.normal(1, 2, size=6), np.arange(6))
        ends = limit_intervals(spread, 1.96, 0.9, "exact")
        inside += [ends.lower_low <= 1 - 1.96 * 2 <= ends.lower_high, ends.upper_low <= 1 + 1.96 * 2 <= ends.upper_high]
    assert inside / 1500 == pytest.approx([0.9, 0.9], abs=0.025)


def test_repeated_interval_covers_at_its_level() -> None:
    random = np.random.default_rng(0)
    subjects = np.repeat(np.arange(12), [2, 3, 4, 2, 3, 4, 2, 3, 4, 2, 3, 1])
    limit, hits = 1 + 1.96 * math.sqrt(2.0 + 1.5), 0
    for _ in range(1000):
        of_subject = random.normal(1, math.sqrt(2.0), 12)
        differences = of_subject[subjects] + random.normal(0, math.sqrt(1.5), len(subjects))
        ends = repeated_limit_intervals(difference_spread(differences, subjects), 1.96, 0.9)
        hits += ends.upper_low <= limit <= ends.upper_high
    assert hits / 1000 == pytest.approx(0.9, abs=0.035)


def test_spread_by_hand() -> None:
    """Subjects with differences (1, 3) and (6): means 2 and 6, variance within 2."""
    values, subjects = np.array([1.0, 3.0, 6.0]), np.array([0, 0, 1])
    by_subject = difference_spread(values, subjects)
    assert (by_subject.bias, by_subject.of_means, by_subject.within) == (4, 8, 2)
    assert by_subject.variance == pytest.approx(8 + (1 - (0.5 + 1) / 2) * 2)
    by_case = difference_spread(values, subjects, case_weighted=True)
    between = 2 * (2 - 10 / 3) ** 2 + (6 - 10 / 3) ** 2
    assert by_case.bias == pytest.approx(10 / 3)
    assert by_case.variance == pytest.approx((between - 2) / (3 - 5 / 3) + 2)


@pytest.mark.parametrize("case_weighted", [False, True])
def test_both_estimates_of_the_variance_are_unbiased(case_weighted: bool) -> None:
    random = np.random.default_rng(0)
    subjects = np.repeat(np.arange(8), [1, 5, 2, 3, 1, 4, 2, 3])
    found = []
    for _ in range(2000):
        differences = random.normal(0, 2.0, 8)[subjects] + random.normal(0, 1.0, len(subjects))
        found.append(difference_spread(differences, subjects, case_weighted).variance)
    assert np.mean(found) == pytest.approx(5.0, rel=0.05)
