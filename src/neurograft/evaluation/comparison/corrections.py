"""Corrections of p for the number of comparisons that were made.

Reference:
    S. Holm, "A Simple Sequentially Rejective Multiple Test Procedure", Scand. J. Statist. 6, 1979.
    Y. Benjamini and Y. Hochberg, "Controlling the False Discovery Rate", J. R. Statist. Soc. B 57, 1995.
    SPEC section 3 (P3: Bonferroni).
"""

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.stats import false_discovery_control

Correction = Literal["none", "bonferroni", "holm", "benjamini-hochberg"]
"""The first three bound the chance of a single false finding; the last the share of findings that are false."""

CORRECTION_WORDS: dict[Correction, str] = {
    "none": "uncorrected",
    "bonferroni": "Bonferroni",
    "holm": "Holm",
    "benjamini-hochberg": "Benjamini-Hochberg",
}


@dataclass(frozen=True, eq=False)
class CorrectedP:
    """Corrected p in the order given; NaN stays NaN."""

    p: NDArray[np.float64]
    family_size: int
    """Comparisons that were corrected for: those with a p."""
    left_out: int
    """Comparisons without a p."""


def correct_p(p_values: ArrayLike, correction: Correction = "holm") -> CorrectedP:
    """Correct the p values of one family.

    A comparison without a p (NaN) was not made, and does not count in the family.

    Args:
        p_values: one-dimensional, each between 0 and 1 or NaN.
        correction: how.

    Raises:
        ValueError: p outside 0 to 1, or an unknown correction.
    """
    given = np.asarray(p_values, dtype=float)
    made = ~np.isnan(given)
    raw = given[made]
    if given.ndim != 1 or ((raw < 0) | (raw > 1)).any():
        raise ValueError("p values must be a list of numbers between 0 and 1, or NaN")
    if correction not in CORRECTION_WORDS:
        raise ValueError(f"correction must be one of {', '.join(CORRECTION_WORDS)}, got {correction!r}")
    corrected = np.full(given.shape, np.nan)
    if raw.size:
        corrected[made] = _corrected(raw, correction)
    return CorrectedP(corrected, int(raw.size), int(given.size - raw.size))


def _corrected(raw: NDArray[np.float64], correction: Correction) -> NDArray[np.float64]:
    # statsmodels has all three, but takes a second to import and a tenth of one for Holm's.
    if correction == "bonferroni":
        return np.minimum(1.0, raw * raw.size)
    if correction == "holm":
        order = np.argsort(raw, kind="stable")
        stepped = np.maximum.accumulate(raw[order] * np.arange(raw.size, 0, -1))
        corrected = np.empty_like(raw)
        corrected[order] = np.minimum(1.0, stepped)
        return corrected
    if correction == "benjamini-hochberg":
        return np.asarray(false_discovery_control(raw, method="bh"))
    return raw
