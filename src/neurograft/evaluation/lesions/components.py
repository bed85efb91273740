"""A lesion is a connected component of a mask: number them, and measure each.

P4 calls voxels "8-connected", which is a neighbourhood in a plane, and gives volumes in mL, which
belong to a body in space (SPEC section 8, no 21). Both readings are here: 26 neighbours in 3D is
the default, and ``in-plane-8`` numbers every axial slice on its own, so that a lesion that spans
three slices counts as three.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal, get_args

import cc3d
import numpy as np
from numpy.typing import NDArray

Connectivity = Literal[6, 18, 26, "in-plane-8"]
"""Neighbours of a voxel: across faces, and edges, and corners; or the eight of its own slice."""

VOLUME_TOLERANCE = 1e-6
"""Relative rounding allowed when a volume meets a limit: 1250 voxels of 0.8 mm3 are 1 mL."""

Box = tuple[slice, slice, slice]


@dataclass(frozen=True, eq=False)
class Components:
    """The connected components of a mask, numbered from 1 in a fixed order.

    Args:
        numbers: the number of each voxel's component, 0 outside; shape of the box they were cut from.
        voxels: size of each component, shape (count,); component n is entry n - 1.
    """

    numbers: NDArray[Any]
    voxels: NDArray[np.int64]

    @property
    def count(self) -> int:
        """How many there are."""
        return len(self.voxels)

    def volumes_ml(self, voxel_ml: float) -> NDArray[np.float64]:
        """Volume of each component, given that of a voxel."""
        return self.voxels.astype(np.float64) * voxel_ml


def label_components(mask: NDArray[Any], connectivity: Connectivity = 26, slice_axis: int = 2) -> Components:
    """Number the connected components of a mask.

    Args:
        mask: shape (D, H, W); any non-zero value is inside.
        connectivity: 6, 18 or 26 neighbours, or ``in-plane-8``.
        slice_axis: the axis across the slices, for ``in-plane-8``; the last one is axial in RAS and LAS.

    Raises:
        ValueError: the mask is not three-dimensional, or connectivity or axis are unknown.
    """
    if mask.ndim != 3:
        raise ValueError(f"a mask of lesions must have three dimensions, got shape {mask.shape}")
    if connectivity not in get_args(Connectivity):
        raise ValueError(f"connectivity must be one of {get_args(Connectivity)}, got {connectivity!r}")
    if slice_axis not in (0, 1, 2):
        raise ValueError(f"slice_axis must be 0, 1 or 2, got {slice_axis!r}")
    inside = np.ascontiguousarray(mask != 0).view(np.uint8)
    if not inside.any():
        return Components(np.zeros(mask.shape, dtype=np.uint16), np.zeros(0, dtype=np.int64))
    if connectivity == "in-plane-8":
        # Voxels of different values are never joined, so values that alternate from slice to slice keep
        # the slices apart, and the corner neighbours that remain are the eight of the plane.
        shape = [1, 1, 1]
        shape[slice_axis] = -1
        inside = inside * (1 + np.arange(mask.shape[slice_axis], dtype=np.uint8) % 2).reshape(shape)
    numbers = cc3d.connected_components(inside, connectivity=26 if connectivity == "in-plane-8" else connectivity)
    # Only the voxels inside are counted: `bincount` widens what it is given to 8 bytes a voxel.
    return Components(numbers, np.bincount(numbers[inside != 0])[1:])


def require_lesion_masks(reference: NDArray[Any], prediction: NDArray[Any] | None) -> None:
    """Refuse masks of different shapes, or not three-dimensional.

    Raises:
        ValueError: they are.
    """
    if reference.ndim != 3:
        raise ValueError(f"a mask of lesions must have three dimensions, got shape {reference.shape}")
    if prediction is not None and prediction.shape != reference.shape:
        raise ValueError(f"reference and prediction must have one shape, got {reference.shape} and {prediction.shape}")


def bounding_box(*masks: NDArray[Any]) -> Box:
    """The smallest box that holds every non-zero voxel of all masks; empty where there is none.

    Args:
        masks: arrays of one shape (D, H, W).
    """
    bounds = [slice(0, length) for length in masks[0].shape]
    for axis in range(3):
        others = tuple(other for other in range(3) if other != axis)
        occupied = np.zeros(masks[0].shape[axis], dtype=bool)
        for mask in masks:
            occupied |= mask[tuple(bounds)].any(axis=others)
        places = np.flatnonzero(occupied)
        if not places.size:
            return slice(0, 0), slice(0, 0), slice(0, 0)
        bounds[axis] = slice(int(places[0]), int(places[-1]) + 1)
    return bounds[0], bounds[1], bounds[2]


def voxel_volume_ml(spacing_mm: Sequence[float]) -> float:
    """Volume of a voxel in mL, which is 1000 mm3.

    Raises:
        ValueError: not three positive finite lengths.
    """
    lengths = np.asarray(spacing_mm, dtype=float)
    if lengths.shape != (3,) or not (np.isfinite(lengths).all() and (lengths > 0).all()):
        raise ValueError(f"spacing_mm must be three positive lengths, got {spacing_mm}")
    return float(lengths.prod()) / 1000
