"""Values of a volume between its voxels, on a CPU: the index and the weights of a row of places, then its values."""

import numba
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from neurograft.loops import compiled

_ZERO = np.float32(0)
"""The first of the two that are compared, so that a place that is no number becomes it."""
_BLOCKS = 64
"""Into which lines are dealt, for threads to take and to use the memory of one line for all of a block's."""


def fill_linear(volume: Tensor, places: Tensor, filled: Tensor) -> None:
    """Weigh the eight voxels around each place.

    Args:
        volume: (C, D, H, W) float32 or float64, with any strides.
        places: (3, d, h, w) float32.
        filled: (C, d, h, w) of any type that NumPy has, and any strides; takes the values.
    """
    _linear(*_channels(volume), places.contiguous().numpy(), filled.numpy())


def fill_nearest(volume: Tensor, places: Tensor, filled: Tensor) -> None:
    """Take the voxel nearest to each place.

    Args:
        volume: (C, D, H, W) of any type and strides.
        places: (3, d, h, w) float32.
        filled: (C, d, h, w) of any type that NumPy has, and any strides; takes the values.
    """
    _nearest(*_channels(volume), places.contiguous().numpy(), filled.numpy())


def _channels(volume: Tensor) -> tuple[NDArray[np.generic], NDArray[np.int64], NDArray[np.int64]]:
    """What a volume lies in as one row, where its channels and axes go on there, and its size.

    A part of a larger volume is read where it lies, without a copy.
    """
    sizes, strides = volume.shape, volume.stride()
    last = sum((size - 1) * stride for size, stride in zip(sizes, strides, strict=True))
    row = torch.as_strided(volume, (last + 1,), (1,), volume.storage_offset())
    return row.numpy(), np.array(strides, dtype=np.int64), np.array(sizes, dtype=np.int64)


@compiled
def _linear(row, strides, sizes, places, filled) -> None:  # type: ignore[no-untyped-def]
    _, depth, height, width = places.shape
    last_z, last_y, last_x = np.float32(sizes[1] - 1), np.float32(sizes[2] - 1), np.float32(sizes[3] - 1)
    lines = depth * height
    for block in numba.prange(_BLOCKS):
        first, step_z, step_y, step_x = np.empty((4, width), np.int64)
        part_z, part_y, part_x = np.empty((3, width), np.float32)
        for line in range(block * lines // _BLOCKS, (block + 1) * lines // _BLOCKS):
            i, j = line // height, line % height
            for k in range(width):
                z = min(max(_ZERO, places[0, i, j, k]), last_z)
                y = min(max(_ZERO, places[1, i, j, k]), last_y)
                x = min(max(_ZERO, places[2, i, j, k]), last_x)
                a, b, c = np.int32(z), np.int32(y), np.int32(x)
                part_z[k], part_y[k], part_x[k] = z - np.float32(a), y - np.float32(b), x - np.float32(c)
                first[k] = a * strides[1] + b * strides[2] + c * strides[3]
                # At the outermost centres the second voxel is the first once more.
                step_z[k] = strides[1] if z < last_z else 0
                step_y[k] = strides[2] if y < last_y else 0
                step_x[k] = strides[3] if x < last_x else 0
            for channel in range(sizes[0]):
                start = channel * strides[0]
                for k in range(width):
                    here, right = np.uint64(start + first[k]), np.uint64(step_x[k])
                    under, behind = here + np.uint64(step_y[k]), here + np.uint64(step_z[k])
                    both = behind + np.uint64(step_y[k])
                    front = row[here] + part_x[k] * (row[here + right] - row[here])
                    front_under = row[under] + part_x[k] * (row[under + right] - row[under])
                    back = row[behind] + part_x[k] * (row[behind + right] - row[behind])
                    back_under = row[both] + part_x[k] * (row[both + right] - row[both])
                    front += part_y[k] * (front_under - front)
                    back += part_y[k] * (back_under - back)
                    filled[channel, i, j, k] = front + part_z[k] * (back - front)


@compiled
def _nearest(row, strides, sizes, places, filled) -> None:  # type: ignore[no-untyped-def]
    _, depth, height, width = places.shape
    last_z, last_y, last_x = np.float32(sizes[1] - 1), np.float32(sizes[2] - 1), np.float32(sizes[3] - 1)
    lines = depth * height
    for block in numba.prange(_BLOCKS):
        index = np.empty(width, np.int64)
        for line in range(block * lines // _BLOCKS, (block + 1) * lines // _BLOCKS):
            i, j = line // height, line % height
            for k in range(width):
                z = np.int32(np.rint(min(max(_ZERO, places[0, i, j, k]), last_z)))
                y = np.int32(np.rint(min(max(_ZERO, places[1, i, j, k]), last_y)))
                x = np.int32(np.rint(min(max(_ZERO, places[2, i, j, k]), last_x)))
                index[k] = z * strides[1] + y * strides[2] + x * strides[3]
            for channel in range(sizes[0]):
                start = channel * strides[0]
                for k in range(width):
                    filled[channel, i, j, k] = row[np.uint64(start + index[k])]
