"""Where the points of one scan lie in another, kept on disk, and used to move voxels."""

import io
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import map_coordinates

from neurograft.errors import InputError
from neurograft.imaging.grid import Grid
from neurograft.imaging.volume import Volume
from neurograft.outputs import atomic_file

_POINTS_AT_ONCE = 1 << 20


@dataclass(frozen=True, eq=False)
class SpatialTransform:
    """A map of points: from the fixed scan's space to the moving scan's, both in RAS+ millimetres.

    A point x goes to ``affine @ (x + displacement(x))``.

    Args:
        affine: (4, 4).
        displacement: float32 (3, D, H, W) in mm on `grid`; ``None`` for an affine map. Beyond the
            grid it is that of the nearest voxel.
        grid: where the displacement is known, in the fixed scan's space.
    """

    affine: NDArray[np.float64]
    displacement: NDArray[np.float32] | None = None
    grid: Grid | None = None

    def points(self, fixed_mm: NDArray[np.float64]) -> NDArray[np.float64]:
        """Map points (n, 3)."""
        moved = np.asarray(fixed_mm, np.float64)
        if self.displacement is not None and self.grid is not None:
            voxels = _apply(np.linalg.inv(self.grid.affine), moved).T
            shift = [map_coordinates(part, voxels, order=1, mode="nearest") for part in self.displacement]
            moved = moved + np.stack(shift, axis=1)
        return _apply(self.affine, moved)

    @property
    def is_affine(self) -> bool:
        """Whether nothing but an affine map is done."""
        return self.displacement is None

    def inverse(self) -> "SpatialTransform":
        """The way back, exact; for affine maps only.

        Raises:
            ValueError: there is a displacement.
        """
        if not self.is_affine:
            raise ValueError("only an affine map is inverted; register the other way round instead")
        return SpatialTransform(np.asarray(np.linalg.inv(self.affine), np.float64))

    def save(self, path: Path) -> None:
        """Write an ``.npz`` file of plain arrays, nothing pickled."""
        arrays: dict[str, NDArray[np.generic]] = {"affine": self.affine}
        if self.displacement is not None and self.grid is not None:
            arrays |= {"displacement": self.displacement, "grid_affine": self.grid.affine}
        buffer = io.BytesIO()
        np.savez_compressed(buffer, **arrays)  # type: ignore[arg-type]
        with atomic_file(path) as temporary:
            temporary.write_bytes(buffer.getvalue())

    @classmethod
    def load(cls, path: Path) -> "SpatialTransform":
        """Read what `save` wrote.

        Raises:
            InputError: not such a file.
        """
        try:
            with np.load(path, allow_pickle=False) as arrays:
                if "displacement" not in arrays:
                    return cls(arrays["affine"])
                field = arrays["displacement"]
                return cls(arrays["affine"], field, Grid.from_affine(field.shape[1:], arrays["grid_affine"]))
        except FileNotFoundError as error:
            raise InputError("the transform does not exist", "Check the path", path) from error
        except Exception as error:  # numpy and zipfile raise nearly anything on a damaged file
            raise InputError(f"cannot be read as a transform ({error})", "Register again", path) from error


def warp(
    volume: Volume,
    transform: SpatialTransform,
    grid: Grid,
    nearest: bool = False,
    where: NDArray[np.bool_] | None = None,
) -> NDArray[np.float32]:
    """Bring a moving volume onto a grid in the fixed scan's space.

    Args:
        volume: in the moving scan's space.
        transform: fixed to moving.
        grid: where the result shall lie.
        nearest: take the nearest voxel, as label maps need, instead of linear interpolation.
        where: voxels of the grid to fill; the others, and those that come from beyond the volume, are 0.

    Returns:
        float32 of the grid's shape.
    """
    return warp_frames([volume.data], volume.grid, transform, grid, nearest, where)[0]


def warp_frames(
    frames: Sequence[NDArray[Any]] | NDArray[Any],
    frame_grid: Grid,
    transform: SpatialTransform,
    grid: Grid,
    nearest: bool = False,
    where: NDArray[np.bool_] | None = None,
) -> NDArray[np.float32]:
    """Bring several volumes of one grid onto another; see `warp`.

    Args:
        frames: (K, D, H, W) in the moving scan's space.
        frame_grid: where each frame lies.
        transform: fixed to moving.
        grid: where the result shall lie.
        nearest: take the nearest voxel instead of linear interpolation.
        where: voxels of the grid to fill.

    Returns:
        float32 (K, *grid shape).
    """
    data = [np.asarray(frame, np.float32) for frame in frames]
    result = np.zeros((len(data), *grid.shape), np.float32)
    filled = result.reshape(len(data), -1)
    order, mode = (0, "nearest") if nearest else (1, "constant")
    for part, voxels in _moving_voxels(frame_grid, transform, grid, where):
        # Half a voxel of border belongs to the outermost voxels.
        shape = np.array(frame_grid.shape)[:, np.newaxis]
        inside = ((voxels >= -0.5) & (voxels <= shape - 0.5)).all(axis=0)
        for number, frame in enumerate(data):
            filled[number, part] = map_coordinates(frame, voxels, order=order, mode=mode) * inside
    return result


def warp_classes(
    classes: NDArray[Any],
    class_grid: Grid,
    labels: int,
    transform: SpatialTransform,
    grid: Grid,
    where: NDArray[np.bool_] | None = None,
) -> NDArray[np.float32]:
    """Bring a map of classes onto another grid as probabilities: linear interpolation between one-hot voxels.

    Args:
        classes: integers (D, H, W), 0 for background.
        class_grid: where they lie.
        labels: the number of labels; larger and negative classes count as background.
        transform: fixed to moving.
        grid: where the result shall lie.
        where: voxels of the grid to fill.

    Returns:
        float32 (labels, *grid shape).
    """
    result = np.zeros((labels, *grid.shape), np.float32)
    filled = result.reshape(labels, -1)
    padded = np.pad(np.where((classes > 0) & (classes <= labels), classes, 0), 1)
    for part, voxels in _moving_voxels(class_grid, transform, grid, where):
        shape = np.array(class_grid.shape)[:, np.newaxis]
        voxels = np.clip(voxels, -1, shape)
        lower = np.minimum(np.floor(voxels), shape - 1).astype(np.int64)
        share = voxels - lower
        sums = np.zeros((labels + 1) * len(part))
        for corner in product((0, 1), repeat=3):
            weight = np.prod([share[a] if corner[a] else 1 - share[a] for a in range(3)], axis=0)
            x, y, z = (lower[axis] + corner[axis] + 1 for axis in range(3))
            sums += np.bincount(
                padded[x, y, z].astype(np.int64) * len(part) + np.arange(len(part)), weights=weight, minlength=len(sums)
            )
        filled[:, part] = sums.reshape(labels + 1, -1)[1:]
    return result


def _moving_voxels(
    moving: Grid, transform: SpatialTransform, grid: Grid, where: NDArray[np.bool_] | None
) -> Iterator[tuple[NDArray[np.int64], NDArray[np.float64]]]:
    """Flat indices of the grid, part by part, with the moving voxel coordinates (3, n) of their centres."""
    chosen = np.arange(int(np.prod(grid.shape))) if where is None else np.flatnonzero(where)
    to_voxel = np.linalg.inv(moving.affine)
    for start in range(0, len(chosen), _POINTS_AT_ONCE):
        part = chosen[start : start + _POINTS_AT_ONCE]
        indices = np.stack(np.unravel_index(part, grid.shape), axis=1).astype(np.float64)
        yield part, _apply(to_voxel, transform.points(_apply(grid.affine, indices))).T


def _apply(matrix: NDArray[np.float64], points: NDArray[np.float64]) -> NDArray[np.float64]:
    return points @ matrix[:3, :3].T + matrix[:3, 3]
