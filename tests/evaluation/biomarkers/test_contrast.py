import math

import numpy as np
import pytest

from neurograft.evaluation.biomarkers.contrast import contrast_ratio

IMAGE = np.array([100, 110, 90, 120, 130, 200, 0], dtype=np.int16)
REFERENCE = np.array([1, 1, 1, 0, 0, 0, 0])
STRUCTURE = np.array([0, 0, 0, 1, 1, 1, 0], dtype=bool)


@pytest.mark.parametrize(("statistic", "expected"), [("median", 0.3), ("max", 1.0), ("mean", 0.5)])
def test_hand_computed(statistic: str, expected: float) -> None:
    assert contrast_ratio(IMAGE, STRUCTURE, REFERENCE, statistic) == pytest.approx(expected)  # type: ignore[arg-type]


def test_median_of_the_reference() -> None:
    image = IMAGE.astype(float)
    image[0] = 1000
    assert contrast_ratio(image, STRUCTURE, REFERENCE, "mean", "median") == pytest.approx((150 - 110) / 110)


def test_unchanged_by_an_intensity_scale() -> None:
    scaled = contrast_ratio(IMAGE * 3.7, STRUCTURE, REFERENCE)
    assert scaled == pytest.approx(contrast_ratio(IMAGE, STRUCTURE, REFERENCE))


def test_undefined_is_nan() -> None:
    nowhere = np.zeros(7, dtype=bool)
    assert math.isnan(contrast_ratio(IMAGE, nowhere, REFERENCE))
    assert math.isnan(contrast_ratio(IMAGE, STRUCTURE, nowhere))
    assert math.isnan(contrast_ratio(IMAGE, STRUCTURE, np.array([0, 0, 0, 0, 0, 0, 1])))


def test_different_shapes_are_refused() -> None:
    with pytest.raises(ValueError, match="one shape"):
        contrast_ratio(IMAGE, STRUCTURE[:-1], REFERENCE)


@pytest.mark.parametrize("statistic", ["median", "max", "mean"])
def test_quotient_is_larger_by_one(statistic: str) -> None:
    quotient = contrast_ratio(IMAGE, STRUCTURE, REFERENCE, statistic, form="quotient")  # type: ignore[arg-type]
    assert quotient == pytest.approx(1 + contrast_ratio(IMAGE, STRUCTURE, REFERENCE, statistic))  # type: ignore[arg-type]
    assert contrast_ratio(IMAGE, STRUCTURE, REFERENCE, "max", form="quotient") == pytest.approx(2.0)


def test_a_reference_below_zero_is_undefined() -> None:
    shifted = IMAGE.astype(float) - 150
    assert math.isnan(contrast_ratio(shifted, STRUCTURE, REFERENCE))
    assert math.isnan(contrast_ratio(shifted, STRUCTURE, REFERENCE, form="quotient"))


def test_holes_of_the_image_are_left_out() -> None:
    image = IMAGE.astype(float)
    image[5], image[0] = np.inf, np.nan
    assert contrast_ratio(image, STRUCTURE, REFERENCE, "max") == pytest.approx(0.3)
    assert math.isnan(contrast_ratio(np.full(7, np.nan), STRUCTURE, REFERENCE))


def test_unknown_names_are_refused() -> None:
    with pytest.raises(ValueError, match="'median', 'max', 'mean'"):
        contrast_ratio(IMAGE, STRUCTURE, REFERENCE, "maximum")  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="'mean', 'median'"):
        contrast_ratio(IMAGE, STRUCTURE, REFERENCE, "median", "max")  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="'difference-ratio', 'quotient'"):
        contrast_ratio(IMAGE, STRUCTURE, REFERENCE, form="ratio")  # type: ignore[arg-type]
