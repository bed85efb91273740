"""Gaussian blur on a CPU: a slice along its two axes while it lies in the processor's cache, then across slices."""

import numba
import numpy as np
from torch import Tensor

from neurograft.loops import compiled


def fill_blurred(image: Tensor, weights: Tensor, filled: Tensor) -> None:
    """Weigh each voxel's neighbours along each axis; the border voxel repeats outwards.

    Args:
        image: (C, d, h, w) float32.
        weights: (C, 1 + radius) float32, of a voxel and of those before and after it.
        filled: (C, d, h, w) float32; takes the result, and may be the image itself.
    """
    slices = np.empty(image.shape, np.float32)
    _in_slices(image.numpy(), weights.numpy(), slices)
    _across_slices(slices, weights.numpy(), filled.numpy())


@numba.njit(inline="always")
def _weigh(blurred, weight, middle) -> None:  # type: ignore[no-untyped-def]
    for k in range(len(blurred)):
        blurred[k] = weight * middle[k]


@numba.njit(inline="always")
def _add_pair(blurred, weight, before, after) -> None:  # type: ignore[no-untyped-def]
    for k in range(len(blurred)):
        blurred[k] += weight * (before[k] + after[k])


@compiled
def _in_slices(image, weights, filled) -> None:  # type: ignore[no-untyped-def]
    channels, depth, height, width = image.shape
    radius = weights.shape[1] - 1
    for part in numba.prange(channels * depth):
        channel, i = part // depth, part % depth
        rows = np.empty((height, width), np.float32)
        row = np.empty(width + 2 * radius, np.float32)
        for j in range(height):
            row[:radius] = image[channel, i, j, 0]
            row[radius : radius + width] = image[channel, i, j]
            row[radius + width :] = image[channel, i, j, width - 1]
            _weigh(rows[j], weights[channel, 0], row[radius:])
            for step in range(1, radius + 1):
                _add_pair(rows[j], weights[channel, step], row[radius - step :], row[radius + step :])
        for j in range(height):
            blurred = filled[channel, i, j]
            _weigh(blurred, weights[channel, 0], rows[j])
            for step in range(1, radius + 1):
                _add_pair(blurred, weights[channel, step], rows[max(j - step, 0)], rows[min(j + step, height - 1)])


@compiled
def _across_slices(image, weights, filled) -> None:  # type: ignore[no-untyped-def]
    channels, depth, height, _ = image.shape
    radius = weights.shape[1] - 1
    for part in numba.prange(channels * height):
        channel, j = part // height, part % height
        for i in range(depth):
            blurred = filled[channel, i, j]
            _weigh(blurred, weights[channel, 0], image[channel, i, j])
            for step in range(1, radius + 1):
                before, after = image[channel, max(i - step, 0), j], image[channel, min(i + step, depth - 1), j]
                _add_pair(blurred, weights[channel, step], before, after)
