import math
from dataclasses import astuple
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from numpy.typing import NDArray
from sklearn import metrics
from sklearn.dummy import DummyRegressor

from neurograft.evaluation.regression import RegressionFigures, regression_figures

AGES = st.floats(20, 50).map(lambda age: round(age, 3))
PAIRS = st.integers(2, 30).flatmap(
    lambda n: st.tuples(hnp.arrays(np.float64, n, elements=AGES), hnp.arrays(np.float64, n, elements=AGES))
)


def figures(true: Any, predicted: Any, *arguments: Any, **options: Any) -> RegressionFigures:
    return regression_figures(true, predicted, *arguments, **{"draws": 50, **options})


def test_hand_computed() -> None:
    found = figures([30, 34, 38, 42], [31, 33, 41, 41], 35)
    assert (found.n, found.n_left_out, found.n_subjects) == (4, 0, 4)
    assert (found.mse, found.rmse, found.mae, found.bias) == (3.0, pytest.approx(math.sqrt(3)), 1.5, 0.5)
    assert found.r2 == pytest.approx(1 - 12 / 80)
    assert (found.sd_true, found.sd_predicted) == pytest.approx((math.sqrt(80 / 3), np.std([31, 33, 41, 41], ddof=1)))
    assert (found.training_mean, found.baseline_mse, found.baseline_mae) == (35.0, 21.0, 4.0)
    assert found.baseline_rmse == pytest.approx(math.sqrt(21))
    assert found.mse_gain == pytest.approx(1 - 3 / 21)
    assert found.mae_gain == pytest.approx(1 - 1.5 / 4)
    assert found.mae_saved == 2.5
    assert found.collapsed is False


@settings(deadline=None)
@given(PAIRS, AGES)
def test_equals_scikit_learn(pair: tuple[NDArray[Any], NDArray[Any]], mean: float) -> None:
    true, predicted = pair
    found = figures(true, predicted, mean, draws=1)
    assert found.mse == pytest.approx(metrics.mean_squared_error(true, predicted))
    assert found.rmse == pytest.approx(metrics.root_mean_squared_error(true, predicted))
    assert found.mae == pytest.approx(metrics.mean_absolute_error(true, predicted))
    if np.ptp(true) > 0:
        assert found.r2 == pytest.approx(metrics.r2_score(true, predicted), rel=1e-6)
    else:
        assert math.isnan(found.r2)
    baseline = DummyRegressor(strategy="constant", constant=mean).fit(np.zeros((2, 1)), [mean, mean])
    answers = baseline.predict(np.zeros((len(true), 1)))
    assert found.baseline_mse == pytest.approx(metrics.mean_squared_error(true, answers), abs=1e-12)
    assert found.baseline_mae == pytest.approx(metrics.mean_absolute_error(true, answers), abs=1e-12)


@settings(deadline=None)
@given(PAIRS)
def test_the_average_deviation_is_never_the_larger(pair: tuple[NDArray[Any], NDArray[Any]]) -> None:
    found = figures(*pair, draws=1)
    assert found.mae <= found.rmse * (1 + 1e-9)
    assert found.mse == pytest.approx(found.bias**2 + np.var(pair[1] - pair[0]), abs=1e-9)


def test_p3s_average_deviation_is_a_root_mean_square() -> None:
    # Errors with an MSE of 2.45, of which P3's 1.57 weeks is the root; their average deviation is 1.3.
    errors = np.array([0.5, -0.5, 2.1, -2.1]) * math.sqrt(2.45 / 2.33)
    found = figures(39.5 + np.array([1, 2, 3, 4]), 39.5 + np.array([1, 2, 3, 4]) + errors)
    assert found.mse == pytest.approx(2.45)
    assert round(found.rmse, 2) == 1.57
    assert found.mae == pytest.approx(1.3 * math.sqrt(2.45 / 2.33))


TRUE = np.linspace(28, 44, 60)


def test_always_the_mean_has_collapsed() -> None:
    found = figures(TRUE, np.full(60, 37.0), training_mean=37.0)
    assert found.collapsed is True
    assert (found.mse_gain, found.mae_gain, found.mae_saved) == (0, 0, 0)
    near = 37 + np.random.default_rng(0).normal(0, 0.3, 60)
    assert figures(TRUE, near, training_mean=37.0).collapsed is True
    assert figures(TRUE, near).collapsed is True


def test_a_constant_has_collapsed_even_where_it_beats_the_training_mean() -> None:
    found = figures(TRUE, np.full(60, 37.0), training_mean=41.0)
    assert found.mse_gain > 0.3
    assert found.collapsed is True


def test_shrunken_but_telling_predictions_have_not_collapsed() -> None:
    shrunken = 36 + 0.15 * (TRUE - 36)
    found = figures(TRUE, shrunken, training_mean=36.0)
    assert found.sd_predicted < 0.25 * found.sd_true
    assert found.mse_gain == pytest.approx(1 - 0.85**2)
    assert found.collapsed is False
    assert figures(TRUE, shrunken, training_mean=36.0, least_explained_share=0.5).collapsed is True
    # The same so far off that the training mean would have been nearer.
    assert figures(TRUE, shrunken - 12, training_mean=36.0).collapsed is True


def test_wide_but_wrong_predictions_have_not_collapsed() -> None:
    found = figures(TRUE, TRUE[::-1], training_mean=36.0)
    assert found.r2 < 0
    assert found.mse_gain < 0
    assert found.collapsed is False


def test_figures_that_cannot_be_told() -> None:
    one = figures([30.0], [31.0], 30.0)
    assert (one.n, one.mse, one.mae) == (1, 1.0, 1.0)
    assert np.isnan([one.r2, one.sd_true, one.mse_gain, one.mae_low]).all()
    assert one.collapsed is None
    same = figures([0.1] * 3, [0.1, 0.2, 0.3], 0.2)
    assert math.isnan(same.r2)
    assert same.collapsed is None
    nothing = figures([], [])
    assert (nothing.n, nothing.collapsed) == (0, None)
    assert np.isnan(astuple(nothing)[3:-1]).all()
    without_baseline = figures([30, 34], [31, 33])
    assert np.isnan([without_baseline.baseline_mae, without_baseline.mae_gain, without_baseline.mae_saved_low]).all()


def test_pairs_that_are_not_finite_are_left_out_and_counted() -> None:
    found = figures([30, 34, np.nan, 40], [31, np.inf, 35, 38], 36, subjects=["a", "b", "c", "d"])
    assert (found.n, found.n_left_out, found.n_subjects) == (2, 2, 2)
    assert (found.mse, found.baseline_mse) == (2.5, 26.0)


def test_intervals_resample_subjects() -> None:
    generator = np.random.default_rng(3)
    true = generator.uniform(28, 44, 40)
    predicted = true + generator.normal(0, 1, 40)
    found = figures(true, predicted, float(true.mean()), draws=2000)
    assert found.mae_low < found.mae < found.mae_high
    assert 0 < found.mae_saved_low < found.mae_saved < found.mae_saved_high
    repeated = figures(np.repeat(true, 3), np.repeat(predicted, 3), 36, np.repeat(np.arange(40), 3), draws=2000)
    assert repeated.n_subjects == 40
    assert repeated.mae_high - repeated.mae_low == pytest.approx(found.mae_high - found.mae_low, rel=0.1)


def test_wrong_arguments_are_refused() -> None:
    with pytest.raises(ValueError, match="one length"):
        figures([1, 2], [1])
    with pytest.raises(ValueError, match="one length"):
        figures([[1, 2]], [[1, 2]])
    with pytest.raises(ValueError, match="finite"):
        figures([1, 2], [1, 2], math.nan)
    with pytest.raises(ValueError, match="one subject a pair"):
        figures([1, 2], [1, 2], subjects=["a"])
