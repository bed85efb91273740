"""A coarse copy of an image, whatever its size."""

import numpy as np
from numpy.typing import NDArray


def block_means(image: np.ndarray, side: int) -> NDArray[np.float64]:
    """Averages over blocks that divide each axis into equal parts; voxels that are cut count in both, by their shares.

    Args:
        image: (D, H, W).
        side: blocks along each axis, also where there are fewer voxels.

    Returns:
        Array of shape (side, side, side).
    """
    blocks = image.astype(np.float64)
    for axis in range(3):
        weights = _block_weights(blocks.shape[axis], side)
        blocks = np.moveaxis(np.tensordot(weights, blocks, axes=(1, axis)), 0, axis)
    return blocks


def _block_weights(length: int, blocks: int) -> NDArray[np.float64]:
    """Rows that average `length` voxels into `blocks` equal parts, sharing the voxels they cut."""
    edges = np.linspace(0, length, blocks + 1)
    voxels = np.arange(length)
    upper = np.minimum(voxels + 1, edges[1:, None])
    lower = np.maximum(voxels, edges[:-1, None])
    return np.asarray(np.clip(upper - lower, 0, None) * blocks / length, np.float64)
