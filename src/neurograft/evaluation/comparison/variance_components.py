"""Linear model with several crossed variances, by restricted maximum likelihood.

The likelihood is profiled over the fixed part and the residual variance, so that only one ratio a
grouping is searched: the standard deviation of its effects by that of the rest. A ratio of zero is a
result like any other. All that the likelihood needs are cross-products of the groupings' indicators,
which do not grow with the number of rows.

Reference:
    D. Bates, M. Maechler, B. Bolker and S. Walker, "Fitting Linear Mixed-Effects Models Using lme4",
    J. Stat. Softw. 67(1), 2015, section 3 (profiled deviance).
"""

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import product

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import cho_solve, cholesky, solve_triangular
from scipy.optimize import minimize

_LOG_RATIOS = np.log([1e-4, 1e4])
"""The range searched. Below, a ratio is tried as zero; at its end nothing is left for the rest."""


@dataclass(frozen=True, eq=False)
class VarianceComponents:
    """Estimates in the units of the values."""

    coefficients: NDArray[np.float64]
    """Shape (k,)."""
    covariance: NDArray[np.float64]
    """Of the coefficients, shape (k, k)."""
    variances: Mapping[str, float]
    """By grouping."""
    residual_variance: float
    deviance: float
    """Minus twice the restricted log-likelihood."""
    converged: bool
    """False too when the groupings leave no rest: the likelihood then has no highest point."""


def fit_variance_components(
    values: NDArray[np.float64], fixed: NDArray[np.float64], groupings: Mapping[str, NDArray[np.int64]]
) -> VarianceComponents:
    """Fit values = fixed part + an effect of each grouping + rest.

    Args:
        values: shape (n,).
        fixed: columns of the fixed part, shape (n, k), of full rank.
        groupings: by name, the number of each value's group, shape (n,), from 0 on.

    Raises:
        ValueError: shapes do not fit, or not more values than fixed columns.
        numpy.linalg.LinAlgError: the fixed columns depend on each other.
    """
    n, k = fixed.shape
    if values.shape != (n,) or any(codes.shape != (n,) for codes in groupings.values()):
        raise ValueError("values, fixed columns and groupings must have the same number of rows")
    if n <= k:
        raise ValueError(f"{n} values are too few for {k} fixed columns")
    # Taking off a first fit changes nothing but the digits that sums of squares lose.
    start = np.linalg.lstsq(fixed, values, rcond=None)[0]
    left = values - fixed @ start
    scale = float(left.std()) or 1.0
    moments = _Moments(left / scale, fixed, list(groupings.values()))
    ratios, converged = _best_ratios(moments, len(groupings))
    deviance, coefficients, inverse, residual = moments.profile(ratios)
    return VarianceComponents(
        coefficients=start + scale * coefficients,
        covariance=inverse * residual * scale**2,
        variances={name: float(ratio**2 * residual * scale**2) for name, ratio in zip(groupings, ratios, strict=True)},
        residual_variance=residual * scale**2,
        deviance=deviance + 2 * (n - k) * float(np.log(scale)),
        converged=converged,
    )


def _best_ratios(moments: "_Moments", groupings: int) -> tuple[NDArray[np.float64], bool]:
    """The ratios of the highest likelihood, and whether the search came to an end."""

    def deviance(logs: NDArray[np.float64]) -> float:
        return moments.profile(np.exp(np.clip(logs, *_LOG_RATIOS)))[0]

    # A likelihood of crossed variances may have several hills: a coarse grid finds the highest.
    grid = np.array(list(product(np.log([0.01, 0.3, 1.5, 10.0, 100.0]), repeat=groupings)))
    start = min(grid, key=deviance)
    search = minimize(deviance, start, method="Nelder-Mead", options={"xatol": 1e-4, "fatol": 1e-7, "maxfev": 2000})
    found = np.exp(np.clip(search.x, *_LOG_RATIOS))
    edges = [np.where(zeroed, 0.0, found) for zeroed in product([False, True], repeat=groupings)]
    without_rest = bool((search.x >= _LOG_RATIOS[1] - 0.1).any())
    return min(edges, key=lambda ratios: moments.profile(ratios)[0]), bool(search.success) and not without_rest


class _Moments:
    """Cross-products of indicators, fixed columns and values, and the likelihood that follows from them."""

    def __init__(
        self, values: NDArray[np.float64], fixed: NDArray[np.float64], groupings: list[NDArray[np.int64]]
    ) -> None:
        self._n, self._k = fixed.shape
        sizes = [int(codes.max()) + 1 for codes in groupings]
        self._grouping_of_column = np.repeat(np.arange(len(sizes)), sizes)
        offsets = np.cumsum([0, *sizes[:-1]])
        columns = np.stack([codes + offset for codes, offset in zip(groupings, offsets, strict=True)])
        width = sum(sizes)
        self._indicators = np.zeros((width, width))
        for one in columns:
            for other in columns:
                np.add.at(self._indicators, (one, other), 1.0)
        right = np.column_stack([fixed, values])
        self._mixed = np.zeros((width, self._k + 1))
        for one in columns:
            np.add.at(self._mixed, one, right)
        self._plain = right.T @ right

    def profile(self, ratios: NDArray[np.float64]) -> tuple[float, NDArray[np.float64], NDArray[np.float64], float]:
        """Deviance, coefficients, their covariance by the residual variance, and that variance."""
        stretch = ratios[self._grouping_of_column]
        system = stretch[:, None] * self._indicators * stretch
        system[np.diag_indices_from(system)] += 1.0
        factor = cholesky(system, lower=True, overwrite_a=True, check_finite=False)
        half = solve_triangular(factor, stretch[:, None] * self._mixed, lower=True, check_finite=False)
        schur = self._plain - half.T @ half
        k, freedom = self._k, self._n - self._k
        triangle = cholesky(schur[:k, :k], lower=True)
        coefficients = cho_solve((triangle, True), schur[:k, k])
        squares = max(float(schur[k, k] - schur[:k, k] @ coefficients), np.finfo(float).tiny)
        deviance = 2 * float(np.log(np.diag(factor)).sum() + np.log(np.diag(triangle)).sum())
        deviance += freedom * float(1 + np.log(2 * np.pi * squares / freedom))
        return deviance, coefficients, cho_solve((triangle, True), np.eye(k)), squares / freedom
