"""The sagittal plane that parts a head's left half from its right one."""

import numpy as np
from numpy.typing import NDArray

from neurograft.imaging.grid import Grid


def right_half(grid: Grid, midline_mm: float = 0.0) -> NDArray[np.bool_]:
    """Tell which voxels lie on the right.

    Args:
        grid: of the image, in scanner coordinates, whose x grows from left to right.
        midline_mm: x of the plane between the halves; a voxel whose centre lies in it is on the left.

    Returns:
        Shape (D, H, W), whatever the order and direction of the axes.
    """
    x_mm = np.asarray(grid.affine[0, 3], dtype=np.float64)
    for axis, size in enumerate(grid.shape):
        steps = np.arange(size, dtype=np.float64).reshape([-1 if axis == other else 1 for other in range(3)])
        x_mm = x_mm + grid.affine[0, axis] * steps
    return np.broadcast_to(x_mm > midline_mm, grid.shape)
