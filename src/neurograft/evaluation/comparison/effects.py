"""How large a difference is, in units that do not depend on the measure, each with its interval.

Signs follow first minus second, whichever direction is the good one. Intervals resample subjects and
are expanded for few of them; for two independent groups they resample each group's members and are
plain percentiles. See `neurograft.evaluation.intervals`.

Reference:
    J. Cohen, "Statistical Power Analysis for the Behavioral Sciences", 2nd edition, 1988 (d_z).
    L. V. Hedges, "Distribution Theory for Glass's Estimator of Effect Size and Related Estimators",
    J. Educ. Stat. 6, 1981 (g). D. Lakens, "Calculating and reporting effect sizes to facilitate
    cumulative science", Front. Psychol. 4, 2013 (the paired forms apart). D. S. Kerby, "The simple
    difference formula", Comprehensive Psychology 3, 2014 (rank-biserial correlation). A. Vargha and
    H. D. Delaney, "A Critique and Improvement of the CL Common Language Effect Size Statistics of
    McGraw and Wong", J. Educ. Behav. Stat. 25, 2000 (probability of superiority).
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import gammaln
from scipy.stats import rankdata

from neurograft.evaluation.intervals import subject_row_bootstrap, two_group_bootstrap

_SAME_SHARE = 1e-9
"""A spread below this share of the largest value is rounding noise; so is a difference."""


@dataclass(frozen=True)
class Effect:
    """An effect size with its interval; NaN for what is undefined."""

    name: str
    value: float
    low: float
    high: float
    n: int
    """Subjects, or members of both groups."""


def cohen_dz(first: ArrayLike, second: ArrayLike, level: float = 0.95, draws: int = 10_000, seed: int = 0) -> Effect:
    """Mean difference in units of the standard deviation of the differences.

    It tells how consistent a difference is over subjects, not how large it is beside their spread:
    for that see `hedges_g_paired`. No correction for small n.

    Args:
        first: one value a subject.
        second: the other method's, subjects in the same order.
        level: coverage of the interval.
        draws: resamples.
        seed: of the resamples.

    Returns:
        NaN with fewer than two subjects, or when all differences are the same.

    Raises:
        ValueError: the values are not finite or not paired, here and below.
    """
    return _paired("d_z", _dz, first, second, level, draws, seed)


def hedges_g_paired(
    first: ArrayLike, second: ArrayLike, level: float = 0.95, draws: int = 10_000, seed: int = 0
) -> Effect:
    """Mean difference in units of the two methods' spread over subjects, corrected for small n.

    The unit is the root of the mean of the two variances (d_av), the correction that for 2 (n - 1)
    degrees of freedom.

    Returns:
        NaN with fewer than two subjects, or without any spread.
    """
    return _paired("g_av", _g_paired, first, second, level, draws, seed)


def rank_biserial(
    first: ArrayLike, second: ArrayLike, level: float = 0.95, draws: int = 10_000, seed: int = 0
) -> Effect:
    """Matched-pairs rank-biserial correlation: the share of favourable ranks minus that of the others.

    Between -1 and 1. Subjects without a difference are dropped before ranking.

    Returns:
        NaN when no subject has a difference.
    """
    return _paired("rank-biserial", _rank_biserial, first, second, level, draws, seed)


def probability_of_superiority_paired(
    first: ArrayLike, second: ArrayLike, level: float = 0.95, draws: int = 10_000, seed: int = 0
) -> Effect:
    """Share of subjects whose first value is the larger one, ties counted as one half."""
    return _paired("probability of superiority", _superiority_paired, first, second, level, draws, seed)


def hedges_g_independent(
    first: ArrayLike, second: ArrayLike, level: float = 0.95, draws: int = 10_000, seed: int = 0
) -> Effect:
    """Difference of two groups' means in units of their pooled standard deviation, corrected for small n.

    Returns:
        NaN with fewer than two values in either group, or without any spread.
    """
    return _independent("g", _g_independent, first, second, level, draws, seed)


def probability_of_superiority_independent(
    first: ArrayLike, second: ArrayLike, level: float = 0.95, draws: int = 10_000, seed: int = 0
) -> Effect:
    """Share of pairs across two groups in which the first value is the larger, ties counted as one half."""
    return _independent("probability of superiority", _superiority, first, second, level, draws, seed)


def small_sample_factor(freedom: int) -> float:
    """Hedges' factor that takes the bias off a standardised difference, in its exact form."""
    if freedom < 2:
        return float("nan")
    return float(np.exp(gammaln(freedom / 2) - gammaln((freedom - 1) / 2)) / np.sqrt(freedom / 2))


def _dz(rows: NDArray[np.float64]) -> NDArray[np.float64]:
    differences = _differences(rows)
    return _ratio(differences.mean(axis=1), differences.std(axis=1, ddof=1), differences)


def _g_paired(rows: NDArray[np.float64]) -> NDArray[np.float64]:
    spread = np.sqrt(rows.var(axis=1, ddof=1).mean(axis=1))
    factor = small_sample_factor(2 * (rows.shape[1] - 1))
    return factor * _ratio(_differences(rows).mean(axis=1), spread, rows.reshape(len(rows), -1))


def _rank_biserial(rows: NDArray[np.float64]) -> NDArray[np.float64]:
    differences = _differences(rows)
    # Zeros take the lowest ranks, so that taking their number off the others' ranks drops them.
    still = (differences == 0).sum(axis=1, keepdims=True)
    signed = np.sign(differences) * (rankdata(np.abs(differences), axis=1) - still)
    total = np.abs(signed).sum(axis=1)
    return np.divide(signed.sum(axis=1), total, out=np.full(len(rows), np.nan), where=total > 0)


def _superiority_paired(rows: NDArray[np.float64]) -> NDArray[np.float64]:
    return (0.5 + 0.5 * np.sign(_differences(rows))).mean(axis=1)


def _g_independent(first: NDArray[np.float64], second: NDArray[np.float64]) -> NDArray[np.float64]:
    more, others = first.shape[1] - 1, second.shape[1] - 1
    pooled = (more * first.var(axis=1, ddof=1) + others * second.var(axis=1, ddof=1)) / (more + others)
    difference = first.mean(axis=1) - second.mean(axis=1)
    ratio = _ratio(difference, np.sqrt(pooled), np.concatenate([first, second], axis=1))
    return small_sample_factor(more + others) * ratio


def _superiority(first: NDArray[np.float64], second: NDArray[np.float64]) -> NDArray[np.float64]:
    # Ranks within both groups together give Mann and Whitney's count without an array of all pairs.
    ranks = rankdata(np.concatenate([first, second], axis=1), axis=1)
    size, other = first.shape[1], second.shape[1]
    return (ranks[:, :size].sum(axis=1) - size * (size + 1) / 2) / (size * other)


def _differences(rows: NDArray[np.float64]) -> NDArray[np.float64]:
    """First minus second, (draws, subjects), with rounding noise taken off so that ties tie."""
    differences = rows[..., 0] - rows[..., 1]
    step = _SAME_SHARE * np.abs(differences).max(axis=1, keepdims=True)
    levelled = np.rint(np.divide(differences, step, out=np.zeros_like(differences), where=step > 0)) * step
    return np.asarray(levelled)


def _ratio(
    difference: NDArray[np.float64], spread: NDArray[np.float64], values: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Difference by spread, NaN where the spread is nothing beside the values (draws, ...) it is of."""
    defined = spread > _SAME_SHARE * np.abs(values).max(axis=1)
    return np.divide(difference, spread, out=np.full(difference.shape, np.nan), where=defined)


def _paired(
    name: str,
    statistic: Callable[[NDArray[np.float64]], NDArray[np.float64]],
    first: ArrayLike,
    second: ArrayLike,
    level: float,
    draws: int,
    seed: int,
) -> Effect:
    one, other = _checked(first), _checked(second)
    if one.shape != other.shape:
        raise ValueError(f"a paired effect needs the same subjects on both sides, got {len(one)} and {len(other)}")
    if len(one) < 2:
        return Effect(name, float("nan"), float("nan"), float("nan"), len(one))
    rows = np.stack([one, other], axis=1)
    low, high = subject_row_bootstrap(rows, statistic, level, draws, seed)
    return Effect(name, float(statistic(rows[None])[0]), low, high, len(one))


def _independent(
    name: str,
    statistic: Callable[[NDArray[np.float64], NDArray[np.float64]], NDArray[np.float64]],
    first: ArrayLike,
    second: ArrayLike,
    level: float,
    draws: int,
    seed: int,
) -> Effect:
    one, other = _checked(first), _checked(second)
    n = len(one) + len(other)
    if min(len(one), len(other)) < 2:
        return Effect(name, float("nan"), float("nan"), float("nan"), n)
    low, high = two_group_bootstrap(one, other, statistic, level, draws, seed)
    return Effect(name, float(statistic(one[None], other[None])[0]), low, high, n)


def _checked(values: ArrayLike) -> NDArray[np.float64]:
    array = np.asarray(values, dtype=float)
    if array.ndim != 1 or not np.isfinite(array).all():
        raise ValueError("an effect needs one-dimensional lists of finite numbers; leave undefined values out before")
    return array
