"""All figures of agreement of two methods on one quantity, as one row of a table."""

from collections.abc import Hashable, Sequence

import numpy as np
from numpy.typing import ArrayLike

from neurograft.evaluation.agreement.bland_altman import BlandAltman, bland_altman
from neurograft.evaluation.agreement.correlation import (
    concordance_correlation,
    pearson_correlation,
    spearman_correlation,
)
from neurograft.evaluation.agreement.icc import ICC_ALIASES, IccForm, intraclass_correlation
from neurograft.evaluation.agreement.pairs import Pairs, complete_pairs, is_constant
from neurograft.evaluation.agreement.repeatability import repeatability

FEWEST_SUBJECTS = 3
"""Below this number no figure of agreement is given."""

_ICC_COLUMNS: dict[IccForm, str] = {
    form: "icc_" + form.removeprefix("ICC(").removesuffix(")").replace(",", "_") for form in ICC_ALIASES
}

_COUNT_MEANINGS = {
    "quantity": "what was measured, with its unit where it has one",
    "label": "structure that it was measured in",
    "n": "cases measured by both methods",
    "n_subjects": "subjects that these cases come from",
    "n_left_out": "cases undefined in either method",
    "mean_first": "mean of the first method, over subjects",
    "mean_second": "mean of the second method, over subjects",
}


def _interval_meanings(name: str, words: str) -> dict[str, str]:
    return {
        name: words,
        f"{name}_low": f"lower end of the confidence interval of {name}",
        f"{name}_high": f"upper end of the confidence interval of {name}",
    }


AGREEMENT_MEANINGS: dict[str, str] = {
    **_COUNT_MEANINGS,
    **{
        column: meaning
        for form, name in _ICC_COLUMNS.items()
        for column, meaning in _interval_meanings(
            name, f"intraclass correlation {form} of Shrout and Fleiss, {ICC_ALIASES[form]} of McGraw and Wong"
        ).items()
    },
    **_interval_meanings("pearson", "Pearson's correlation; interval by Fisher's z"),
    "pearson_p": "two-sided p value of Pearson's correlation being 0",
    **_interval_meanings("spearman", "Spearman's rank correlation; interval after Bonett and Wright"),
    "spearman_p": "two-sided p value of Spearman's correlation being 0, exact up to eight subjects",
    **_interval_meanings("ccc", "Lin's concordance correlation; interval by Lin's z"),
    **_interval_meanings("bias", "mean difference, first - second"),
    "difference_sd": "standard deviation of the difference of a single case",
    **_interval_meanings("loa_lower", "lower 95 % limit of agreement, bias - 1.96 SD"),
    **_interval_meanings("loa_upper", "upper 95 % limit of agreement, bias + 1.96 SD"),
    "loa_intervals": "method of the limits' intervals: exact (one case a subject), mover (several), none",
    "proportional_slope": "slope of the difference on the mean of both methods",
    "proportional_p": "two-sided p value of that slope being 0 (test for proportional bias)",
    "heteroscedastic_p": "p value of the scatter of the difference changing with the mean",
    "percent_bias": "mean difference in percent of the mean of both methods",
    "percent_loa_lower": "lower 95 % limit of agreement in percent",
    "percent_loa_upper": "upper 95 % limit of agreement in percent",
    "within_sd": "within-subject standard deviation, the methods taken for repeats (standard error of measurement)",
    "within_cv_percent": "within-subject coefficient of variation, root-mean-square, in percent",
    "smallest_detectable_change": "1.96 sqrt(2) within_sd: change of one subject beyond chance",
    "smallest_detectable_group_change": "the same for the mean of n_subjects",
    "note": "why figures are missing, or what they were computed on",
}
"""What each column of a row means. Intervals cover 95 % unless another level was asked for."""

AGREEMENT_COLUMNS: tuple[str, ...] = tuple(AGREEMENT_MEANINGS)


def agreement_row(
    quantity: str,
    label: str,
    first: ArrayLike,
    second: ArrayLike,
    subjects: Sequence[Hashable] | None = None,
    level: float = 0.95,
) -> dict[str, str | int | float]:
    """Put all figures of agreement into one row.

    Where subjects have several cases, every figure but the limits of agreement is computed on the mean
    per subject, since these figures take their pairs for independent; the limits stay those of a
    single case. The note says so.

    Args:
        quantity: what was measured.
        label: structure that it was measured in.
        first: (n,) measurements of the first method, the prediction; NaN where undefined.
        second: (n,) measurements of the second, the reference.
        subjects: the subject of each case; ``None`` takes every case for another person.
        level: coverage of the confidence intervals, and of the smallest detectable change.

    Returns:
        A value for each of `AGREEMENT_COLUMNS`, in their order. With fewer than three subjects all
        figures but counts and means are NaN.

    Raises:
        ValueError: the lengths differ, or `level` is not between 0 and 1.
    """
    cases = complete_pairs(first, second, subjects)
    compared = cases if cases.n_subjects >= FEWEST_SUBJECTS else complete_pairs([], [])
    sides = (compared.first, compared.second, compared.subjects.tolist())
    limits = bland_altman(*sides, level=level)
    percent = bland_altman(*sides, level=level, scale="percent")
    pairs = compared.subject_means()
    repeats = repeatability(np.column_stack([pairs.first, pairs.second]), level)
    means = cases.subject_means()
    row: dict[str, str | int | float] = {
        "quantity": quantity,
        "label": label,
        "n": cases.n,
        "n_subjects": cases.n_subjects,
        "n_left_out": cases.n_left_out,
        "mean_first": float(means.first.mean()) if cases.n else float("nan"),
        "mean_second": float(means.second.mean()) if cases.n else float("nan"),
        **_coefficients(pairs, level),
        **_differences(limits),
        "percent_bias": percent.bias,
        "percent_loa_lower": percent.lower,
        "percent_loa_upper": percent.upper,
        "within_sd": repeats.within_sd,
        "within_cv_percent": repeats.within_cv_percent,
        "smallest_detectable_change": repeats.smallest_detectable_change,
        "smallest_detectable_group_change": repeats.smallest_detectable_group_change,
        "note": _note(cases),
    }
    return {column: row[column] for column in AGREEMENT_COLUMNS}


def _coefficients(pairs: Pairs, level: float) -> dict[str, float]:
    """Intraclass correlations and the three correlations of independent pairs."""
    values: dict[str, float] = {}
    forms = intraclass_correlation(np.column_stack([pairs.first, pairs.second]), level)
    for form, name in _ICC_COLUMNS.items():
        values |= {name: forms[form].value, f"{name}_low": forms[form].low, f"{name}_high": forms[form].high}
    correlations = {
        "pearson": pearson_correlation(pairs.first, pairs.second, level),
        "spearman": spearman_correlation(pairs.first, pairs.second, level),
        "ccc": concordance_correlation(pairs.first, pairs.second, level),
    }
    for name, result in correlations.items():
        values |= {name: result.value, f"{name}_low": result.low, f"{name}_high": result.high, f"{name}_p": result.p}
    return values


def _differences(limits: BlandAltman) -> dict[str, str | float]:
    return {
        "bias": limits.bias,
        "bias_low": limits.bias_low,
        "bias_high": limits.bias_high,
        "difference_sd": limits.sd,
        "loa_lower": limits.lower,
        "loa_lower_low": limits.lower_low,
        "loa_lower_high": limits.lower_high,
        "loa_upper": limits.upper,
        "loa_upper_low": limits.upper_low,
        "loa_upper_high": limits.upper_high,
        "loa_intervals": limits.limit_interval_method,
        "proportional_slope": limits.proportional_slope,
        "proportional_p": limits.proportional_p,
        "heteroscedastic_p": limits.heteroscedastic_p,
    }


def _note(cases: Pairs) -> str:
    """Why figures are missing, or what they were computed on; empty when there is nothing to say."""
    if cases.n_subjects < FEWEST_SUBJECTS:
        return f"{cases.n_subjects} subject{'s' * (cases.n_subjects != 1)}: too few to say anything of agreement"
    notes = []
    if cases.repeated:
        notes.append(
            f"{cases.n} cases of {cases.n_subjects} subjects: limits of agreement for a single case, "
            "all other figures on the mean per subject"
        )
    means = cases.subject_means()
    for name, values in (("first", means.first), ("second", means.second)):
        if is_constant(values):
            notes.append(f"the {name} method gives one value throughout")
    return "; ".join(notes)
