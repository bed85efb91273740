"""The share of each voxel that a structure fills."""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from neurograft.phantoms.anatomy import StructureSize, bounding_box_mm, inside_structure
from neurograft.phantoms.deformation import FloatArray, jacobian

SUBVOXELS = 4
"""Points on each axis of a voxel at which a structure is probed."""

_BORDER = 2
"""Voxels round a structure's box, so that derivatives in it are the same as in the whole volume."""


def structure_occupancy(
    name: str, mapping_mm: FloatArray, spacing_mm: float, size: StructureSize, subvoxels: int = SUBVOXELS
) -> FloatArray:
    """Return the share of each voxel that a structure fills, by probing points inside the voxels near it.

    Args:
        name: a key of `STRUCTURES`, or "reference".
        mapping_mm: shape (3, D, H, W), the MNI position that each voxel shows.
        spacing_mm: isotropic voxel size.
        size: the person's sizes.
        subvoxels: points on each axis of a voxel.

    Returns:
        Shape (D, H, W), from 0 to 1.
    """
    return shape_occupancy(
        lambda positions: inside_structure(name, positions, size),
        bounding_box_mm(name),
        mapping_mm,
        (spacing_mm, spacing_mm, spacing_mm),
        subvoxels,
    )


def shape_occupancy(
    inside: Callable[[FloatArray], NDArray[np.bool_]],
    box_mm: tuple[FloatArray, FloatArray],
    mapping_mm: FloatArray,
    spacing_mm: tuple[float, float, float],
    subvoxels: int = SUBVOXELS,
) -> FloatArray:
    """Return the share of each voxel that a shape fills, by probing points inside the voxels near it.

    Args:
        inside: tells which positions (..., 3) lie in the shape.
        box_mm: lowest and highest coordinates that the shape may reach.
        mapping_mm: shape (3, D, H, W), the position that each voxel shows.
        spacing_mm: voxel size along each axis.
        subvoxels: points on each axis of a voxel.

    Returns:
        Shape (D, H, W), from 0 to 1.
    """
    low, high = (np.reshape(corner, (3, 1, 1, 1)) for corner in box_mm)
    margin = 2 * max(spacing_mm)
    near = np.all((mapping_mm > low - margin) & (mapping_mm < high + margin), axis=0)
    occupancy = np.zeros(near.shape)
    if not near.any():
        return occupancy
    box = _box(near)
    near, part = near[box], mapping_mm[(slice(None), *box)]
    offsets = [((np.arange(subvoxels) + 0.5) / subvoxels - 0.5) * side for side in spacing_mm]
    points = np.stack(np.meshgrid(*offsets, indexing="ij"), axis=-1).reshape(-1, 3)
    # Within a voxel the mapping is taken as linear: it varies over 16 mm.
    derivative = jacobian(part, spacing_mm)
    probed = part[:, near].T[:, None, :] + points @ derivative[near].transpose(0, 2, 1)
    occupancy[box][near] = inside(probed).mean(axis=1)
    return occupancy


def _box(mask: NDArray[np.bool_]) -> tuple[slice, slice, slice]:
    """The smallest box round a mask, and a border about it as far as the volume reaches."""
    found = []
    for axis in range(3):
        hit = np.flatnonzero(mask.any(axis=tuple(other for other in range(3) if other != axis)))
        found.append(slice(max(int(hit[0]) - _BORDER, 0), int(hit[-1]) + _BORDER + 1))
    return found[0], found[1], found[2]
