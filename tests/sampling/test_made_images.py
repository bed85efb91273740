"""Batches whose images are made from label maps."""

from typing import Any

import pytest
import torch
from torch import Tensor

from neurograft.imaging.context import Context
from neurograft.imaging.intensity_classes import IntensityClass, IntensityClasses
from neurograft.imaging.labels import IGNORE
from neurograft.phantoms.synthesis import Synthesiser
from neurograft.recipes.schema import AugmentationConfig, PreparationConfig, SamplingConfig, SynthesisConfig
from neurograft.sampling import PatchBatches, TrainingCase

CLASSES = IntensityClasses(tuple(IntensityClass(name, (n,)) for n, name in enumerate(("left a", "right a", "b"), 1)))
SHAPE = (14, 12, 16)
OFF = {name: 0.0 for name in SynthesisConfig.model_fields if name.endswith("_probability")}
FLAT = {**OFF, "std": (0, 0), "blur_sigma_mm": (0, 0)}
"""Every class is one grey level, so that an image tells the classes that it was made from."""
WILD = AugmentationConfig(
    rotation_probability=1,
    scale_probability=1,
    elastic_probability=1,
    elastic_spacing_voxels=6,
    flip_axes=("left-right",),
    noise_probability=0,
    blur_probability=0,
    intensity_scale_probability=0,
    intensity_shift_probability=0,
    gamma_probability=0,
)
STILL = WILD.model_copy(update={name: 0.0 for name in AugmentationConfig.model_fields if name.endswith("probability")})


def synthesiser(**options: Any) -> Synthesiser:
    return Synthesiser(
        SynthesisConfig.model_validate({"enabled": True, **options}), CLASSES, PreparationConfig(normalisation="none")
    )


def case(source: Synthesiser, prior: Tensor | None = None, name: str = "x") -> TrainingCase:
    classes = torch.zeros(SHAPE, dtype=torch.int16)
    classes[2:7, 2:10, 3:13] = 1
    classes[7:12, 2:10, 3:13] = 2
    classes[4:10, 4:8, 6:10] = 3
    image = torch.empty(0, *SHAPE) if prior is None else prior
    return TrainingCase(
        name,
        name,
        image,
        # The target has fewer classes than the image: b is background.
        torch.where(classes == 3, 0, classes).to(torch.int16),
        prior_channels=len(image),
        generation=source.prepare(classes, (1.0, 1.0, 1.0)),
    )


def batches(source: Synthesiser, augmentation: AugmentationConfig = WILD, **options: Any) -> PatchBatches:
    sampling = SamplingConfig(patch_size=(10, 8, 12), batch_size=3)
    cases = options.pop("cases", None) or [case(source)]
    return PatchBatches(cases, sampling, augmentation, [(1, 2)], synthesiser=source, **options)


def test_a_step_is_the_same_in_any_order() -> None:
    one, other = (batches(synthesiser(lesion_probability=1), seed=4) for _ in range(2))
    forwards = [one.batch(step) for step in range(3)]
    for step in (2, 1, 0):
        again = other.batch(step)
        assert torch.equal(again.image, forwards[step].image)
        assert torch.equal(again.target, forwards[step].target)
    assert not torch.equal(forwards[0].image, forwards[1].image)


def test_global_randomness_is_neither_used_nor_moved() -> None:
    torch.manual_seed(0)
    state = torch.get_rng_state()
    batches(synthesiser(lesion_probability=1)).batch(0)
    assert torch.equal(torch.get_rng_state(), state)


def test_image_and_target_are_warped_as_one() -> None:
    """Two classes of the target never share a grey level, and each has as many as what it was made from."""
    source = synthesiser(**{**FLAT, "sides_differ_probability": 1.0})
    loader, flipped = batches(source), 0
    for step in range(6):
        batch = loader.batch(step)
        for image, target in zip(batch.image, batch.target, strict=True):
            left, right = (torch.unique(image[0][target == number]) for number in (1, 2))
            assert len(left) <= 1
            assert len(right) <= 1
            if len(left) and len(right):
                assert left[0] != right[0]
                place = (target == 1).nonzero()[:, 0].double().mean() - (target == 2).nonzero()[:, 0].double().mean()
                # Swapped with the flip, the left stays on the left whatever was drawn.
                assert float(place) < 0
                flipped += 1
    assert flipped > 6


def test_a_flip_swaps_the_target_and_leaves_the_tissue() -> None:
    source = synthesiser(**{**FLAT, "sides_differ_probability": 1.0, "zero_air_probability": 1.0})
    loader = batches(source, STILL.model_copy(update={"flip_axes": ("left-right",), "flip_probability": 1.0}))
    batch = loader.batch(0)
    still = batches(source, STILL).batch(0)
    assert torch.equal(batch.image, still.image.flip(2))
    swapped = torch.tensor([0, 2, 1])[still.target.flip(1)]
    assert torch.equal(batch.target, swapped)


def test_what_is_out_of_view_is_background_even_where_nobody_annotated() -> None:
    source = synthesiser(**{**FLAT, "partial_view_probability": 1.0})
    target = torch.full(SHAPE, 2, dtype=torch.int16)
    target[:, :, :2] = IGNORE
    generation = source.prepare(torch.ones(SHAPE, dtype=torch.int16), (1.0, 1.0, 1.0))
    whole = TrainingCase("x", "x", torch.empty(0, *SHAPE), target, generation=generation)
    batch = batches(source, STILL, cases=[whole]).batch(1)
    unseen = batch.image[:, 0] == 0
    assert bool(unseen.any())
    assert not bool(batch.target[unseen].any())
    assert not bool((batch.target[~unseen] == 0).any())


def test_context_is_made_too_and_the_target_is_its_middle() -> None:
    source = synthesiser(**FLAT)
    context = Context((1, 0, 3), (2, 0, 1))
    batch = batches(source, context=context).batch(0)
    assert batch.image.shape == (3, 1, 13, 8, 16)
    assert batch.target.shape == (3, 10, 8, 12)
    for image, target in zip(batch.image[:, 0, 1:11, :, 3:15], batch.target, strict=True):
        assert len(torch.unique(image[target == 1])) <= 1


def test_a_prior_comes_after_the_image_and_is_left_alone() -> None:
    source = synthesiser(channels=("t1", "t2"))
    prior = torch.stack([torch.full(SHAPE, 0.25), torch.full(SHAPE, 0.75)])
    loader = batches(source, STILL, cases=[case(source, prior)])
    assert loader.image_channels == 2
    image = loader.batch(0).image
    assert image.shape[1] == 4
    assert torch.equal(image[:, 2:].amin((0, 2, 3, 4)), torch.tensor([0.25, 0.75]))
    assert torch.equal(image[:, 2:].amax((0, 2, 3, 4)), torch.tensor([0.25, 0.75]))


def test_beyond_the_volume_there_is_air() -> None:
    source = synthesiser(**{**FLAT, "zero_air_probability": 1.0})
    full = torch.ones(4, 4, 4, dtype=torch.int16)
    small = TrainingCase("x", "x", torch.empty(0, 4, 4, 4), full, generation=source.prepare(full, (1.0, 1.0, 1.0)))
    image = batches(source, STILL, cases=[small]).batch(0).image
    assert int((image > 0).sum()) == 3 * 64


def test_maps_of_another_shape_are_refused() -> None:
    source = synthesiser()
    generation = source.prepare(torch.zeros(3, 3, 3, dtype=torch.int16), (1.0, 1.0, 1.0))
    with pytest.raises(ValueError, match="images are made from"):
        TrainingCase("x", "x", torch.empty(0, 4, 4, 4), torch.zeros(4, 4, 4), generation=generation)
