"""Standardisation by landmarks of the histogram, in two stages.

Stage one learns a scale from a cohort: each scan's landmarks are mapped linearly so that the first and the last fall on
the ends of a fixed range, and then averaged. Stage two brings any scan to that scale by a map of straight pieces
between its own landmarks and the learnt ones, continued straight beyond the outermost two.

Reference: Nyul, Udupa and Zhang 2000 (IEEE Trans Med Imaging 19:143), sections II and III; landmarks after Shah et
al. 2011 (Med Image Anal 15:267). P5 (Kushibar et al. 2019) compares it with transfer learning.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray


def average_landmarks(scans: Sequence[NDArray[np.float64]], ends: tuple[float, float]) -> NDArray[np.float64]:
    """Stage one: the standard scale of several scans.

    Args:
        scans: landmarks of each scan, all of one length, none flat.
        ends: where first and last landmark of each scan are put before averaging.

    Returns:
        Landmarks of the scale.

    Raises:
        ValueError: no scan.
    """
    if not scans:
        raise ValueError("a scale needs at least one scan")
    low, high = ends
    moved = [low + (marks - marks[0]) * (high - low) / (marks[-1] - marks[0]) for marks in scans]
    # Rounding must not turn two equal neighbours into falling ones.
    return np.maximum.accumulate(np.mean(moved, axis=0))


def map_landmarks(image: NDArray[Any], own: NDArray[np.float64], standard: NDArray[np.float64]) -> NDArray[np.float32]:
    """Stage two: bring intensities to the scale.

    Args:
        image: any shape.
        own: the scan's landmarks, not flat.
        standard: those of the scale.

    Returns:
        float32 of the same shape; beyond the outermost landmarks the nearest piece goes on.
    """
    own, standard = distinct(own, standard)
    # Piece k lies between landmarks k and k + 1; the first and the last reach to infinity.
    piece = np.clip(np.searchsorted(own, image, side="right") - 1, 0, len(own) - 2)
    slope = np.diff(standard) / np.diff(own)
    return np.asarray(standard[piece] + (image - own[piece]) * slope[piece], np.float32)


def distinct(
    own: NDArray[np.float64], standard: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Merge landmarks of one intensity, as scans of few grey values have them, at the mean of their targets."""
    values, where = np.unique(own, return_inverse=True)
    return values, np.bincount(where, weights=standard) / np.bincount(where)
