from itertools import permutations, product

import nibabel
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.spatial.transform import Rotation

from neurograft.errors import InputError
from neurograft.imaging.grid import Grid
from neurograft.imaging.orientation import reorient, restore_orientation

CODES = ["".join(p) for axes in product("RL", "AP", "SI") for p in permutations(axes)]


@pytest.mark.parametrize("code", CODES)
def test_agrees_with_nibabel(code: str) -> None:
    data = np.arange(2 * 3 * 4).reshape(2, 3, 4)
    affine = nibabel.orientations.inv_ornt_aff(nibabel.orientations.axcodes2ornt(tuple(code)), (5, 5, 5))
    image = nibabel.Nifti1Image(data.astype(np.int16), affine)
    theirs = nibabel.as_closest_canonical(image)
    turned, grid = reorient(data, Grid.from_affine((2, 3, 4), affine), "RAS")
    np.testing.assert_array_equal(turned, np.asarray(theirs.dataobj))
    np.testing.assert_allclose(grid.affine, theirs.affine, atol=1e-12)
    assert grid.orientation == "RAS"


@given(
    code=st.sampled_from(CODES),
    to=st.sampled_from(CODES),
    angles=st.tuples(*[st.floats(-180, 180)] * 3),
    spacing=st.tuples(*[st.floats(0.2, 6)] * 3),
    channels=st.integers(0, 2),
)
def test_turning_back_is_exact(code: str, to: str, angles: tuple, spacing: tuple, channels: int) -> None:
    affine = nibabel.orientations.inv_ornt_aff(nibabel.orientations.axcodes2ornt(tuple(code)), (2, 3, 4))
    affine[:3] = Rotation.from_euler("xyz", angles, degrees=True).as_matrix() @ affine[:3] * [*spacing, 1]
    grid = Grid.from_affine((2, 3, 4), affine)
    data = np.random.default_rng(0).normal(size=(*(3,) * channels, 2, 3, 4))
    turned, there = reorient(data, grid, to)
    np.testing.assert_array_equal(restore_orientation(turned, there, grid), data)
    assert turned.flags.c_contiguous
    # Every voxel is still at its place in space.
    index = np.unravel_index(turned[(0,) * channels].argmax(), there.shape)
    origin = np.unravel_index(data[(0,) * channels].argmax(), grid.shape)
    np.testing.assert_allclose(there.affine @ [*index, 1], affine @ [*origin, 1], atol=1e-9)


@pytest.mark.parametrize("angle", [45, 135, -45])
def test_halfway_between_two_directions(angle: float) -> None:
    affine = np.eye(4)
    affine[:3, :3] = Rotation.from_euler("z", angle, degrees=True).as_matrix()
    data = np.arange(24).reshape(2, 3, 4)
    grid = Grid.from_affine((2, 3, 4), affine)
    turned, there = reorient(data, grid, "LPI")
    np.testing.assert_array_equal(restore_orientation(turned, there, grid), data)


@pytest.mark.parametrize("code", ["RAR", "RA", "XYZ", "RASS", "", "ras"])
def test_unknown_orientations_are_refused(code: str) -> None:
    with pytest.raises(InputError, match="no orientation"):
        reorient(np.zeros((2, 2, 2)), Grid.from_affine((2, 2, 2), np.eye(4)), code)


def test_grids_that_differ_by_more_are_refused() -> None:
    grid = Grid.from_affine((2, 2, 2), np.eye(4))
    with pytest.raises(ValueError, match="more than their axes"):
        restore_orientation(np.zeros((2, 2, 2)), grid, Grid.from_affine((2, 2, 2), np.diag([2, 1, 1, 1])))
    moved = np.eye(4)
    moved[0, 3] = 1
    with pytest.raises(ValueError, match="same voxels"):
        restore_orientation(np.zeros((2, 2, 2)), grid, Grid.from_affine((2, 2, 2), moved))
    with pytest.raises(ValueError, match="same voxels"):
        restore_orientation(np.zeros((2, 2, 2)), grid, Grid.from_affine((2, 2, 3), np.eye(4)))
