"""The surface elements: a surface made of patches between voxels, each with its area.

Wherever eight neighbouring voxels are neither all inside nor all outside, a patch of surface passes
between them (see `cube_triangles`). The patch lies at the point where the eight voxels meet and weighs
its area in mm2, so that figures do not depend on how densely an axis is sampled. Beyond the border of
the image everything is outside.
"""

from collections.abc import Sequence
from itertools import product
from typing import Any

import numpy as np
from numpy.typing import NDArray

from neurograft.evaluation.surfaces.cube_triangles import element_areas_mm2

_ALL_INSIDE = 255


def surface_elements(mask: NDArray[Any], spacing_mm: Sequence[float]) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Places and areas of the surface elements of a mask.

    Args:
        mask: shape ``(X, Y, Z)``; any non-zero value counts as inside.
        spacing_mm: voxel size along the three axes.

    Returns:
        Places, shape ``(elements, 3)``: the element at place (i, j, k) lies at the lower corner of
        voxel (i, j, k), half a voxel below its centre along each axis, so that places run from 0 to
        the size of the mask. And their areas in mm2, shape ``(elements,)``.

    Raises:
        ValueError: the mask has not three axes.
    """
    if mask.ndim != 3:
        raise ValueError(f"surface elements need a mask with three axes, got shape {mask.shape}")
    codes = neighbour_codes(mask)
    places = np.argwhere((codes != 0) & (codes != _ALL_INSIDE))
    return places, element_areas_mm2(spacing_mm)[codes[tuple(places.T)]]


def neighbour_codes(mask: NDArray[Any]) -> NDArray[np.uint8]:
    """Pattern of the eight voxels that meet at every voxel corner, one bit each, as in `cube_triangles`.

    Args:
        mask: shape ``(X, Y, Z)``; any non-zero value counts as inside.

    Returns:
        Codes, shape ``(X + 1, Y + 1, Z + 1)``.
    """
    padded = np.pad(mask.astype(bool), 1).view(np.uint8)
    x, y, z = (size + 1 for size in mask.shape)
    codes = np.zeros((x, y, z), dtype=np.uint8)
    for bit, (dx, dy, dz) in enumerate(product((0, 1), repeat=3)):
        codes |= padded[dx : dx + x, dy : dy + y, dz : dz + z] << np.uint8(bit)
    return codes
