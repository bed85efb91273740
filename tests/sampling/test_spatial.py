"""Draws of geometry and the mathematics behind them."""

import math

import numpy as np
import pytest
import torch
from scipy import ndimage
from scipy.spatial.transform import Rotation

from neurograft.recipes.schema import AugmentationConfig
from neurograft.sampling.augmentation.spatial import (
    SpatialDraw,
    draw_spatial,
    elastic_displacement,
    flipped_array_axes,
    kept_in_plane,
    sampling_matrix,
)

STILL = AugmentationConfig(rotation_probability=0, scale_probability=0, elastic_probability=0)


def test_sampling_matrix_is_the_inverse_of_rotation_in_millimetres_after_zoom():
    angles, scale, spacing = (0.3, -0.2, 0.5), np.array([1.2, 0.8, 1.1]), np.array([1.0, 2.0, 0.5])
    content = Rotation.from_euler("XYZ", angles).as_matrix()
    content_voxels = np.diag(1 / spacing) @ content @ np.diag(spacing)
    expected = np.linalg.inv(np.diag(scale) @ content_voxels)
    found = sampling_matrix(SpatialDraw(rotation_radians=angles, scale=tuple(scale)), tuple(spacing))
    np.testing.assert_allclose(found.numpy(), expected, atol=1e-12)


def test_rotation_keeps_lengths_in_millimetres_for_anisotropic_voxels():
    spacing = torch.tensor([1.0, 1.0, 3.0], dtype=torch.float64)
    matrix = sampling_matrix(SpatialDraw(rotation_radians=(0.4, 0.7, -0.3)), (1.0, 1.0, 3.0))
    offset_mm = torch.tensor([2.0, -1.0, 4.0], dtype=torch.float64)
    turned_mm = matrix @ (offset_mm / spacing) * spacing
    assert turned_mm.norm().item() == pytest.approx(offset_mm.norm().item())


def test_elastic_displacement_is_the_cubic_b_spline_of_its_control_points():
    spacing, size = 5.0, (11, 9, 16)
    control_points = torch.randn(3, 6, 5, 7, generator=torch.Generator().manual_seed(0))
    found = elastic_displacement(control_points, spacing, size)
    places = np.meshgrid(*[np.arange(length) / spacing + 1 for length in size], indexing="ij")
    for axis in range(3):
        # Without its prefilter map_coordinates evaluates the spline whose coefficients it is given.
        expected = ndimage.map_coordinates(control_points[axis].numpy().astype(float), places, order=3, prefilter=False)
        np.testing.assert_allclose(found[axis].numpy(), expected, atol=1e-5)


def test_elastic_displacement_has_the_asked_spread_and_is_smooth():
    config = AugmentationConfig(
        elastic_probability=1, elastic_displacement_voxels=3, elastic_spacing_voxels=8, rotation_probability=0
    )
    generator = torch.Generator().manual_seed(0)
    fields = [
        elastic_displacement(draw.control_points, draw.control_spacing_voxels, (33, 33, 33))
        for draw in draw_spatial(config, (33, 33, 33), 12, generator)
    ]
    at_control_points = torch.stack([field[:, ::8, ::8, ::8] for field in fields])
    assert at_control_points.std().item() == pytest.approx(3, rel=0.1)
    # No step from one voxel to the next is as large as the spread itself.
    assert max(field.diff(dim=axis).abs().max().item() for field in fields for axis in (1, 2, 3)) < 3


def test_draws_stay_in_their_ranges_and_come_as_often_as_asked():
    config = AugmentationConfig(
        rotation_degrees=(10, 20, 0),
        rotation_probability=0.5,
        scale=(0.9, 1.3),
        scale_probability=0.3,
        translation_voxels=(2, 0, 5),
        elastic_probability=0.2,
    )
    draws = draw_spatial(config, (8, 8, 8), 2000, torch.Generator().manual_seed(0), flip_axes=(0, 2))
    rotated = [draw.rotation_radians for draw in draws if any(draw.rotation_radians)]
    scaled = [draw.scale for draw in draws if draw.scale != (1.0, 1.0, 1.0)]
    deformed = [draw for draw in draws if draw.control_points is not None]
    for found, share in ((rotated, 0.5), (scaled, 0.3), (deformed, 0.2)):
        assert abs(len(found) - 2000 * share) < 5 * (2000 * share * (1 - share)) ** 0.5
    limits = np.degrees(np.abs(np.array(rotated)).max(axis=0))
    assert limits == pytest.approx((10, 20, 0), abs=0.2)
    assert limits[0] <= 10
    assert limits[1] <= 20
    assert np.min(scaled) >= 0.9
    assert np.max(scaled) <= 1.3
    translations = np.abs([draw.translation_voxels for draw in draws]).max(axis=0)
    assert translations == pytest.approx((2, 0, 5), abs=0.05)
    flips = np.array([draw.flips for draw in draws]).sum(axis=0)
    assert flips[1] == 0
    assert all(abs(count - 1000) < 5 * 500**0.5 for count in flips[[0, 2]])


def test_same_generator_state_gives_the_same_draws():
    first, second = (
        draw_spatial(AugmentationConfig(elastic_probability=1), (8, 8, 8), 3, torch.Generator().manual_seed(4))
        for _ in range(2)
    )
    for one, other in zip(first, second, strict=True):
        assert one.rotation_radians == other.rotation_radians
        assert one.scale == other.scale
        assert torch.equal(one.control_points, other.control_points)


def test_nothing_asked_for_keeps_the_voxel_grid():
    draws = draw_spatial(STILL, (8, 8, 8), 5, torch.Generator().manual_seed(0), flip_axes=(1,))
    assert all(draw.keeps_the_voxel_grid for draw in draws)
    assert not SpatialDraw(rotation_radians=(0, math.radians(1), 0)).keeps_the_voxel_grid


@pytest.mark.parametrize(("orientation", "axes"), [("RAS", (0, 2)), ("LPI", (0, 2)), ("ASL", (1, 2)), ("SRA", (0, 1))])
def test_flip_axes_follow_the_orientation(orientation, axes):
    assert flipped_array_axes(["left-right", "inferior-superior"], orientation) == axes


def test_flips_and_translations_come_as_often_as_asked():
    config = AugmentationConfig(
        translation_voxels=(20, 20, 20),
        translation_probability=0.24,
        flip_probability=0.1,
        rotation_probability=0,
        scale_probability=0,
        elastic_probability=0,
    )
    draws = draw_spatial(config, (8, 8, 8), 2000, torch.Generator().manual_seed(0), flip_axes=(0, 1, 2))
    moved = sum(any(draw.translation_voxels) for draw in draws)
    assert abs(moved - 480) < 5 * (480 * 0.76) ** 0.5
    flips = np.array([draw.flips for draw in draws]).sum(axis=0)
    assert all(abs(count - 200) < 5 * (200 * 0.9) ** 0.5 for count in flips)


def test_shear_moves_content_along_an_axis_by_what_lies_along_the_next():
    spacing = (1.0, 0.5, 2.0)
    angle = math.radians(30)
    for axis in range(3):
        draw = SpatialDraw(shear_radians=tuple(angle * (axis == other) for other in range(3)))
        matrix = sampling_matrix(draw, spacing)
        following = (axis + 1) % 3
        expected = torch.eye(3, dtype=torch.float64)
        # A voxel one mm further along the next axis shows what lay tan(30 degrees) mm back along this one.
        expected[axis, following] = -math.tan(angle) * spacing[following] / spacing[axis]
        assert torch.allclose(matrix, expected)
        assert not draw.keeps_the_voxel_grid


def test_shear_comes_before_the_rotation():
    draw = SpatialDraw(shear_radians=(0.3, 0.1, -0.2), rotation_radians=(0.1, 0.2, 0.3))
    turned, sheared = SpatialDraw(rotation_radians=(0.1, 0.2, 0.3)), SpatialDraw(shear_radians=(0.3, 0.1, -0.2))
    spacing = (1.0, 1.0, 1.0)
    # Content is sheared, then turned; what a voxel shows is found in the reverse order.
    assert torch.allclose(
        sampling_matrix(draw, spacing), sampling_matrix(sheared, spacing) @ sampling_matrix(turned, spacing)
    )


def test_shears_stay_in_their_ranges_and_leave_recipes_without_them_as_they_were():
    asked = AugmentationConfig(shear_degrees=(5, 0, 20), shear_probability=0.5)
    draws = draw_spatial(asked, (8, 8, 8), 2000, torch.Generator().manual_seed(0))
    sheared = [draw.shear_radians for draw in draws if any(draw.shear_radians)]
    assert abs(len(sheared) - 1000) < 5 * 500**0.5
    assert np.degrees(np.abs(sheared).max(axis=0)) == pytest.approx((5, 0, 20), abs=0.2)
    plain, unasked = (
        draw_spatial(
            AugmentationConfig(shear_probability=chance, elastic_probability=1),
            (8, 8, 8),
            3,
            torch.Generator().manual_seed(1),
        )
        for chance in (1.0, 0.3)
    )
    for one, other in zip(plain, unasked, strict=True):
        assert one.shear_radians == other.shear_radians == (0, 0, 0)
        assert torch.equal(one.control_points, other.control_points)


@pytest.mark.parametrize(("axis", "kept"), [(0, (0, 0.2, 0)), (1, (0, 0, 0.3)), (2, (0.1, 0, 0))])
def test_slices_are_sheared_within_themselves_only(axis, kept):
    """Axis 1 against 2 in sagittal slices, 2 against 0 in coronal ones, 0 against 1 in axial ones."""
    draw = kept_in_plane(SpatialDraw(shear_radians=(0.1, 0.2, 0.3)), axis)
    assert draw.shear_radians == kept
    matrix = sampling_matrix(draw, (1.0, 1.0, 1.0))
    others = [other for other in range(3) if other != axis]
    assert not matrix[axis, others].any()
    assert not matrix[others, axis].any()


@pytest.mark.parametrize("degrees", [(45, 0, 0), (0, -1, 0)])
def test_a_shear_that_cannot_be_undone_is_refused(degrees):
    with pytest.raises(ValueError, match="below 45"):
        AugmentationConfig(shear_degrees=degrees)
