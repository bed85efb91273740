import math
import statistics
import warnings
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from numpy.typing import NDArray
from scipy.stats.mstats import mquantiles

from neurograft.evaluation.biomarkers.intensity import intensity_statistics, region_intensities


def test_hand_computed() -> None:
    image = np.array([[4, 1], [2, 100]], dtype=np.int16)
    found = intensity_statistics(image, np.array([[3, 1], [1, 0]]), percentiles=(0, 25, 50, 100))
    assert (found.voxels, found.nonfinite_voxels) == (3, 0)
    assert (found.mean, found.median, found.max, found.min) == (pytest.approx(7 / 3), 2, 4, 1)
    assert found.sd == pytest.approx(math.sqrt(7 / 3))
    assert found.percentiles == {0.0: 1.0, 25.0: 1.5, 50.0: 2.0, 100.0: 4.0}


@settings(deadline=None)
@given(hnp.arrays(np.float64, st.integers(2, 40), elements=st.floats(-1e3, 1e3)), st.floats(1, 99))
def test_equals_other_libraries(inside: NDArray[Any], percent: float) -> None:
    image = np.concatenate([inside, [1e9]])
    found = intensity_statistics(image, np.arange(image.size) < inside.size, [percent])
    values = inside.tolist()
    assert found.mean == pytest.approx(statistics.fmean(values), abs=1e-9)
    assert found.median == pytest.approx(statistics.median(values), abs=1e-9)
    assert found.sd == pytest.approx(statistics.stdev(values), abs=1e-9)
    assert (found.min, found.max) == (min(values), max(values))
    expected = mquantiles(inside, percent / 100, alphap=1, betap=1)[0]
    assert found.percentiles[percent] == pytest.approx(float(expected), abs=1e-9)


def test_voxels_without_a_finite_intensity_are_left_out_and_counted() -> None:
    found = intensity_statistics(np.array([1.0, 3.0, np.nan, np.inf]), np.ones(4))
    assert (found.voxels, found.nonfinite_voxels) == (4, 2)
    assert (found.mean, found.max, found.percentiles[75.0]) == (2.0, 3.0, 2.5)


@pytest.mark.parametrize("image", [np.array([1.0, 2.0]), np.array([np.nan, 2.0])])
def test_nothing_finite_is_undefined(image: NDArray[Any]) -> None:
    mask = np.isnan(image)
    found = intensity_statistics(image, mask)
    assert found.voxels == found.nonfinite_voxels == mask.sum()
    figures = [found.mean, found.median, found.max, found.min, found.sd, *found.percentiles.values()]
    assert np.isnan(figures).all()
    assert list(found.percentiles) == [5.0, 25.0, 75.0, 95.0]


def test_one_voxel_has_no_spread() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        found = intensity_statistics(np.array([5.0, 6.0]), np.array([1, 0]))
    assert (found.mean, found.percentiles[5.0]) == (5.0, 5.0)
    assert math.isnan(found.sd)


def test_computed_in_double_precision_whatever_the_image_is_stored_as() -> None:
    assert intensity_statistics(np.full(1000, 250, dtype=np.uint8), np.ones(1000)).mean == 250.0
    half = intensity_statistics(np.array([1000, 1001, 1002, 1003], dtype=np.float16), np.ones(4))
    assert half.sd == pytest.approx(math.sqrt(5 / 3), rel=1e-12)


def test_wrong_arguments_are_refused() -> None:
    with pytest.raises(ValueError, match="one shape"):
        region_intensities(np.ones(3), np.ones(4))
    with pytest.raises(ValueError, match="between 0 and 100"):
        intensity_statistics(np.ones(3), np.ones(3), [101])
