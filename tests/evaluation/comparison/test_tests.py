"""Tests of hypotheses, against printed results, scipy, and counting by hand."""

import itertools
import math

import numpy as np
import pingouin
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from neurograft.evaluation.comparison.tests import (
    independent_t_test,
    paired_t_test,
    sign_flip_test,
    smallest_sign_flip_p,
    wilcoxon_signed_rank,
)

DARWIN = [49, -67, 8, 16, 6, 23, 28, 41, 14, 29, 56, 24, 75, 60, -48]
"""Crossed minus self-fertilised maize, in eighths of an inch: Fisher 1935, chapter 3."""

SLEEP_FIRST = [0.7, -1.6, -0.2, -1.2, -0.1, 3.4, 3.7, 0.8, 0.0, 2.0]
SLEEP_SECOND = [1.9, 0.8, 1.1, 0.1, -0.1, 4.4, 5.5, 1.6, 4.6, 3.4]
"""Hours of sleep gained with two drugs: Student 1908."""

DEPRESSION_FIRST = [1.83, 0.50, 1.62, 2.48, 1.68, 1.88, 1.55, 3.06, 1.30]
DEPRESSION_SECOND = [0.878, 0.647, 0.598, 2.05, 1.06, 1.29, 1.06, 3.14, 1.29]
"""Hamilton scores at two visits: Hollander and Wolfe 1973, page 29."""

SLEEP = np.subtract(SLEEP_FIRST, SLEEP_SECOND)
small_integers = st.lists(st.integers(-4, 4), min_size=1, max_size=9)


def test_fishers_count_on_darwins_maize() -> None:
    result = sign_flip_test(DARWIN)
    assert result.p == 1726 / 2**15
    assert result.variant == "all 32768 sign patterns"
    assert (result.statistic, result.n) == (pytest.approx(314 / 15), 15)


def test_students_t_on_darwins_maize_and_on_sleep() -> None:
    assert paired_t_test(DARWIN).statistic == pytest.approx(2.148, abs=5e-4)
    assert paired_t_test(DARWIN).p == pytest.approx(0.0497, abs=5e-5)
    assert paired_t_test(SLEEP).statistic == pytest.approx(-4.0621, abs=5e-5)
    assert paired_t_test(SLEEP).p == pytest.approx(0.002833, abs=5e-7)


def test_two_samples_of_sleep() -> None:
    welch, student = (independent_t_test(SLEEP_FIRST, SLEEP_SECOND, equal) for equal in (False, True))
    assert (welch.statistic, student.statistic) == pytest.approx((-1.8608, -1.8608), abs=5e-5)
    assert welch.p == pytest.approx(0.07939, abs=5e-6)
    assert student.p == pytest.approx(0.07919, abs=5e-6)
    assert (welch.variant, welch.n, welch.note) == ("Welch", 20, "10 against 10 values")


def test_wilcoxon_on_depression_scores() -> None:
    result = wilcoxon_signed_rank(np.subtract(DEPRESSION_FIRST, DEPRESSION_SECOND))
    assert (result.statistic, result.p, result.variant) == (5.0, pytest.approx(0.0390625), "exact")


def test_one_zero_among_ten() -> None:
    # All others are of one sign: 2 of 2^9 patterns whichever way the zero is treated.
    for zeros in ("pratt", "wilcox"):
        result = wilcoxon_signed_rank(SLEEP, zeros)  # type: ignore[arg-type]
        assert result.p == pytest.approx(2 / 2**9)
        assert "1 of 10 subjects have no difference" in result.note
    assert sign_flip_test(SLEEP).p == pytest.approx(2 / 2**9)


@given(small_integers)
@settings(max_examples=60, deadline=None)
def test_wilcoxon_with_ties_and_zeros_equals_counting(values: list[int]) -> None:
    differences = np.array(values, dtype=float)
    ranks = np.where(differences == 0, 0.0, stats.rankdata(np.abs(differences)))
    signs = np.array(list(itertools.product([-1, 1], repeat=len(values))))
    observed = abs((ranks * np.sign(differences)).sum())
    expected = np.mean(np.abs(signs @ ranks) >= observed)
    assert wilcoxon_signed_rank(differences).p == pytest.approx(expected)


@given(small_integers)
@settings(max_examples=60, deadline=None)
def test_sign_flip_equals_counting(values: list[int]) -> None:
    signs = np.array(list(itertools.product([-1, 1], repeat=len(values))))
    expected = np.mean(np.abs(signs @ np.array(values)) >= abs(sum(values)))
    # Tenths are no binary fractions: equal sums must count as equal all the same.
    assert sign_flip_test(np.array(values) / 10).p == pytest.approx(expected)


@pytest.mark.parametrize("n", [5, 20, 50])
def test_wilcoxon_equals_scipy_exact(n: int) -> None:
    differences = np.random.default_rng(n).normal(0.3, 1, n)
    expected = stats.wilcoxon(differences, method="exact")
    result = wilcoxon_signed_rank(differences)
    assert (result.statistic, result.p) == pytest.approx((expected.statistic, expected.pvalue))


def test_wilcoxon_beyond_fifty_is_near_the_exact_one_and_says_so() -> None:
    differences = np.random.default_rng(2).normal(0.2, 1, 60)
    result = wilcoxon_signed_rank(differences)
    assert result.variant == "normal approximation"
    assert result.p == pytest.approx(stats.wilcoxon(differences, method="exact").pvalue, rel=0.02)


def test_rounding_noise_breaks_no_ties() -> None:
    exact = np.array([1, 2, 3, -1, 2, 0])
    noisy = exact * 0.1 + np.array([1, -2, 0, 3, 1, 2]) * 1e-17
    assert wilcoxon_signed_rank(noisy).p == wilcoxon_signed_rank(exact).p
    assert "ties" in wilcoxon_signed_rank(noisy).variant


def test_sign_flip_equals_scipy() -> None:
    differences = np.random.default_rng(3).normal(0.4, 1, 12)
    expected = stats.permutation_test((differences,), np.mean, permutation_type="samples", n_resamples=np.inf)
    assert sign_flip_test(differences).p == pytest.approx(expected.pvalue)


def test_drawn_sign_patterns_near_all_of_them(monkeypatch: pytest.MonkeyPatch) -> None:
    differences = np.random.default_rng(4).normal(0.35, 1, 18)
    whole = sign_flip_test(differences).p
    monkeypatch.setattr("neurograft.evaluation.comparison.tests.SIGN_FLIP_EXACT_UP_TO", 10)
    drawn = sign_flip_test(differences, seed=1)
    assert drawn.p == pytest.approx(whole, rel=0.05)
    assert drawn.variant == "50000 random sign patterns, seed 1"
    assert drawn == sign_flip_test(differences, seed=1)
    assert drawn.p != sign_flip_test(differences, seed=2).p


def test_drawn_p_is_never_zero() -> None:
    assert sign_flip_test(np.full(40, 0.1) + np.arange(40) * 1e-3, draws=999).p == 1 / 1000


def test_few_subjects_allow_no_small_p() -> None:
    assert [smallest_sign_flip_p(n) for n in (1, 2, 5, 6)] == [1.0, 0.5, 0.0625, 0.03125]
    result = sign_flip_test([1.0, 2.0, 3.0, 4.0, 5.0])
    assert (result.p, result.note) == (0.0625, "n = 5 allows no p below 0.062")
    assert sign_flip_test(range(1, 7)).note == ""


def test_equals_pingouin() -> None:
    generator = np.random.default_rng(5)
    first, second = generator.normal(0, 1, 14), generator.normal(0.4, 1.5, 14)
    paired = pingouin.ttest(first, second, paired=True)
    welch = pingouin.ttest(first, second, correction=True)
    assert paired_t_test(first - second).p == pytest.approx(float(paired.iloc[0]["p_val"]))
    assert independent_t_test(first, second).p == pytest.approx(float(welch.iloc[0]["p_val"]))


@pytest.mark.parametrize("values", [[], [0.1], [0.2, 0.2, 0.2], [0.3 - 0.2, 0.1, 0.8 - 0.7]])
def test_t_without_spread_is_undefined(values: list[float]) -> None:
    result = paired_t_test(values)
    assert math.isnan(result.p)
    assert result.note
    assert math.isnan(independent_t_test(values, values).p)


def test_no_difference_at_all() -> None:
    assert wilcoxon_signed_rank([0.0] * 4).p == sign_flip_test([0.0] * 4).p == 1.0
    assert math.isnan(wilcoxon_signed_rank([]).p)
    assert math.isnan(sign_flip_test([]).p)


@pytest.mark.parametrize("test", [paired_t_test, wilcoxon_signed_rank, sign_flip_test])
def test_undefined_values_are_refused(test: object) -> None:
    with pytest.raises(ValueError, match="finite numbers"):
        test([0.1, math.nan])  # type: ignore[operator]


def test_size_is_held_on_skewed_differences() -> None:
    # Signs of symmetric differences are exchangeable however heavy their tails are.
    generator = np.random.default_rng(6)
    p = [sign_flip_test(generator.standard_cauchy(10)).p for _ in range(1000)]
    assert np.mean(np.array(p) <= 0.05) == pytest.approx(0.05, abs=0.02)


def test_wilcoxon_of_numbers_too_small_for_a_share_of_them() -> None:
    assert wilcoxon_signed_rank([5e-324]).p == 1.0
    assert wilcoxon_signed_rank([5e-324] * 6).p == wilcoxon_signed_rank([1.0] * 6).p
