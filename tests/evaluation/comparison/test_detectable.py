"""Power of the paired t-test, by integration, by simulation and against statsmodels."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats
from scipy.integrate import quad
from statsmodels.stats.power import TTestPower

from neurograft.evaluation.comparison.detectable import (
    paired_t_power,
    smallest_detectable_difference,
    subjects_needed,
)


def integrated_power(effect: float, n: int, alpha: float) -> float:
    """Over the distribution of the estimated standard deviation, given which the test is one of a normal."""
    bound, centre, root = stats.t.isf(alpha / 2, n - 1), effect * math.sqrt(n), math.sqrt(n - 1)

    def density(spread: float) -> float:
        reach = bound * spread / root
        tails = stats.norm.sf(reach - centre) + stats.norm.cdf(-reach - centre)
        return float(tails * stats.chi.pdf(spread, n - 1))

    return float(quad(density, max(0.0, root - 10), root + 10, limit=300, points=[root])[0])


@pytest.mark.parametrize("n", [2, 3, 5, 20, 300])
@pytest.mark.parametrize("alpha", [0.05, 0.05 / 91])
@pytest.mark.parametrize("factor", [0.3, 1.0])
def test_power_by_integration(n: int, alpha: float, factor: float) -> None:
    difference = factor * smallest_detectable_difference(0.02, n, alpha=alpha)
    assert paired_t_power(difference, 0.02, n, alpha) == pytest.approx(integrated_power(difference / 0.02, n, alpha))


@pytest.mark.parametrize("n", [3, 5, 10, 34, 120])
def test_equals_statsmodels(n: int) -> None:
    expected = TTestPower().solve_power(nobs=n, alpha=0.05, power=0.8)
    assert smallest_detectable_difference(1.0, n) == pytest.approx(expected, rel=1e-5)


def test_cohens_table() -> None:
    # A medium effect of a paired test, power 0.8, two-sided 0.05: 34 pairs; a large one: 15.
    assert subjects_needed(0.5, 1.0) == 34
    assert subjects_needed(0.8, 1.0) == 15
    assert subjects_needed(0.2, 1.0) == 199


def test_by_simulation() -> None:
    difference = smallest_detectable_difference(2.0, 8)
    samples = np.random.default_rng(0).normal(difference, 2.0, size=(20_000, 8))
    assert np.mean(stats.ttest_1samp(samples, 0, axis=1).pvalue < 0.05) == pytest.approx(0.8, abs=0.01)


@given(st.floats(0.05, 5), st.floats(1e-3, 1e3), st.sampled_from([0.05, 0.01, 0.001]))
@settings(max_examples=40, deadline=None)
def test_needed_subjects_are_enough_and_one_fewer_is_not(effect: float, sd: float, alpha: float) -> None:
    n = int(subjects_needed(effect * sd, sd, alpha=alpha))
    assert paired_t_power(effect * sd, sd, n, alpha) >= 0.8
    assert n == 2 or paired_t_power(effect * sd, sd, n - 1, alpha) < 0.8
    assert smallest_detectable_difference(sd, n, alpha=alpha) <= effect * sd * (1 + 1e-9)


def test_scales_with_the_unit_and_knows_no_sign() -> None:
    assert smallest_detectable_difference(300.0, 12) == pytest.approx(3000 * smallest_detectable_difference(0.1, 12))
    assert paired_t_power(-0.1, 0.2, 9) == paired_t_power(0.1, 0.2, 9)
    assert paired_t_power(0.0, 0.2, 9, 0.01) == pytest.approx(0.01)


def test_undefined() -> None:
    for sd, n in ((0.1, 1), (0.0, 9), (math.nan, 9)):
        assert math.isnan(smallest_detectable_difference(sd, n))
        assert math.isnan(paired_t_power(0.1, sd, n))
    assert subjects_needed(0.0, 1.0) == math.inf
    assert math.isnan(subjects_needed(0.1, 0.0))
    for wrong in ({"power": 0.04}, {"power": 1.0}, {"alpha": 0.0}):
        with pytest.raises(ValueError, match="must"):
            smallest_detectable_difference(1.0, 9, **wrong)
