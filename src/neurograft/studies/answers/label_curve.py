"""How many labelled people a score takes: a saturating curve, fitted to a study's own figures.

The curve is a power law, ``score(n) = a - b n**-c``, that rises (Dice, ICC) or falls (distances) towards
``a``; for shares ``a`` does not pass their bound. Its exponent is searched on a grid, since for each
exponent the best ``a`` and ``b`` follow in closed form, so that thousands of resampled curves are fitted
at once.

Resampling draws test people with replacement, all sizes of a person together, and perturbs with it the
curve of each draw of training people, where there are several: a bootstrap over test people alone says
how another test set would look, not how another draw of people to label would. Both parts are widened as
Student's distribution asks for so few.

Reference:
    C. Cortes, L. D. Jackel, S. A. Solla, V. Vapnik, J. S. Denker, "Learning curves: asymptotic values and
    rate of convergence", NIPS 1993 (the power law). L. Mukherjee et al., "Estimating dataset size
    requirements for classifying DNA microarray data", J. Comput. Biol. 10, 2003 (extrapolating one).
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import stats

FEWEST_SIZES = 3
"""Sizes below which three numbers cannot be fitted."""
BEYOND = 20
"""A size so many times the largest measured one counts as out of sight."""

_EXPONENTS = np.geomspace(0.05, 4.0, 80)

_UNDEFINED = "the figure is not defined at every number of people"

Figures = NDArray[np.float64]
Statistic = Callable[[NDArray[np.float64]], NDArray[np.float64]]
"""From values (..., people, parts) to a figure (...) each; NaN where it is undefined."""


@dataclass(frozen=True, eq=False)
class PowerLaw:
    """One or many curves ``a - b n**-c``; arrays of one length, or numbers.

    Attributes:
        limit: a, what infinitely many labels would give.
        gain: b; negative for a falling curve.
        exponent: c.
    """

    limit: Figures
    gain: Figures
    exponent: Figures

    def at(self, sizes: Sequence[float]) -> Figures:
        """Scores, (curves, sizes)."""
        n = np.asarray(sizes, float)
        return np.asarray(self.limit[:, None] - self.gain[:, None] * n ** -self.exponent[:, None])

    def size_for(self, target: float) -> Figures:
        """People for which each curve reaches a target; infinite where it never does, at least 0."""
        short = self.limit - target
        rising = self.gain >= 0
        flat = np.abs(self.gain) < 1e-12
        reachable = np.where(rising, short > 0, short < 0)
        with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
            size = (self.gain / short) ** (1 / self.exponent)
        size = np.where(reachable, size, np.inf)
        return np.asarray(np.where(flat, np.where(np.where(rising, short >= 0, short <= 0), 0.0, np.inf), size))


@dataclass(frozen=True, eq=False)
class CurveFit:
    """A learning curve with its uncertainty.

    Attributes:
        sizes: measured.
        means: figure at each.
        fitted: the curve through them.
        resampled: curves through the resampled figures.
        level: coverage of intervals.
        draws: draws of training people behind it.
        people: test people behind it.
    """

    sizes: tuple[int, ...]
    means: Figures
    fitted: PowerLaw
    resampled: PowerLaw
    level: float
    draws: int
    people: int

    def band(self, sizes: Sequence[float]) -> tuple[Figures, Figures]:
        """Lower and upper end of the curve's interval at some sizes."""
        tail = 50 * (1 - self.level)
        low, high = np.percentile(self.resampled.at(sizes), [tail, 100 - tail], axis=0)
        return np.asarray(low), np.asarray(high)

    def need(self, target: float) -> tuple[float, float, float]:
        """People for a target: the fitted curve's, and the interval's ends; infinite where out of sight."""
        sizes = np.append(self.fitted.size_for(target), self.resampled.size_for(target))
        sizes = np.where(sizes > BEYOND * max(self.sizes), np.inf, sizes)
        tail = (1 - self.level) / 2
        low, high = np.quantile(sizes[1:], [tail, 1 - tail], method="inverted_cdf")
        return float(sizes[0]), float(low), float(high)


def fit_power_laws(sizes: Sequence[float], curves: Figures, weights: Figures, rising: bool, bound: float) -> PowerLaw:
    """Fit a power law to each of many curves by weighted least squares.

    Args:
        sizes: (S,).
        curves: (K, S).
        weights: of the sizes, (S,).
        rising: whether more labels give a higher figure; else a lower one.
        bound: what the limit may not pass: the highest possible figure of a rising curve, the lowest of
            a falling one.
    """
    sign = 1.0 if rising else -1.0
    values, highest = sign * curves, sign * bound
    w = weights / weights.sum()
    best = np.full(len(values), np.inf)
    limit, gain, exponent = (np.zeros(len(values)) for _ in range(3))
    mean = values @ w
    for candidate in _EXPONENTS:
        x = np.asarray(sizes, float) ** -candidate
        centre = x @ w
        spread = ((x - centre) ** 2) @ w
        slope = ((values - mean[:, None]) * (x - centre)) @ w / spread
        # A curve does not fall with more labels: at worst it is flat.
        b = np.maximum(-slope, 0.0)
        a = mean + b * centre
        over = a > highest
        bounded = np.maximum(((highest - values) @ (w * x)) / ((x * x) @ w), 0.0)
        b, a = np.where(over, bounded, b), np.where(over, highest, a)
        error = ((values - (a[:, None] - b[:, None] * x)) ** 2) @ w
        better = error < best
        best = np.where(better, error, best)
        limit, gain = np.where(better, a, limit), np.where(better, b, gain)
        exponent = np.where(better, candidate, exponent)
    return PowerLaw(sign * limit, sign * gain, exponent)


def fit_curve(
    sizes: Sequence[int],
    values: Figures,
    rising: bool,
    bound: float,
    statistic: Statistic | None = None,
    level: float = 0.95,
    resamples: int = 2000,
    seed: int = 0,
) -> CurveFit:
    """Fit a learning curve, and resampled ones for its uncertainty.

    Args:
        sizes: labelled people, rising.
        values: (sizes, draws of training people, test people, parts of a person's value).
        rising: whether more labels give a higher figure.
        bound: highest possible figure of a rising curve, lowest of a falling one.
        statistic: from the people's values to the figure; their mean by default.
        level: coverage of intervals.
        resamples: curves.
        seed: of the resampling.

    Raises:
        ValueError: fewer than `FEWEST_SIZES` sizes or two people, a shape that does not fit, or a figure that is
            not defined at every size or in most resampled sets of people.
    """
    if values.ndim != 4 or values.shape[0] != len(sizes):
        raise ValueError(f"values must be (sizes, draws, people, parts), got {values.shape} for {len(sizes)} sizes")
    draws, people = values.shape[1:3]
    if len(sizes) < FEWEST_SIZES or people < 2:
        raise ValueError(f"a curve needs {FEWEST_SIZES} sizes and two people, got {len(sizes)} and {people}")
    of = statistic or _mean
    generator = np.random.default_rng(seed)
    by_draw = of(values)  # (sizes, draws)
    means = by_draw.mean(axis=1)
    if not np.isfinite(means).all():
        raise ValueError(_UNDEFINED)
    picked = generator.integers(people, size=(resamples, people))
    moved = np.stack([of(values[:, :, row]).mean(axis=1) for row in picked])
    curves = means + (moved - np.nanmean(moved, axis=0)) * _widening(people, level)
    if draws > 1:
        # One weight a draw moves its whole curve, so that draws nested inside each other stay together.
        multipliers = generator.standard_normal((resamples, draws))
        own = (by_draw - means[:, None]) / np.sqrt(draws * (draws - 1))
        # Without the widening of the normal that `_widening` holds already.
        curves = curves + multipliers @ own.T * (
            stats.t.ppf((1 + level) / 2, draws - 1) / stats.norm.ppf((1 + level) / 2)
        )
    curves = curves[np.isfinite(curves).all(axis=1)]
    if 2 * len(curves) < resamples:
        raise ValueError(_UNDEFINED)
    spread = curves.var(axis=0)
    weights = 1 / np.maximum(spread, max(1e-12, 0.05 * float(spread.max())))
    fitted = fit_power_laws(sizes, means[None], weights, rising, bound)
    resampled = fit_power_laws(sizes, curves, weights, rising, bound)
    return CurveFit(tuple(sizes), means, fitted, resampled, level, draws, people)


def icc_statistic(values: Figures) -> Figures:
    """ICC(2,1) of pairs (..., people, 2); NaN where people do not differ at all."""
    n, k = values.shape[-2:]
    grand = values.mean(axis=(-2, -1), keepdims=True)
    targets = k * ((values.mean(axis=-1, keepdims=True) - grand) ** 2).sum(axis=(-2, -1)) / (n - 1)
    raters = n * ((values.mean(axis=-2, keepdims=True) - grand) ** 2).sum(axis=(-2, -1)) / (k - 1)
    rest = values - values.mean(axis=-1, keepdims=True) - values.mean(axis=-2, keepdims=True) + grand
    error = (rest**2).sum(axis=(-2, -1)) / ((n - 1) * (k - 1))
    below = targets + (k - 1) * error + k * (raters - error) / n
    return np.asarray(np.divide(targets - error, below, out=np.full(below.shape, np.nan), where=below > 0))


def _mean(values: Figures) -> Figures:
    return np.asarray(values.mean(axis=(-2, -1)))


def _widening(people: int, level: float) -> float:
    """What makes a bootstrap's spread of a mean as wide as Student's interval."""
    tail = (1 + level) / 2
    return float(np.sqrt(people / (people - 1)) * stats.t.ppf(tail, people - 1) / stats.norm.ppf(tail))
