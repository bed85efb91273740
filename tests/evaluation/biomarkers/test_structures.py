import numpy as np
import pytest

from neurograft.evaluation.biomarkers.structure import measure_structure
from neurograft.evaluation.biomarkers.structures import measure_structures


@pytest.mark.parametrize("region", ["inside", "at the border", "none"])
def test_looking_around_each_structure_changes_nothing(region: str) -> None:
    generator = np.random.default_rng(0)
    image = generator.normal(100, 10, (20, 18, 16))
    image[3, 4, 5] = np.nan
    labels = np.zeros(image.shape, np.int16)
    labels[2:6, 3:7, 4:8] = 3
    labels[10:12, 9:12, 8:10] = 700
    reference = np.zeros(image.shape, bool)
    if region != "none":
        reference[(slice(0, 4) if region == "at the border" else slice(13, 17)), 12:15, 2:6] = True
    mask = None if region == "none" else reference
    structures = {"a": (3,), "b": (700,), "both": (3, 700), "absent": (9,)}
    found = measure_structures(image, labels, structures, (1.0, 0.5, 2.0), mask)
    assert list(found) == list(structures)
    for name, members in structures.items():
        whole = measure_structure(image, np.isin(labels, members), (1.0, 0.5, 2.0), mask)
        np.testing.assert_equal(found[name].to_row(), whole.to_row())
    assert ("reference-region-touches-border" in found["a"].flags) == (region == "at the border")
    assert "structure-empty" in found["absent"].flags


def test_shapes_must_agree() -> None:
    with pytest.raises(ValueError, match="one shape"):
        measure_structures(np.zeros((2, 2, 2)), np.zeros((2, 2, 3), int), {"a": (1,)}, (1, 1, 1))
