"""The voxel boundary: a surface made of the outermost voxels of a mask.

A voxel of the mask is on its boundary when one of its face neighbours (6 in a volume) is outside;
beyond the border of the image everything is outside. Distances run between the centres of such
voxels. Every boundary voxel weighs the same, whatever area of surface it stands for, so that on an
anisotropic grid the faces with the denser sampling count more: `elements` is the definition
without that flaw.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage


def voxel_boundary(mask: NDArray[Any]) -> NDArray[np.bool_]:
    """Voxels of a mask that have a face neighbour outside it.

    Args:
        mask: any number of axes; any non-zero value counts as inside.

    Returns:
        A mask of the same shape.

    Example:
        >>> int(voxel_boundary(np.ones((3, 3, 3))).sum())
        26
    """
    inside = mask.astype(bool)
    return inside & ~ndimage.binary_erosion(inside)


def boundary_points(mask: NDArray[Any]) -> NDArray[np.int64]:
    """Indices of the boundary voxels of a mask, shape ``(points, axes)``."""
    return np.argwhere(voxel_boundary(mask))
