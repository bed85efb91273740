"""Which box is segmented: what a coarse pass finds, what it is unsure of, and where the truth's centre lies."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy import ndimage

from neurograft.errors import InputError
from neurograft.imaging.cropping import Box
from neurograft.imaging.grid import Grid
from neurograft.imaging.labels import LabelTable
from neurograft.imaging.preparation import prepare_image, restore_classes
from neurograft.imaging.volume import Volume
from neurograft.inference.regions import (
    WHOLE,
    CoarseAnswer,
    Part,
    Region,
    Truth,
    coarse_parts,
    cut_region,
    oracle_region,
    predicted_region,
    region_on,
)
from neurograft.recipes.schema import InferenceConfig, PostprocessingConfig, PreparationConfig

SHAPE = (40, 30, 20)
GRID = Grid.from_affine(SHAPE, np.eye(4))
UNCHANGED = PreparationConfig(normalisation="none")


def config(**values: Any) -> InferenceConfig:
    return InferenceConfig(**{"region": "predicted", "region_size": (10, 10, 10), "region_margin": 2, **values})


def parts_of(probabilities: NDArray[Any], share: float = 0.1, **filters: Any) -> tuple[Part, ...]:
    return coarse_parts(probabilities, 0.5, share, PostprocessingConfig(**filters), 1.0)


def answer(*parts: Part, labels: tuple[str, ...] = ("LC",)) -> CoarseAnswer:
    return CoarseAnswer(parts, labels, GRID)


def part(start: tuple[int, int, int], stop: tuple[int, int, int], label: int = 0, weight: float = 1.0) -> Part:
    first, second, third = ((a + b - 1) / 2 for a, b in zip(start, stop, strict=True))
    return Part(label, Box(start, stop), (first, second, third), weight)


def holds(outer: Box | None, inner: Box) -> bool:
    assert outer is not None
    return all(np.less_equal(outer.start, inner.start)) and all(np.greater_equal(outer.stop, inner.stop))


def test_parts_are_the_components_with_weights_and_centres() -> None:
    probabilities = np.zeros((2, *SHAPE), np.float32)
    probabilities[0, 3:5, 4, 5] = (0.6, 0.9)
    probabilities[1, 30, 20:23, 10] = 0.8
    probabilities[1, 0, 0, 0] = 0.49
    first, second = parts_of(probabilities)
    assert (first.label, first.box, second.label, second.box) == (
        0,
        Box((3, 4, 5), (5, 5, 6)),
        1,
        Box((30, 20, 10), (31, 23, 11)),
    )
    assert first.weight == pytest.approx(1.5)
    assert first.centre == pytest.approx(((3 * 0.6 + 4 * 0.9) / 1.5, 4, 5))
    assert second.centre == pytest.approx((30, 21, 10))


@settings(max_examples=40, deadline=None)
@given(seed=st.integers(0, 10_000), density=st.floats(0.01, 0.3), connectivity=st.sampled_from([6, 18, 26]))
def test_parts_equal_a_slow_version(seed: int, density: float, connectivity: int) -> None:
    generator = np.random.default_rng(seed)
    probability = np.where(generator.random((8, 7, 9)) < density, generator.uniform(0.5, 1, (8, 7, 9)), 0.1)
    structure = ndimage.generate_binary_structure(3, {6: 1, 18: 2, 26: 3}[connectivity])
    components, count = ndimage.label(probability >= 0.5, structure)
    expected = {}
    for number in range(1, count + 1):
        mask = components == number
        centre = ndimage.center_of_mass(np.where(mask, probability, 0))
        place = np.argwhere(mask)
        expected[tuple(place.min(0)), tuple(place.max(0) + 1), int(mask.sum())] = (centre, probability[mask].sum())
    found = parts_of(probability[None], share=0, connectivity=connectivity)
    assert len(found) == count
    boxes = sorted((p.box.start, p.box.stop) for p in found)
    assert boxes == sorted((start, stop) for start, stop, _ in expected)
    total = sum(p.weight for p in found)
    assert total == pytest.approx(probability[probability >= 0.5].sum())
    centres = sorted(tuple(np.round(p.centre, 6)) for p in found)
    assert centres == sorted(tuple(np.round(centre, 6)) for centre, _ in expected.values())


def test_specks_do_not_count_and_each_label_has_its_own_measure() -> None:
    probabilities = np.zeros((2, *SHAPE), np.float32)
    probabilities[0, 5:9, 5:9, 5:9] = 1
    probabilities[0, 38, 28, 18] = 1
    probabilities[1, 20, 20, 4] = 1
    assert [p.label for p in parts_of(probabilities)] == [0, 1]
    assert [p.label for p in parts_of(probabilities, share=0)] == [0, 0, 1]
    assert [p.label for p in parts_of(probabilities, share=0, min_voxels=2)] == [0]


def test_a_region_lies_about_the_centre_of_what_was_found() -> None:
    region = predicted_region(answer(part((19, 14, 9), (21, 16, 11))), SHAPE, config(), (8, 8, 8))
    assert region == Region("predicted", Box((15, 10, 5), (25, 20, 15)))
    assert (region.words, region.is_oracle) == ("predicted", False)


def test_a_structure_at_the_border_moves_the_region_inwards() -> None:
    region = predicted_region(answer(part((0, 28, 0), (2, 30, 2))), SHAPE, config(), (8, 8, 8))
    assert region.box == Box((0, 20, 0), (10, 30, 10))


def test_a_region_is_never_smaller_than_a_window_nor_larger_than_the_image() -> None:
    found = answer(part((19, 14, 9), (21, 16, 11)))
    box = predicted_region(found, SHAPE, config(), (16, 8, 32)).box
    assert box is not None
    assert box.size == (16, 10, 20)


def test_a_region_grows_rather_than_cut_what_was_found() -> None:
    found = part((10, 14, 9), (22, 16, 11))
    box = predicted_region(answer(found), SHAPE, config(), (8, 8, 8)).box
    assert box == Box((8, 10, 5), (24, 20, 15))


def test_both_sides_lie_inside_even_where_one_weighs_more() -> None:
    left, right = part((3, 10, 9), (5, 12, 11), weight=9), part((15, 10, 9), (17, 12, 11))
    box = predicted_region(answer(left, right), SHAPE, config(), (8, 8, 8)).box
    assert holds(box, left.box.grown(2))
    assert holds(box, right.box.grown(2))


def test_sides_too_far_apart_are_looked_for_everywhere() -> None:
    left, right = part((1, 10, 9), (3, 12, 11)), part((37, 10, 9), (39, 12, 11))
    region = predicted_region(answer(left, right), SHAPE, config(), (8, 8, 8))
    assert (region.box, region.words) == (None, "whole (locator unsure)")
    assert region.reason == "the coarse pass found parts spread over 40 x 6 x 6 voxels"


def test_an_absent_label_is_looked_for_everywhere() -> None:
    labels = ("LC", "SNpc")
    region = predicted_region(answer(part((3, 3, 3), (5, 5, 5), 1), labels=labels), SHAPE, config(), (8, 8, 8))
    assert (region.box, region.words, region.reason) == (None, "whole (locator unsure)", "the coarse pass found no LC")
    region = predicted_region(answer(labels=labels), SHAPE, config(), (8, 8, 8))
    assert region.reason == "the coarse pass found no LC, SNpc"


def test_what_lies_outside_the_image_is_not_found() -> None:
    region = predicted_region(answer(part((50, 3, 3), (55, 5, 5))), SHAPE, config(), (8, 8, 8))
    assert region.words == "whole (locator unsure)"


@settings(max_examples=200, deadline=None)
@given(data=st.data())
def test_whatever_was_found_lies_inside_the_region_or_all_is_taken(data: st.DataObject) -> None:
    shape = data.draw(st.tuples(*[st.integers(1, 30)] * 3))
    size = data.draw(st.tuples(*[st.integers(1, 20)] * 3))
    margin = data.draw(st.integers(0, 5))
    parts = []
    for _ in range(data.draw(st.integers(1, 4))):
        start = tuple(data.draw(st.integers(0, extent - 1)) for extent in shape)
        stop = tuple(data.draw(st.integers(low + 1, extent)) for low, extent in zip(start, shape, strict=True))
        parts.append(part(start, stop, weight=data.draw(st.floats(0.5, 50))))
    found = CoarseAnswer(tuple(parts), ("LC",), Grid.from_affine(shape, np.eye(4)))
    box = predicted_region(found, shape, config(region_size=size, region_margin=margin), (4, 4, 4)).box
    if box is None:
        return
    for item in parts:
        assert holds(box, item.box.grown(margin).clipped(shape))
    assert holds(Box.whole(shape), box)
    # As large as asked for, or larger.
    assert all(np.greater_equal(box.size, np.minimum(np.maximum(size, 4), shape)))


def test_parts_found_at_a_coarser_spacing_are_covered() -> None:
    coarse = Grid.from_affine((10, 10, 5), np.diag([-4.0, 3.0, 4.0, 1.0]))
    found = CoarseAnswer((part((2, 4, 1), (4, 5, 3)),), ("LC",), coarse)
    fine = Grid.from_affine(SHAPE, np.array([[0, -1.0, 0, 2], [1, 0, 0, -1], [0, 0, 1, 0], [0, 0, 0, 1]]))
    moved = found.on(fine).parts[0]
    for index in np.ndindex(2, 1, 2):
        for corner in np.ndindex(2, 2, 2):
            place = np.array([2, 4, 1]) + index + np.array(corner) - 0.5
            there = np.linalg.solve(fine.affine, coarse.affine @ [*place, 1])[:3]
            assert (there >= np.array(moved.box.start) - 0.5 - 1e-6).all()
            assert (there <= np.array(moved.box.stop) - 0.5 + 1e-6).all()
    # One coarse voxel is 4 x 3 x 4 mm, so 2 x 1 x 2 of them are 8 x 3 x 8 mm, and axes change places.
    assert all(np.less_equal(moved.box.size, np.array((3, 8, 8)) + 1))
    assert found.on(coarse) is found


def prepared_of(shape: tuple[int, int, int] = SHAPE, affine: NDArray[Any] | None = None, **options: Any) -> Any:
    data = np.random.default_rng(0).random(shape).astype(np.float32) + 0.1
    grid = Grid.from_affine(shape, np.eye(4) if affine is None else affine)
    return prepare_image([Volume(data, grid)], UNCHANGED.model_copy(update=options))


def truth_of(mask: NDArray[Any], grid: Grid, value: int = 4) -> Truth:
    return Truth(Volume((mask * value).astype(np.int32), grid), LabelTable.from_names({value: "LC"}))


def test_an_oracle_lies_about_the_centre_of_mass_of_the_truth() -> None:
    prepared = prepared_of()
    mask = np.zeros(SHAPE, bool)
    mask[18:22, 14:16, 9:11] = True
    region = oracle_region(truth_of(mask, prepared.source_grid), prepared, config(), (4, 4, 4))
    assert region == Region("oracle", Box((15, 10, 5), (25, 20, 15)))
    assert (region.words, region.is_oracle) == ("oracle", True)


def test_an_oracle_takes_the_middle_of_two_sides() -> None:
    prepared = prepared_of()
    mask = np.zeros(SHAPE, bool)
    mask[16, 15, 10] = mask[24, 15, 10] = True
    box = oracle_region(truth_of(mask, prepared.source_grid), prepared, config(), (4, 4, 4)).box
    assert box == Box((16, 11, 6), (26, 21, 16))


def test_an_oracle_at_the_border_moves_inwards() -> None:
    prepared = prepared_of()
    mask = np.zeros(SHAPE, bool)
    mask[39, 0, 19] = True
    box = oracle_region(truth_of(mask, prepared.source_grid), prepared, config(), (4, 4, 4)).box
    assert box == Box((30, 0, 10), (40, 10, 20))


def test_an_oracle_that_cuts_the_structure_says_so() -> None:
    prepared = prepared_of()
    mask = np.zeros(SHAPE, bool)
    mask[10:30, 15, 10] = True
    region = oracle_region(truth_of(mask, prepared.source_grid), prepared, config(), (4, 4, 4))
    assert region.box is not None
    assert "leaves 10 voxels of the structure outside" in region.reason


def test_an_oracle_knows_other_labels_apart_and_an_empty_reference() -> None:
    prepared = prepared_of()
    mask = np.zeros(SHAPE, np.int32)
    mask[1:3, 1:3, 1:3] = 9
    truth = Truth(Volume(mask, prepared.source_grid), LabelTable.from_names({4: "LC"}))
    region = oracle_region(truth, prepared, config(), (4, 4, 4))
    assert (region.box, region.words, region.is_oracle) == (None, "whole (reference empty)", True)


def test_an_oracle_without_a_reference_is_refused() -> None:
    with pytest.raises(InputError, match="has no reference label to be centred on"):
        oracle_region(None, prepared_of(), config(), (4, 4, 4))


def test_an_oracle_follows_turned_and_resampled_images() -> None:
    affine = np.diag([-1.0, -1.0, 1.0, 1.0])
    prepared = prepared_of(affine=affine, spacing_mm=(0.5, 0.5, 0.5))
    mask = np.zeros(SHAPE, bool)
    mask[5:7, 5:7, 5:7] = True
    box = oracle_region(truth_of(mask, prepared.source_grid), prepared, config(), (4, 4, 4)).box
    assert box is not None
    # Voxel 6 from the far end of an axis of 40 begins at 2 x 33 there.
    assert box.start == (2 * 34 - 5, 2 * 24 - 5, 2 * 6 - 5)


@settings(max_examples=40, deadline=None)
@given(data=st.data())
def test_what_is_cut_goes_back_where_it_was(data: st.DataObject) -> None:
    turned = np.array([[0, 0, -1.5, 3], [1.0, 0, 0, -4], [0, -2.0, 0, 9], [0, 0, 0, 1]])
    prepared = prepared_of((9, 8, 7), turned, crop=data.draw(st.sampled_from(["none", "nonzero"])))
    shape = prepared.grid.shape
    start = tuple(data.draw(st.integers(0, extent - 1)) for extent in shape)
    stop = tuple(data.draw(st.integers(low + 1, extent)) for low, extent in zip(start, shape, strict=True))
    part_of = cut_region(prepared, Region("predicted", Box(start, stop)))
    assert part_of.data.shape[1:] == part_of.grid.shape
    # The same voxel lies at the same place.
    corner = prepared.grid.affine @ [*start, 1]
    np.testing.assert_allclose(part_of.grid.affine[:, 3], corner)
    mask = np.zeros(shape, np.int16)
    inside = tuple(slice(a, b) for a, b in zip(start, stop, strict=True))
    mask[inside] = np.random.default_rng(1).integers(1, 5, part_of.grid.shape)
    np.testing.assert_array_equal(restore_classes(mask[inside], part_of), restore_classes(mask, prepared))


def test_the_whole_is_not_cut() -> None:
    prepared = prepared_of()
    assert cut_region(prepared, WHOLE) is prepared


def test_a_region_is_found_again_on_another_models_grid() -> None:
    region = Region("predicted", Box((10, 10, 4), (20, 18, 12)))
    other = Grid.from_affine((20, 15, 10), np.diag([2.0, 2.0, 2.0, 1.0]) + np.array([[0, 0, 0, 0.5]] * 3 + [[0] * 4]))
    moved = region_on(region, GRID, other, (4, 4, 4))
    assert moved.box == Box((5, 5, 2), (10, 9, 6))
    assert region_on(region, GRID, other, (8, 4, 4)).box == Box((4, 5, 2), (12, 9, 6))
    far = Grid.from_affine((4, 4, 4), np.eye(4) + np.array([[0, 0, 0, 100.0]] * 3 + [[0] * 4]))
    assert region_on(region, GRID, far, (4, 4, 4)).box is None
    assert region_on(WHOLE, GRID, other, (4, 4, 4)) is WHOLE


def test_an_image_no_larger_than_the_region_is_whole() -> None:
    assert Region("predicted").words == "whole"


@settings(max_examples=200, deadline=None)
@given(data=st.data(), shape=st.tuples(*[st.integers(1, 3)] * 3), connectivity=st.sampled_from([6, 18, 26]))
def test_specks_of_any_form_are_found(data: st.DataObject, shape: tuple[int, int, int], connectivity: int) -> None:
    voxels = data.draw(st.lists(st.booleans(), min_size=int(np.prod(shape)), max_size=int(np.prod(shape))))
    found = np.zeros((5, 5, 5), np.float32)
    found[1 : 1 + shape[0], 1 : 1 + shape[1], 1 : 1 + shape[2]] = np.reshape(voxels, shape)
    wanted = PostprocessingConfig.model_validate({"connectivity": connectivity})
    expected = ndimage.label(found, ndimage.generate_binary_structure(3, {6: 1, 18: 2, 26: 3}[connectivity]))[1]
    assert len(coarse_parts(found[None], 0.5, 0.0, wanted, 1.0)) == expected
