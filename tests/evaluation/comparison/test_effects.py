"""Effect sizes, by hand and against pingouin and scipy."""

import math
from collections.abc import Callable

import numpy as np
import pingouin
import pytest
from scipy import stats

from neurograft.evaluation.comparison.effects import (
    Effect,
    cohen_dz,
    hedges_g_independent,
    hedges_g_paired,
    probability_of_superiority_independent,
    probability_of_superiority_paired,
    rank_biserial,
    small_sample_factor,
)

GENERATOR = np.random.default_rng(11)
FIRST = GENERATOR.normal(0.5, 1.0, 16)
SECOND = GENERATOR.normal(0.0, 1.4, 16)
PAIRED = [cohen_dz, hedges_g_paired, rank_biserial, probability_of_superiority_paired]
INDEPENDENT = [hedges_g_independent, probability_of_superiority_independent]


def test_by_hand() -> None:
    first, second = [3.0, 5.0, 4.0, 6.0], [2.0, 3.0, 5.0, 2.0]  # differences 1, 2, -1, 4
    assert cohen_dz(first, second, draws=10).value == pytest.approx(1.5 / math.sqrt(13 / 3))
    spread = math.sqrt((5 / 3 + 2) / 2)
    assert hedges_g_paired(first, second, draws=10).value == pytest.approx(1.5 / spread * small_sample_factor(6))
    assert rank_biserial(first, second, draws=10).value == pytest.approx((1.5 + 3 + 4 - 1.5) / 10)
    assert probability_of_superiority_paired(first, second, draws=10).value == 0.75
    assert probability_of_superiority_independent([1.0, 2.0], [2.0, 0.0, 1.0], draws=10).value == pytest.approx(4 / 6)


def test_small_sample_factor() -> None:
    assert small_sample_factor(2) == pytest.approx(1 / math.sqrt(math.pi))
    assert small_sample_factor(38) == pytest.approx(1 - 3 / (4 * 38 - 1), rel=1e-4)
    assert math.isnan(small_sample_factor(1))


def test_equals_pingouin() -> None:
    # Its factor is Hedges' approximation, ours the exact one.
    paired = pingouin.compute_effsize(FIRST, SECOND, paired=True, eftype="hedges")
    independent = pingouin.compute_effsize(FIRST, SECOND[:12], eftype="hedges")
    assert hedges_g_paired(FIRST, SECOND, draws=10).value == pytest.approx(paired, rel=1e-3)
    assert hedges_g_independent(FIRST, SECOND[:12], draws=10).value == pytest.approx(independent, rel=1e-3)
    ranks = pingouin.wilcoxon(FIRST, SECOND).iloc[0]
    assert rank_biserial(FIRST, SECOND, draws=10).value == pytest.approx(float(ranks["RBC"]))
    common = pingouin.compute_effsize(FIRST, SECOND[:12], eftype="CLES")
    assert probability_of_superiority_independent(FIRST, SECOND[:12], draws=10).value == pytest.approx(common)


def test_dz_is_t_by_root_n() -> None:
    t = stats.ttest_rel(FIRST, SECOND).statistic
    assert cohen_dz(FIRST, SECOND, draws=10).value == pytest.approx(t / 4)


def test_zeros_are_dropped_from_the_rank_biserial() -> None:
    first, second = np.array([1.0, 2.0, 3.0, 0.3 - 0.2, 7.0]), np.array([0.0, 4.0, 0.0, 0.1, 7.0])
    moved = [0, 1, 2]
    assert rank_biserial(first, second).value == pytest.approx(rank_biserial(first[moved], second[moved]).value)
    assert probability_of_superiority_paired(first, second).value == pytest.approx((2 + 0.5 * 2) / 5)


@pytest.mark.parametrize("effect", [*PAIRED, *INDEPENDENT])
def test_interval_holds_the_value_and_turns_with_the_sides(effect: Callable[..., Effect]) -> None:
    one, turned = effect(FIRST, SECOND, seed=3), effect(SECOND, FIRST, seed=3)
    assert one.low < one.value < one.high
    middle = 0.5 if "superiority" in one.name else 0.0
    assert turned.value - middle == pytest.approx(middle - one.value)
    assert one == effect(FIRST, SECOND, seed=3)
    narrow = effect(FIRST, SECOND, level=0.5)
    assert one.low < narrow.low < narrow.high < one.high


def test_interval_equals_scipys_bootstrap_at_the_expanded_level() -> None:
    from neurograft.evaluation.intervals import expanded_level

    expected = stats.bootstrap(
        (FIRST - SECOND,),
        lambda d, axis: d.mean(axis) / d.std(axis, ddof=1),
        confidence_level=expanded_level(0.95, 16),
        n_resamples=20_000,
        method="percentile",
        rng=1,
    ).confidence_interval
    result = cohen_dz(FIRST, SECOND, draws=20_000)
    assert (result.low, result.high) == pytest.approx(tuple(expected), abs=0.04)


def test_interval_of_two_groups_equals_scipys_bootstrap() -> None:
    def pooled(a: np.ndarray, b: np.ndarray, axis: int) -> np.ndarray:
        spread = np.sqrt((15 * a.var(axis, ddof=1) + 11 * b.var(axis, ddof=1)) / 26)
        return np.asarray((a.mean(axis) - b.mean(axis)) / spread * small_sample_factor(26))

    expected = stats.bootstrap(
        (FIRST, SECOND[:12]), pooled, n_resamples=20_000, method="percentile", rng=1
    ).confidence_interval
    result = hedges_g_independent(FIRST, SECOND[:12], draws=20_000)
    assert (result.low, result.high) == pytest.approx(tuple(expected), abs=0.03)


@pytest.mark.parametrize("effect", [cohen_dz, hedges_g_paired, hedges_g_independent])
@pytest.mark.parametrize("values", [[], [0.5], [0.5, 0.5, 0.5]])
def test_no_spread_no_effect(effect: Callable[..., Effect], values: list[float]) -> None:
    result = effect(values, [value - 0.1 for value in values])
    assert all(map(math.isnan, (result.value, result.low, result.high)))


def test_no_interval_when_resamples_often_lack_spread() -> None:
    result = cohen_dz([0.5, 0.7], [0.4, 0.5])
    assert result.value == pytest.approx(0.15 / math.sqrt(0.005))
    assert math.isnan(result.low)
    assert math.isnan(result.high)


@pytest.mark.parametrize("effect", PAIRED)
def test_wrong_input_is_refused(effect: Callable[..., Effect]) -> None:
    with pytest.raises(ValueError, match="same subjects on both sides, got 2 and 1"):
        effect([1.0, 2.0], [1.0])
    with pytest.raises(ValueError, match="finite"):
        effect([1.0, math.nan], [1.0, 2.0])
