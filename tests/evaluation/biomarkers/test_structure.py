import math

import numpy as np
import pandas as pd
import pytest

from neurograft.evaluation.biomarkers.contrast import contrast_ratio
from neurograft.evaluation.biomarkers.structure import measure_structure

SHAPE = (8, 8, 8)
SPACING = (0.5, 1.0, 2.0)
MASK = np.zeros(SHAPE, dtype=np.uint8)
MASK[1:3, 1:3, 1] = 1
REFERENCE = np.zeros(SHAPE, dtype=bool)
REFERENCE[4:7, 4:7, 4:7] = True
IMAGE = np.full(SHAPE, 50.0)
IMAGE[REFERENCE] = 100
IMAGE[1:3, 1:3, 1] = [[110, 120], [130, 200]]


def test_hand_computed() -> None:
    found = measure_structure(IMAGE, MASK, SPACING, REFERENCE, percentiles=(50,))
    assert found.volume_mm3 == 4.0
    assert (found.intensities.mean, found.intensities.max, found.intensities.percentiles) == (140, 200, {50.0: 125.0})
    assert (found.reference_voxels, found.reference_signal) == (27, 100)
    assert found.contrast_ratio_max == pytest.approx(1.0)
    assert found.contrast_ratio_median == pytest.approx(0.25)
    assert found.contrast_ratio_mean == pytest.approx(0.4)
    assert found.flags == ()


def test_row() -> None:
    row = measure_structure(IMAGE, MASK, SPACING, REFERENCE, percentiles=(5, 97.5)).to_row()
    assert list(row)[:3] == ["volume_mm3", "voxels", "nonfinite_voxels"]
    assert {"intensity_p5", "intensity_p97.5", "contrast_ratio_mean"} < set(row)
    assert (row["contrast_form"], row["reference_statistic"], row["flags"]) == ("difference-ratio", "mean", "")
    flawed = measure_structure(IMAGE, np.zeros(SHAPE), SPACING).to_row()
    assert flawed["flags"] == "structure-empty;reference-region-missing"
    assert list(flawed) == list(measure_structure(IMAGE, MASK, SPACING).to_row())
    assert len(pd.DataFrame([row, flawed])) == 2


@pytest.mark.parametrize("form", ["difference-ratio", "quotient"])
@pytest.mark.parametrize("reference_statistic", ["mean", "median"])
def test_agrees_with_the_single_contrast(form: str, reference_statistic: str) -> None:
    image = np.random.default_rng(1).normal(100, 20, SHAPE)
    found = measure_structure(image, MASK, SPACING, REFERENCE, reference_statistic=reference_statistic, form=form)  # type: ignore[arg-type]
    for name, value in (
        ("max", found.contrast_ratio_max),
        ("median", found.contrast_ratio_median),
        ("mean", found.contrast_ratio_mean),
    ):
        assert value == contrast_ratio(image, MASK, REFERENCE, name, reference_statistic, form)  # type: ignore[arg-type]


def test_an_empty_structure_has_no_volume_and_nothing_else() -> None:
    found = measure_structure(IMAGE, np.zeros(SHAPE), SPACING, REFERENCE)
    assert found.volume_mm3 == 0
    assert found.flags == ("structure-empty",)
    undefined = [
        found.intensities.mean,
        found.contrast_ratio_max,
        found.contrast_ratio_median,
        found.contrast_ratio_mean,
    ]
    assert np.isnan(undefined).all()


def test_a_missing_region_is_a_flaw_only_where_contrast_is_wanted() -> None:
    wanted = measure_structure(IMAGE, MASK, SPACING)
    assert wanted.flags == ("reference-region-missing",)
    assert math.isnan(wanted.contrast_ratio_max)
    assert math.isnan(wanted.reference_signal)
    assert measure_structure(IMAGE, MASK, SPACING, contrast_wanted=False).flags == ()


def test_a_map_without_a_natural_zero_has_no_contrast() -> None:
    found = measure_structure(IMAGE - 150, MASK, SPACING, REFERENCE)
    assert found.flags == ("reference-signal-not-positive",)
    assert found.reference_signal == -50
    assert math.isnan(found.contrast_ratio_median)


def test_a_hole_is_flagged_and_does_not_change_the_volume() -> None:
    image = IMAGE.copy()
    image[2, 2, 1] = np.nan
    found = measure_structure(image, MASK, SPACING, REFERENCE)
    assert (found.volume_mm3, found.intensities.max, found.contrast_ratio_max) == (4.0, 130, pytest.approx(0.3))
    assert found.flags == ("nonfinite-intensities",)


def test_wrong_arguments_are_refused() -> None:
    with pytest.raises(ValueError, match="one positive length an axis"):
        measure_structure(IMAGE, MASK, (1, 1))
    with pytest.raises(ValueError, match="one shape"):
        measure_structure(IMAGE, MASK[1:], SPACING)
    with pytest.raises(ValueError, match="one shape"):
        measure_structure(IMAGE, MASK, SPACING, REFERENCE[1:])
