"""The component filter against an independent slow version built on scipy."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy import ndimage

from neurograft.inference.postprocessing import filter_components
from neurograft.recipes.schema import PostprocessingConfig

RANK_OF_CONNECTIVITY = {6: 1, 18: 2, 26: 3}


def slow_filter(classes: NDArray[Any], config: PostprocessingConfig, voxel_volume_mm3: float) -> NDArray[Any]:
    """One class and one component at a time, in scipy's (raster) order."""
    result = np.zeros_like(classes)
    structure = ndimage.generate_binary_structure(3, RANK_OF_CONNECTIVITY[config.connectivity])
    for value in range(1, int(classes.max()) + 1):
        components, count = ndimage.label(classes == value, structure)
        masks = [components == number for number in range(1, count + 1)]
        masks = [
            mask
            for mask in masks
            if mask.sum() >= config.min_voxels and mask.sum() * voxel_volume_mm3 >= config.min_volume_mm3
        ]
        masks.sort(key=lambda mask: -mask.sum())
        for mask in masks[: config.keep_largest]:
            result[mask] = value
    return result


@settings(max_examples=80, deadline=None)
@given(
    seed=st.integers(0, 10_000),
    density=st.floats(0.02, 0.6),
    connectivity=st.sampled_from([6, 18, 26]),
    keep_largest=st.sampled_from([None, 1, 2, 3]),
    min_voxels=st.integers(0, 5),
    min_volume_mm3=st.sampled_from([0.0, 0.5, 1.5]),
)
def test_equals_slow_version(
    seed: int, density: float, connectivity: int, keep_largest: int | None, min_voxels: int, min_volume_mm3: float
) -> None:
    generator = np.random.default_rng(seed)
    shape = tuple(generator.integers(1, 9, size=3))
    classes = (generator.random(shape) < density) * generator.integers(1, 4, size=shape).astype(np.int16)
    config = PostprocessingConfig.model_validate(
        {
            "connectivity": connectivity,
            "keep_largest": keep_largest,
            "min_voxels": min_voxels,
            "min_volume_mm3": min_volume_mm3,
        }
    )
    before = classes.copy()
    result = filter_components(classes, config, voxel_volume_mm3=0.25)
    np.testing.assert_array_equal(classes, before)
    np.testing.assert_array_equal(result, slow_filter(classes, config, 0.25))
    assert result.dtype == classes.dtype


def two_rods() -> NDArray[np.int16]:
    """Class 2 in a rod of five voxels and one of three, class 4 in a single voxel; 1 and 3 absent."""
    classes = np.zeros((7, 5, 5), dtype=np.int16)
    classes[1:6, 0, 0] = 2
    classes[1:4, 4, 4] = 2
    classes[6, 2, 2] = 4
    return classes


def test_default_keeps_everything() -> None:
    np.testing.assert_array_equal(filter_components(two_rods(), PostprocessingConfig(), 1.0), two_rods())


def test_absent_label_stays_absent_and_others_are_not_repainted() -> None:
    expected = two_rods()
    expected[1:4, 4, 4] = 0
    np.testing.assert_array_equal(filter_components(two_rods(), PostprocessingConfig(keep_largest=1), 1.0), expected)


def test_empty_volume_stays_empty() -> None:
    empty = np.zeros((3, 3, 3), dtype=np.int16)
    np.testing.assert_array_equal(filter_components(empty, PostprocessingConfig(keep_largest=1), 1.0), empty)


def test_class_lost_altogether_is_said(caplog: pytest.LogCaptureFixture) -> None:
    result = filter_components(two_rods(), PostprocessingConfig(min_voxels=2), 1.0)
    assert set(np.unique(result)) == {0, 2}
    assert "left nothing of class 4" in caplog.text


def test_volume_threshold_is_not_lost_to_rounding() -> None:
    # 3 x 0.1 is above 0.3 in binary, and 0.7 / 0.1 is below 7: neither may cost a component.
    assert filter_components(two_rods(), PostprocessingConfig(min_volume_mm3=0.3), 0.1)[1, 4, 4] == 2
    assert filter_components(two_rods(), PostprocessingConfig(min_volume_mm3=0.31), 0.1)[1, 4, 4] == 0


@pytest.mark.parametrize(("connectivity", "left"), [(6, 1), (18, 1), (26, 2)])
def test_corner_neighbours(connectivity: int, left: int) -> None:
    classes = np.zeros((2, 2, 2), dtype=np.int16)
    classes[0, 0, 0] = classes[1, 1, 1] = 1
    config = PostprocessingConfig.model_validate({"connectivity": connectivity, "keep_largest": 1})
    assert int(filter_components(classes, config, 1.0).sum()) == left


def test_unannotated_voxels_are_left_alone() -> None:
    classes = two_rods()
    classes[0] = -1
    assert (filter_components(classes, PostprocessingConfig(min_voxels=100), 1.0)[0] == -1).all()
