import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.interpolate import BSpline

from neurograft.phantoms.deformation import (
    SplineField,
    draw_deformation,
    draw_field,
    grow_deformation,
    grow_field,
    jacobian,
    sample,
)

EXTENT = ((-30.0, 30.0), (-50.0, -2.0), (-43.0, 5.0))
LARGER = ((-61.0, 70.0), (-50.0, 20.0), (-50.0, 5.0))


def axes_of(extent, spacing_mm):
    return [np.arange(low, high + 1e-9, spacing_mm) for low, high in extent]


def test_field_equals_scipys_cubic_b_spline_in_each_dimension():
    generator = np.random.default_rng(0)
    weights = [generator.normal(size=6) for _ in range(3)]
    coefficients = np.einsum("i,j,k->ijk", *weights)[None]
    field = SplineField(coefficients, (-2.0, -2.0, -2.0), 2.0)
    axis = np.linspace(0.0, 5.9, 7)
    # Coefficient i sits on the middle knot of the spline that spans knots i - 2 to i + 2.
    knots = -2.0 + 2.0 * np.arange(-2, 8)
    x, y, z = (BSpline(knots, weight, 3)(axis) for weight in weights)
    np.testing.assert_allclose(field.on_axes([axis] * 3)[0], np.einsum("i,j,k->ijk", x, y, z), atol=1e-12)


def test_field_is_the_same_on_a_coarse_and_a_fine_grid():
    field = draw_field(EXTENT, 12.0, 1.0, np.random.default_rng(1), components=2)
    coarse = field.on_axes(axes_of(EXTENT, 3.0))
    fine = field.on_axes(axes_of(EXTENT, 1.5))
    np.testing.assert_allclose(fine[:, ::2, ::2, ::2], coarse, atol=1e-12)


def test_equal_coefficients_give_a_constant_up_to_the_border():
    drawn = draw_field(EXTENT, 16.0, 1.0, np.random.default_rng(2))
    constant = SplineField(np.full_like(drawn.coefficients, 3.0), drawn.origin_mm, drawn.knot_spacing_mm)
    np.testing.assert_allclose(constant.on_axes(axes_of(EXTENT, 2.0)), 3.0)


def test_standard_deviation_of_a_field_is_the_one_asked_for():
    extent = ((0.0, 120.0),) * 3
    values = draw_field(extent, 4.0, 0.5, np.random.default_rng(3)).on_axes(axes_of(extent, 3.1))
    assert values.std() == pytest.approx(0.5, rel=0.05)


@settings(max_examples=20, deadline=None)
@given(seed=st.integers(0, 2**32), amplitude_mm=st.floats(0.5, 20.0))
def test_a_deformation_never_folds(seed, amplitude_mm):
    axes = axes_of(EXTENT, 2.0)
    displacement = draw_deformation(EXTENT, amplitude_mm, np.random.default_rng(seed)).on_axes(axes)
    mapping = np.stack(np.meshgrid(*axes, indexing="ij")) + displacement
    assert np.linalg.det(jacobian(mapping, 2.0)).min() > 0


def test_amplitude_is_the_length_of_the_displacement():
    lengths = []
    for seed in range(20):
        displacement = draw_deformation(EXTENT, 2.0, np.random.default_rng(seed)).on_axes(axes_of(EXTENT, 4.0))
        lengths.append((displacement**2).sum(axis=0).mean())
    assert np.sqrt(np.mean(lengths)) == pytest.approx(2.0, rel=0.1)


@pytest.mark.parametrize("knot_mm", [4.0, 16.0, 60.0])
def test_a_grown_field_is_unchanged_where_it_was_and_varies_as_much_elsewhere(knot_mm):
    field = draw_field(EXTENT, knot_mm, 1.0, np.random.default_rng(4))
    grown = grow_field(field, LARGER, 1.0, np.random.default_rng(5))
    inner = axes_of(EXTENT, 3.0)
    np.testing.assert_allclose(grown.on_axes(inner), field.on_axes(inner), atol=1e-12)
    if knot_mm == 4.0:
        beyond = axes_of(((35.0, 70.0), (0.0, 20.0), (-50.0, 5.0)), 3.0)
        assert grown.on_axes(beyond).std() == pytest.approx(1.0, rel=0.1)


def test_constant_coefficients_stay_constant_up_to_the_larger_border():
    drawn = grow_field(draw_field(EXTENT, 16.0, 1.0, np.random.default_rng(2)), LARGER, 1.0, np.random.default_rng(3))
    constant = SplineField(np.full_like(drawn.coefficients, 3.0), drawn.origin_mm, drawn.knot_spacing_mm)
    np.testing.assert_allclose(constant.on_axes(axes_of(LARGER, 2.0)), 3.0)


def test_a_grown_deformation_never_folds():
    for seed in range(5):
        field = draw_deformation(EXTENT, 8.0, np.random.default_rng(seed))
        grown = grow_deformation(field, LARGER, 8.0, np.random.default_rng(seed + 100))
        axes = axes_of(LARGER, 3.0)
        mapping = np.stack(np.meshgrid(*axes, indexing="ij")) + grown.on_axes(axes)
        assert np.linalg.det(jacobian(mapping, 3.0)).min() > 0


def test_jacobian_of_a_linear_map_is_its_matrix():
    matrix = np.array([[1.0, 0.2, 0.0], [0.0, 0.9, -0.1], [0.3, 0.0, 1.1]])
    positions = np.stack(np.meshgrid(*axes_of(((0.0, 6.0),) * 3, 1.5), indexing="ij"))
    found = jacobian(np.tensordot(matrix, positions, axes=1), 1.5)
    np.testing.assert_allclose(found, np.broadcast_to(matrix, found.shape), atol=1e-12)


def test_sampling_follows_the_affine():
    affine = np.diag([2.0, 3.0, 4.0, 1.0])
    affine[:3, 3] = (-1.0, 5.0, 7.0)
    index = np.arange(4.0)
    data = index[:, None, None] * 100 + index[:, None] * 10 + index
    voxel = np.array([1.5, 2.0, 0.25])
    position = affine[:3, :3] @ voxel + affine[:3, 3]
    assert sample(data, affine, position[:, None])[0] == pytest.approx(150 + 20 + 0.25)
    outside = np.array([[-100.0], [100.0], [100.0]])
    assert sample(data, affine, outside)[0] == 33.0
