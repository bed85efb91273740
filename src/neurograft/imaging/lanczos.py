"""Windowed-sinc interpolation between grids whose axes are parallel, one axis after the other.

The kernel is that of SimpleITK's Lanczos interpolator, which evaluates its thousand weights for
every voxel of the result. Along parallel axes these are products of ten weights per axis, so
three sparse matrix products give the same in a fraction of the time.
"""

import numpy as np
from scipy import sparse

RADIUS_VOXELS = 5


def lanczos_weights(positions: np.ndarray, count: int) -> sparse.csr_array:
    """Weights that interpolate samples at 0 .. count-1 at the given positions.

    Beyond the ends the border sample is repeated. Each row sums to one, so that a constant stays
    constant; the bare kernel is off by up to about a hundredth.

    Args:
        positions: (P,), in units of the samples' distance.
        count: number of samples.

    Returns:
        Sparse float32 matrix (P, count).
    """
    first = np.floor(positions).astype(int) - RADIUS_VOXELS + 1
    taps = first[:, None] + np.arange(2 * RADIUS_VOXELS)
    distance = positions[:, None] - taps
    weights = np.sinc(distance) * np.sinc(distance / RADIUS_VOXELS)
    weights /= weights.sum(1, keepdims=True)
    rows = np.repeat(np.arange(len(positions)), taps.shape[1])
    columns = np.clip(taps, 0, count - 1).ravel()
    # Entries of the same place, which the repeated border makes, are added up.
    return sparse.csr_array((weights.ravel().astype(np.float32), (rows, columns)), (len(positions), count))


def lanczos_resample(data: np.ndarray, positions: tuple[np.ndarray, np.ndarray, np.ndarray]) -> np.ndarray:
    """Interpolate an array at every combination of positions along its axes.

    Args:
        data: (D, H, W).
        positions: for each axis where the result's voxels lie, as voxel coordinates of `data`.

    Returns:
        float32 array of the shape of the three positions.
    """
    result = np.asarray(data, np.float32)
    for where in positions:
        weights = lanczos_weights(where, result.shape[0])
        flat = weights @ np.ascontiguousarray(result).reshape(result.shape[0], -1)
        # The axis just done goes last, so that after three rounds all are back in order.
        result = np.moveaxis(flat.reshape(len(where), *result.shape[1:]), 0, -1)
    return np.ascontiguousarray(result)
