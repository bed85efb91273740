"""Bland-Altman analysis of the authors' own data, and of cases that would mislead."""

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy import stats

from neurograft.evaluation.agreement.bland_altman import BlandAltman, bland_altman

TWO_SD = 2 * float(stats.norm.cdf(2)) - 1
"""The level whose limits lie at 2 SD, as in the paper of 1986."""

EjectionData = tuple[np.ndarray, np.ndarray, list[int]]


def test_peak_flow_as_printed(peak_flow: np.ndarray) -> None:
    """The paper computes on from rounded figures, hence the tolerance."""
    result = bland_altman(peak_flow[:, 0], peak_flow[:, 2], limits_level=TWO_SD, intervals="approximate")
    assert (round(result.bias, 1), round(result.sd, 1), result.n) == (-2.1, 38.8, 17)
    assert (result.lower, result.upper) == pytest.approx((-79.7, 75.5), abs=0.1)
    assert (result.bias_low, result.bias_high) == pytest.approx((-22.0, 17.8), abs=0.1)
    assert (result.lower_low, result.lower_high) == pytest.approx((-114.3, -45.1), abs=0.2)
    assert (result.upper_low, result.upper_high) == pytest.approx((40.9, 110.1), abs=0.2)
    assert result.limit_interval_method == "approximate"


def test_by_hand() -> None:
    """Differences -1 1 3 1 (mean 1, SD sqrt(8/3)) on means 1.5 2.5 3.5 8.5."""
    result = bland_altman([1, 3, 5, 9], [2, 2, 2, 8])
    assert result.bias == 1
    assert result.sd == pytest.approx(math.sqrt(8 / 3))
    assert result.upper == pytest.approx(1 + 1.959964 * math.sqrt(8 / 3))
    assert result.bias_high == pytest.approx(1 + 3.182446 * math.sqrt(8 / 3 / 4))
    means, differences = np.array([1.5, 2.5, 3.5, 8.5]), np.array([-1.0, 1, 3, 1])
    centred = means - means.mean()
    assert result.proportional_slope == pytest.approx(centred @ differences / (centred @ centred))


def test_exact_intervals_are_wider_outward() -> None:
    random = np.random.default_rng(0)
    result = bland_altman(random.normal(size=8), random.normal(size=8))
    assert result.limit_interval_method == "exact"
    assert result.upper_high - result.upper > result.upper - result.upper_low > 0
    assert result.lower - result.lower_low == pytest.approx(result.upper_high - result.upper)


def test_repeats_weighted_by_case_as_printed(ejection: EjectionData) -> None:
    """Bland and Altman 2007: total variance 0.98133606, limits -1.3394565 and 2.5437899 (at 1.96)."""
    level = 2 * float(stats.norm.cdf(1.96)) - 1
    result = bland_altman(*ejection, limits_level=level, weights="cases")
    assert (result.n, result.n_subjects) == (60, 12)
    assert result.bias == pytest.approx(0.6021667, abs=1e-7)
    assert result.sd**2 == pytest.approx(0.98133606, abs=1e-7)
    assert (result.lower, result.upper) == pytest.approx((-1.3394565, 2.5437899), abs=1e-6)
    assert result.limit_interval_method == "none"
    assert math.isnan(result.bias_low)
    assert math.isnan(result.upper_high)


def test_repeats_weighted_by_subject_as_published(ejection: EjectionData) -> None:
    """Zou 2013 on the first four subjects, as the tests of R's SimplyAgree hold his figures."""
    first, second, subjects = ejection
    result = bland_altman(first[:20], second[:20], subjects[:20])
    assert (result.n, result.n_subjects) == (20, 4)
    assert (result.bias, result.lower, result.upper) == pytest.approx((0.7255, -2.14, 3.59), abs=0.005)
    assert (result.lower_low, result.lower_high) == pytest.approx((-9.83, -0.33), abs=0.01)
    assert (result.upper_low, result.upper_high) == pytest.approx((1.77, 11.27), abs=0.011)
    assert result.limit_interval_method == "mover"


def test_ignoring_the_subjects_would_overclaim(ejection: EjectionData) -> None:
    """The interval of the bias must rest on 12 subjects, not on 60 pairs."""
    first, second, subjects = ejection
    honest, naive = bland_altman(first, second, subjects), bland_altman(first, second)
    assert honest.bias_high - honest.bias_low > 1.5 * (naive.bias_high - naive.bias_low)


@pytest.mark.parametrize("weights", ["subjects", "cases"])
def test_repeating_every_pair_adds_no_certainty_to_the_bias(weights: Any) -> None:
    random = np.random.default_rng(0)
    first, second = random.normal(size=9), random.normal(size=9)
    once = bland_altman(first, second)
    twice = bland_altman(np.tile(first, 2), np.tile(second, 2), list(range(9)) * 2, weights=weights)
    assert (twice.bias, twice.sd) == pytest.approx((once.bias, once.sd))
    assert twice.proportional_p == pytest.approx(once.proportional_p)
    if weights == "subjects":
        assert twice.bias_high == pytest.approx(once.bias_high)


def test_one_pair_a_subject_needs_no_subjects() -> None:
    random = np.random.default_rng(0)
    first, second = random.normal(size=9), random.normal(size=9)
    assert bland_altman(first, second) == bland_altman(first, second, list("abcdefghi"))
    assert bland_altman(first, second) == bland_altman(first, second, weights="cases")


def test_proportional_bias_is_found() -> None:
    random = np.random.default_rng(0)
    truth = random.uniform(10, 100, 40)
    result = bland_altman(1.3 * truth + random.normal(size=40), truth + random.normal(size=40))
    assert result.proportional_slope == pytest.approx(0.3 / 1.15, abs=0.02)
    assert result.proportional_p < 1e-6


def test_growing_scatter_is_found_and_does_not_pass_for_a_slope() -> None:
    random = np.random.default_rng(3)
    truth = random.uniform(10, 100, 200)
    result = bland_altman(truth * (1 + 0.1 * random.normal(size=200)), truth * (1 + 0.1 * random.normal(size=200)))
    assert result.heteroscedastic_p < 1e-4
    assert result.proportional_p > 0.01


def test_trend_tests_hold_their_level() -> None:
    random = np.random.default_rng(0)
    small = np.zeros(2)
    for _ in range(300):
        truth = random.normal(0, 5, 25)
        result = bland_altman(truth + random.normal(size=25), truth + random.normal(size=25))
        small += [result.proportional_p < 0.05, result.heteroscedastic_p < 0.05]
    assert small / 300 == pytest.approx([0.05, 0.05], abs=0.04)


def test_percent() -> None:
    result = bland_altman([110, 90, 0, 220], [90, 110, 0, 180], scale="percent")
    assert (result.n, result.n_left_out, result.scale) == (3, 1, "percent")
    assert result.bias == pytest.approx((20 - 20 + 20) / 3)
    assert math.isnan(bland_altman([1, 2, -3], [1, 2, 3], scale="percent").bias)


def test_identical_methods() -> None:
    result = bland_altman([0.1, 0.5, 0.7], [0.1, 0.5, 0.7])
    assert (result.bias, result.sd, result.lower, result.upper, result.proportional_slope) == (0, 0, 0, 0, 0)
    assert math.isnan(result.proportional_p)


def test_a_constant_offset_is_no_trend_of_rounding_errors() -> None:
    first = np.array([0.1, 0.7, 1.3, 2.9, 3.1])
    result = bland_altman(first + 0.3, first)
    assert (result.proportional_slope, result.bias) == pytest.approx((0, 0.3))
    assert math.isnan(result.proportional_p)
    assert math.isnan(result.heteroscedastic_p)


def _figures(result: BlandAltman) -> list[float]:
    return [result.sd, result.lower, result.upper, result.lower_low, result.upper_high, result.bias_low]


@pytest.mark.parametrize("subjects", [None, ["a"]])
def test_one_subject_has_no_limits(subjects: list[str] | None) -> None:
    result = bland_altman([3.0], [1.0], subjects)
    assert result.bias == 2
    assert all(map(math.isnan, _figures(result)))
    assert math.isnan(bland_altman([3.0, 4.0], [1.0, 1.0], ["a", "a"]).upper)


def test_nothing() -> None:
    result = bland_altman([math.nan], [1.0])
    assert (result.n, result.n_left_out) == (0, 1)
    assert math.isnan(result.bias)


@given(arrays(float, 7, elements=st.floats(-1e3, 1e3, width=32)), st.integers(0, 99))
def test_exchanging_the_methods_turns_the_signs(first: np.ndarray, seed: int) -> None:
    second = np.random.default_rng(seed).normal(size=7)
    one, other = bland_altman(first, second), bland_altman(second, first)
    assert (one.bias, one.lower, one.upper_high) == pytest.approx((-other.bias, -other.upper, -other.lower_low))
    assert one.lower <= one.bias <= one.upper


@pytest.mark.parametrize(
    ("options", "match"),
    [
        ({"level": 95}, "level must lie between 0 and 1, got 95"),
        ({"limits_level": 0}, "limits_level"),
        ({"scale": "log"}, "scale must be one of absolute, percent, got 'log'"),
        ({"intervals": "best"}, "intervals must be one of"),
        ({"weights": "voxels"}, "weights must be one of"),
    ],
)
def test_bad_options_are_refused(options: dict[str, Any], match: str) -> None:
    with pytest.raises(ValueError, match=match):
        bland_altman([1, 2], [1, 2], **options)
