"""Bring intensities of different scanners to one range, per volume and per channel.

An image without contrast becomes zero everywhere, never NaN.
"""

from typing import Literal

import numpy as np

_FLAT = 1e-6
"""A spread below this share of the largest value is rounding of float32, not contrast."""


def zscore(image: np.ndarray, over: Literal["all", "nonzero"] = "nonzero") -> np.ndarray:
    """Subtract the mean and divide by the standard deviation.

    Args:
        image: array (..., D, H, W); each leading index is a channel of its own.
        over: which voxels give mean and standard deviation. With "nonzero" all voxels are
            still changed, so a background of zero becomes a negative constant.

    Returns:
        float32 array of the same shape.
    """
    result = np.zeros(image.shape, np.float32)
    for channel in np.ndindex(image.shape[:-3]):
        voxels = image[channel].astype(np.float64)
        counted = voxels if over == "all" else voxels[voxels != 0]
        if not counted.size:
            continue
        mean, deviation = counted.mean(), counted.std()
        if deviation > _FLAT * np.abs(counted).max():
            result[channel] = (voxels - mean) / deviation
    return result


def percentile_minmax(image: np.ndarray, lower: float, upper: float) -> np.ndarray:
    """Clip at two percentiles of all voxels, then map these linearly to 0 and 1.

    Args:
        image: array (..., D, H, W); each leading index is a channel of its own.
        lower: percentile that becomes 0, from 0 to 100.
        upper: percentile that becomes 1, above `lower`.

    Returns:
        float32 array of the same shape, within [0, 1].
    """
    result = np.zeros(image.shape, np.float32)
    for channel in np.ndindex(image.shape[:-3]):
        voxels = image[channel].astype(np.float64)
        low, high = np.percentile(voxels, (lower, upper))
        if high - low > _FLAT * max(abs(low), abs(high)):
            result[channel] = np.clip((voxels - low) / (high - low), 0, 1)
    return result
