import numpy as np
import pytest

from neurograft.phantoms.anatomy import (
    FIELD_OF_VIEW_MM,
    STRUCTURES,
    StructureSize,
    bounding_box_mm,
    inside_structure,
    template_tissue,
)

REGIONS = (*STRUCTURES, "reference")
LARGEST = StructureSize(lc_length_mm=17.0, lc_thickness=1.1, sn_thickness=1.15)
STEP_MM = 0.25


@pytest.fixture(scope="module")
def positions():
    axes = [np.arange(low, high, STEP_MM) for low, high in ((-20.0, 20.0), (-45.0, -5.0), (-38.0, -2.0))]
    return np.stack(np.meshgrid(*axes, indexing="ij"), axis=-1)


@pytest.mark.parametrize("name", REGIONS)
def test_the_largest_structure_lies_in_its_box_and_the_mean_one_8_mm_inside_the_field_of_view(positions, name):
    inside = positions[inside_structure(name, positions, LARGEST)]
    low, high = bounding_box_mm(name)
    assert (inside >= low).all()
    assert (inside <= high).all()
    mean = positions[inside_structure(name, positions, StructureSize())]
    for axis, (lowest, highest) in enumerate(FIELD_OF_VIEW_MM):
        assert mean[:, axis].min() - lowest >= 8.0
        assert highest - mean[:, axis].max() >= 8.0


def test_locus_coeruleus_has_the_published_dimensions(positions):
    inside = positions[inside_structure("LC", positions, StructureSize())]
    right = inside[inside[:, 0] > 0]
    centred = right - right.mean(axis=0)
    axis = np.linalg.svd(centred, full_matrices=False)[2][0]
    assert np.ptp(centred @ axis) == pytest.approx(14.5, abs=0.8)
    middle = right[np.abs(right[:, 2] + 25.0) < STEP_MM / 2]
    assert np.ptp(middle[:, 0]) == pytest.approx(2.5, abs=2 * STEP_MM)
    assert np.ptp(middle[:, 1]) == pytest.approx(2.0, abs=2 * STEP_MM)
    assert middle[:, 0].mean() == pytest.approx(3.8, abs=0.2)


def test_structures_are_symmetric_and_apart(positions):
    masks = {name: inside_structure(name, positions, LARGEST) for name in REGIONS}
    for name in REGIONS:
        mirrored = inside_structure(name, positions * [-1.0, 1.0, 1.0], LARGEST)
        assert (mirrored == masks[name]).all()
    assert not (masks["LC"] & masks["SNpc"]).any()
    assert not (masks["reference"] & (masks["LC"] | masks["SNpc"])).any()


def test_structures_lie_in_brainstem_tissue(positions):
    from neurograft.phantoms.deformation import sample

    coefficients, affine = template_tissue()
    for name in REGIONS:
        inside = positions[inside_structure(name, positions, StructureSize())]
        signal = sample(coefficients, affine, inside.T, order=3)
        assert np.median(signal) == pytest.approx(1.0, abs=0.06)
        assert (signal > 0.7).mean() > 0.95  # hardly any of it in the fluid of the ventricle
