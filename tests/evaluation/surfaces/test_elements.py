"""Surface elements of masks: closed formulas, and the reference implementation's places and areas."""

from typing import Any

import numpy as np
import pytest
from surface_distance import compute_surface_distances

from neurograft.evaluation.surfaces.elements import neighbour_codes, surface_elements


def test_a_single_voxel_is_an_octahedron() -> None:
    places, areas = surface_elements(np.ones((1, 1, 1)), (1, 1, 1))
    assert sorted(map(tuple, places.tolist())) == [(x, y, z) for x in (0, 1) for y in (0, 1) for z in (0, 1)]
    assert areas.sum() == pytest.approx(np.sqrt(3))


@pytest.mark.parametrize("touches_border", [True, False])
def test_a_cube_has_faces_bevelled_edges_and_cut_corners(touches_border: bool) -> None:
    size = 5
    mask = np.ones((size, size, size)) if touches_border else np.pad(np.ones((size, size, size)), 2)
    between = size - 1
    expected = 6 * between**2 + 12 * between * np.sqrt(0.5) + 8 * np.sqrt(3) / 8
    assert surface_elements(mask, (1, 1, 1))[1].sum() == pytest.approx(expected)


def test_the_area_of_a_sphere_is_not_far_off() -> None:
    spacing = np.array([0.5, 1.0, 0.8])
    axes = [np.arange(-24, 25) * step for step in spacing]
    radius = 9.0
    x, y, z = np.meshgrid(*axes, indexing="ij")
    area = surface_elements(x**2 + y**2 + z**2 <= radius**2, spacing.tolist())[1].sum()
    # The steps between voxels make the surface rougher than the sphere, and finer voxels do not mend that.
    assert 1 < area / (4 * np.pi * radius**2) < 1.15


def test_codes_name_the_voxels_around_a_corner() -> None:
    mask = np.zeros((2, 2, 2))
    mask[1, 0, 1] = 1
    codes = neighbour_codes(mask)
    assert codes.shape == (3, 3, 3)
    assert codes[1, 1, 1] == 1 << 5
    assert codes[2, 1, 2] == 1 << 0
    assert codes[0, 0, 0] == 0


def test_areas_equal_those_of_surface_distance(pair: Any) -> None:
    theirs = compute_surface_distances(pair.reference, pair.prediction, pair.spacing_mm)
    for mask, areas in (
        (pair.reference, theirs["surfel_areas_gt"]),
        (pair.prediction, theirs["surfel_areas_pred"]),
    ):
        np.testing.assert_allclose(np.sort(surface_elements(mask, pair.spacing_mm)[1]), np.sort(areas), rtol=1e-12)


def test_empty_mask_has_none() -> None:
    places, areas = surface_elements(np.zeros((2, 3, 4)), (1, 1, 1))
    assert places.shape == (0, 3)
    assert areas.shape == (0,)


def test_a_plane_is_refused() -> None:
    with pytest.raises(ValueError, match="three axes"):
        surface_elements(np.ones((3, 3)), (1, 1))
