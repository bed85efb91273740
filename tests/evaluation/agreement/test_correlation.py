"""Correlations against scipy, published figures, and independent derivations."""

import math
from collections.abc import Callable
from itertools import permutations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy import stats

from neurograft.evaluation.agreement.correlation import (
    Correlation,
    concordance_correlation,
    pearson_correlation,
    spearman_correlation,
)

# First 18 complete pairs of the ejection fractions of Bland and Altman (1999) as R's SimplyAgree holds them.
EJECTION_X = [
    7.83,
    7.42,
    7.89,
    7.12,
    6.16,
    7.26,
    6.71,
    4.75,
    5.24,
    4.86,
    4.78,
    6.05,
    5.42,
    4.21,
    3.61,
    3.72,
    3.87,
    3.92,
]
EJECTION_Y = [6.57, 5.62, 6.9, 6.57, 4.06, 4.29, 4.26, 4.71, 5.5, 5.08, 5.02, 6.01, 5.67, 4.14, 4.2, 4.61, 4.68, 5.04]

ALL = [pearson_correlation, spearman_correlation, concordance_correlation]
Coefficient = Callable[..., Correlation]


def test_peak_flow_as_printed(peak_flow: np.ndarray) -> None:
    """Bland and Altman 1986 print r = 0.94, p < 0.001 for the first readings of the two meters."""
    result = pearson_correlation(peak_flow[:, 0], peak_flow[:, 2])
    assert round(result.value, 2) == 0.94
    assert result.p < 0.001
    assert result.n == 17


@pytest.mark.parametrize("n", [4, 10, 60])
@pytest.mark.parametrize("level", [0.8, 0.95])
def test_pearson_equals_scipy(n: int, level: float) -> None:
    random = np.random.default_rng(n)
    first = random.normal(size=n)
    second = first + random.normal(size=n)
    result, expected = pearson_correlation(first, second, level), stats.pearsonr(first, second)
    interval = expected.confidence_interval(level)
    assert (result.value, result.p) == pytest.approx((expected.statistic, expected.pvalue))
    assert (result.low, result.high) == pytest.approx((interval.low, interval.high))


def test_spearman_interval_of_bonett_and_wright() -> None:
    """By hand: ranks 1..5 against 2 1 4 3 5 give r = 1 - 6 * 4 / (5 * 24) = 0.8."""
    result = spearman_correlation([1, 2, 3, 4, 5], [20, 10, 40, 30, 50])
    error = math.sqrt((1 + 0.8**2 / 2) / 2)
    assert result.value == pytest.approx(0.8)
    assert result.low == pytest.approx(math.tanh(math.atanh(0.8) - 1.959964 * error), abs=1e-6)
    assert result.high == pytest.approx(math.tanh(math.atanh(0.8) + 1.959964 * error), abs=1e-6)


@pytest.mark.parametrize("seed", range(4))
def test_spearman_equals_pearson_of_the_ranks(seed: int) -> None:
    random = np.random.default_rng(seed)
    first, second = random.integers(0, 9, 20), random.integers(0, 9, 20)
    expected = np.corrcoef(stats.rankdata(first), stats.rankdata(second))[0, 1]
    assert spearman_correlation(first, second).value == pytest.approx(expected)


@pytest.mark.parametrize("second", [[1, 2, 3, 4], [2, 1, 3, 4], [3, 1, 4, 2], [1, 1, 2, 3]])
def test_spearman_p_value_of_few_pairs_is_exact(second: list[int]) -> None:
    first = [1, 2, 3, 4]
    found = abs(stats.spearmanr(first, second).statistic)
    as_far = [abs(stats.spearmanr(first, order).statistic) >= found - 1e-9 for order in permutations(second)]
    assert spearman_correlation(first, second).p == pytest.approx(np.mean(as_far))


def test_perfect_order_of_three_proves_nothing() -> None:
    """Two of the six orders are perfect; Student's t would give p = 0."""
    assert spearman_correlation([1, 2, 3], [5, 6, 9]).p == pytest.approx(1 / 3)


def test_spearman_p_value_of_many_pairs_is_that_of_scipy() -> None:
    random = np.random.default_rng(0)
    first = random.normal(size=20)
    second = first + random.normal(size=20)
    assert spearman_correlation(first, second).p == pytest.approx(stats.spearmanr(first, second).pvalue)
    assert spearman_correlation(np.arange(9), np.arange(9)).p == pytest.approx(2 / math.factorial(9))


def test_concordance_as_published() -> None:
    """SimplyAgree (Caldwell 2022), after Lin, prints 0.4791 with 0.1276 to 0.7237 for these pairs."""
    result = concordance_correlation(EJECTION_X, EJECTION_Y)
    assert (result.value, result.low, result.high) == pytest.approx((0.4791, 0.1276, 0.7237), abs=5e-5)


def test_concordance_by_hand() -> None:
    """Means 2 and 3, variances 2/3 and 2/3, covariance 2/3, all divided by n: 4/3 / (4/3 + 1)."""
    assert concordance_correlation([1, 2, 3], [2, 3, 4]).value == pytest.approx(4 / 7)


def _ccc_of_moments(moments: np.ndarray) -> float:
    mean1, mean2, square1, square2, product = moments
    covariance = product - mean1 * mean2
    return 2 * covariance / (square1 - mean1**2 + square2 - mean2**2 + (mean1 - mean2) ** 2)


@pytest.mark.parametrize(
    ("mean", "covariance"),
    [
        ([0.0, 0.0], [[1.0, 0.6], [0.6, 1.0]]),
        ([0.0, 0.5], [[1.0, 0.6], [0.6, 1.5]]),
        ([3.0, 2.0], [[0.5, -0.3], [-0.3, 2.0]]),
    ],
)
def test_interval_of_concordance_equals_the_delta_method(mean: list[float], covariance: list[list[float]]) -> None:
    """Variance of a function of the five raw moments of normal pairs, by numerical derivatives."""
    n, (a, b), s = 40, mean, np.array(covariance)
    random = np.random.default_rng(0)
    raw = random.normal(size=(n, 2))
    # Exactly these means and this covariance, so that sample and population moments are the same.
    white = (raw - raw.mean(axis=0)) @ np.linalg.inv(np.linalg.cholesky(np.cov(raw.T, ddof=0))).T
    sample = white @ np.linalg.cholesky(s).T + mean
    moments = np.array([a, b, s[0, 0] + a * a, s[1, 1] + b * b, s[0, 1] + a * b])
    # Covariance of (x, y, x^2, y^2, xy) of normal pairs: x = a + u, y = b + v, fourth moments by Isserlis.
    linear = np.array([[1, 0], [0, 1], [2 * a, 0], [0, 2 * b], [b, a]], dtype=float)
    quadratic = np.zeros((5, 5))
    parts = {2: (0, 0), 3: (1, 1), 4: (0, 1)}
    for one, (i, j) in parts.items():
        for two, (k, m) in parts.items():
            quadratic[one, two] = s[i, k] * s[j, m] + s[i, m] * s[j, k]
    spread = linear @ s @ linear.T + quadratic
    step = 1e-6
    gradient = np.array(
        [(_ccc_of_moments(moments + step * e) - _ccc_of_moments(moments - step * e)) / (2 * step) for e in np.eye(5)]
    )
    value = _ccc_of_moments(moments)
    error = math.sqrt(gradient @ spread @ gradient / (n - 2)) / (1 - value**2)
    result = concordance_correlation(sample[:, 0], sample[:, 1])
    assert result.value == pytest.approx(value)
    assert math.atanh(result.high) - math.atanh(result.low) == pytest.approx(2 * 1.959964 * error, rel=1e-5)


VALUES = arrays(float, st.integers(3, 12), elements=st.floats(-1e3, 1e3, width=32))


@given(VALUES, st.integers(0, 1000))
def test_concordance_is_never_farther_from_zero_than_pearson(first: np.ndarray, seed: int) -> None:
    second = first * 0.5 + np.random.default_rng(seed).normal(size=len(first))
    pearson, concordance = pearson_correlation(first, second), concordance_correlation(first, second)
    if not math.isnan(pearson.value):
        assert abs(concordance.value) <= abs(pearson.value) + 1e-12
        assert concordance.p == pearson.p


@given(VALUES, st.integers(0, 1000))
def test_interval_holds_the_value(first: np.ndarray, seed: int) -> None:
    second = np.random.default_rng(seed).normal(size=len(first))
    for correlate in ALL:
        result = correlate(first, second)
        if not math.isnan(result.low):
            assert -1 <= result.low <= result.value <= result.high <= 1


@pytest.mark.parametrize("correlate", ALL)
def test_coverage_is_near_its_level(correlate: Coefficient) -> None:
    """Equal means and variances, so that the three have nearly one true value, 0.6 (Spearman 0.58)."""
    random, true = np.random.default_rng(1), 6 / math.pi * math.asin(0.3) if correlate is spearman_correlation else 0.6
    hits = 0
    for _ in range(400):
        first, second = random.multivariate_normal([0, 0], [[1, 0.6], [0.6, 1]], 40).T
        result = correlate(first, second)
        hits += result.low <= true <= result.high
    assert 0.92 < hits / 400 < 0.98


@pytest.mark.parametrize("correlate", ALL)
def test_undefined(correlate: Coefficient) -> None:
    for first, second in [([1, 2], [1, 2]), ([], []), ([0.1] * 5, [0.3] * 5), ([1, 2, math.nan], [1, 2, 3])]:
        result = correlate(first, second)
        assert math.isnan(result.value)
        assert math.isnan(result.low)
        assert math.isnan(result.p)


def test_a_method_that_always_gives_one_value() -> None:
    """Correlation has no meaning; concordance with what varies is 0."""
    constant, truth = [5.0, 5.0, 5.0, 5.0], [1.0, 2.0, 3.0, 4.0]
    assert math.isnan(pearson_correlation(constant, truth).value)
    assert math.isnan(spearman_correlation(constant, truth).value)
    assert concordance_correlation(constant, truth).value == 0
    assert math.isnan(concordance_correlation(constant, truth).low)


@pytest.mark.parametrize("correlate", ALL)
def test_no_interval_at_the_bound_or_with_three_pairs(correlate: Coefficient) -> None:
    same = correlate([0.1, 0.5, 0.7, 0.9, 1.3], [0.1, 0.5, 0.7, 0.9, 1.3])
    assert same.value == pytest.approx(1)
    assert math.isnan(same.low)
    assert math.isnan(same.high)
    if correlate is not concordance_correlation:
        assert math.isnan(correlate([1, 2, 3], [1, 2, 2.5]).low)


@pytest.mark.parametrize("correlate", ALL)
def test_undefined_cases_are_left_out_and_counted(correlate: Coefficient) -> None:
    with_gaps = correlate([1, 3, 2, math.nan, 5, 4], [2, 3, 1, 4, 6, math.nan])
    without = correlate([1, 3, 2, 5], [2, 3, 1, 6])
    assert (with_gaps.value, with_gaps.low) == (without.value, without.low)
    assert (with_gaps.n, with_gaps.n_left_out) == (4, 2)


@pytest.mark.parametrize("correlate", ALL)
def test_bad_level_is_refused(correlate: Coefficient) -> None:
    with pytest.raises(ValueError, match="95"):
        correlate([1, 2, 3], [1, 2, 3], level=95)
