"""Bland-Altman analysis: bias between two methods, limits of agreement, and what would spoil them."""

import math
from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import stats

from neurograft.evaluation.agreement.limits import (
    NO_INTERVALS,
    LimitIntervalMethod,
    LimitIntervals,
    difference_spread,
    limit_intervals,
    repeated_limit_intervals,
)
from neurograft.evaluation.agreement.pairs import Pairs, complete_pairs, is_constant, subject_means

DifferenceScale = Literal["absolute", "percent"]
"""first - second in the unit of measurement, or as a percentage of the mean of the two."""

RepeatWeights = Literal["subjects", "cases"]
"""Which of them count alike where subjects have several pairs: see `difference_spread`."""

_NAN = float("nan")


@dataclass(frozen=True)
class BlandAltman:
    """Differences of two methods, first - second.

    Args:
        scale: unit of the differences.
        n: pairs used.
        n_subjects: subjects that they come from.
        n_left_out: pairs left out.
        bias: mean difference.
        bias_low: lower end of its confidence interval, over subjects.
        bias_high: upper end.
        sd: standard deviation of a single difference.
        lower: lower limit of agreement, bias - z * sd.
        upper: upper limit, bias + z * sd.
        lower_low: lower end of the confidence interval of the lower limit.
        lower_high: upper end.
        upper_low: lower end of the confidence interval of the upper limit.
        upper_high: upper end.
        limit_interval_method: name of the method of these: "exact", "approximate", "mover", or "none".
        proportional_slope: of the differences on the means of the two methods.
        proportional_p: its two-sided p value.
        heteroscedastic_p: p value of the slope of the absolute residuals on the means: a small one says
            that the limits are too wide at one end of the range and too narrow at the other.
    """

    scale: DifferenceScale
    n: int
    n_subjects: int
    n_left_out: int
    bias: float
    bias_low: float
    bias_high: float
    sd: float
    lower: float
    upper: float
    lower_low: float
    lower_high: float
    upper_low: float
    upper_high: float
    limit_interval_method: str
    proportional_slope: float
    proportional_p: float
    heteroscedastic_p: float


def bland_altman(
    first: ArrayLike,
    second: ArrayLike,
    subjects: Sequence[Hashable] | None = None,
    *,
    level: float = 0.95,
    limits_level: float = 0.95,
    scale: DifferenceScale = "absolute",
    intervals: LimitIntervalMethod = "exact",
    weights: RepeatWeights = "subjects",
) -> BlandAltman:
    """Bias and limits of agreement of two methods.

    Differences are first - second: give the prediction first and the reference second for a bias that
    is positive where the prediction is too large.

    With several pairs of a subject the limits are those of a single pair, from the variance between
    and within subjects; their intervals are then "mover" with `weights` "subjects"; with "cases" there
    are none, nor one of the bias.

    The tests for proportional bias and for heteroscedasticity take one pair a subject, the mean. The
    slope also answers to a difference of the two methods' variances (Pitman's test): it does not tell
    a wrong scale from a noisier method.

    Args:
        first: (n,) measurements of the first method, NaN where undefined.
        second: (n,) measurements of the second.
        subjects: the subject of each pair; ``None`` takes every pair for another person.
        level: coverage of the confidence intervals.
        limits_level: share of differences that the limits are to enclose; 0.95 gives z = 1.96.
        scale: "percent" needs quantities that are never negative and leaves out pairs that are both 0.
        intervals: method of the limits' intervals where no subject has several pairs.
        weights: "subjects" after Zou (2013), "cases" after Bland and Altman (2007).

    Returns:
        Limits are NaN with fewer than two subjects, tests with fewer than three or where the means do
        not vary. All is NaN on the percent scale when a measurement is negative.

    Raises:
        ValueError: lengths differ, a level is not between 0 and 1, or an option has no such name.

    Reference:
        J. M. Bland and D. G. Altman, "Statistical methods for assessing agreement between two methods
        of clinical measurement", Lancet 327, 1986; and the papers named in `difference_spread` and
        `limit_intervals`. P2 uses bias +- 1.96 SD (SPEC section 2).
    """
    _check_options(level, limits_level, scale, intervals, weights)
    pairs = complete_pairs(first, second, subjects)
    if scale == "percent":
        pairs, differences = _percent_differences(pairs)
    else:
        differences = pairs.first - pairs.second
    size = 200.0 if scale == "percent" else _largest(pairs.first) + _largest(pairs.second)
    trends = _trends(pairs, differences, size)
    if pairs.n_subjects < 2 or np.isnan(differences).any():
        bias = float(differences.mean()) if pairs.n else _NAN
        return _result(scale, pairs, bias, _NAN, _NAN, _NAN, NO_INTERVALS, trends)
    spread = difference_spread(differences, pairs.subjects, case_weighted=weights == "cases")
    sd, factor = math.sqrt(spread.variance), float(stats.norm.ppf((1 + limits_level) / 2))
    quantile = float(stats.t.ppf((1 + level) / 2, pairs.n_subjects - 1))
    bias_half = quantile * math.sqrt(spread.of_means / pairs.n_subjects)
    if not pairs.repeated:
        ends = limit_intervals(spread, factor, level, intervals)
    elif weights == "subjects":
        ends = repeated_limit_intervals(spread, factor, level)
    else:
        ends, bias_half = NO_INTERVALS, _NAN
    return _result(scale, pairs, spread.bias, bias_half, sd, factor * sd, ends, trends)


def _check_options(level: float, limits_level: float, scale: str, intervals: str, weights: str) -> None:
    for name, share in (("level", level), ("limits_level", limits_level)):
        if not 0 < share < 1:
            raise ValueError(f"{name} must lie between 0 and 1, got {share}")
    named = (
        ("scale", scale, ("absolute", "percent")),
        ("intervals", intervals, ("exact", "approximate")),
        ("weights", weights, ("subjects", "cases")),
    )
    for name, given, allowed in named:
        if given not in allowed:
            raise ValueError(f"{name} must be one of {', '.join(allowed)}, got {given!r}")


def _percent_differences(pairs: Pairs) -> tuple[Pairs, NDArray[np.float64]]:
    """The pairs that are not both 0, and their differences in percent of the mean of the two."""
    kept = (pairs.first != 0) | (pairs.second != 0)
    some = complete_pairs(pairs.first[kept], pairs.second[kept], pairs.subjects[kept].tolist())
    some = Pairs(some.first, some.second, some.subjects, pairs.n_left_out + int((~kept).sum()))
    if (some.first < 0).any() or (some.second < 0).any():
        return some, np.full(some.n, _NAN)
    return some, 200 * (some.first - some.second) / (some.first + some.second)


def _result(
    scale: DifferenceScale,
    pairs: Pairs,
    bias: float,
    bias_half: float,
    sd: float,
    half: float,
    ends: LimitIntervals,
    trends: tuple[float, float, float],
) -> BlandAltman:
    return BlandAltman(
        scale=scale,
        n=pairs.n,
        n_subjects=pairs.n_subjects,
        n_left_out=pairs.n_left_out,
        bias=bias,
        bias_low=bias - bias_half,
        bias_high=bias + bias_half,
        sd=sd,
        lower=bias - half,
        upper=bias + half,
        lower_low=ends.lower_low,
        lower_high=ends.lower_high,
        upper_low=ends.upper_low,
        upper_high=ends.upper_high,
        limit_interval_method=ends.method,
        proportional_slope=trends[0],
        proportional_p=trends[1],
        heteroscedastic_p=trends[2],
    )


def _largest(values: NDArray[np.float64]) -> float:
    return float(np.abs(values).max()) if values.size else 0.0


def _trends(pairs: Pairs, differences: NDArray[np.float64], size: float) -> tuple[float, float, float]:
    """Slope of the differences on the means, its p value, and that of the absolute residuals.

    `size` is that of the quantities behind the differences, to tell variation from rounding.
    """
    if pairs.n_subjects < 3 or np.isnan(differences).any():
        return _NAN, _NAN, _NAN
    averages = pairs.subject_means()
    means = (averages.first + averages.second) / 2
    values = subject_means(differences, pairs.subjects)
    if is_constant(means):
        return _NAN, _NAN, _NAN
    if is_constant(values, size):
        return 0.0, _NAN, _NAN
    line = stats.linregress(means, values)
    residuals = np.abs(values - line.intercept - line.slope * means)
    residual_p = _NAN if is_constant(residuals, size) else float(stats.linregress(means, residuals).pvalue)
    return float(line.slope), float(line.pvalue), residual_p
