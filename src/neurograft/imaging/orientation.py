"""Turn volumes between orientations by flipping and permuting axes: exact, and undone exactly."""

import numpy as np
from nibabel.orientations import axcodes2ornt, inv_ornt_aff, io_orientation, ornt_transform

from neurograft.errors import InputError
from neurograft.imaging.grid import Grid, Shape


def reorient(data: np.ndarray, grid: Grid, orientation: str) -> tuple[np.ndarray, Grid]:
    """Flip and permute axes so that each rises in the wanted direction.

    An oblique volume keeps its obliqueness: its axes are matched to the nearest directions.

    Args:
        data: array (..., D, H, W) on `grid`.
        grid: where the data lie.
        orientation: three letters, for example "RAS": axis 0 rises to the right, axis 1 to the
            front, axis 2 upwards.

    Returns:
        The same voxels, contiguous, and the grid on which they now lie.

    Raises:
        InputError: `orientation` does not name each of the three directions once.
    """
    if sorted("LPI".find(letter) % 3 if letter in "LPI" else "RAS".find(letter) for letter in orientation) != [0, 1, 2]:
        raise InputError(
            f"{orientation!r} is no orientation", "Name one of R/L, one of A/P and one of S/I, for example RAS"
        )
    turn = ornt_transform(io_orientation(grid.affine), axcodes2ornt(tuple(orientation)))
    first, second, third = (grid.shape[int(np.flatnonzero(turn[:, 0] == axis)[0])] for axis in range(3))
    turned = grid.derived((first, second, third), inv_ornt_aff(turn, grid.shape))
    return restore_orientation(data, grid, turned), turned


def restore_orientation(data: np.ndarray, from_grid: Grid, to_grid: Grid) -> np.ndarray:
    """Move voxels between two grids that differ only by flips and permutations of the axes.

    Args:
        data: array (..., D, H, W) on `from_grid`.
        from_grid: where the data lie.
        to_grid: the grid wanted.

    Returns:
        Contiguous array (..., D, H, W) on `to_grid`.

    Raises:
        ValueError: the grids differ by more than that.
    """
    # Taken from the affines themselves, because naming the nearest direction of each axis is
    # ambiguous at 45 degrees and would not always find the way back.
    voxel_map = np.linalg.solve(from_grid.affine, to_grid.affine)
    turn = np.rint(voxel_map[:3, :3])
    is_turn = (np.abs(turn).sum(0) == 1).all() and (np.abs(turn).sum(1) == 1).all()
    if not is_turn or not np.allclose(voxel_map[:3, :3], turn, atol=1e-4):
        raise ValueError(f"the grids differ by more than their axes: {from_grid.difference(to_grid)}")
    sources = [int(np.flatnonzero(turn[:, axis])[0]) for axis in range(3)]
    shape: Shape = (from_grid.shape[sources[0]], from_grid.shape[sources[1]], from_grid.shape[sources[2]])
    flipped = [axis for axis in range(3) if turn[sources[axis], axis] < 0]
    start = np.array([from_grid.shape[axis] - 1 if turn[axis].sum() < 0 else 0 for axis in range(3)])
    if shape != to_grid.shape or not np.allclose(voxel_map[:3, 3], start, atol=1e-2):
        raise ValueError(f"the grids do not cover the same voxels: {from_grid.difference(to_grid)}")
    leading = data.ndim - 3
    turned = data.transpose(*range(leading), *(leading + axis for axis in sources))
    return np.ascontiguousarray(np.flip(turned, tuple(leading + axis for axis in flipped)))
