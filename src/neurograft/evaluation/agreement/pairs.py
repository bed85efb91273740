"""Two measurements of the same cases, without those that are undefined on either side."""

from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

RELATIVE_NOISE = 1e-13
"""Differences below this share of the largest value are rounding, not variation."""


@dataclass(frozen=True)
class Pairs:
    """Paired measurements that are defined on both sides.

    Args:
        first: (n,) measurements of the first method.
        second: (n,) measurements of the second, in the same order and unit.
        subjects: (n,) number of the subject of each pair, from 0 without gaps.
        n_left_out: pairs that were undefined on either side.
    """

    first: NDArray[np.float64]
    second: NDArray[np.float64]
    subjects: NDArray[np.int64]
    n_left_out: int

    @property
    def n(self) -> int:
        """Number of pairs."""
        return len(self.first)

    @property
    def n_subjects(self) -> int:
        """Number of subjects that the pairs come from."""
        return int(self.subjects.max()) + 1 if self.n else 0

    @property
    def repeated(self) -> bool:
        """Whether any subject has more than one pair."""
        return self.n > self.n_subjects

    def subject_means(self) -> "Pairs":
        """One pair a subject: the means over its pairs, which are independent of each other."""
        return Pairs(
            subject_means(self.first, self.subjects),
            subject_means(self.second, self.subjects),
            np.arange(self.n_subjects),
            self.n_left_out,
        )


def complete_pairs(first: ArrayLike, second: ArrayLike, subjects: Sequence[Hashable] | None = None) -> Pairs:
    """Keep the pairs in which both measurements are finite, and count the others.

    Args:
        first: (n,) measurements of the first method, NaN where undefined.
        second: (n,) measurements of the second.
        subjects: the subject of each pair; ``None`` takes every pair for another person.

    Raises:
        ValueError: the three do not have one length, or a pair has no subject.
    """
    one, two = np.asarray(first, dtype=float), np.asarray(second, dtype=float)
    if one.ndim != 1 or one.shape != two.shape:
        raise ValueError(f"two lists of one length are needed, got shapes {one.shape} and {two.shape}")
    names: Sequence[Any] = range(len(one)) if subjects is None else list(subjects)
    if len(names) != len(one):
        raise ValueError(f"each of the {len(one)} pairs needs a subject, got {len(names)} subjects")
    # NaN is the one value that differs from itself; tables hold it where a subject is missing.
    if any(name is None or name != name for name in names):
        raise ValueError("each pair needs a subject, got one without")
    defined = np.isfinite(one) & np.isfinite(two)
    numbers: dict[Any, int] = {}
    codes = [numbers.setdefault(name, len(numbers)) for name, kept in zip(names, defined, strict=True) if kept]
    left_out = len(one) - len(codes)
    return Pairs(one[defined], two[defined], np.array(codes, dtype=np.int64), left_out)


def subject_means(values: NDArray[np.float64], subjects: NDArray[np.int64]) -> NDArray[np.float64]:
    """Mean of the values of each subject, in the order of the subjects' numbers."""
    return np.bincount(subjects, weights=values) / np.bincount(subjects)


def is_constant(values: NDArray[np.float64], scale: float | None = None) -> bool:
    """Whether values differ by no more than rounding.

    Args:
        values: at least one value.
        scale: size of the quantities that the values were computed from, where these are larger than
            the values themselves, as with differences.
    """
    size = float(np.abs(values).max()) if scale is None else scale
    return float(np.ptp(values)) <= RELATIVE_NOISE * size
