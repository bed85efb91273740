"""Patches that show what a network reads around the block it answers for."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from neurograft.imaging.context import Context
from neurograft.recipes.schema import AugmentationConfig, SamplingConfig
from neurograft.sampling import PatchBatches, TrainingCase
from neurograft.sampling.augmentation.spatial import SpatialDraw, draw_spatial, kept_in_plane
from neurograft.sampling.extraction import extract
from neurograft.sampling.patches import PatchDraw

PAD_MODES = {"minimum": "constant", "zero": "constant", "edge": "edge"}
EXTENTS = st.tuples(*[st.integers(0, 4)] * 3)


def _case(shape=(6, 7, 5), seed=0) -> TrainingCase:
    generator = torch.Generator().manual_seed(seed)
    image = torch.randn(2, *shape, generator=generator)
    return TrainingCase("a", "a", image, torch.randint(0, 3, shape, generator=generator, dtype=torch.int16))


def _padded(channel: np.ndarray, outside: str) -> np.ndarray:
    values = {"minimum": {"constant_values": channel.min()}, "zero": {"constant_values": 0.0}, "edge": {}}[outside]
    return np.pad(channel, 12, mode=PAD_MODES[outside], **values)


@settings(max_examples=60, deadline=None)
@given(
    starts=st.tuples(*[st.integers(-3, 6)] * 3),
    size=st.tuples(*[st.integers(1, 4)] * 3),
    before=EXTENTS,
    after=EXTENTS,
    flips=st.tuples(*[st.booleans()] * 3),
    outside=st.sampled_from(["minimum", "zero", "edge"]),
)
def test_a_cut_shows_the_volume_around_the_patch(starts, size, before, after, flips, outside):
    case = _case()
    centre = tuple(start + (side - 1) / 2 for start, side in zip(starts, size, strict=True))
    context = Context(before, after, outside)
    image, target = extract([case], [PatchDraw(0, centre)], [SpatialDraw(flips=flips)], size, context=context)
    plain_target = extract([case], [PatchDraw(0, centre)], [SpatialDraw(flips=flips)], size)[1]
    assert torch.equal(target, plain_target)
    mirrored = [axis for axis in range(3) if flips[axis]]
    window = tuple(
        slice(start + 12 - (a if flip else b), start + 12 + side + (b if flip else a))
        for start, side, b, a, flip in zip(starts, size, before, after, flips, strict=True)
    )
    for channel in range(2):
        expected = np.flip(_padded(case.image[channel].numpy(), outside)[window], mirrored)
        np.testing.assert_array_equal(image[0, channel].numpy(), expected)


@pytest.mark.parametrize("outside", ["minimum", "zero", "edge"])
def test_a_turned_patch_with_context_equals_a_larger_patch(outside: str) -> None:
    """Symmetric context is the same as asking for a larger patch about the same centre."""
    case = _case((9, 10, 11))
    spatial = SpatialDraw(rotation_radians=(0.3, -0.2, 0.4), scale=(1.1, 0.9, 1.0), flips=(True, False, False))
    patch = PatchDraw(0, (4.0, 4.0, 5.0))
    context = Context((2, 1, 3), (2, 1, 3), outside)
    image, target = extract([case], [patch], [spatial], (3, 5, 3), context=context)
    large_image, large_target = extract([case], [patch], [spatial], (7, 7, 9), context=Context(outside=outside))
    torch.testing.assert_close(image, large_image, atol=1e-5, rtol=0)
    assert torch.equal(target, large_target[:, 2:5, 1:6, 3:6])


def test_asymmetric_context_of_a_turned_patch_is_part_of_a_larger_one() -> None:
    case = _case((12, 12, 12))
    spatial = SpatialDraw(rotation_radians=(0.0, 0.0, 0.5), flips=(False, True, False))
    patch = PatchDraw(0, (6.0, 5.0, 6.0))
    image, _ = extract([case], [patch], [spatial], (1, 1, 1), context=Context((4, 3, 2), (1, 3, 4)))
    large, _ = extract([case], [patch], [spatial], (1, 1, 1), context=Context((4, 4, 4), (4, 4, 4)))
    torch.testing.assert_close(image, large[:, :, 0:6, 1:8, 2:9], atol=1e-5, rtol=0)


@settings(max_examples=30, deadline=None)
@given(axis=st.integers(0, 2), seed=st.integers(0, 10_000))
def test_slices_are_not_mixed(axis: int, seed: int) -> None:
    """Every slice of the patch shows one slice of the volume: here slices are constant and tell their number."""
    config = AugmentationConfig(
        rotation_degrees=(40.0, 40.0, 40.0),
        rotation_probability=1,
        scale_probability=1,
        translation_voxels=(2.0, 2.0, 2.0),
        elastic_probability=1,
    )
    size = [9, 9, 9]
    size[axis] = 3
    block = (size[0], size[1], size[2])
    generator = torch.Generator().manual_seed(seed)
    draw = kept_in_plane(draw_spatial(config, block, 1, generator)[0], axis)
    shape = [120, 120, 120]  # so large that hardly any displacement reaches out of it
    ramp = torch.arange(120.0).reshape([-1 if other == axis else 1 for other in range(3)]).expand(shape)
    case = TrainingCase("a", "a", ramp[None].clone(), torch.zeros(shape, dtype=torch.int16))
    image, _ = extract([case], [PatchDraw(0, tuple(60.0 for _ in range(3)))], [draw], block)
    slices = image[0, 0].movedim(axis, 0).flatten(1)
    torch.testing.assert_close(slices, torch.tensor([59.0, 60.0, 61.0])[:, None].expand_as(slices), atol=1e-4, rtol=0)
    assert not math.isclose(sum(draw.rotation_radians), 0.0)


def test_batches_hold_the_context() -> None:
    batches = PatchBatches(
        [_case((20, 20, 20))],
        SamplingConfig(patch_size=(4, 1, 6), batch_size=3),
        AugmentationConfig(),
        context=Context((0, 1, 0), (0, 2, 0), "edge"),
        slice_axis=1,
    )
    batch = batches.batch(5)
    assert batch.image.shape == (3, 2, 4, 4, 6)
    assert batch.target.shape == (3, 4, 1, 6)
    assert torch.equal(batch.image, batches.batch(5).image)
