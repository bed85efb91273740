"""Patches are what the volume holds at the places that the draws say."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import ndimage

from neurograft.imaging.context import Context
from neurograft.sampling.augmentation.spatial import SpatialDraw, elastic_displacement, sampling_matrix
from neurograft.sampling.examples import TrainingCase
from neurograft.sampling.extraction import extract
from neurograft.sampling.patches import PatchDraw

QUARTER = math.pi / 2


def _random_case(shape=(12, 13, 14), channels=2, classes=3, seed=0) -> TrainingCase:
    generator = torch.Generator().manual_seed(seed)
    image = torch.randn(channels, *shape, generator=generator)
    target = torch.randint(-1, classes + 1, shape, generator=generator, dtype=torch.int16)
    return TrainingCase("a", "a", image, target)


def _centre(starts, size) -> tuple[float, float, float]:
    return tuple(start + (side - 1) / 2 for start, side in zip(starts, size, strict=True))


def _middle(shape) -> tuple[float, float, float]:
    return tuple((length - 1) / 2 for length in shape)


@settings(max_examples=60, deadline=None)
@given(
    starts=st.tuples(*[st.integers(-9, 12)] * 3),
    size=st.tuples(*[st.integers(1, 9)] * 3),
    flips=st.tuples(*[st.booleans()] * 3),
)
def test_cut_and_flips_are_bit_exact_with_the_smallest_value_outside(starts, size, flips):
    case = _random_case((6, 7, 5))
    padded = [np.pad(channel, 10, constant_values=channel.min()) for channel in case.image.numpy()]
    padded_target = np.pad(case.target.numpy(), 10)
    window = tuple(slice(start + 10, start + 10 + side) for start, side in zip(starts, size, strict=True))
    mirrored = [axis for axis in range(3) if flips[axis]]
    image, target = extract([case], [PatchDraw(0, _centre(starts, size))], [SpatialDraw(flips=flips)], size)
    for channel in range(2):
        expected = padded[channel][window]
        # The window of the padded array may itself end early, where the patch leaves the padding.
        expected = np.pad(
            expected,
            [(0, side - got) for side, got in zip(size, expected.shape, strict=True)],
            constant_values=padded[channel].min(),
        )
        np.testing.assert_array_equal(image[0, channel].numpy(), np.flip(expected, mirrored))
    expected_target = padded_target[window]
    expected_target = np.pad(
        expected_target, [(0, side - got) for side, got in zip(size, expected_target.shape, strict=True)]
    )
    np.testing.assert_array_equal(target[0].numpy(), np.flip(expected_target, mirrored))


@pytest.mark.parametrize("axis", [0, 1, 2])
@pytest.mark.parametrize("size", [8, 7])
def test_quarter_turn_is_rot90(axis, size):
    case = _random_case((size, size, size))
    plane = ((axis + 1) % 3, (axis + 2) % 3)
    angles = tuple(QUARTER if index == axis else 0.0 for index in range(3))
    image, target = extract(
        [case], [PatchDraw(0, _middle(case.shape))], [SpatialDraw(rotation_radians=angles)], case.shape
    )
    expected = torch.rot90(case.image, 1, (plane[0] + 1, plane[1] + 1))
    torch.testing.assert_close(image[0], expected, atol=1e-4, rtol=0)
    assert torch.equal(target[0], torch.rot90(case.target, 1, plane).long())


def test_interpolated_flip_agrees_with_the_exact_one():
    case = _random_case((8, 8, 8))
    # A whole turn is nothing, but is not recognised as nothing: it goes through interpolation.
    turned = SpatialDraw(rotation_radians=(2 * math.pi, 0, 0), flips=(True, False, True))
    patch = PatchDraw(0, _middle(case.shape))
    image, target = extract([case, case], [patch, patch], [turned, SpatialDraw(flips=(True, False, True))], (8, 8, 8))
    torch.testing.assert_close(image[0], image[1], atol=1e-4, rtol=0)
    assert torch.equal(target[0], target[1])


@settings(max_examples=40, deadline=None)
@given(
    angles=st.tuples(*[st.floats(-0.6, 0.6)] * 3),
    scale=st.tuples(*[st.floats(0.7, 1.4)] * 3),
    translation=st.tuples(*[st.floats(-3, 3)] * 3),
    flips=st.tuples(*[st.booleans()] * 3),
    elastic=st.booleans(),
    centre=st.tuples(*[st.floats(-2, 14)] * 3),
)
def test_extraction_agrees_with_scipy(angles, scale, translation, flips, elastic, centre):
    case, size, spacing = _random_case(), (6, 5, 8), (1.0, 1.5, 0.7)
    control_points = 5 * torch.randn(3, 5, 5, 5, generator=torch.Generator().manual_seed(1)) if elastic else None
    draw = SpatialDraw(angles, scale, translation, flips, control_points, control_spacing_voxels=7.0)
    image, _ = extract([case], [PatchDraw(0, centre)], [draw], size, spacing_mm=spacing)

    offsets = np.stack(np.meshgrid(*[np.arange(side) - (side - 1) / 2 for side in size], indexing="ij"))
    signs = np.where(flips, -1.0, 1.0)[:, None, None, None]
    moved = offsets * signs - np.array(translation)[:, None, None, None]
    if elastic:
        moved = moved + elastic_displacement(control_points, 7.0, size).numpy()
    places = np.einsum("ij,j...->i...", sampling_matrix(draw, spacing).numpy(), moved)
    places = places + np.array(centre)[:, None, None, None]
    for channel in range(2):
        values = case.image[channel].numpy()
        expected = ndimage.map_coordinates(values, places, order=1, mode="grid-constant", cval=values.min())
        np.testing.assert_allclose(image[0, channel].numpy(), expected, atol=2e-4)


def test_zoom_by_two_repeats_each_target_voxel():
    case = _random_case((8, 8, 8))
    _, target = extract([case], [PatchDraw(0, (3.5, 3.5, 3.5))], [SpatialDraw(scale=(2, 2, 2))], (8, 8, 8))
    expected = case.target[2:6, 2:6, 2:6].long()
    for axis in range(3):
        expected = expected.repeat_interleave(2, dim=axis)
    assert torch.equal(target[0], expected)


def test_translation_moves_the_content_forward():
    case = _random_case((9, 9, 9))
    draw = SpatialDraw(translation_voxels=(2, 0, -1))
    image, target = extract([case], [PatchDraw(0, (4, 4, 4))], [draw], (3, 3, 3))
    torch.testing.assert_close(image[0], case.image[:, 1:4, 3:6, 4:7], atol=1e-4, rtol=0)
    assert torch.equal(target[0], case.target[1:4, 3:6, 4:7].long())


def test_image_and_target_stay_together_under_every_change_at_once():
    # Each voxel's image is its own place, and its target its own number: the target of a patch voxel must
    # be the number of the place that the image shows there, rounded.
    shape = (24, 24, 24)
    places = torch.stack(torch.meshgrid(*[torch.arange(24.0)] * 3, indexing="ij"))
    numbers = torch.arange(24**3, dtype=torch.int16).view(shape)
    case = TrainingCase("a", "a", places, numbers)
    control_points = torch.randn(3, 4, 4, 4, generator=torch.Generator().manual_seed(0)) * 3
    draw = SpatialDraw((0.3, -0.4, 0.2), (1.1, 0.9, 1.2), (1, 0, 2), (True, False, True), control_points, 16.0)
    image, target = extract([case], [PatchDraw(0, (12, 11, 10.5))], [draw], (10, 10, 10), spacing_mm=(1, 1, 1.3))
    assert image.amin() > 0, "the patch of this test must lie inside"
    assert image.amax() < 23
    seen = image[0].round().long()
    agreed = target[0] == (seen[0] * 24 + seen[1]) * 24 + seen[2]
    undecided = ((image[0] % 1 - 0.5).abs() < 1e-4).any(dim=0)
    assert (agreed | undecided).all()
    assert undecided.sum() < 10


def test_unannotated_voxels_never_blend():
    case = _random_case()
    draw = SpatialDraw(rotation_radians=(0.3, 0.2, 0.1))
    _, target = extract([case], [PatchDraw(0, _middle(case.shape))], [draw], (10, 10, 10))
    assert target.dtype == torch.int64
    assert set(target.unique().tolist()) == {-1, 0, 1, 2, 3}


def test_left_right_flip_swaps_paired_classes_only():
    target = torch.tensor([-1, 0, 1, 2, 3, 4], dtype=torch.int16)[:, None, None]
    case = TrainingCase("a", "a", torch.zeros(1, 6, 1, 1), target)
    patch = PatchDraw(0, (2.5, 0, 0))
    pairs = [(1, 2), (4, 5)]
    across, along = SpatialDraw(flips=(True, False, False)), SpatialDraw(flips=(False, True, True))
    _, found = extract([case], [patch, patch], [across, along], (6, 1, 1), pairs)
    assert found[0].flatten().tolist() == [5, 3, 1, 2, 0, -1]
    assert found[1].flatten().tolist() == [-1, 0, 1, 2, 3, 4]
    _, turned = extract([case], [patch], [across], (6, 1, 1), pairs, mirror_axis=1)
    assert turned.flatten().tolist() == [4, 3, 2, 1, 0, -1]


def test_mirrored_twice_is_the_original():
    case = _random_case((7, 7, 7))
    patch, pairs = PatchDraw(0, (3, 3, 3)), [(1, 3)]
    image, target = extract([case], [patch], [SpatialDraw(flips=(True, False, False))], (7, 7, 7), pairs)
    mirrored = TrainingCase("b", "b", image[0], target[0].short())
    again, target_again = extract([mirrored], [patch], [SpatialDraw(flips=(True, False, False))], (7, 7, 7), pairs)
    assert torch.equal(again[0], case.image)
    assert torch.equal(target_again[0], case.target.long())


@settings(max_examples=30, deadline=None)
@given(
    angles=st.tuples(*[st.floats(-0.5, 0.5)] * 3),
    scale=st.tuples(*[st.floats(1, 1.4)] * 3),
    translation=st.tuples(*[st.floats(-6, 6)] * 3),
    start=st.tuples(*[st.integers(0, 7)] * 3),
)
def test_the_target_voxel_survives_rotation_and_zoom(angles, scale, translation, start):
    target = torch.zeros(24, 24, 24, dtype=torch.int16)
    target[12, 12, 12] = 1
    case = TrainingCase("a", "a", torch.zeros(1, 24, 24, 24), target)
    starts = [12 - offset for offset in start]
    patch = PatchDraw(0, _centre(starts, (8, 8, 8)), (12, 12, 12))
    # Linear interpolation of the target shows the voxel even where nearest neighbour steps over it.
    case.image[0] = target.float()
    image, _ = extract([case], [patch], [SpatialDraw(angles, scale, translation)], (8, 8, 8))
    assert image.max() > 0


def test_a_patch_wholly_outside_is_air():
    case = _random_case()
    draw = SpatialDraw(translation_voxels=(100, 0, 0))
    image, target = extract([case], [PatchDraw(0, _middle(case.shape))], [draw], (4, 4, 4))
    assert torch.equal(image[0], case.minimum[:, None, None, None].expand(2, 4, 4, 4))
    assert not target.any()


@pytest.mark.parametrize("moved", [4.7, -4.7, 5.9, 40.0, -40.0])
@pytest.mark.parametrize("axis", [0, 1, 2])
def test_a_patch_outside_goes_on_with_the_edge_where_the_context_says_so(axis: int, moved: float):
    image = torch.arange(6.0 * 7 * 8).reshape(1, 6, 7, 8)
    case = TrainingCase("a", "a", image, torch.ones((6, 7, 8), dtype=torch.int16))
    translation = tuple(moved if other == axis else 0.3 for other in range(3))
    found, target = extract(
        [case], [PatchDraw(0, _middle(case.shape))], [SpatialDraw(translation_voxels=translation)], (2, 3, 2),
        context=Context(outside="edge"),
    )  # fmt: skip
    starts = [middle - (size - 1) / 2 for middle, size in zip(_middle(case.shape), (2, 3, 2), strict=True)]
    places = np.indices((2, 3, 2)) + np.subtract(starts, translation)[:, None, None, None]
    expected = ndimage.map_coordinates(image[0].numpy(), places, order=1, mode="nearest")
    np.testing.assert_allclose(found[0, 0], expected, rtol=1e-5)
    if abs(moved) > 5:
        assert not target.any()


def test_places_far_into_a_large_volume_keep_their_digits():
    image = (torch.arange(60000.0) % 2)[None, None, None].expand(1, 2, 2, -1)
    case = TrainingCase("a", "a", image, torch.zeros((2, 2, 60000), dtype=torch.int16))
    draw = SpatialDraw(translation_voxels=(0.0, 0.0, -0.0007))
    found, _ = extract([case], [PatchDraw(0, (0.5, 0.5, 50000.5))], [draw], (2, 2, 2))
    assert torch.allclose(found[0, 0, 0, 0], torch.tensor([0.0007, 0.9993]), atol=1e-6)


def test_number_of_threads_does_not_change_the_patch():
    # Large enough that the work is shared out.
    case, draw = _random_case((50, 50, 50)), SpatialDraw(rotation_radians=(0.3, 0.2, 0.1))
    before = torch.get_num_threads()
    found = []
    try:
        for threads in (1, 2):
            torch.set_num_threads(threads)
            found.append(extract([case], [PatchDraw(0, _middle(case.shape))], [draw], (48, 48, 48)))
    finally:
        torch.set_num_threads(before)
    assert torch.equal(found[0][0], found[1][0])
    assert torch.equal(found[0][1], found[1][1])
