"""Confidence intervals by resampling subjects.

Two scans of one person are not two independent observations: the bootstrap draws subjects, and
every case of a drawn subject goes into the resample with it. Intervals are the percentiles of the
resampled statistic; with few subjects (fewer than about ten) they tend to be too narrow.

Reference:
    B. Efron and R. J. Tibshirani, "An Introduction to the Bootstrap", 1993, chapter 13 (percentile
    interval).
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

Statistic = Callable[..., Any]
"""A numpy reduction that takes ``axis``, such as `numpy.mean` or `numpy.median`."""

_VALUES_AT_ONCE = 4_000_000
"""Resampled values held in memory at one time."""


def subject_bootstrap(
    values_by_subject: Mapping[str, Sequence[float]],
    statistic: Statistic = np.mean,
    level: float = 0.95,
    draws: int = 10_000,
    seed: int = 0,
) -> tuple[float, float]:
    """Percentile interval of a statistic over cases, resampling subjects.

    Args:
        values_by_subject: the figure of every case, by subject. NaN (undefined) cases are left out,
            and with them a subject that has no other.
        statistic: of the pooled cases.
        level: coverage, between 0 and 1.
        draws: resamples.
        seed: the same seed gives the same interval, whatever the order of the subjects.

    Returns:
        Lower and upper end; NaN for both with fewer than two subjects.

    Raises:
        ValueError: `level` is not between 0 and 1, or `draws` is below 1.
    """
    if not 0 < level < 1 or draws < 1:
        raise ValueError(f"level must lie between 0 and 1 and draws be at least 1, got {level} and {draws}")
    groups = _defined_groups(values_by_subject)
    if len(groups) < 2:
        return float("nan"), float("nan")
    generator = np.random.default_rng(seed)
    estimates = np.empty(draws)
    step = max(1, _VALUES_AT_ONCE // sum(len(group) for group in groups))
    for first in range(0, draws, step):
        drawn = generator.integers(len(groups), size=(min(step, draws - first), len(groups)))
        estimates[first : first + len(drawn)] = _resampled(groups, drawn, statistic)
    low, high = np.percentile(estimates, [50 * (1 - level), 50 * (1 + level)])
    return float(low), float(high)


def paired_subject_bootstrap(
    first: Mapping[str, Sequence[float]],
    second: Mapping[str, Sequence[float]],
    statistic: Statistic = np.mean,
    level: float = 0.95,
    draws: int = 10_000,
    seed: int = 0,
) -> tuple[float, float]:
    """Percentile interval of a statistic of case-wise differences, first minus second.

    Both mappings hold the same subjects with the same cases in the same order. A case that is NaN on
    either side is left out.

    Raises:
        ValueError: subjects or numbers of cases differ.
    """
    if unpaired := set(first) ^ set(second):
        raise ValueError(f"a paired comparison needs the same subjects on both sides; unpaired: {sorted(unpaired)}")
    uneven = sorted(subject for subject in first if len(first[subject]) != len(second[subject]))
    if uneven:
        raise ValueError(f"a paired comparison needs the same cases on both sides; uneven subjects: {uneven}")
    differences = {
        subject: (np.asarray(first[subject], dtype=float) - np.asarray(second[subject], dtype=float)).tolist()
        for subject in first
    }
    return subject_bootstrap(differences, statistic, level, draws, seed)


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
