"""Learning curves with known truth: the fit finds it, and intervals cover it as often as they say."""

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.optimize import curve_fit

from neurograft.evaluation.agreement.icc import intraclass_correlation
from neurograft.studies.answers.label_curve import PowerLaw, fit_curve, fit_power_laws, icc_statistic

SIZES = (2, 5, 7, 14, 42)


def simulated(
    generator: np.random.Generator, draws: int, people: int, noise: float = 0.04, draw_noise: float = 0.03
) -> NDArray[np.float64]:
    """Scores round 0.86 - 0.35 n^-0.6: people differ, profit differently, and draws of people to learn from differ."""
    n = np.array(SIZES, float)[:, None, None]
    truth = 0.86 - 0.35 * n**-0.6
    person = generator.normal(0, 0.05, people) + 0.03 * generator.normal(size=people) * n**-0.6
    draw = generator.normal(0, draw_noise, (len(SIZES), draws, 1)) / np.sqrt(n / 2)
    return np.asarray(truth + person + draw + generator.normal(0, noise, (len(SIZES), draws, people)))[..., None]


def test_exact_curves_are_found() -> None:
    curves = np.array([[0.9 - 0.5 * n**-0.7 for n in SIZES], [0.7 - 0.1 * n**-0.3 for n in SIZES]])
    fit = fit_power_laws(SIZES, curves, np.ones(5), rising=True, bound=1.0)
    assert np.abs(fit.at(SIZES) - curves).max() < 1e-3
    assert fit.size_for(0.8)[0] == pytest.approx((0.5 / 0.1) ** (1 / 0.7), rel=0.02)
    assert np.isinf(fit.size_for(0.95)).all()


def test_falling_curves_and_bounds() -> None:
    distances = np.array([[1.5 + 6 * n**-0.8 for n in SIZES]])
    fit = fit_power_laws(SIZES, distances, np.ones(5), rising=False, bound=0.0)
    assert fit.size_for(2.0)[0] == pytest.approx(12 ** (1 / 0.8), rel=0.03)
    # A straight rise in log n would pass 1; a share may not.
    steep = np.array([[0.2 * np.log(n) for n in SIZES]])
    assert fit_power_laws(SIZES, steep, np.ones(5), rising=True, bound=1.0).limit[0] <= 1.0
    worse = np.array([[0.8, 0.7, 0.6, 0.5, 0.4]])
    flat = fit_power_laws(SIZES, worse, np.ones(5), rising=True, bound=1.0)
    assert flat.gain[0] == 0
    assert flat.at([1, 100]) == pytest.approx(0.6)
    assert np.isinf(flat.size_for(0.7)[0])
    assert flat.size_for(0.5)[0] == 0


def test_the_fit_is_that_of_a_general_optimiser() -> None:
    generator = np.random.default_rng(0)
    weights = np.array([1.0, 2.0, 2.0, 4.0, 8.0])
    for _ in range(5):
        curve = 0.85 - 0.4 * np.array(SIZES, float) ** -0.7 + generator.normal(0, 0.01, 5)
        ours = fit_power_laws(SIZES, curve[None], weights, rising=True, bound=1.0)
        theirs, _ = curve_fit(
            lambda n, a, b, c: a - b * n**-c, SIZES, curve, p0=(0.85, 0.4, 0.7), sigma=weights**-0.5,
            bounds=([-1, 0, 0.05], [1, 9, 4]), max_nfev=5000,
        )  # fmt: skip
        at = PowerLaw(*(np.array([value]) for value in theirs)).at(SIZES)
        error_ours = ((ours.at(SIZES)[0] - curve) ** 2 @ weights) ** 0.5
        error_theirs = ((at[0] - curve) ** 2 @ weights) ** 0.5
        assert error_ours <= 1.1 * error_theirs + 1e-6


@pytest.mark.parametrize(("level", "draws", "people"), [(0.95, 5, 30), (0.8, 5, 30), (0.95, 3, 20)])
def test_intervals_cover_the_truth_at_their_rate(level: float, draws: int, people: int) -> None:
    truth, tried, covered = (0.35 / 0.06) ** (1 / 0.6), 120, 0
    for trial in range(tried):
        values = simulated(np.random.default_rng([trial, draws]), draws, people)
        fit = fit_curve(SIZES, values, rising=True, bound=1.0, level=level, resamples=300, seed=trial)
        _, low, high = fit.need(0.80)
        covered += low <= truth <= high
    # Three standard errors of the rate below what is stated; intervals of so few draws may be wider than they say.
    assert covered / tried >= level - 3 * np.sqrt(level * (1 - level) / tried)
    assert draws == 3 or covered / tried <= level + 3 * np.sqrt(level * (1 - level) / tried)


def test_what_the_data_do_not_tell_has_no_end() -> None:
    values = simulated(np.random.default_rng(1), 3, 20)
    people, low, high = fit_curve(SIZES, values, rising=True, bound=1.0).need(0.87)
    assert np.isinf(high)
    assert low > 42
    assert people > 42


def test_the_seed_decides_all() -> None:
    values = simulated(np.random.default_rng(1), 3, 20)
    first, again = (fit_curve(SIZES, values, rising=True, bound=1.0, seed=4) for _ in range(2))
    assert first.need(0.8) == again.need(0.8)
    low, high = first.band([10.0])
    assert low[0] < first.fitted.at([10.0])[0, 0] < high[0]


def test_icc_is_that_of_the_evaluation() -> None:
    generator = np.random.default_rng(3)
    reference = generator.normal(1, 0.2, (4, 12))
    pairs = np.stack([reference, reference + generator.normal(0.1, 0.1, (4, 12))], axis=-1)
    ours = icc_statistic(pairs)
    theirs = [intraclass_correlation(table)["ICC(2,1)"].value for table in pairs]
    assert ours == pytest.approx(theirs)


def test_too_little_for_a_curve() -> None:
    with pytest.raises(ValueError, match="a curve needs 3 sizes"):
        fit_curve((2, 5), np.zeros((2, 1, 5, 1)), rising=True, bound=1.0)
    with pytest.raises(ValueError, match="values must be"):
        fit_curve(SIZES, np.zeros((2, 1, 5, 1)), rising=True, bound=1.0)
