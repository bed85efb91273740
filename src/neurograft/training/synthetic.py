"""Training on images made from label maps: who can, with what, and the images of those held out."""

from collections.abc import Sequence
from dataclasses import replace

import torch

from neurograft.cohorts import Cohort
from neurograft.errors import InputError
from neurograft.imaging.intensity_classes import IntensityClasses
from neurograft.phantoms.synthesis import Synthesiser
from neurograft.recipes.schema import Recipe
from neurograft.sampling.batches import hashed
from neurograft.training.cases import PreparedCase


def with_made_channels(cohort: Cohort, recipe: Recipe) -> Cohort:
    """The cohort with the channels that will be made, where the recipe makes images; else as it is.

    Raises:
        InputError: there are no images, and the recipe makes none.
    """
    if recipe.synthesis.enabled:
        classes = cohort.intensity_classes or IntensityClasses.of_labels(cohort.labels)
        return replace(cohort, channels=recipe.synthesis.channels, intensity_classes=classes)
    if not cohort.channels:
        raise InputError(
            "these are label maps without images",
            "Make the images while training runs: synthesis.enabled=true, or a recipe such as synthetic-brain",
            cohort.source,
        )
    return cohort


def synthesiser_for(cohort: Cohort, recipe: Recipe) -> Synthesiser | None:
    """What makes the images of a cohort's label maps; None where the recipe makes none.

    Args:
        cohort: as `with_made_channels` gives it.
        recipe: with its section ``synthesis``.

    Raises:
        InputError: a mean for a structure that the cohort does not have, or an empty label table.
    """
    if not recipe.synthesis.enabled or cohort.intensity_classes is None:
        return None
    return Synthesiser(recipe.synthesis, cohort.intensity_classes, recipe.preparation)


def with_made_images(cases: Sequence[PreparedCase], synthesiser: Synthesiser, seed: int) -> list[PreparedCase]:
    """Held-out cases with an image each, made once, so that every validation sees the same."""
    made = []
    for case in cases:
        example, generation = case.example, case.example.generation
        if generation is not None:
            image = synthesiser.make_volume(generation.classes, case.spacing_mm, hashed(f"{seed}/{example.id}/image"))
            # What is there already is a prior, which comes after the image.
            example = replace(example, image=torch.cat([image, example.image]), generation=None)
        made.append(replace(case, example=example))
    return made
