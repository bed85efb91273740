"""What registration looks at: scans on a coarse upright grid in millimetres, intensities from 0 to 1."""

from itertools import product

import numpy as np
import SimpleITK
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter

from neurograft.errors import InputError
from neurograft.imaging.cropping import crop, nonzero_box
from neurograft.imaging.grid import Grid
from neurograft.imaging.resampling import resample_to_grid
from neurograft.imaging.volume import Volume

_MARGIN_MM = 10.0
_CLIPPED = (0.5, 99.5)
"""Percentiles of the foreground that become 0 and 1: a few bright vessels must not set the scale."""


def working_volume(volume: Volume, spacing_mm: float, margin_mm: float = _MARGIN_MM) -> Volume:
    """A scan on a grid of cubes along right, front and up, smoothed to its voxel size.

    Oblique, flipped and sheared scans alike lie upright afterwards, in their own millimetres.

    Args:
        volume: one channel.
        spacing_mm: side of the cubes.
        margin_mm: kept around what is not zero.

    Returns:
        float32 in 0 to 1.

    Raises:
        InputError: voxels that are not finite, or no contrast.
    """
    data = np.asarray(volume.data, np.float32)
    if not np.isfinite(data).all():
        raise InputError("voxels are NaN or infinite", "Replace them by numbers", volume.path)
    # Air of CT-like scans may lie below zero; what counts as empty is zero, else the darkest.
    data = data - min(float(data.min()), 0.0)
    inside = data[data > 0]
    if not inside.size or inside.min() == inside.max() == data.min():
        raise InputError("the image is constant, so it cannot be registered", "Check the image", volume.path)
    low, high = np.percentile(inside, _CLIPPED)
    if high <= low:
        low = 0.0
    data = np.clip((data - low) / max(high - low, 1e-12), 0, 1) * (data > 0)
    first, second, third = (int(np.ceil(margin_mm / side)) for side in volume.grid.spacing_mm)
    box = nonzero_box(data, (first, second, third))
    data, grid = crop(data, box), volume.grid.derived(box.size, box.to_volume())
    # Smoothing to half the new voxel's width keeps fine detail from folding into coarse voxels.
    sigma = [0.5 * max(spacing_mm / side - 1, 0) for side in grid.spacing_mm]
    smooth = gaussian_filter(data, sigma, mode="constant")
    upright = upright_grid(grid, spacing_mm)
    moved = resample_to_grid(Volume(smooth, Grid.from_affine(grid.shape, grid.affine)), upright, "linear")
    return Volume(np.asarray(moved.data, np.float32), upright, volume.path)


def upright_grid(grid: Grid, spacing_mm: float) -> Grid:
    """The grid of cubes along right, front and up that holds another grid."""
    corners = np.array([[*corner, 1.0] for corner in product(*((-0.5, size - 0.5) for size in grid.shape))])
    places = (corners @ grid.affine.T)[:, :3]
    low, high = places.min(axis=0), places.max(axis=0)
    counts = np.maximum(np.ceil((high - low) / spacing_mm - 1e-6), 1).astype(int)
    affine = np.diag([spacing_mm, spacing_mm, spacing_mm, 1.0])
    affine[:3, 3] = low + spacing_mm / 2
    return Grid.from_affine((int(counts[0]), int(counts[1]), int(counts[2])), affine)


def to_sitk(data: NDArray[np.float32], grid: Grid) -> SimpleITK.Image:
    """An upright volume as SimpleITK's, with RAS millimetres as its space on both sides."""
    image = SimpleITK.GetImageFromArray(np.ascontiguousarray(data.T))
    image.SetSpacing([float(side) for side in grid.spacing_mm])
    image.SetOrigin([float(place) for place in grid.affine[:3, 3]])
    return image
