"""Two-sided tests of whether two methods differ: paired by subject, or between independent runs.

The sign-flip test is the one that verdicts rest on: it assumes only that a difference would be as
likely with the other sign if the methods were alike, and with few subjects it says by itself that
they are too few, for n subjects allow no p below 2 / 2^n.

Reference:
    R. A. Fisher, "The Design of Experiments", 1935, section 21 (sign-flip test). F. Wilcoxon,
    "Individual Comparisons by Ranking Methods", Biometrics Bulletin 1, 1945. J. W. Pratt, "Remarks on
    Zeros and Ties in the Wilcoxon Signed Rank Procedures", J. Am. Stat. Assoc. 54, 1959. B. L. Welch,
    "The generalization of 'Student's' problem when several different population variances are
    involved", Biometrika 34, 1947. B. Phipson and G. K. Smyth, "Permutation P-values Should Never Be
    Zero", Stat. Appl. Genet. Mol. Biol. 9, 2010. SPEC sections 2 (P2: paired t), 3 (P3: independent t
    over runs) and 5 (P5: Wilcoxon).
"""

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import stats

ZeroPolicy = Literal["pratt", "wilcox"]
"""Subjects without a difference: ranked and then dropped (Pratt), or dropped before ranking (Wilcoxon)."""

WILCOXON_EXACT_UP_TO = 50
"""Differences other than zero up to which the signed-rank test is exact."""

SIGN_FLIP_EXACT_UP_TO = 20
"""Subjects up to which all sign patterns are counted, a million at most."""

_SAME_SHARE = 1e-9
"""Differences closer than this share of the largest are the same: 0.8 - 0.7 and 0.9 - 0.8 must tie."""

_FLIPS_AT_ONCE = 2_000_000


@dataclass(frozen=True)
class TestResult:
    """What a test found; NaN for what is undefined, and then the note says why."""

    name: str
    variant: str
    statistic: float
    p: float
    n: int
    """Subjects of a paired test; values of both groups of an independent one."""
    note: str = ""


def paired_t_test(differences: ArrayLike) -> TestResult:
    """Student's paired t-test.

    Args:
        differences: one a subject, first minus second.

    Returns:
        NaN with fewer than two subjects, or when all differences are the same.

    Raises:
        ValueError: `differences` is not a list of finite numbers, here and below.
    """
    values = _checked(differences)
    name, variant = "paired t", f"{max(len(values) - 1, 0)} degrees of freedom"
    if len(values) < 2:
        return TestResult(name, variant, np.nan, np.nan, len(values), "fewer than two subjects")
    if np.ptp(values) <= _SAME_SHARE * np.abs(values).max():
        return TestResult(name, variant, np.nan, np.nan, len(values), "all differences are the same")
    result = stats.ttest_1samp(values, 0.0)
    return TestResult(name, variant, float(result.statistic), float(result.pvalue), len(values))


def wilcoxon_signed_rank(differences: ArrayLike, zeros: ZeroPolicy = "pratt") -> TestResult:
    """Wilcoxon's signed-rank test, exact for up to 50 differences, with ties and zeros too.

    With ties the exact distribution is that of the mid-ranks at hand. Beyond 50 it is the normal
    approximation, corrected for ties and for continuity.

    Args:
        differences: one a subject, first minus second.
        zeros: what subjects without a difference do.

    Returns:
        The statistic is the smaller of the two rank sums. p is 1 when no subject has a difference.
    """
    values = _levelled(_checked(differences))
    if zeros == "wilcox":
        values = values[values != 0]
    given = np.size(differences)
    moved = int(np.count_nonzero(values))
    name, handling = "Wilcoxon signed rank", "zeros ranked, then dropped" if zeros == "pratt" else "zeros dropped"
    if given == 0:
        return TestResult(name, "exact", np.nan, np.nan, 0, "no subject")
    still = "" if moved == given else f"{given - moved} of {given} subjects have no difference; {handling}"
    if moved == 0:
        return TestResult(name, "exact", 0.0, 1.0, given, still)
    ranks = stats.rankdata(np.abs(values))
    positive, negative = float(ranks[values > 0].sum()), float(ranks[values < 0].sum())
    statistic = min(positive, negative)
    ranks = ranks[values != 0]
    if moved <= WILCOXON_EXACT_UP_TO:
        variant = "exact" if len(np.unique(ranks)) == moved else "exact, given the ties"
        return TestResult(name, variant, statistic, _signed_rank_p(ranks, statistic), given, still)
    result = stats.wilcoxon(values, zero_method=zeros, correction=True, method="asymptotic")
    return TestResult(name, "normal approximation", statistic, float(result.pvalue), given, still)


def sign_flip_test(differences: ArrayLike, draws: int = 50_000, seed: int = 0) -> TestResult:
    """Permutation test of the mean difference: how many sign patterns give one as far from zero.

    Args:
        differences: one a subject, first minus second.
        draws: random sign patterns, drawn when there are more than 20 subjects; below, all are counted.
        seed: of the draws.

    Returns:
        The statistic is the mean difference. With drawn patterns p counts the observed one among them,
        so that it is never zero.
    """
    values = _checked(differences)
    n, name = len(values), "sign-flip"
    if n == 0:
        return TestResult(name, "exact", np.nan, np.nan, 0, "no subject")
    total = abs(values.sum())
    # Sums in another order differ in the last digits, and equal sums must count as equal.
    reach = total - _SAME_SHARE * np.abs(values).sum()
    if n <= SIGN_FLIP_EXACT_UP_TO:
        sums = values[:1]
        for value in values[1:]:
            sums = np.concatenate([sums + value, sums - value])
        p = float(np.mean(np.abs(sums) >= reach))
        note = f"n = {n} allows no p below {smallest_sign_flip_p(n):.2g}" if n < 6 else ""
        return TestResult(name, f"all {2**n} sign patterns", float(values.mean()), p, n, note)
    if draws < 1:
        raise ValueError(f"draws must be at least 1, got {draws}")
    generator = np.random.default_rng(seed)
    as_far, step = 0, max(1, _FLIPS_AT_ONCE // n)
    for first in range(0, draws, step):
        flips = generator.integers(0, 2, size=(min(step, draws - first), n), dtype=np.int8)
        as_far += int(np.count_nonzero(np.abs(2 * (flips @ values) - values.sum()) >= reach))
    p = (as_far + 1) / (draws + 1)
    return TestResult(name, f"{draws} random sign patterns, seed {seed}", float(values.mean()), p, n)


def smallest_sign_flip_p(n: int) -> float:
    """The smallest p that n subjects allow, whatever their differences: 2 of 2^n sign patterns."""
    return min(1.0, 2.0 ** (1 - n))


def independent_t_test(first: ArrayLike, second: ArrayLike, equal_variances: bool = False) -> TestResult:
    """Student's or Welch's t-test of two groups that share nothing, such as the runs of two methods.

    With a mean over the same test subjects as the value of a run, n is the number of runs, and a small
    p says that training again would show a difference on these subjects: nothing on other subjects.

    Args:
        first: values of one group.
        second: values of the other.
        equal_variances: pool the variances (Student) instead of keeping them apart (Welch).

    Returns:
        NaN with fewer than two values in either group, or no spread in both.
    """
    groups = _checked(first), _checked(second)
    n, name = sum(map(len, groups)), "independent t"
    variant = "Student, equal variances" if equal_variances else "Welch"
    note = f"{len(groups[0])} against {len(groups[1])} values"
    if min(map(len, groups)) < 2:
        return TestResult(name, variant, np.nan, np.nan, n, f"{note}; two of each are needed")
    if all(np.ptp(group) <= _SAME_SHARE * np.abs(group).max() for group in groups):
        return TestResult(name, variant, np.nan, np.nan, n, f"{note}; no spread within them")
    result = stats.ttest_ind(*groups, equal_var=equal_variances)
    return TestResult(name, variant, float(result.statistic), float(result.pvalue), n, note)


def _signed_rank_p(ranks: NDArray[np.float64], statistic: float) -> float:
    """Two-sided p of the smaller rank sum, from the number of sign patterns that give each sum.

    Mid-ranks are multiples of one half, so twice the ranks are whole numbers and index an array.
    """
    doubled = np.rint(2 * ranks).astype(int)
    shares = np.zeros(doubled.sum() + 1)
    shares[0] = 1.0
    for rank in doubled:
        # The right side is a new array before the left is written; half of the patterns have the rank.
        shares[rank:] = 0.5 * shares[rank:] + 0.5 * shares[: len(shares) - rank]
        shares[:rank] *= 0.5
    return float(min(1.0, 2 * shares[: round(2 * statistic) + 1].sum()))


def _levelled(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Values with rounding noise taken off, so that ties tie and zeros are zero."""
    noise = _SAME_SHARE * np.abs(values).max(initial=0.0)
    # Of numbers as small as 5e-324 a share is 0.
    return values if noise == 0 else np.rint(values / noise) * noise


def _checked(values: ArrayLike) -> NDArray[np.float64]:
    array = np.asarray(values, dtype=float)
    if array.ndim != 1 or not np.isfinite(array).all():
        raise ValueError("a test needs a one-dimensional list of finite numbers; leave undefined values out before it")
    return array
