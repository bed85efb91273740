import pickle

import numpy as np
import pytest

from neurograft.imaging.grid import Grid, is_sheared, is_usable

TURNED = np.array([[0.0, -2, 0, 10], [1, 0, 0, -5], [0, 0, 3, 7], [0, 0, 0, 1]])
"""Axis 0 rises to the front with 1 mm, axis 1 to the left with 2 mm, axis 2 upwards with 3 mm."""


def test_properties_of_a_turned_anisotropic_grid() -> None:
    grid = Grid.from_affine((4, 5, 6), TURNED)
    assert grid.spacing_mm == (1, 2, 3)
    assert grid.orientation == "ALS"
    assert grid.voxel_volume_mm3 == pytest.approx(6)
    assert grid.file_shape == (4, 5, 6)
    assert grid.qform_code == grid.sform_code == 1


def test_a_sheared_grid_has_no_qform_and_its_true_volume() -> None:
    sheared = np.eye(4)
    sheared[0, 1] = 0.5
    grid = Grid.from_affine((4, 4, 4), sheared, code=2)
    assert is_sheared(sheared)
    assert not is_sheared(TURNED)
    assert (grid.qform_code, grid.sform_code) == (0, 2)
    assert grid.voxel_volume_mm3 == pytest.approx(1)


@pytest.mark.parametrize(
    ("shape", "affine"),
    [((4, 4), np.eye(4)), ((4, 4, 0), np.eye(4)), ((4, 4, 4), np.zeros((4, 4))), ((4, 4, 4), np.full((4, 4), np.nan))],
)
def test_impossible_grids_are_refused(shape: tuple[int, ...], affine: np.ndarray) -> None:
    with pytest.raises(ValueError):
        Grid.from_affine(shape, affine)


def test_usable_affines() -> None:
    flat = np.diag([1.0, 1, 1, 1])
    flat[:3, 2] = flat[:3, 0] + flat[:3, 1]
    assert not is_usable(flat)
    assert is_usable(np.diag([1e-3, 1e-3, 1e-3, 1]))
    assert not is_usable(np.diag([1, 1, np.inf, 1]))


def test_difference_names_what_differs() -> None:
    grid = Grid.from_affine((4, 4, 4), np.eye(4))
    moved = np.eye(4)
    moved[0, 3] = 2
    assert grid.difference(Grid.from_affine((4, 4, 5), np.eye(4))) == "shape 4x4x4 against 4x4x5"
    assert grid.difference(Grid.from_affine((4, 4, 4), moved)) == "position: corners lie up to 2 mm apart"
    assert "1x1x1 mm against 1x1x2.5 mm" in grid.difference(Grid.from_affine((4, 4, 4), np.diag([1, 1, 2.5, 1])))
    assert "orientation RAS against LAS" in grid.difference(Grid.from_affine((4, 4, 4), np.diag([-1, 1, 1, 1])))
    assert grid.difference(grid) == ""


def test_a_small_rotation_counts_by_where_the_corners_go() -> None:
    angle = 1e-4
    turned = np.eye(4)
    turned[:2, :2] = [[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]]
    grid = Grid.from_affine((101, 2, 2), np.eye(4))
    other = Grid.from_affine((101, 2, 2), turned)
    # The far corner moves by 100 mm times the angle.
    assert grid.corner_distance_mm(other) == pytest.approx(0.01, rel=1e-2)
    assert not grid.same_as(other)
    assert grid.same_as(other, tolerance_mm=0.02)


def test_derived_moves_all_affines_and_keeps_what_the_file_said() -> None:
    affine = np.diag([-2.0, 2, 2, 1])
    grid = Grid(
        (4, 5, 6), affine, (4, 5, 6, 1), (2, 2, 2, 1.5), affine, 1, affine + np.eye(4) * 0, 4, "mm", "sec", "nifti2"
    )
    flip = np.diag([-1.0, 1, 1, 1])
    flip[0, 3] = 3
    turned = grid.derived((4, 5, 6), flip)
    for matrix in (turned.affine, turned.qform, turned.sform):
        np.testing.assert_allclose(matrix, [[2, 0, 0, -6], [0, 2, 0, 0], [0, 0, 2, 0], [0, 0, 0, 1]])
    assert (turned.qform_code, turned.sform_code, turned.temporal_unit) == (1, 4, "sec")
    assert turned.file_shape == (4, 5, 6, 1)
    assert turned.zooms == (2, 2, 2, 1.5)
    assert turned.file_format == "nifti2"


def test_derived_from_a_file_without_codes_gets_an_sform() -> None:
    grid = Grid((4, 4, 4), np.eye(4) * [2, 2, 2, 1], (4, 4, 4), (2000, 2000, 2000), spatial_unit="micron")
    half = grid.derived((2, 4, 4), np.diag([2.0, 1, 1, 1]))
    assert half.sform_code == 1
    assert half.spacing_mm == (4, 2, 2)
    assert half.sform is not None
    np.testing.assert_allclose(half.sform, np.diag([4000, 2000, 2000, 1]))
    np.testing.assert_allclose(half.zooms, (4000, 2000, 2000))


def test_affines_cannot_be_changed_and_survive_pickling() -> None:
    grid = Grid.from_affine((4, 5, 6), TURNED)
    with pytest.raises(ValueError, match="read-only"):
        grid.affine[0, 0] = 5
    assert pickle.loads(pickle.dumps(grid)).same_as(grid)
