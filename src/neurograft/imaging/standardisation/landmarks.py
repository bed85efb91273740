"""Percentiles of a scan's foreground, by which one scan's intensities are told from another's."""

from collections.abc import Sequence
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

Foreground = Literal["nonzero", "above_mean"]


def foreground_of(image: NDArray[Any], foreground: Foreground) -> NDArray[np.bool_]:
    """Voxels that count.

    Args:
        image: (D, H, W).
        foreground: ``nonzero`` for scans without skull; ``above_mean`` for scans with air around the head.

    Returns:
        Boolean (D, H, W).
    """
    if foreground == "nonzero":
        return np.asarray(image != 0)
    return np.asarray((image > image.mean(dtype=np.float64)) & (image != 0))


def percentile_landmarks(
    image: NDArray[Any], percentiles: Sequence[float], foreground: Foreground = "nonzero"
) -> NDArray[np.float64] | None:
    """A scan's landmarks: the percentiles of its foreground.

    Args:
        image: (D, H, W).
        percentiles: rising, 0 to 100.
        foreground: see `foreground_of`.

    Returns:
        One intensity a percentile; ``None`` where the foreground has no contrast to measure.
    """
    voxels = image[foreground_of(image, foreground)]
    if not voxels.size:
        return None
    landmarks = np.percentile(voxels.astype(np.float64), percentiles)
    return landmarks if landmarks[-1] > landmarks[0] else None
