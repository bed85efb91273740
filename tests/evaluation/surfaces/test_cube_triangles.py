"""Areas of the 256 patterns: hand-computed, the reference implementation's table, and symmetries."""

from itertools import permutations, product

import numpy as np
import pytest
from surface_distance import lookup_tables

from neurograft.evaluation.surfaces.cube_triangles import CORNERS, element_areas_mm2

SPACINGS = [(1, 1, 1), (1, 2, 3), (0.3, 1.7, 0.9), (5, 0.4, 0.41), (0.9375, 0.9375, 1.5)]


def code_of(*corners: tuple[int, int, int]) -> int:
    """Code of the pattern with these corners inside, each given as three times 0 or 1."""
    return sum(1 << CORNERS.index((2 * x, 2 * y, 2 * z)) for x, y, z in corners)


def test_hand_computed() -> None:
    areas = element_areas_mm2((1, 1, 1))
    assert areas[code_of((0, 0, 0))] == pytest.approx(np.sqrt(3) / 8)
    assert areas[code_of((0, 0, 0), (0, 0, 1))] == pytest.approx(np.sqrt(0.5))
    assert areas[code_of((0, 0, 0), (0, 0, 1), (0, 1, 0), (0, 1, 1))] == pytest.approx(1)
    # A corner and its three neighbours: a regular hexagon with sides of sqrt(1/2).
    assert areas[code_of((0, 0, 0), (0, 0, 1), (0, 1, 0), (1, 0, 0))] == pytest.approx(1.5 * np.sqrt(3) * 0.5)


def test_a_flat_surface_has_the_area_of_the_voxel_face() -> None:
    areas = element_areas_mm2((2, 3, 5))
    for axis, expected in enumerate((15, 10, 6)):
        half = [corner for corner in product((0, 1), repeat=3) if corner[axis] == 0]
        assert areas[code_of(*half)] == pytest.approx(expected)  # type: ignore[arg-type]


@pytest.mark.parametrize("spacing_mm", SPACINGS)
def test_equals_the_table_of_surface_distance(spacing_mm: tuple[float, float, float]) -> None:
    theirs = lookup_tables.create_table_neighbour_code_to_surface_area(spacing_mm)
    bits = lookup_tables.ENCODE_NEIGHBOURHOOD_3D_KERNEL.ravel()
    their_code = [sum(int(bits[bit]) for bit in range(8) if code >> bit & 1) for code in range(256)]
    np.testing.assert_allclose(element_areas_mm2(spacing_mm), theirs[their_code], rtol=1e-12)


def test_only_uniform_patterns_have_no_area() -> None:
    areas = element_areas_mm2((1, 2, 3))
    assert np.flatnonzero(areas == 0).tolist() == [0, 255]
    np.testing.assert_allclose(areas, areas[::-1], rtol=1e-12)


def test_turning_the_grid_turns_the_areas() -> None:
    spacing = np.array([0.5, 1.25, 3.0])
    areas = element_areas_mm2(spacing.tolist())
    for order in permutations(range(3)):
        turned = [
            code_of(*(tuple(c[a] // 2 for a in order) for b, c in enumerate(CORNERS) if k >> b & 1)) for k in range(256)
        ]  # type: ignore[misc]
        np.testing.assert_allclose(element_areas_mm2(spacing[list(order)].tolist())[turned], areas, rtol=1e-12)
