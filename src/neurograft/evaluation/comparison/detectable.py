"""What a comparison of this size could have shown: the power of the paired t-test, and its inverses.

A comparison that shows no difference says little until it says how small a difference it could have
shown. The spread of the differences is taken as known; estimated from the same few subjects it is
itself uncertain, and so are these figures.

Reference:
    J. Cohen, "Statistical Power Analysis for the Behavioral Sciences", 2nd edition, 1988, chapter 2;
    here by the noncentral t distribution itself, not by his tables.
"""

import numpy as np
from scipy.optimize import brentq
from scipy.stats import nct, norm, t


def paired_t_power(difference: float, sd: float, n: int, alpha: float = 0.05) -> float:
    """Chance that a two-sided paired t-test of n subjects finds a true difference.

    Args:
        difference: true mean difference.
        sd: standard deviation of the differences between subjects, in the same unit.
        n: subjects.
        alpha: the test's level.

    Returns:
        Between `alpha` and 1; NaN with fewer than two subjects, or without a positive `sd`.

    Raises:
        ValueError: `alpha` does not lie between 0 and 1.
    """
    _check_share(alpha, "alpha")
    if n < 2 or not sd > 0:
        return float("nan")
    return _power(abs(difference) / sd, n, alpha)


def smallest_detectable_difference(sd: float, n: int, power: float = 0.8, alpha: float = 0.05) -> float:
    """The true difference that a two-sided paired t-test of n subjects would find with this power.

    Returns:
        In the unit of `sd`; NaN with fewer than two subjects, or without a positive `sd`.

    Raises:
        ValueError: `alpha` or `power` is no share, or `power` does not exceed `alpha`.
    """
    _check_power(power, alpha)
    if n < 2 or not sd > 0:
        return float("nan")
    # In units of sd; doubling from the large-sample answer always passes the true one.
    upper = float(norm.isf(alpha / 2) + norm.isf(1 - power)) / np.sqrt(n)
    while _power(upper, n, alpha) < power:
        upper *= 2
    return float(sd * brentq(lambda effect: _power(effect, n, alpha) - power, 0.0, upper, xtol=1e-12, rtol=1e-10))


def subjects_needed(difference: float, sd: float, power: float = 0.8, alpha: float = 0.05) -> float:
    """The fewest subjects with which a two-sided paired t-test finds a true difference with this power.

    Returns:
        A whole number, at least 2; infinite for a difference of zero; NaN without a positive `sd`.

    Raises:
        ValueError: as in `smallest_detectable_difference`.
    """
    _check_power(power, alpha)
    if not sd > 0 or np.isnan(difference):
        return float("nan")
    effect = abs(difference) / sd
    if effect == 0:
        return float("inf")
    # Student's test needs more subjects than the normal one, and never many more.
    low = 1
    high = max(2, int(np.ceil(((norm.isf(alpha / 2) + norm.isf(1 - power)) / effect) ** 2)))
    while _power(effect, high, alpha) < power:
        low, high = high, 2 * high
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if middle >= 2 and _power(effect, middle, alpha) >= power else (middle, high)
    return float(high)


def _power(effect: float, n: int, alpha: float) -> float:
    """Power for a difference in units of its standard deviation."""
    freedom, centre = n - 1, effect * np.sqrt(n)
    bound = t.isf(alpha / 2, freedom)
    # The lower tail is lost in rounding for large effects, where scipy may return NaN for it.
    lower = nct.cdf(-bound, freedom, centre)
    return float(nct.sf(bound, freedom, centre) + (lower if np.isfinite(lower) else 0.0))


def _check_power(power: float, alpha: float) -> None:
    _check_share(power, "power")
    _check_share(alpha, "alpha")
    if power <= alpha:
        raise ValueError(f"power must exceed alpha, got {power} and {alpha}")


def _check_share(value: float, name: str) -> None:
    if not 0 < value < 1:
        raise ValueError(f"{name} must lie between 0 and 1, got {value}")
