"""Intraclass correlation: the share of the variance of measurements that lies between the subjects.

The six forms of Shrout and Fleiss (1979), with the names of McGraw and Wong (1996) in `ICC_ALIASES`.
"Agreement" forms, ICC(2,.), count a rater's constant offset as disagreement; "consistency" forms,
ICC(3,.), do not; ICC(1,.) does not know which rater gave which value. A value ending in ``k`` is
that of the mean of all k raters. Values are never clipped: a negative one says that the subjects
differ by less than chance would make them.
"""

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import stats

from neurograft.evaluation.agreement.pairs import RELATIVE_NOISE

IccForm = Literal["ICC(1,1)", "ICC(2,1)", "ICC(3,1)", "ICC(1,k)", "ICC(2,k)", "ICC(3,k)"]

ICC_ALIASES: dict[IccForm, str] = {
    "ICC(1,1)": "ICC(1)",
    "ICC(2,1)": "ICC(A,1)",
    "ICC(3,1)": "ICC(C,1)",
    "ICC(1,k)": "ICC(k)",
    "ICC(2,k)": "ICC(A,k)",
    "ICC(3,k)": "ICC(C,k)",
}
"""McGraw and Wong's names of the forms."""

_AVERAGED: dict[IccForm, IccForm] = {"ICC(1,1)": "ICC(1,k)", "ICC(2,1)": "ICC(2,k)", "ICC(3,1)": "ICC(3,k)"}
_NAN = float("nan")


@dataclass(frozen=True)
class Icc:
    """One form of the intraclass correlation.

    Args:
        form: its name after Shrout and Fleiss.
        value: NaN where it is undefined, see `intraclass_correlation`.
        low: lower end of the confidence interval; NaN where there is none.
        high: upper end.
        f: F ratio of the test that the true value is zero.
        df1: its degrees of freedom, numerator.
        df2: its degrees of freedom, denominator.
        p: one-sided p value of that test.
        n_targets: subjects used.
        n_left_out: subjects without a value from every rater.
    """

    form: IccForm
    value: float
    low: float
    high: float
    f: float
    df1: int
    df2: int
    p: float
    n_targets: int
    n_left_out: int


@dataclass(frozen=True)
class _MeanSquares:
    """Analysis of variance of a complete table of n targets and k raters."""

    n: int
    k: int
    targets: float
    raters: float
    error: float

    @property
    def within(self) -> float:
        """Mean square within targets, raters and error together."""
        return (self.raters + (self.n - 1) * self.error) / self.n


def intraclass_correlation(ratings: ArrayLike, level: float = 0.95) -> dict[IccForm, Icc]:
    """All six forms, each with its confidence interval and F test.

    Intervals rest on the F distribution; that of ICC(2,.) uses Satterthwaite's degrees of freedom.
    There is none at the bounds, where raters agree perfectly or targets do not differ at all, nor for
    ICC(2,.) where the approximation breaks down and its ends would not enclose the value: with negative
    values of few targets.

    Args:
        ratings: (n targets, k raters), NaN where a rater has no value. Targets without a value from
            every rater are left out and counted. Rows must be independent: one per subject.
        level: coverage of the intervals.

    Returns:
        The forms by name. A value is NaN with fewer than two complete targets, where all ratings are
        equal, and where the estimate of the total variance is not positive.

    Raises:
        ValueError: not a table with two or more raters, or `level` is not between 0 and 1.

    Reference:
        P. E. Shrout and J. L. Fleiss, "Intraclass correlations: uses in assessing rater reliability",
        Psychological Bulletin 86, 1979. K. O. McGraw and S. P. Wong, "Forming inferences about some
        intraclass correlation coefficients", Psychological Methods 1, 1996.
    """
    table = np.asarray(ratings, dtype=float)
    if table.ndim != 2 or table.shape[1] < 2:
        raise ValueError(f"ratings must be a table of targets by two or more raters, got shape {table.shape}")
    if not 0 < level < 1:
        raise ValueError(f"level must lie between 0 and 1, got {level}")
    complete = table[np.isfinite(table).all(axis=1)]
    squares = _mean_squares(complete)
    left_out = len(table) - len(complete)
    results: dict[IccForm, Icc] = {}
    for single, averaged in _AVERAGED.items():
        value, low, high, f, df1, df2 = _single_rater(single, squares, level)
        p = float(stats.f.sf(f, df1, df2)) if df1 else _NAN
        test = (f, df1, df2, p, squares.n, left_out)
        results[single] = Icc(single, value, low, high, *test)
        of_mean, mean_low, mean_high = (_of_the_mean(end, squares.k) for end in (value, low, high))
        results[averaged] = Icc(averaged, of_mean, mean_low, mean_high, *test)
    return {form: results[form] for form in ICC_ALIASES}


def _mean_squares(table: NDArray[np.float64]) -> _MeanSquares:
    n, k = table.shape
    if n < 2:
        return _MeanSquares(n, k, _NAN, _NAN, _NAN)
    deviations = table - table.mean()
    rows, columns = deviations.mean(axis=1), deviations.mean(axis=0)
    residuals = deviations - rows[:, None] - columns
    sums = np.array([k * (rows**2).sum(), n * (columns**2).sum(), (residuals**2).sum()])
    # Sums of squares of rounding errors would otherwise turn equal raters into an enormous F.
    sums[sums <= n * k * (RELATIVE_NOISE * np.abs(table).max()) ** 2] = 0.0
    return _MeanSquares(n, k, *(float(s) for s in sums / [n - 1, k - 1, (n - 1) * (k - 1)]))


def _single_rater(form: IccForm, squares: _MeanSquares, level: float) -> tuple[float, float, float, float, int, int]:
    """Value, interval, F ratio and degrees of freedom of the form for one rater."""
    n, k = squares.n, squares.k
    if n < 2:
        return _NAN, _NAN, _NAN, _NAN, 0, 0
    noise = squares.within if form == "ICC(1,1)" else squares.error
    df1, df2 = n - 1, n * (k - 1) if form == "ICC(1,1)" else (n - 1) * (k - 1)
    f = _quotient(squares.targets, noise)
    total = squares.targets + (k - 1) * noise
    if form == "ICC(2,1)":
        total += k * (squares.raters - squares.error) / n
    value = (squares.targets - noise) / total if total > 0 else _NAN
    if not squares.targets > 0 or not value < 1:
        return value, _NAN, _NAN, f, df1, df2
    quantile = (1 + level) / 2
    if form == "ICC(2,1)":
        low, high = _agreement_interval(squares, value, quantile)
    else:
        lower_f = f / stats.f.ppf(quantile, df1, df2)
        upper_f = f * stats.f.ppf(quantile, df2, df1)
        low, high = ((end - 1) / (end + k - 1) for end in (lower_f, upper_f))
    return value, float(low), float(high), f, df1, df2


def _agreement_interval(squares: _MeanSquares, value: float, quantile: float) -> tuple[float, float]:
    """Interval of ICC(2,1) by Satterthwaite's approximation."""
    n, k = squares.n, squares.k
    odds = k * value / (n * (1 - value))
    raters, error = odds * squares.raters, (1 + (n - 1) * odds) * squares.error
    df = (raters + error) ** 2 / (raters**2 / (k - 1) + error**2 / ((n - 1) * (k - 1)))
    others = k * squares.raters + (k * n - k - n) * squares.error
    lower_f, upper_f = stats.f.ppf(quantile, n - 1, df), stats.f.ppf(quantile, df, n - 1)
    if not upper_f >= 1:
        return _NAN, _NAN
    # Reciprocals, since the quantiles grow beyond all bounds where df is close to 0.
    below, above = 1 / lower_f, 1 / upper_f
    low = n * _quotient(squares.targets * below - squares.error, others + n * squares.targets * below)
    high = n * _quotient(squares.targets - squares.error * above, others * above + n * squares.targets)
    return low, high


def _of_the_mean(single: float, k: int) -> float:
    """Reliability of the mean of k raters from that of one (Spearman-Brown); NaN where it has no meaning."""
    share = 1 + (k - 1) * single
    return k * single / share if share > 1e-12 else _NAN


def _quotient(numerator: float, denominator: float) -> float:
    if denominator == 0:
        return float("inf") if numerator > 0 else _NAN
    return numerator / denominator
