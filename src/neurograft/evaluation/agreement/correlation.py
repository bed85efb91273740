"""Correlation of two measurements of the same cases, with confidence intervals.

Pearson's and Spearman's coefficients say whether two methods order or scale cases alike, and are
blind to a constant offset and to a wrong scale; Lin's concordance counts both as disagreement.
The pairs must be independent: one a subject.
"""

import math
from dataclasses import dataclass
from functools import lru_cache
from itertools import permutations

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import stats

from neurograft.evaluation.agreement.pairs import Pairs, complete_pairs, is_constant

_NAN = float("nan")
_EXACT_UP_TO = 8
"""Pairs for which Spearman's p value runs through all orders (40320 at eight)."""


@dataclass(frozen=True)
class Correlation:
    """A coefficient with its interval.

    Args:
        value: NaN where it is undefined.
        low: lower end of the confidence interval; NaN where there is none.
        high: upper end.
        p: two-sided p value of the hypothesis that the true coefficient is zero.
        n: pairs used.
        n_left_out: pairs undefined on either side.
    """

    value: float
    low: float
    high: float
    p: float
    n: int
    n_left_out: int


def pearson_correlation(first: ArrayLike, second: ArrayLike, level: float = 0.95) -> Correlation:
    """Pearson's r, with the interval of Fisher's z.

    Args:
        first: (n,) measurements of the first method, NaN where undefined.
        second: (n,) measurements of the second.
        level: coverage of the interval.

    Returns:
        NaN with fewer than three pairs or a constant side. No interval with fewer than four pairs, or
        at -1 and 1, where z is infinite.

    Raises:
        ValueError: the lengths differ, or `level` is not between 0 and 1.
    """
    pairs = complete_pairs(first, second)
    critical = _critical(level)
    if pairs.n < 3 or is_constant(pairs.first) or is_constant(pairs.second):
        return _undefined(pairs)
    result = stats.pearsonr(pairs.first, pairs.second)
    value = float(result.statistic)
    error = 1 / math.sqrt(pairs.n - 3) if pairs.n > 3 else _NAN
    low, high = _z_interval(value, error, critical)
    return Correlation(value, low, high, float(result.pvalue), pairs.n, pairs.n_left_out)


def spearman_correlation(first: ArrayLike, second: ArrayLike, level: float = 0.95) -> Correlation:
    """Spearman's rank correlation, ties given their mean rank.

    The interval is that of Bonett and Wright: Fisher's z with the standard error
    sqrt((1 + r^2 / 2) / (n - 3)). The p value is exact, over all orders, up to eight pairs, and from
    Student's t beyond.

    Args:
        first: (n,) measurements of the first method, NaN where undefined.
        second: (n,) measurements of the second.
        level: coverage of the interval.

    Returns:
        NaN where `pearson_correlation` is.

    Raises:
        ValueError: the lengths differ, or `level` is not between 0 and 1.

    Reference:
        D. G. Bonett and T. A. Wright, "Sample size requirements for estimating Pearson, Kendall and
        Spearman correlations", Psychometrika 65, 2000.
    """
    pairs = complete_pairs(first, second)
    critical = _critical(level)
    if pairs.n < 3 or is_constant(pairs.first) or is_constant(pairs.second):
        return _undefined(pairs)
    result = stats.spearmanr(pairs.first, pairs.second)
    value = float(result.statistic)
    error = math.sqrt((1 + value**2 / 2) / (pairs.n - 3)) if pairs.n > 3 else _NAN
    low, high = _z_interval(value, error, critical)
    if pairs.n <= _EXACT_UP_TO:
        p = _exact_rank_p(stats.rankdata(pairs.first), stats.rankdata(pairs.second))
    else:
        # Student's t gives 0 at perfect order; two of the n! orders are always at least as extreme.
        p = max(float(result.pvalue), 2 / math.factorial(min(pairs.n, 100)))
    return Correlation(value, low, high, p, pairs.n, pairs.n_left_out)


def concordance_correlation(first: ArrayLike, second: ArrayLike, level: float = 0.95) -> Correlation:
    """Lin's concordance correlation, 2 cov / (var1 + var2 + (mean1 - mean2)^2), moments divided by n.

    It is Pearson's r times a factor of at most 1 for the distance from the line of identity. The
    interval is that of Lin's z, with the variance as corrected in 2000. It is zero exactly where
    Pearson's r is, so its p value is that of r.

    Args:
        first: (n,) measurements of the first method, NaN where undefined.
        second: (n,) measurements of the second.
        level: coverage of the interval.

    Returns:
        NaN with fewer than three pairs or where both sides are constant; 0 without interval where one
        side is. No interval at -1 and 1.

    Raises:
        ValueError: the lengths differ, or `level` is not between 0 and 1.

    Reference:
        L. I. Lin, "A concordance correlation coefficient to evaluate reproducibility", Biometrics 45,
        1989; correction in Biometrics 56, 2000.
    """
    pairs = complete_pairs(first, second)
    critical = _critical(level)
    constant = [is_constant(side) for side in (pairs.first, pairs.second)] if pairs.n else [True, True]
    if pairs.n < 3 or all(constant):
        return _undefined(pairs)
    if any(constant):
        return Correlation(0.0, _NAN, _NAN, _NAN, pairs.n, pairs.n_left_out)
    pearson = pearson_correlation(pairs.first, pairs.second, level)
    sd_product = float(pairs.first.std() * pairs.second.std())
    shift = float(pairs.first.mean() - pairs.second.mean()) ** 2
    accuracy = 2 * sd_product / (float(pairs.first.var() + pairs.second.var()) + shift)
    value = pearson.value * accuracy
    u2 = shift / sd_product
    variance = accuracy**2 * (1 - pearson.value**2) * (1 - value**2)
    variance += 2 * value**2 * accuracy * (1 - value) * u2 - value**2 * accuracy**2 * u2**2 / 2
    error = math.sqrt(max(variance, 0.0) / (pairs.n - 2)) / (1 - value**2) if abs(value) < 1 else _NAN
    low, high = _z_interval(value, error, critical)
    return Correlation(value, low, high, pearson.p, pairs.n, pairs.n_left_out)


def _critical(level: float) -> float:
    if not 0 < level < 1:
        raise ValueError(f"level must lie between 0 and 1, got {level}")
    return float(stats.norm.ppf((1 + level) / 2))


def _undefined(pairs: Pairs) -> Correlation:
    return Correlation(_NAN, _NAN, _NAN, _NAN, pairs.n, pairs.n_left_out)


def _z_interval(value: float, error: float, critical: float) -> tuple[float, float]:
    """Interval from the inverse hyperbolic tangent of a coefficient and its standard error."""
    if abs(value) > 1 - 1e-12:
        return _NAN, _NAN
    z = math.atanh(value)
    return math.tanh(z - critical * error), math.tanh(z + critical * error)


def _exact_rank_p(first: NDArray[np.float64], second: NDArray[np.float64]) -> float:
    """Share of all orders of the second ranks with a correlation as far from zero, or farther."""
    one, two = first - first.mean(), second - second.mean()
    sums = np.abs(two[_orders(len(two))] @ one)
    return float((sums >= abs(float(one @ two)) - 1e-9).mean())


@lru_cache(maxsize=_EXACT_UP_TO)
def _orders(n: int) -> NDArray[np.int8]:
    return np.array(list(permutations(range(n))), dtype=np.int8)
