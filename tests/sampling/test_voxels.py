"""Voxels for a voxel-wise network: which, how often, and what is cut around them."""

import numpy as np
import pytest
import torch
from scipy import ndimage
from torch.nn import functional

from neurograft.errors import InputError
from neurograft.imaging.context import Context
from neurograft.imaging.labels import IGNORE
from neurograft.recipes.schema import AugmentationConfig, SamplingConfig
from neurograft.sampling.batches import PatchBatches
from neurograft.sampling.examples import TrainingCase
from neurograft.sampling.shell import sampled_voxels
from neurograft.sampling.voxels import VoxelBatches

CONTEXT = Context((16, 16, 16), (15, 15, 15), "zero")
STILL = AugmentationConfig(**{name: 0.0 for name in AugmentationConfig.model_fields if name.endswith("_probability")})
SHAPE = (14, 12, 10)


def case(number: int, prior: int = 0) -> TrainingCase:
    """Each voxel's value is its own."""
    generator = torch.Generator().manual_seed(number)
    image = torch.randn((1 + prior, *SHAPE), generator=generator)
    target = torch.zeros(SHAPE, dtype=torch.int16)
    target[5:8, 5:8, 4:6] = 1
    target[8:9, 5:8, 4:6] = 2 + number % 2
    return TrainingCase(f"c{number}", f"s{number}", image, target, prior_channels=prior)


def batches(cases=(0, 1), batch_size=16, prior=0, augmentation=STILL, **options) -> VoxelBatches:
    sampling = SamplingConfig(kind="voxels", patch_size=(1, 1, 1), batch_size=batch_size, shell_voxels=2)
    made = [case(number, prior) for number in cases]
    return VoxelBatches(made, sampling, augmentation, seed=3, context=CONTEXT, **options)


def test_positives_are_all_and_negatives_lie_in_the_shell() -> None:
    one = case(0)
    found = sampled_voxels(one, 2, torch.Generator().manual_seed(0)).numpy()
    structure = one.target.numpy() > 0
    positives, negatives = found[: structure.sum()], found[structure.sum() :]
    assert set(positives.tolist()) == set(np.flatnonzero(structure).tolist())
    steps = ndimage.distance_transform_cdt(~structure, metric="taxicab").ravel()[negatives]
    assert len(negatives) == len(positives) == len(set(negatives.tolist()))
    assert set(steps.tolist()) == {1, 2}
    everywhere = sampled_voxels(one, 0, torch.Generator().manual_seed(0)).numpy()[structure.sum() :]
    assert ndimage.distance_transform_cdt(~structure, metric="taxicab").ravel()[everywhere].max() > 4


def test_a_small_shell_gives_all_that_it_has_and_unannotated_voxels_are_no_background() -> None:
    one = case(0)
    one.target[one.target == 0] = IGNORE
    one.target[5, 5, 6:8] = 0
    one.target[5, 6, 6] = IGNORE - 1
    found = sampled_voxels(one, 2, torch.Generator().manual_seed(0))
    flat = one.target.flatten()
    assert sorted(flat[found].tolist()) == [0, 0, *([1] * 18), *([2] * 6)]


def test_an_image_without_a_structure_gives_nothing() -> None:
    empty = TrainingCase("e", "e", torch.zeros(1, 4, 4, 4), torch.zeros(4, 4, 4, dtype=torch.int16))
    assert len(sampled_voxels(empty, 5, torch.Generator())) == 0
    assert len(sampled_voxels(empty, 0, torch.Generator())) == 0


def test_an_epoch_shows_every_chosen_voxel_once_and_the_next_in_another_order() -> None:
    made = batches(reads_planes=True)
    assert made.voxels_per_epoch == 2 * 2 * 24
    assert made.steps_per_epoch == 6
    epochs = []
    for epoch in range(2):
        values, classes = [], []
        for step in range(6):
            batch = made.batch(6 * epoch + step)
            values += batch.image[:, 0, 0, 16, 16].tolist()
            classes += batch.target.flatten().tolist()
        epochs.append((values, sorted(classes)))
    assert len(set(epochs[0][0])) == made.voxels_per_epoch
    assert sorted(epochs[0][0]) == sorted(epochs[1][0])
    assert epochs[0][0] != epochs[1][0]
    assert epochs[0][1] == [0] * 48 + [1] * 36 + [2] * 6 + [3] * 6


def test_a_step_is_the_same_whenever_it_is_asked_for() -> None:
    made, again = batches(reads_planes=True), batches(reads_planes=True)
    wanted = made.batch(9)
    again.batch(2)
    found = again.batch(9)
    assert torch.equal(wanted.image, found.image)
    assert torch.equal(wanted.target, found.target)
    assert wanted.case_ids == found.case_ids


def test_blocks_are_cut_by_hand() -> None:
    """Around each voxel lies the volume, and zeros beyond it."""
    made = batches(cases=(0,), batch_size=48)
    batch = made.batch(0)
    padded = functional.pad(made.cases[0].image[0], (16, 15) * 3)
    values = made.cases[0].image[0].flatten()
    assert batch.image.shape == (48, 1, 32, 32, 32)
    for image, target in zip(batch.image[:, 0], batch.target.flatten(), strict=True):
        flat = int((values == image[16, 16, 16]).nonzero())
        i, j, k = np.unravel_index(flat, SHAPE)
        assert torch.equal(image, padded[i : i + 32, j : j + 32, k : k + 32])
        assert target == made.cases[0].target[i, j, k]


def test_planes_are_those_of_the_blocks() -> None:
    blocks, planes = batches(prior=3).batch(1), batches(prior=3, reads_planes=True).batch(1)
    assert planes.image.shape == (16, 4, 3, 32, 32)
    for number, axis in enumerate((2, 1, 0)):
        expected = blocks.image.select(axis + 2, 16)
        assert torch.equal(planes.image[:, :1, number], expected[:, :1])
        assert torch.equal(planes.image[:, 1:, number, 16, 16], expected[:, 1:, 16, 16])
    assert torch.equal(planes.target, blocks.target)


def test_turned_patches_are_cut_as_blocks_and_priors_keep_their_values() -> None:
    turned = AugmentationConfig(**{**STILL.model_dump(), "rotation_probability": 1.0})
    assert batches(reads_planes=True, augmentation=turned).batch(0).image.shape == (16, 1, 32, 32, 32)
    brighter = {**STILL.model_dump(), "intensity_scale_probability": 1.0, "intensity_scale": (2.0, 2.0)}
    plain = batches(prior=2, reads_planes=True).batch(0).image
    scaled = batches(prior=2, reads_planes=True, augmentation=AugmentationConfig(**brighter)).batch(0).image
    assert torch.equal(scaled[:, 1:], plain[:, 1:])
    torch.testing.assert_close(scaled[:, :1], 2 * plain[:, :1])


def values_of(made: VoxelBatches) -> set[float]:
    return {value for step in range(made.steps_per_epoch) for value in made.batch(step).image[:, 0, 0, 16, 16].tolist()}


def test_held_voxels_are_a_quarter_that_no_step_sees() -> None:
    made = batches(reads_planes=True, held_share=0.25)
    everything = values_of(batches(reads_planes=True))
    seen = values_of(made)
    held = [values_of(made.held_voxels(one)) for one in made.cases]
    assert [len(values) for values in held] == [12, 12]
    assert seen | held[0] | held[1] == everything
    assert not seen & (held[0] | held[1])


def test_other_cases_are_sampled_alike() -> None:
    other = batches(cases=(0,), reads_planes=True, held_share=0.25).unchanged([case(1)], seed=0)
    assert other.voxels_per_epoch == 48
    assert {values for batch in [other.batch(0)] for values in batch.case_ids} == {"c1"}


def test_beyond_the_volume_a_prior_is_sure_of_background() -> None:
    assert case(0, prior=3).minimum[1:].tolist() == [1, 0, 0]


def test_a_flip_swaps_the_sides_of_a_prior_with_those_of_the_target() -> None:
    """The prior says what the target says, before the flip and after it."""
    target = torch.zeros(SHAPE, dtype=torch.int16)
    target[2:6, 5:8, 4:6] = 1
    target[8:11, 5:8, 4:6] = 2
    prior = torch.stack([target == number for number in (0, 2, 1)]).float()
    names = ("background", "Right a", "Left a")
    image = torch.cat([torch.randn((1, *SHAPE), generator=torch.Generator().manual_seed(0)), prior])
    one = TrainingCase("c", "s", image, target, prior_channels=3, prior_names=names)
    flips = AugmentationConfig(**{**STILL.model_dump(), "flip_axes": ("left-right",), "flip_probability": 1.0})
    sampling = SamplingConfig(kind="voxels", patch_size=(1, 1, 1), batch_size=16, shell_voxels=2)
    made = VoxelBatches([one], sampling, flips, [(1, 2)], context=CONTEXT, reads_planes=True)
    for step in range(made.steps_per_epoch):
        batch = made.batch(step)
        said = batch.image[:, 1:, 16, 16, 16].argmax(1)
        assert torch.equal(torch.tensor([0, 2, 1])[said], batch.target.flatten())
    patches = PatchBatches([one], SamplingConfig(patch_size=(6, 5, 4), batch_size=4), flips, [(1, 2)])
    batch = patches.batch(0)
    assert torch.equal(torch.tensor([0, 2, 1])[batch.image[:, 1:].argmax(1)], batch.target)
    lone = TrainingCase("c", "s", image, target, prior_channels=3, prior_names=("background", "Left b", "Left a"))
    with pytest.raises(InputError, match=r"frames of the prior are of one side and have no partner.*Left b, Left a"):
        VoxelBatches([lone], sampling, flips, [(1, 2)], context=CONTEXT)
