"""Within-subject variation: published figures, values by hand, coverage by simulation."""

import math
from typing import Any

import numpy as np
import pytest
from scipy import stats

from neurograft.evaluation.agreement.icc import intraclass_correlation
from neurograft.evaluation.agreement.repeatability import repeatability

TWO_SD = 2 * float(stats.norm.cdf(2)) - 1


@pytest.mark.parametrize(("columns", "coefficient"), [(slice(0, 2), 43.2), (slice(2, 4), 56.4)])
def test_peak_flow_as_printed(peak_flow: np.ndarray, columns: slice, coefficient: float) -> None:
    """Bland and Altman 1986: twice the rounded 21.6 and 28.2 l/min, SDs of the differences about 0."""
    result = repeatability(peak_flow[:, columns], level=TWO_SD)
    assert result.repeatability_coefficient == pytest.approx(coefficient, abs=0.1)
    assert math.sqrt(2) * result.within_sd == pytest.approx(coefficient / 2, abs=0.05)
    assert (result.n_subjects, result.n_measurements) == (17, 34)


def test_by_hand() -> None:
    """Pairs (9, 11) and (18, 22): SDs sqrt(2) and sqrt(8), means 10 and 20, CVs both 14.142 %."""
    result = repeatability([[9, 11], [18, 22]])
    assert result.mean == 15
    assert result.within_sd == pytest.approx(math.sqrt((2 + 8) / 2))
    assert result.within_cv_percent == pytest.approx(100 * math.sqrt(0.02))
    assert result.pooled_cv_percent == pytest.approx(100 * math.sqrt(5) / 15)
    assert result.smallest_detectable_change == pytest.approx(1.959964 * math.sqrt(2) * math.sqrt(5))
    assert result.smallest_detectable_group_change == pytest.approx(1.959964 * math.sqrt(5))
    assert result.sem_agreement == result.within_sd
    assert result.repeatability_coefficient == result.smallest_detectable_change


def test_unequal_numbers_of_repeats_weigh_by_their_freedom() -> None:
    """(1, 3): variance 2, one degree; (10, 10, 10, 14): variance 4, three degrees; (5): none, left out."""
    gap = math.nan
    result = repeatability([[1, 3, gap, gap], [10, 10, 10, 14], [5, gap, gap, gap]])
    assert (result.n_subjects, result.n_measurements, result.n_left_out) == (2, 6, 1)
    assert result.within_sd == pytest.approx(math.sqrt((2 + 3 * 4) / 4))
    assert result.within_cv_percent == pytest.approx(100 * math.sqrt((2 / 4 + 3 * 4 / 121) / 4))
    assert math.isnan(result.sem_consistency)


def test_systematic_difference_counts_for_agreement_only() -> None:
    truth = np.array([1.0, 2, 3, 4])
    result = repeatability(np.column_stack([truth, truth + 2]))
    assert result.within_sd == pytest.approx(math.sqrt(2))
    assert result.sem_consistency == pytest.approx(0, abs=1e-12)


@pytest.mark.parametrize("seed", range(3))
def test_standard_errors_follow_from_the_intraclass_correlations(seed: int) -> None:
    """SEM^2 = (1 - ICC) * total variance, for the one-way and for the consistency form."""
    table = np.random.default_rng(seed).normal(size=(9, 3)) + 2 * np.arange(9)[:, None]
    forms, result = intraclass_correlation(table), repeatability(table)
    targets = 3 * table.mean(axis=1).var(ddof=1)
    for form, sem in (("ICC(1,1)", result.sem_agreement), ("ICC(3,1)", result.sem_consistency)):
        total = (targets + 2 * sem**2) / 3
        assert sem**2 == pytest.approx((1 - forms[form].value) * total)  # type: ignore[index]


def test_interval_covers_at_its_level() -> None:
    random = np.random.default_rng(0)
    hits = 0
    for _ in range(800):
        result = repeatability(random.normal(0, 5, (8, 1)) + random.normal(0, 1.5, (8, 2)), level=0.9)
        hits += result.within_sd_low <= 1.5 <= result.within_sd_high
    assert hits / 800 == pytest.approx(0.9, abs=0.03)


def test_chance_change_is_exceeded_at_its_level() -> None:
    random = np.random.default_rng(0)
    table = random.normal(0, 5, (4000, 1)) + random.normal(0, 1.5, (4000, 2))
    exceeded = np.abs(table[:, 0] - table[:, 1]) > repeatability(table).smallest_detectable_change
    assert exceeded.mean() == pytest.approx(0.05, abs=0.01)


def test_no_coefficient_of_variation_about_zero() -> None:
    result = repeatability([[-1, 1], [4, 6]])
    assert math.isnan(result.within_cv_percent)
    assert result.pooled_cv_percent == pytest.approx(100 * math.sqrt(2) / 2.5)
    assert math.isnan(repeatability([[-1, -2], [-4, -6]]).pooled_cv_percent)


@pytest.mark.parametrize("table", [np.empty((0, 2)), [[1.0, math.nan]], [[1.0, math.inf], [math.nan, math.nan]]])
def test_undefined(table: Any) -> None:
    result = repeatability(table)
    assert (result.n_subjects, result.n_left_out) == (0, len(table))
    assert math.isnan(result.within_sd)
    assert math.isnan(result.smallest_detectable_group_change)


@pytest.mark.parametrize(("table", "level"), [([1, 2], 0.95), ([[1], [2]], 0.95), ([[1, 2]], 1.0)])
def test_bad_input_is_refused(table: Any, level: float) -> None:
    with pytest.raises(ValueError, match="got"):
        repeatability(table, level)
