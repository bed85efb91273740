"""Intervals of the means of many figures at once, by resampling subjects.

The same resamples serve every figure, and a mean over a resample is a product of two matrices, so
that thousands of cases with hundreds of figures take seconds.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from neurograft.evaluation.intervals import expanded_level

_WEIGHTS_AT_ONCE = 4_000_000
"""Resampled weights held in memory at one time."""


def mean_intervals(
    values: NDArray[np.float64], subjects: Sequence[str], level: float = 0.95, draws: int = 10_000, seed: int = 0
) -> NDArray[np.float64]:
    """Expanded percentile intervals of the mean of each column over cases, resampling subjects.

    Args:
        values: (cases, figures); NaN where a case has no such figure, which then does not count.
        subjects: the person of each case; all cases of a drawn person go into the resample.
        level: coverage, between 0 and 1.
        draws: resamples.
        seed: the same seed gives the same intervals, whatever the order of the cases.

    Returns:
        (2, figures), lower and upper ends; NaN for a figure that fewer than two subjects have.

    Raises:
        ValueError: `subjects` is not one a case, `level` is not between 0 and 1, or `draws` is below 1.

    Reference:
        B. Efron and R. J. Tibshirani, "An Introduction to the Bootstrap", 1993, chapter 13 (percentile
        interval).
    """
    if len(subjects) != len(values) or not 0 < level < 1 or draws < 1:
        raise ValueError(
            f"need one subject a case, a level between 0 and 1 and a draw at least, got {len(subjects)} subjects for "
            f"{len(values)} cases, {level} and {draws}"
        )
    people, person = np.unique(np.asarray(subjects, dtype=str), return_inverse=True)
    defined = np.isfinite(values)
    sums, counts = (np.zeros((len(people), values.shape[1])) for _ in range(2))
    np.add.at(sums, person, np.where(defined, values, 0.0))
    np.add.at(counts, person, defined)
    intervals = np.full((2, values.shape[1]), np.nan)
    # A person without a figure must not dilute its resamples: figures are drawn among those who have it.
    patterns, pattern = np.unique(counts > 0, axis=1, return_inverse=True)
    for number, has in enumerate(patterns.T):
        if has.sum() < 2:
            continue
        columns = np.flatnonzero(pattern == number)
        wide = expanded_level(level, int(has.sum()))
        means = _resampled_means(sums[np.ix_(has, columns)], counts[np.ix_(has, columns)], draws, seed)
        intervals[:, columns] = np.percentile(means, [50 * (1 - wide), 50 * (1 + wide)], axis=0)
    return intervals


def _resampled_means(
    sums: NDArray[np.float64], counts: NDArray[np.float64], draws: int, seed: int
) -> NDArray[np.float64]:
    """Means (draws, figures) over resamples of the rows."""
    generator = np.random.default_rng(seed)
    people = len(sums)
    means = np.empty((draws, sums.shape[1]))
    step = max(1, _WEIGHTS_AT_ONCE // people)
    for first in range(0, draws, step):
        drawn = generator.integers(people, size=(min(step, draws - first), people))
        weights = np.zeros((len(drawn), people))
        np.add.at(weights, (np.arange(len(drawn))[:, None], drawn), 1.0)
        means[first : first + len(drawn)] = (weights @ sums) / (weights @ counts)
    return means
