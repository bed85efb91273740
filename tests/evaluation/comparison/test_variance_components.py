"""Restricted likelihood of crossed variances, against a dense computation, closed forms and statsmodels."""

import warnings

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.optimize import minimize
from statsmodels.regression.mixed_linear_model import MixedLM

from neurograft.evaluation.comparison.variance_components import fit_variance_components

Groupings = dict[str, NDArray[np.int64]]


def crossed(seed: int, subjects: int, runs: int, spreads: tuple[float, float, float]) -> tuple[NDArray, Groupings]:
    generator = np.random.default_rng(seed)
    subject, run = np.divmod(np.arange(subjects * runs), runs)
    values = generator.normal(0, spreads[0], subjects)[subject] + generator.normal(0, spreads[1], runs)[run]
    return 0.3 + values + generator.normal(0, spreads[2], len(values)), {"subject": subject, "run": run}


def dense_deviance(
    values: NDArray, fixed: NDArray, groupings: Groupings, variances: dict[str, float], rest: float
) -> float:
    covariance = rest * np.eye(len(values))
    for name, codes in groupings.items():
        covariance += variances[name] * (codes[:, None] == codes)
    inverse = np.linalg.inv(covariance)
    information = fixed.T @ inverse @ fixed
    left = values - fixed @ np.linalg.solve(information, fixed.T @ inverse @ values)
    logs = np.linalg.slogdet(covariance)[1] + np.linalg.slogdet(information)[1]
    return float(logs + left @ inverse @ left + (len(values) - fixed.shape[1]) * np.log(2 * np.pi))


@pytest.mark.parametrize("spreads", [(1.0, 0.5, 0.3), (0.02, 0.0, 0.01), (0.0, 0.0, 1.0), (10.0, 0.1, 0.01)])
def test_deviance_is_the_dense_one_and_no_other_variances_do_better(spreads: tuple[float, float, float]) -> None:
    values, groupings = crossed(1, 9, 4, spreads)
    keep = np.random.default_rng(2).random(len(values)) < 0.85
    values, groupings = values[keep], {name: codes[keep] for name, codes in groupings.items()}
    fixed = np.ones((len(values), 1))
    fit = fit_variance_components(values, fixed, groupings)
    at = dense_deviance(values, fixed, groupings, dict(fit.variances), fit.residual_variance)
    assert fit.converged
    assert fit.deviance == pytest.approx(at, abs=1e-6)

    def deviance(logs: NDArray) -> float:
        subject, run, rest = np.exp(np.clip(logs, -25, 10))
        return dense_deviance(values, fixed, groupings, {"subject": subject, "run": run}, rest)

    starts = np.log(np.var(values)) + np.array([[0.0, -6.0, -6.0], [-6.0, 0.0, -3.0], [-3.0, -3.0, 0.0]])
    best = min(minimize(deviance, start, method="Nelder-Mead", options={"maxfev": 600}).fun for start in starts)
    assert fit.deviance <= best + 1e-4


def test_balanced_table_gives_the_estimates_of_the_analysis_of_variance() -> None:
    values, groupings = crossed(3, 12, 5, (0.03, 0.02, 0.02))
    cells = values.reshape(12, 5)
    mean = cells.mean()
    of_subjects = 5 * ((cells.mean(1) - mean) ** 2).sum() / 11
    of_runs = 12 * ((cells.mean(0) - mean) ** 2).sum() / 4
    rest = ((cells - cells.mean(1, keepdims=True) - cells.mean(0) + mean) ** 2).sum() / 44
    fit = fit_variance_components(values, np.ones((60, 1)), groupings)
    assert fit.coefficients[0] == pytest.approx(mean)
    assert fit.residual_variance == pytest.approx(rest, rel=1e-3)
    assert fit.variances["subject"] == pytest.approx((of_subjects - rest) / 5, rel=1e-3)
    assert fit.variances["run"] == pytest.approx((of_runs - rest) / 12, rel=1e-3)
    assert fit.covariance[0, 0] == pytest.approx((of_subjects + of_runs - rest) / 60, rel=1e-3)


def test_equals_statsmodels() -> None:
    generator = np.random.default_rng(4)
    subject = np.repeat(np.arange(20), generator.integers(2, 6, 20))
    fixed = np.column_stack([np.ones(len(subject)), generator.random(len(subject)) < 0.5]).astype(float)
    values = fixed @ [0.8, 0.05] + generator.normal(0, 0.1, 20)[subject] + generator.normal(0, 0.05, len(subject))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        expected = MixedLM(values, fixed, groups=subject).fit(reml=True)
    fit = fit_variance_components(values, fixed, {"subject": subject})
    assert fit.coefficients == pytest.approx(expected.fe_params, rel=1e-4)
    assert np.sqrt(np.diag(fit.covariance)) == pytest.approx(expected.bse_fe, rel=1e-3)
    assert fit.variances["subject"] == pytest.approx(expected.cov_re[0, 0], rel=1e-3)
    assert fit.residual_variance == pytest.approx(expected.scale, rel=1e-3)
    assert fit.deviance == pytest.approx(-2 * expected.llf, abs=1e-4)


def test_values_in_another_unit() -> None:
    values, groupings = crossed(5, 8, 3, (0.03, 0.02, 0.02))
    fixed = np.ones((24, 1))
    one = fit_variance_components(values, fixed, groupings)
    other = fit_variance_components(1e4 * values + 1e6, fixed, groupings)
    assert other.coefficients == pytest.approx(1e4 * one.coefficients + 1e6)
    assert other.residual_variance == pytest.approx(1e8 * one.residual_variance, rel=1e-3)


def test_without_a_rest_there_is_no_answer() -> None:
    # Every run gives each subject the same value: the likelihood grows without end.
    subject, run = np.divmod(np.arange(18), 3)
    values = np.random.default_rng(6).normal(size=6)
    fit = fit_variance_components(values[subject], np.ones((18, 1)), {"subject": subject, "run": run})
    assert not fit.converged
    noise = np.random.default_rng(7).normal(0, 1e-3, 18)
    noisy = fit_variance_components(values[subject] + noise, np.ones((18, 1)), {"subject": subject, "run": run})
    assert noisy.converged
    assert np.sqrt(noisy.covariance[0, 0]) == pytest.approx(values.std(ddof=1) / np.sqrt(6), rel=1e-2)


def test_wrong_input_is_refused() -> None:
    with pytest.raises(ValueError, match="same number of rows"):
        fit_variance_components(np.zeros(3), np.ones((4, 1)), {})
    with pytest.raises(ValueError, match="1 values are too few"):
        fit_variance_components(np.zeros(1), np.ones((1, 1)), {"a": np.zeros(1, dtype=int)})
    with pytest.raises(np.linalg.LinAlgError):
        fit_variance_components(np.arange(6.0), np.ones((6, 2)), {"a": np.arange(6) // 2})
