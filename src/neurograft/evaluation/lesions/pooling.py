"""Figures of many scans' pooled counts, with intervals that resample subjects.

A rate over lesions is a ratio of two sums over scans. Lesions of one person resemble each other, so
the interval draws persons, and all lesions of a drawn person go into the resample with them.

Reference:
    B. Efron and R. J. Tibshirani, "An Introduction to the Bootstrap", 1993, chapter 13 (percentile
    interval).
"""

from collections.abc import Callable, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from neurograft.evaluation.intervals import expanded_level

Figures = Callable[[NDArray[np.float64]], Mapping[str, NDArray[np.float64]]]
"""From counts of shape (..., kinds) to named figures of shape (...), NaN where undefined."""

_TOTALS_AT_ONCE = 1_000_000
"""Draws times subjects held in memory at one time."""


def pooled_figures(
    counts: NDArray[np.int64],
    subjects: Sequence[str],
    figures: Figures,
    level: float = 0.95,
    draws: int = 10_000,
    seed: int = 0,
) -> dict[str, float]:
    """Figures of the pooled counts, each followed by the ends of its percentile interval.

    Resamples in which a figure is undefined are left out of its interval. The interval is NaN where
    fewer than two subjects have the figure at all.

    Args:
        counts: a row a scan and a column a kind of count.
        subjects: whose scan each row is.
        figures: what to compute from summed counts.
        level: coverage, between 0 and 1.
        draws: resamples.
        seed: the same seed gives the same interval, whatever the order of the scans.

    Returns:
        For each figure ``name``, ``name_low`` and ``name_high``, in the order of `figures`.

    Raises:
        ValueError: not one subject a row, `level` is not between 0 and 1, or `draws` is below 1.
    """
    if len(subjects) != len(counts):
        raise ValueError(f"there must be one subject a scan, got {len(subjects)} for {len(counts)} scans")
    if not 0 < level < 1 or draws < 1:
        raise ValueError(f"level must lie between 0 and 1 and draws be at least 1, got {level} and {draws}")
    names, whose = np.unique(np.asarray(subjects, dtype=str), return_inverse=True)
    by_subject = np.zeros((len(names), counts.shape[1]))
    np.add.at(by_subject, whose, counts)
    estimates = figures(by_subject.sum(axis=0))
    each = figures(by_subject)
    drawn = figures(_resampled_totals(by_subject, draws, seed))
    row: dict[str, float] = {}
    for name, estimate in estimates.items():
        defined = drawn[name][~np.isnan(drawn[name])]
        with_figure = int(np.count_nonzero(~np.isnan(each[name])))
        low = high = np.nan
        if defined.size and with_figure >= 2:
            wide = expanded_level(level, with_figure)
            low, high = np.percentile(defined, [50 * (1 - wide), 50 * (1 + wide)])
        row |= {name: float(estimate), f"{name}_low": float(low), f"{name}_high": float(high)}
    return row


def ratio(part: NDArray[np.float64], whole: NDArray[np.float64]) -> NDArray[np.float64]:
    """Part by whole, NaN where the whole is 0."""
    part, whole = np.asarray(part, dtype=float), np.asarray(whole, dtype=float)
    return np.divide(part, whole, out=np.full(whole.shape, np.nan), where=whole != 0)


def _resampled_totals(by_subject: NDArray[np.float64], draws: int, seed: int) -> NDArray[np.float64]:
    """Summed counts of each resample, shape (draws, kinds)."""
    people = len(by_subject)
    totals = np.zeros((draws, by_subject.shape[1]))
    if not people:
        return totals
    generator = np.random.default_rng(seed)
    step = max(1, _TOTALS_AT_ONCE // people)
    for first in range(0, draws, step):
        part = slice(first, min(first + step, draws))
        # How often each person is drawn: the counts of drawing with replacement are multinomial.
        times = generator.multinomial(people, np.full(people, 1 / people), size=part.stop - part.start)
        totals[part] = times @ by_subject
    return totals
