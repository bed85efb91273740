from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from numpy.typing import NDArray
from scipy import ndimage

from neurograft.evaluation.lesions.components import bounding_box, label_components, voxel_volume_ml

MASKS = hnp.arrays(np.bool_, hnp.array_shapes(min_dims=3, max_dims=3, max_side=7))


def neighbourhood(connectivity: int | str, axis: int) -> NDArray[Any]:
    if connectivity == "in-plane-8":
        element = np.zeros((3, 3, 3), dtype=bool)
        element[(slice(None),) * axis + (1,)] = True
        return element
    return ndimage.generate_binary_structure(3, {6: 1, 18: 2, 26: 3}[connectivity])  # type: ignore[index]


@settings(deadline=None)
@given(MASKS, st.sampled_from([6, 18, 26, "in-plane-8"]), st.integers(0, 2))
def test_partition_equals_scipys(mask: NDArray[Any], connectivity: Any, axis: int) -> None:
    found = label_components(mask, connectivity, axis)
    expected, count = ndimage.label(mask, neighbourhood(connectivity, axis))
    assert found.count == count
    pairs = set(zip(found.numbers[mask].tolist(), expected[mask].tolist(), strict=True))
    assert len(pairs) == count
    assert (found.numbers > 0).tolist() == mask.tolist()
    assert found.voxels.tolist() == [int((found.numbers == number).sum()) for number in range(1, count + 1)]


@settings(deadline=None)
@given(MASKS, st.sampled_from([6, 18, 26, "in-plane-8"]))
def test_memory_order_does_not_change_the_numbers(mask: NDArray[Any], connectivity: Any) -> None:
    assert (
        label_components(np.asfortranarray(mask), connectivity).numbers == label_components(mask, connectivity).numbers
    ).all()


@pytest.mark.parametrize(("connectivity", "count"), [(6, 3), (18, 2), (26, 1), ("in-plane-8", 2)])
def test_neighbours_by_face_edge_corner_and_plane(connectivity: Any, count: int) -> None:
    mask = np.zeros((4, 4, 4), dtype=np.uint8)
    mask[0, 0, 0] = mask[1, 1, 0] = 1  # share an edge, in one axial slice
    mask[2, 2, 1] = 1  # shares a corner with the second
    assert label_components(mask, connectivity).count == count


def test_a_column_is_one_lesion_in_space_and_one_a_slice_in_the_plane() -> None:
    mask = np.zeros((3, 3, 5), dtype=bool)
    mask[1, 1] = True
    assert label_components(mask, 6).voxels.tolist() == [5]
    assert label_components(mask, "in-plane-8").voxels.tolist() == [1] * 5
    assert label_components(mask, "in-plane-8", slice_axis=0).voxels.tolist() == [5]


@settings(deadline=None)
@given(st.lists(MASKS, min_size=1, max_size=1), st.integers(0, 2**32 - 1))
def test_box_is_the_smallest_that_holds_all_masks(masks: list[NDArray[Any]], seed: int) -> None:
    second = np.random.default_rng(seed).random(masks[0].shape) < 0.05
    box = bounding_box(masks[0], second)
    union = masks[0] | second
    assert union[box].sum() == union.sum()
    if union.any():
        assert [(part.start, part.stop) for part in box] == [
            (place.min(), place.max() + 1) for place in np.nonzero(union)
        ]
    else:
        assert union[box].size == 0


def test_voxel_volume() -> None:
    assert voxel_volume_ml((1, 1, 1)) == 0.001
    assert voxel_volume_ml((0.8, 0.5, 0.5)) == pytest.approx(0.0002)


@pytest.mark.parametrize("spacing", [(1, 1), (1, 1, 0), (1, 1, -1), (1, 1, float("nan")), (1, 1, float("inf"))])
def test_impossible_spacings_are_refused(spacing: tuple[float, ...]) -> None:
    with pytest.raises(ValueError, match="three positive lengths"):
        voxel_volume_ml(spacing)


def test_unknown_arguments_are_refused() -> None:
    with pytest.raises(ValueError, match="in-plane-8"):
        label_components(np.ones((2, 2, 2)), 8)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="three dimensions"):
        label_components(np.ones((2, 2)))
    with pytest.raises(ValueError, match="slice_axis"):
        label_components(np.ones((2, 2, 2)), slice_axis=3)
