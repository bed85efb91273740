from typing import get_args

import numpy as np
import pytest

from neurograft.evaluation.biomarkers.quality import FLAG_MEANINGS, QualityFlag, reference_flags

SHAPE = (10, 10, 10)


def block(*spans: tuple[int, int]) -> np.ndarray:
    mask = np.zeros(SHAPE, dtype=np.uint8)
    mask[tuple(slice(first, last) for first, last in spans)] = 1
    return mask


IMAGE = np.full(SHAPE, 100.0)
STRUCTURE = block((1, 3), (1, 3), (1, 3))
REFERENCE = block((5, 8), (5, 8), (5, 8))


def test_nothing_to_doubt() -> None:
    assert reference_flags(IMAGE, STRUCTURE, REFERENCE) == ()


def test_missing_and_empty() -> None:
    assert reference_flags(IMAGE, STRUCTURE, None) == ("reference-region-missing",)
    assert reference_flags(IMAGE, STRUCTURE, block((0, 0))) == ("reference-region-empty",)
    assert reference_flags(IMAGE, block((0, 0)), REFERENCE) == ("structure-empty",)


def test_tiny_is_below_the_limit() -> None:
    assert REFERENCE.sum() == 27
    assert reference_flags(IMAGE, STRUCTURE, REFERENCE, least_voxels=27) == ()
    assert reference_flags(IMAGE, STRUCTURE, REFERENCE, least_voxels=28) == ("reference-region-tiny",)
    assert reference_flags(IMAGE, STRUCTURE, block((5, 7), (5, 7), (5, 7))) == ("reference-region-tiny",)


@pytest.mark.parametrize("axis", [0, 1, 2])
@pytest.mark.parametrize("end", [(0, 4), (6, 10)])
def test_border_on_every_side(axis: int, end: tuple[int, int]) -> None:
    spans = [(4, 7), (4, 7), (4, 7)]
    spans[axis] = end
    assert reference_flags(IMAGE, STRUCTURE, block(*spans)) == ("reference-region-touches-border",)


def test_off_the_image_is_a_share_without_signal() -> None:
    image = IMAGE.copy()
    image[5, 5, 5] = 0  # 1 of 27 is below a twentieth
    assert reference_flags(image, STRUCTURE, REFERENCE) == ()
    image[5, 5, 6] = 0
    assert reference_flags(image, STRUCTURE, REFERENCE) == ("reference-region-off-image",)
    assert reference_flags(image, STRUCTURE, REFERENCE, most_off_image_share=0.5) == ()
    image[5:8, 5:8, 5:8] = 0
    flags = reference_flags(image, STRUCTURE, REFERENCE)
    assert flags == ("reference-region-off-image", "reference-signal-not-positive")


def test_holes_in_structure_or_reference() -> None:
    for place in ((2, 2, 2), (6, 6, 6)):
        image = IMAGE.copy()
        image[place] = np.nan
        assert reference_flags(image, STRUCTURE, REFERENCE) == ("nonfinite-intensities",)
    image = np.full(SHAPE, np.inf)
    image[0] = 1
    assert reference_flags(image, block((0, 1), (0, 1), (0, 1)), None) == ("reference-region-missing",)


def test_overlap_with_the_structure() -> None:
    grown = block((1, 6), (1, 6), (1, 6))
    assert reference_flags(IMAGE, grown, REFERENCE) == ("reference-region-overlaps-structure",)


def test_signal_that_is_not_positive_under_the_statistic_in_use() -> None:
    image = IMAGE.copy()
    image[5:8, 5:8, 5] = -1000  # 9 of 27: the mean is negative, the median is not
    assert reference_flags(image, STRUCTURE, REFERENCE) == ("reference-signal-not-positive",)
    assert reference_flags(image, STRUCTURE, REFERENCE, reference_statistic="median") == ()


def test_flags_come_in_a_fixed_order() -> None:
    assert set(FLAG_MEANINGS) == set(get_args(QualityFlag))
    flags = reference_flags(np.zeros(SHAPE), block((0, 0)), block((0, 1), (0, 1), (0, 1)))
    assert flags == tuple(flag for flag in FLAG_MEANINGS if flag in flags)
    assert len(flags) == 5


def test_other_grids_are_refused() -> None:
    with pytest.raises(ValueError, match="one shape"):
        reference_flags(IMAGE, STRUCTURE, REFERENCE[1:])
