import numpy as np
import pytest

from neurograft.phantoms.anatomy import StructureSize, inside_structure
from neurograft.phantoms.partial_volume import structure_occupancy


def grid(low, high, spacing_mm):
    axes = [np.arange(a, b, spacing_mm) for a, b in zip(low, high, strict=True)]
    return np.stack(np.meshgrid(*axes, indexing="ij"))


@pytest.mark.parametrize("name", ["LC", "SNpc", "reference"])
def test_occupancy_is_the_share_of_points_inside(name):
    spacing_mm, size = 1.5, StructureSize()
    mapping = grid((-24.0, -46.0, -38.0), (24.0, -2.0, 2.0), spacing_mm)
    found = structure_occupancy(name, mapping, spacing_mm, size, subvoxels=3)
    expected = np.zeros_like(found)
    for x in (-0.5, 0.0, 0.5):
        for y in (-0.5, 0.0, 0.5):
            for z in (-0.5, 0.0, 0.5):
                moved = np.moveaxis(mapping, 0, -1) + np.array([x, y, z])
                expected += inside_structure(name, moved, size) / 27
    np.testing.assert_allclose(found, expected, atol=1e-12)
    assert 0 < (found > 0).mean() < 0.1


def test_a_stretched_voxel_is_probed_over_its_whole_length():
    axes = [np.arange(a, b, 1.0) for a, b in ((-12.0, 12.0), (-45.0, -30.0), (-40.0, -12.0))]
    mapping = np.stack(np.meshgrid(*axes, indexing="ij"))
    mapping[2] = -26.0 + 2.0 * (mapping[2] + 26.0)
    volume = structure_occupancy("LC", mapping, 1.0, StructureSize()).sum()
    plain = structure_occupancy("LC", np.stack(np.meshgrid(*axes, indexing="ij")), 1.0, StructureSize()).sum()
    assert volume == pytest.approx(plain / 2, rel=0.05)


def test_a_structure_out_of_sight_fills_nothing():
    mapping = grid((40.0, -46.0, -38.0), (46.0, -40.0, -32.0), 1.0)
    assert not structure_occupancy("LC", mapping, 1.0, StructureSize()).any()
