"""Confidence intervals by resampling subjects.

Two scans of one person are not two independent observations: the bootstrap draws subjects, and
every case of a drawn subject goes into the resample with it. Percentiles of the resampled statistic are
too narrow with few subjects (fewer than about ten); the expanded interval, which every published figure
here uses, takes percentiles further out, so that for a mean of values without skew it is about as wide
as Student's.

Reference:
    B. Efron and R. J. Tibshirani, "An Introduction to the Bootstrap", 1993, chapter 13 (percentile
    interval). T. Hesterberg, "What Teachers Should Know about the Bootstrap", 2014, arXiv:1411.5279
    (expanded percentile interval).
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import special

Statistic = Callable[..., Any]
"""A numpy reduction that takes ``axis``, such as `numpy.mean` or `numpy.median`."""

RowStatistic = Callable[[NDArray[np.float64]], NDArray[np.float64]]
"""From resamples (draws, subjects, values of a subject) to a figure for each, shape (draws,)."""

GroupStatistic = Callable[[NDArray[np.float64], NDArray[np.float64]], NDArray[np.float64]]
"""From resamples of two groups, (draws, first) and (draws, second), to a figure for each, (draws,)."""

_UNDEFINED_SHARE = 0.05
"""Above this share of resamples without a figure (a spread of zero, say) there is no interval."""

_VALUES_AT_ONCE = 4_000_000
"""Resampled values held in memory at one time."""


def subject_bootstrap(
    values_by_subject: Mapping[str, Sequence[float]],
    statistic: Statistic = np.mean,
    level: float = 0.95,
    draws: int = 10_000,
    seed: int = 0,
    expanded: bool = True,
) -> tuple[float, float]:
    """Percentile interval of a statistic over cases, resampling subjects.

    Args:
        values_by_subject: the figure of every case, by subject. NaN (undefined) cases are left out,
            and with them a subject that has no other.
        statistic: of the pooled cases.
        level: coverage, between 0 and 1.
        draws: resamples.
        seed: the same seed gives the same interval, whatever the order of the subjects.
        expanded: widen the interval for few subjects, as every published figure here is; else plain
            percentiles.

    Returns:
        Lower and upper end; NaN for both with fewer than two subjects.

    Raises:
        ValueError: `level` is not between 0 and 1, or `draws` is below 1.
    """
    _check(level, draws)
    groups = _defined_groups(values_by_subject)
    if len(groups) < 2:
        return float("nan"), float("nan")
    generator = np.random.default_rng(seed)
    estimates = np.empty(draws)
    step = max(1, _VALUES_AT_ONCE // sum(len(group) for group in groups))
    for first in range(0, draws, step):
        drawn = generator.integers(len(groups), size=(min(step, draws - first), len(groups)))
        estimates[first : first + len(drawn)] = _resampled(groups, drawn, statistic)
    return _percentiles(estimates, expanded_level(level, len(groups)) if expanded else level)


def subject_row_bootstrap(
    rows: NDArray[np.float64],
    statistic: RowStatistic,
    level: float = 0.95,
    draws: int = 10_000,
    seed: int = 0,
    expanded: bool = True,
) -> tuple[float, float]:
    """Percentile interval of a figure made of several values a subject, such as a pair of scores.

    Args:
        rows: shape (subjects, values of a subject), in an order that does not change from call to call.
        statistic: takes all resamples of a step at once; NaN where a resample has no figure.
        level: coverage, between 0 and 1.
        draws: resamples.
        seed: of the resampling.
        expanded: widen the interval for few subjects, as every published figure here is; else plain
            percentiles.

    Returns:
        Lower and upper end; NaN for both with fewer than two subjects, or when more than one resample
        in twenty has no figure.

    Raises:
        ValueError: `level` or `draws` out of range, or `rows` not two-dimensional.
    """
    _check(level, draws)
    if rows.ndim != 2:
        raise ValueError(f"rows must have the shape (subjects, values), got {rows.shape}")
    subjects = len(rows)
    if subjects < 2:
        return float("nan"), float("nan")
    generator = np.random.default_rng(seed)
    estimates = np.empty(draws)
    step = max(1, _VALUES_AT_ONCE // rows.size)
    for first in range(0, draws, step):
        drawn = generator.integers(subjects, size=(min(step, draws - first), subjects))
        estimates[first : first + len(drawn)] = statistic(rows[drawn])
    return _percentiles(estimates, expanded_level(level, subjects) if expanded else level)


def two_group_bootstrap(
    first: NDArray[np.float64],
    second: NDArray[np.float64],
    statistic: GroupStatistic,
    level: float = 0.95,
    draws: int = 10_000,
    seed: int = 0,
) -> tuple[float, float]:
    """Percentile interval of a figure of two groups that share nobody, each resampled by itself.

    Returns:
        Lower and upper end; NaN as in `subject_row_bootstrap`, for either group.

    Raises:
        ValueError: `level` or `draws` out of range.
    """
    _check(level, draws)
    if min(len(first), len(second)) < 2:
        return float("nan"), float("nan")
    generator = np.random.default_rng(seed)
    estimates = np.empty(draws)
    step = max(1, _VALUES_AT_ONCE // (len(first) + len(second)))
    for start in range(0, draws, step):
        count = min(step, draws - start)
        drawn_first = generator.integers(len(first), size=(count, len(first)))
        drawn_second = generator.integers(len(second), size=(count, len(second)))
        estimates[start : start + count] = statistic(first[drawn_first], second[drawn_second])
    return _percentiles(estimates, level)


def expanded_level(level: float, subjects: int) -> float:
    """Level of the percentile interval that is about as wide as Student's interval of that level.

    The bootstrap's spread of a mean lacks the factor sqrt(n / (n - 1)), and its percentiles are those
    of a normal rather than of Student's distribution; both are made good here.

    Raises:
        ValueError: fewer than two subjects.
    """
    if subjects < 2:
        raise ValueError(f"an interval needs at least two subjects, got {subjects}")
    quantile = special.stdtrit(subjects - 1, (1 + level) / 2) * np.sqrt(subjects / (subjects - 1))
    return float(1 - 2 * special.ndtr(-quantile))


def _check(level: float, draws: int) -> None:
    if not 0 < level < 1 or draws < 1:
        raise ValueError(f"level must lie between 0 and 1 and draws be at least 1, got {level} and {draws}")


def _percentiles(estimates: NDArray[np.float64], level: float) -> tuple[float, float]:
    defined = estimates[~np.isnan(estimates)]
    if len(defined) < (1 - _UNDEFINED_SHARE) * len(estimates):
        return float("nan"), float("nan")
    low, high = np.percentile(defined, [50 * (1 - level), 50 * (1 + level)])
    return float(low), float(high)


def _defined_groups(values_by_subject: Mapping[str, Sequence[float]]) -> list[NDArray[np.float64]]:
    """Defined values of each subject that has any, ordered by subject."""
    groups = [np.asarray(values_by_subject[subject], dtype=float) for subject in sorted(values_by_subject)]
    defined = [group[~np.isnan(group)] for group in groups]
    return [group for group in defined if group.size]


def _resampled(groups: Sequence[NDArray[np.float64]], drawn: NDArray[np.int64], statistic: Statistic) -> Any:
    """The statistic of each resample; `drawn` holds a row of subject numbers for each."""
    sizes = np.array([len(group) for group in groups])
    if (sizes == sizes[0]).all():
        cases = np.stack(groups)
        return statistic(cases[drawn].reshape(len(drawn), -1), axis=1)
    if statistic is np.mean:
        sums = np.array([group.sum() for group in groups])
        return sums[drawn].sum(axis=1) / sizes[drawn].sum(axis=1)
    return [statistic(np.concatenate([groups[subject] for subject in row]), axis=0) for row in drawn]
