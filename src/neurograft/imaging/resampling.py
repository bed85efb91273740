"""Resample volumes to another voxel size or onto another grid, through SimpleITK.

Both grids are handed to SimpleITK as plain index space and the whole geometry as one affine map
between them, which is exact for flipped, oblique and sheared affines alike.
"""

from typing import Literal

import numpy as np

from neurograft.errors import InputError
from neurograft.imaging.grid import Grid, Shape
from neurograft.imaging.lanczos import lanczos_resample
from neurograft.imaging.volume import Volume

Interpolation = Literal["nearest", "linear", "bspline", "sinc"]

_INTERPOLATORS: dict[Interpolation, str] = {
    "nearest": "sitkNearestNeighbor",
    "linear": "sitkLinear",
    "bspline": "sitkBSpline",
    "sinc": "sitkLanczosWindowedSinc",
}
"""SimpleITK's names."""
_BSPLINE_FEWEST_VOXELS = 4
_PARALLEL = 1e-6
"""Largest share of another axis, in voxels per voxel, in a map that treats each axis alone."""
_WHOLE_VOXEL = 1e-3
"""Share of a voxel by which a field of view may exceed whole voxels without another one."""


def resample_to_spacing(volume: Volume, spacing_mm: tuple[float, float, float], interpolation: Interpolation) -> Volume:
    """Resample to a voxel size over the same field of view.

    The outer edges of the first voxels coincide, and the last voxels reach at least to the old
    edge; beyond it the border value is repeated. No smoothing precedes a coarser grid.

    Args:
        volume: data of any real or integer type.
        spacing_mm: wanted voxel size along each axis of the array.
        interpolation: "nearest" keeps the type of the data, the others give float32. "sinc" is
            windowed by Lanczos' kernel over five voxels on each side.

    Raises:
        InputError: a spacing that is not positive, or too few voxels for a B-spline.
    """
    if min(spacing_mm) <= 0:
        raise InputError(f"voxel sizes must be positive, got {spacing_mm}", "Correct preparation.spacing_mm")
    grid = spaced_grid(volume.grid, spacing_mm)
    return _resample(volume, grid, interpolation, outside=None)


def resample_to_grid(volume: Volume, grid: Grid, interpolation: Interpolation, outside: float = 0.0) -> Volume:
    """Resample onto another grid.

    Args:
        volume: data of any real or integer type.
        grid: where the result shall lie.
        interpolation: as in `resample_to_spacing`.
        outside: value of voxels whose centre lies outside the volume.

    Raises:
        InputError: too few voxels for a B-spline.
    """
    return _resample(volume, grid, interpolation, outside)


def spaced_grid(grid: Grid, spacing_mm: tuple[float, float, float]) -> Grid:
    """The grid of a given voxel size that covers another, first voxel edges aligned."""
    step = np.array(spacing_mm) / np.array(grid.spacing_mm)
    counts = np.maximum(np.ceil(np.array(grid.shape) / step - _WHOLE_VOXEL), 1).astype(int)
    shape: Shape = (int(counts[0]), int(counts[1]), int(counts[2]))
    to_old = np.diag([*step, 1.0])
    # Index 0 is the centre of a voxel, half a voxel from its edge.
    to_old[:3, 3] = (step - 1) / 2
    return grid.derived(shape, to_old)


def _resample(volume: Volume, grid: Grid, interpolation: Interpolation, outside: float | None) -> Volume:
    if interpolation == "bspline" and min(volume.data.shape) < _BSPLINE_FEWEST_VOXELS:
        raise InputError(
            f"a B-spline needs {_BSPLINE_FEWEST_VOXELS} voxels along each axis, the volume has {volume.data.shape}",
            "Choose linear interpolation",
            volume.path,
        )
    data = volume.data
    if data.dtype == bool:
        data = data.astype(np.uint8)
    if interpolation != "nearest":
        data = np.asarray(data, np.float32)
    to_source = np.linalg.solve(volume.grid.affine, grid.affine)
    if interpolation == "sinc" and _axes_are_parallel(to_source):
        return Volume(_sinc(data, to_source, grid.shape, outside), grid, volume.path)
    # Where nothing is resampled, its 100 MiB are not loaded.
    import SimpleITK

    # SimpleITK counts axes the other way round: its index (i, j, k) is data[i, j, k] of the transpose.
    source = SimpleITK.GetImageFromArray(np.ascontiguousarray(data.T))
    transform = SimpleITK.AffineTransform(3)
    transform.SetMatrix(to_source[:3, :3].ravel().tolist())
    transform.SetTranslation(to_source[:3, 3].tolist())
    resampler = SimpleITK.ResampleImageFilter()
    resampler.SetSize(grid.shape)
    resampler.SetTransform(transform)
    resampler.SetInterpolator(getattr(SimpleITK, _INTERPOLATORS[interpolation]))
    if outside is None:
        resampler.UseNearestNeighborExtrapolatorOn()
    else:
        resampler.SetDefaultPixelValue(float(outside))
    result = np.ascontiguousarray(SimpleITK.GetArrayFromImage(resampler.Execute(source)).T)
    return Volume(result.astype(volume.data.dtype) if interpolation == "nearest" else result, grid, volume.path)


def _axes_are_parallel(voxel_map: np.ndarray) -> bool:
    turn = voxel_map[:3, :3]
    return bool(np.abs(turn - np.diag(np.diag(turn))).max() < _PARALLEL)


def _sinc(data: np.ndarray, to_source: np.ndarray, shape: Shape, outside: float | None) -> np.ndarray:
    positions, beyond = [], []
    for axis in range(3):
        where = to_source[axis, axis] * np.arange(shape[axis]) + to_source[axis, 3]
        beyond.append((where < -0.5) | (where > data.shape[axis] - 0.5))
        # Positions outside take the border value, as the nearest-neighbour extrapolation does.
        positions.append(np.clip(where, -0.5, data.shape[axis] - 0.5) if outside is None else where)
    result = lanczos_resample(data, (positions[0], positions[1], positions[2]))
    if outside is not None:
        for axis in range(3):
            result[(slice(None),) * axis + (beyond[axis],)] = outside
    return result
