"""How far repeated measurements of the same subject differ, and what change is too large to be chance."""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import stats

_NAN = float("nan")


@dataclass(frozen=True)
class Repeatability:
    """Variation of the repeats of a subject; in the unit of measurement where nothing else is said.

    Args:
        n_subjects: subjects with two or more repeats.
        n_measurements: theirs.
        n_left_out: subjects with fewer than two.
        mean: of the subjects' means.
        within_sd: within-subject standard deviation, the root of the mean variance of the repeats.
            Systematic differences between the repeats count, so it is also the standard error of
            measurement "of agreement".
        within_sd_low: lower end of its confidence interval.
        within_sd_high: upper end.
        within_cv_percent: root-mean-square coefficient of variation: the root of the mean squared ratio
            of each subject's SD to its mean. NaN where a subject's mean is not positive.
        pooled_cv_percent: ``within_sd`` as a percentage of ``mean``, which lets subjects with large
            values decide. NaN where ``mean`` is not positive.
        sem_consistency: standard error of measurement without systematic differences between the
            repeats, from the subjects that have them all. NaN with fewer than two of these.
        smallest_detectable_change: difference between two measurements of one subject that chance
            exceeds in 1 - level of the cases: z * sqrt(2) * within_sd, 1.96 * sqrt(2) at 95 %.
        smallest_detectable_group_change: the same for the mean change of a group as large as this one,
            divided by the root of the number of subjects.
    """

    n_subjects: int
    n_measurements: int
    n_left_out: int
    mean: float
    within_sd: float
    within_sd_low: float
    within_sd_high: float
    within_cv_percent: float
    pooled_cv_percent: float
    sem_consistency: float
    smallest_detectable_change: float
    smallest_detectable_group_change: float

    @property
    def sem_agreement(self) -> float:
        """Standard error of measurement, another name of the within-subject SD."""
        return self.within_sd

    @property
    def repeatability_coefficient(self) -> float:
        """Bland and Altman's name of the smallest detectable change of one subject."""
        return self.smallest_detectable_change


def repeatability(measurements: ArrayLike, level: float = 0.95) -> Repeatability:
    """Within-subject variation from two or more repeats of each subject.

    Where subjects have different numbers of repeats, variances and squared coefficients of variation
    are weighted by their degrees of freedom. The interval of the within-subject SD is that of chi
    square. Repeats may be two sessions, two raters, or a prediction and its reference.

    Args:
        measurements: (n subjects, k repeats), NaN where a subject has fewer.
        level: coverage of the interval, and of the chance change.

    Returns:
        NaN throughout where no subject has two repeats.

    Raises:
        ValueError: not a table with two or more columns, or `level` is not between 0 and 1.

    Reference:
        J. M. Bland and D. G. Altman, "Measuring agreement in method comparison studies", Statistical
        Methods in Medical Research 8, 1999, section on repeatability. C. C. Glueer et al., "Accurate
        assessment of precision errors", Osteoporosis International 5, 1995 (root-mean-square CV).
        H. C. de Vet et al., "When to use agreement versus reliability measures", Journal of Clinical
        Epidemiology 59, 2006 (standard errors of measurement, smallest detectable change).
    """
    table = np.asarray(measurements, dtype=float)
    if table.ndim != 2 or table.shape[1] < 2:
        raise ValueError(f"measurements must be a table of subjects by two or more repeats, got shape {table.shape}")
    if not 0 < level < 1:
        raise ValueError(f"level must lie between 0 and 1, got {level}")
    table = np.where(np.isfinite(table), table, np.nan)
    repeats = (~np.isnan(table)).sum(axis=1)
    used, counts = table[repeats >= 2], repeats[repeats >= 2]
    n, left_out = len(used), int((repeats < 2).sum())
    if n == 0:
        return Repeatability(0, 0, left_out, *(_NAN,) * 9)
    means, variances, freedom = np.nanmean(used, axis=1), np.nanvar(used, axis=1, ddof=1), counts - 1
    df = int(freedom.sum())
    within_sd = math.sqrt(float((freedom * variances).sum()) / df)
    low, high = (within_sd * math.sqrt(df / stats.chi2.ppf(tail, df)) for tail in ((1 + level) / 2, (1 - level) / 2))
    mean, cv = float(means.mean()), _NAN
    if (means > 0).all():
        cv = 100 * math.sqrt(float((freedom * variances / means**2).sum()) / df)
    change = float(stats.norm.ppf((1 + level) / 2)) * math.sqrt(2) * within_sd
    return Repeatability(
        n_subjects=n,
        n_measurements=int(counts.sum()),
        n_left_out=left_out,
        mean=mean,
        within_sd=within_sd,
        within_sd_low=low,
        within_sd_high=high,
        within_cv_percent=cv,
        pooled_cv_percent=100 * within_sd / mean if mean > 0 else _NAN,
        sem_consistency=_residual_sd(used[counts == table.shape[1]]),
        smallest_detectable_change=change,
        smallest_detectable_group_change=change / math.sqrt(n),
    )


def _residual_sd(table: NDArray[np.float64]) -> float:
    """Standard deviation that is left when the means of subjects and of repeats are taken out."""
    n, k = table.shape
    if n < 2:
        return _NAN
    residuals = table - table.mean(axis=1, keepdims=True) - table.mean(axis=0) + table.mean()
    return math.sqrt(float((residuals**2).sum()) / ((n - 1) * (k - 1)))
