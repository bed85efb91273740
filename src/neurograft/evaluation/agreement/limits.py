"""Confidence intervals of limits of agreement: the limits of few subjects are themselves uncertain."""

import math
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from scipy import stats

LimitIntervalMethod = Literal["exact", "approximate"]
"""How the limits' own intervals are found where every subject has one pair."""

_NAN = float("nan")


@dataclass(frozen=True)
class LimitIntervals:
    """Intervals of the lower and the upper limit of agreement.

    Args:
        method: its name; "none" where there is no interval.
    """

    lower_low: float
    lower_high: float
    upper_low: float
    upper_high: float
    method: Literal["exact", "approximate", "mover", "none"]


NO_INTERVALS = LimitIntervals(_NAN, _NAN, _NAN, _NAN, "none")


@dataclass(frozen=True)
class DifferenceSpread:
    """Mean and variance of a single difference, with what they were estimated from.

    Args:
        bias: mean difference.
        variance: of a single difference, between and within subjects together.
        n_subjects: at least two.
        n_pairs: of all subjects.
        of_means: variance of the subjects' mean differences.
        within: variance of the differences of one subject; 0 where no subject has two.
        within_share: the weight of ``within`` in ``variance``, 1 - 1 / (harmonic mean of the pairs a subject).
    """

    bias: float
    variance: float
    n_subjects: int
    n_pairs: int
    of_means: float
    within: float
    within_share: float


def difference_spread(
    differences: NDArray[np.float64], subjects: NDArray[np.int64], case_weighted: bool = False
) -> DifferenceSpread:
    """Estimate bias and variance of a single difference from one or more pairs of each subject.

    Args:
        differences: (n,) at least one.
        subjects: (n,) numbers from 0 without gaps, two or more distinct.
        case_weighted: bias and variance after Bland and Altman (2007), who give every pair the same
            weight, rather than after Zou (2013), who gives it to every subject.

    Reference:
        J. M. Bland and D. G. Altman, "Agreement between methods of measurement with multiple
        observations per individual", Journal of Biopharmaceutical Statistics 17, 2007 (where the true
        value varies). G. Y. Zou, "Confidence interval estimation for the Bland-Altman limits of
        agreement with multiple observations per individual", Statistical Methods in Medical Research
        22, 2013.
    """
    pairs = np.bincount(subjects)
    means = np.bincount(subjects, weights=differences) / pairs
    n, total = len(means), len(differences)
    within = float(((differences - means[subjects]) ** 2).sum() / (total - n)) if total > n else 0.0
    of_means = float(means.var(ddof=1))
    within_share = 1 - float((1 / pairs).mean())
    bias, variance = float(means.mean()), of_means + within_share * within
    if case_weighted:
        bias = float(differences.mean())
        between = float((pairs * (means - bias) ** 2).sum() / (n - 1))
        pairs_a_subject = (total - float((pairs**2).sum()) / total) / (n - 1)
        variance = max((between - within) / pairs_a_subject, 0.0) + within
    return DifferenceSpread(bias, variance, n, total, of_means, within, within_share)


def limit_intervals(
    spread: DifferenceSpread, factor: float, level: float, method: LimitIntervalMethod
) -> LimitIntervals:
    """Intervals of bias - factor * SD and bias + factor * SD with one pair a subject.

    "exact" holds for normal differences at any n: each limit is a quantile of theirs, and its interval
    comes from the noncentral t distribution. "approximate" is bias +- factor * SD with the standard
    error SD * sqrt((1 + factor^2 / 2) / n), which is sqrt(3 SD^2 / n) at factor 2, and Student's t; it
    is symmetric about the limit, and too narrow on the outer side when subjects are few.

    Args:
        spread: of the differences.
        factor: standard deviations between bias and limit, 1.96 for 95 % limits.
        level: coverage of the intervals.
        method: one of the two.

    Reference:
        A. Carkeet, "Exact parametric confidence intervals for Bland-Altman limits of agreement",
        Optometry and Vision Science 92, 2015 (limits taken one by one). J. M. Bland and D. G. Altman,
        "Statistical methods for assessing agreement between two methods of clinical measurement",
        Lancet 327, 1986; "Measuring agreement in method comparison studies", Statistical Methods in
        Medical Research 8, 1999, section 2.
    """
    n, sd = spread.n_subjects, math.sqrt(spread.variance)
    if method == "exact":
        quantiles = stats.nct.ppf([(1 - level) / 2, (1 + level) / 2], n - 1, factor * math.sqrt(n))
        inner, outer = (float(q) * sd / math.sqrt(n) for q in quantiles)
    else:
        half = float(stats.t.ppf((1 + level) / 2, n - 1)) * sd * math.sqrt((1 + factor**2 / 2) / n)
        inner, outer = factor * sd - half, factor * sd + half
    return LimitIntervals(spread.bias - outer, spread.bias - inner, spread.bias + inner, spread.bias + outer, method)


def repeated_limit_intervals(spread: DifferenceSpread, factor: float, level: float) -> LimitIntervals:
    """Intervals of the limits where subjects have several pairs: recovered variances ("mover").

    The intervals of the variance between the subjects' means, of the variance within subjects and of
    the bias are put together to one of each limit, as in Zou (2013), see `difference_spread`.
    """
    parts = np.array([spread.of_means, spread.within_share * spread.within])
    freedom = np.array([spread.n_subjects - 1, spread.n_pairs - spread.n_subjects])
    low, high = (freedom / stats.chi2.ppf(tail, freedom) for tail in ((1 + level) / 2, (1 - level) / 2))
    sd = math.sqrt(spread.variance)
    lowest_sd = math.sqrt(max(spread.variance - float(np.hypot(*(parts * (1 - low)))), 0.0))
    highest_sd = math.sqrt(spread.variance + float(np.hypot(*(parts * (high - 1)))))
    of_bias = float(stats.norm.ppf((1 + level) / 2)) * math.sqrt(spread.of_means / spread.n_subjects)
    inner = factor * sd - math.hypot(of_bias, factor * (sd - lowest_sd))
    outer = factor * sd + math.hypot(of_bias, factor * (highest_sd - sd))
    return LimitIntervals(spread.bias - outer, spread.bias - inner, spread.bias + inner, spread.bias + outer, "mover")
