"""Surface distances: hand-computed, slow versions, and the implementations whose definitions they share."""

from typing import Any

import numpy as np
import pytest
import surface_distance
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from medpy.metric import binary as medpy
from monai.metrics import compute_average_surface_distance, compute_hausdorff_distance, compute_surface_dice
from numpy.typing import NDArray
from scipy import ndimage

from neurograft.evaluation.surfaces.boundary import boundary_points, voxel_boundary
from neurograft.evaluation.surfaces.distances import (
    SurfaceDefinition,
    SurfaceDistances,
    nearest_distances_mm,
    surface_distances,
)

DEFINITIONS: list[SurfaceDefinition] = ["voxel", "element"]


def test_two_voxels() -> None:
    reference, prediction = np.zeros((3, 4, 5)), np.zeros((3, 4, 5))
    reference[0, 1, 1] = prediction[1, 3, 3] = 1
    distances = surface_distances(reference, prediction, (1, 1, 1))
    assert distances.hausdorff_mm == 3
    assert distances.assd_pooled_mm == distances.assd_mean_mm == 3
    assert distances.surface_dice(3) == 1
    assert distances.surface_dice(2.99) == 0
    assert surface_distances(reference, prediction, (2, 0.5, 1)).hausdorff_mm == 3


def test_definitions_of_one_name_differ() -> None:
    distances = SurfaceDistances(np.array([0.0, 0.0, 0.0, 4.0]), np.array([10.0]))
    assert distances.hausdorff_mm == 10
    assert distances.assd_pooled_mm == pytest.approx(14 / 5)
    assert distances.assd_mean_mm == pytest.approx((1 + 10) / 2)
    assert distances.hd_percentile_mm(50, "max") == 10
    assert distances.hd_percentile_mm(50, "pooled") == 0
    assert distances.hd_percentile_mm(90, "pooled") == pytest.approx(4 + 0.6 * 6)
    assert distances.directed_means_mm == (1, 10)


def test_areas_weigh() -> None:
    distances = SurfaceDistances(np.array([0.0, 2.0]), np.array([1.0]), np.array([3.0, 1.0]), np.array([4.0]))
    assert distances.directed_means_mm == (0.5, 1)
    assert distances.assd_pooled_mm == pytest.approx((3 * 0 + 1 * 2 + 4 * 1) / 8)
    assert distances.surface_dice(0.5) == pytest.approx(3 / 8)
    assert distances.surface_dice(1) == pytest.approx(7 / 8)
    assert distances.hd_percentile_mm(75, "max") == 1
    assert distances.hd_percentile_mm(76, "max") == 2
    assert distances.hd_percentile_mm(87.5, "pooled") == 1
    assert distances.hd_percentile_mm(88, "pooled") == 2


def test_voxel_figures_equal_monai(pair: Any) -> None:
    reference, prediction = (torch.from_numpy(mask)[None, None] for mask in (pair.reference, pair.prediction))
    ours = surface_distances(pair.reference, pair.prediction, pair.spacing_mm, "voxel")
    given = {"include_background": True, "spacing": pair.spacing_mm}
    close = {"rel": 1e-6, "abs": 1e-6}
    assert ours.hausdorff_mm == pytest.approx(
        compute_hausdorff_distance(prediction, reference, **given).item(), **close
    )
    for percent in (50, 95):
        theirs = compute_hausdorff_distance(prediction, reference, percentile=percent, **given).item()
        assert ours.hd_percentile_mm(percent, "max") == pytest.approx(theirs, **close)
    theirs = compute_average_surface_distance(prediction, reference, symmetric=True, **given).item()
    assert ours.assd_pooled_mm == pytest.approx(theirs, **close)
    forth = compute_average_surface_distance(reference, prediction, **given).item()
    back = compute_average_surface_distance(prediction, reference, **given).item()
    assert ours.directed_means_mm == pytest.approx((forth, back), **close)
    for tolerance in (0.0, 1.05, 2.6):
        theirs = compute_surface_dice(prediction, reference, [tolerance], **given).item()
        assert ours.surface_dice(tolerance) == pytest.approx(theirs, **close)


def test_pooled_figures_equal_medpy(pair: Any) -> None:
    ours = surface_distances(pair.reference, pair.prediction, pair.spacing_mm, "voxel")
    given = (pair.prediction, pair.reference, pair.spacing_mm)
    assert ours.hd_percentile_mm(95, "pooled") == pytest.approx(medpy.hd95(*given), rel=1e-12)
    assert ours.assd_pooled_mm == pytest.approx(medpy.assd(*given), rel=1e-12)
    back = medpy.asd(*given)
    forth = medpy.asd(pair.reference, pair.prediction, pair.spacing_mm)
    assert ours.assd_mean_mm == pytest.approx((forth + back) / 2, rel=1e-12)
    assert ours.hausdorff_mm == pytest.approx(medpy.hd(*given), rel=1e-12)


def test_element_figures_equal_surface_distance(pair: Any) -> None:
    ours = surface_distances(pair.reference, pair.prediction, pair.spacing_mm, "element")
    theirs = surface_distance.compute_surface_distances(pair.reference, pair.prediction, pair.spacing_mm)
    for percent in (50, 95, 99.5):
        expected = surface_distance.compute_robust_hausdorff(theirs, percent)
        assert ours.hd_percentile_mm(percent, "max") == pytest.approx(expected, rel=1e-12)
    assert ours.hausdorff_mm == pytest.approx(surface_distance.compute_robust_hausdorff(theirs, 100), rel=1e-12)
    averages = surface_distance.compute_average_surface_distance(theirs)
    assert ours.directed_means_mm == pytest.approx(averages, rel=1e-12)
    for tolerance in (0.0, 1.0, 2.6):
        expected = surface_distance.compute_surface_dice_at_tolerance(theirs, tolerance)
        assert ours.surface_dice(tolerance) == pytest.approx(expected, rel=1e-12)


def test_element_surface_dice_equals_monai_with_subvoxels(pair: Any) -> None:
    reference, prediction = (torch.from_numpy(mask)[None, None] for mask in (pair.reference, pair.prediction))
    theirs = compute_surface_dice(
        prediction, reference, [1.05], include_background=True, spacing=pair.spacing_mm, use_subvoxels=True
    )
    ours = surface_distances(pair.reference, pair.prediction, pair.spacing_mm, "element")
    assert ours.surface_dice(1.05) == pytest.approx(theirs.item(), rel=1e-5)


def test_pooled_percentile_of_elements_equals_slow_version(pair: Any) -> None:
    ours = surface_distances(pair.reference, pair.prediction, pair.spacing_mm, "element")
    assert ours.reference_areas_mm2 is not None
    assert ours.prediction_areas_mm2 is not None
    weighed = [
        *zip(ours.reference_to_prediction_mm, ours.reference_areas_mm2, strict=True),
        *zip(ours.prediction_to_reference_mm, ours.prediction_areas_mm2, strict=True),
    ]
    area = sum(weight for _, weight in weighed)
    within = [
        distance
        for distance, _ in sorted(weighed)
        if sum(weight for other, weight in weighed if other <= distance) >= 0.9 * area * (1 - 1e-12)
    ]
    assert ours.hd_percentile_mm(90, "pooled") == within[0]


@pytest.mark.parametrize("definition", DEFINITIONS)
def test_what_has_no_surface_has_no_distance(definition: SurfaceDefinition) -> None:
    empty, full = np.zeros((3, 3, 3)), np.ones((3, 3, 3))
    for reference, prediction, dice in ((empty, full, 0.0), (full, empty, 0.0), (empty, empty, np.nan)):
        distances = surface_distances(reference, prediction, (1, 1, 1), definition)
        figures = [distances.hausdorff_mm, distances.assd_mean_mm, distances.assd_pooled_mm]
        figures += [distances.hd_percentile_mm(95, "max"), distances.hd_percentile_mm(95, "pooled")]
        assert np.isnan(figures).all()
        assert distances.surface_dice(100) == pytest.approx(dice, nan_ok=True)


def test_a_step_of_one_voxel_is_within_a_tolerance_of_one_voxel() -> None:
    for size in (0.7, 0.9375, 1.1, 1.2):
        mask = np.zeros((40, 3, 3))
        mask[31] = 1
        distances = surface_distances(mask, np.roll(mask, 1, 0), (size, 5, 5))
        assert distances.surface_dice(size) == 1
        assert distances.hausdorff_mm == size


def test_distances_equal_a_distance_map(pair: Any) -> None:
    to_reference = ndimage.distance_transform_edt(~voxel_boundary(pair.reference), sampling=pair.spacing_mm)
    expected = to_reference[voxel_boundary(pair.prediction)]
    points = (boundary_points(pair.prediction), boundary_points(pair.reference))
    np.testing.assert_allclose(nearest_distances_mm(*points, pair.spacing_mm), expected, rtol=1e-14)


masks = arrays.arrays(bool, (4, 5, 3), elements=st.booleans()).filter(lambda mask: bool(mask.any()))
spacings = st.tuples(*[st.sampled_from([0.5, 1.0, 1.7, 4.0])] * 3)


@settings(max_examples=60, deadline=None)
@given(masks, masks, spacings, st.sampled_from(DEFINITIONS))
def test_properties(
    first: NDArray[np.bool_],
    second: NDArray[np.bool_],
    spacing: tuple[float, float, float],
    definition: SurfaceDefinition,
) -> None:
    there, back = (surface_distances(*pair, spacing, definition) for pair in ((first, second), (second, first)))
    for percent in (50, 95):
        for how in ("max", "pooled"):
            value = there.hd_percentile_mm(percent, how)  # type: ignore[arg-type]
            assert value == pytest.approx(back.hd_percentile_mm(percent, how))  # type: ignore[arg-type]
            assert value <= there.hausdorff_mm
    assert there.hausdorff_mm == back.hausdorff_mm
    assert there.assd_pooled_mm == pytest.approx(back.assd_pooled_mm)
    assert there.directed_means_mm == back.directed_means_mm[::-1]
    assert min(there.directed_means_mm) <= there.assd_pooled_mm + 1e-12
    assert max(there.directed_means_mm) >= there.assd_pooled_mm - 1e-12
    assert there.surface_dice(there.hausdorff_mm) == pytest.approx(1)
    assert there.surface_dice(0.3) <= there.surface_dice(1.7) + 1e-12
    doubled = surface_distances(first, second, [2 * step for step in spacing], definition)
    assert doubled.assd_pooled_mm == pytest.approx(2 * there.assd_pooled_mm)
    assert surface_distances(first, first, spacing, definition).hausdorff_mm == 0
    padded = surface_distances(np.pad(first, 1), np.pad(second, 1), spacing, definition)
    assert padded.assd_mean_mm == pytest.approx(there.assd_mean_mm)
    assert padded.surface_dice(1) == pytest.approx(there.surface_dice(1))


def test_half_of_the_area_is_half_in_either_order() -> None:
    """Exactly half of it lies within 0.5 mm, but for rounding; found by hypothesis."""
    first, second = np.zeros((4, 5, 3), bool), np.zeros((4, 5, 3), bool)
    for mask, places in ((first, "000 300"), (second, "000 022 112 201 211")):
        for place in places.split():
            mask[tuple(map(int, place))] = True
    pair = (surface_distances(*masks, (1.7, 0.5, 0.5), "element") for masks in ((first, second), (second, first)))
    assert [distances.hd_percentile_mm(50, "pooled") for distances in pair] == [0.5, 0.5]


def test_wrong_arguments_are_refused() -> None:
    mask = np.ones((2, 2, 2))
    with pytest.raises(ValueError, match=r"\(2, 2, 2\) and \(2, 2\)"):
        surface_distances(mask, mask[0], (1, 1, 1))
    for spacing in ((1, 1), (1, 1, 0), (1, -1, 1), (1, np.nan, 1), (1, np.inf, 1)):
        with pytest.raises(ValueError, match="3 positive numbers"):
            surface_distances(mask, mask, spacing)
    with pytest.raises(ValueError, match="'voxel' or 'element'"):
        surface_distances(mask, mask, (1, 1, 1), "mesh")  # type: ignore[arg-type]
    distances = surface_distances(mask, mask, (1, 1, 1))
    with pytest.raises(ValueError, match="0 and 100"):
        distances.hd_percentile_mm(101, "max")
    with pytest.raises(ValueError, match="'max' or 'pooled'"):
        distances.hd_percentile_mm(95, "mean")  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="0 or more"):
        distances.surface_dice(-1)
    with pytest.raises(ValueError, match="0 or more"):
        distances.surface_dice(np.nan)
