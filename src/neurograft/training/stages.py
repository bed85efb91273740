"""Two trainings in a row, as one run: all labels first, then the better ones alone from there.

The run's directory is that of the second training; the first one's lies in its folder ``first``.

Reference:
    Kushibar et al. 2019 (P5) tunes a network on masks of another program that were corrected by hand.
"""

import logging
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from neurograft.cohorts.label_quality import of_quality
from neurograft.errors import InputError
from neurograft.models import BundleInfo, open_bundle
from neurograft.outputs import staged_directory
from neurograft.recipes.schema import Recipe
from neurograft.training.cases import split_validation
from neurograft.training.request import TrainingRequest

logger = logging.getLogger(__name__)

FIRST, SECOND = "first", "second"

Train = Callable[[TrainingRequest], BundleInfo]


def train_in_stages(request: TrainingRequest, train: Train) -> BundleInfo:
    """Run both trainings, or continue where they were cut off.

    Who chooses the weights of the first training chooses those of the second too, as far as their labels
    are good enough, and is learnt from in neither.

    Args:
        request: with ``label_quality.refine_from``.
        train: runs one training.

    Returns:
        The second model's description.

    Raises:
        InputError: no labels so good, nothing but such, or whatever a training refuses.
    """
    config = request.recipe.label_quality
    cohort = of_quality(request.cohort.labelled(), config.minimum)
    better = of_quality(cohort, config.refine_from or 0.0)
    if len(better) == len(cohort):
        raise InputError(
            f"all labels are of quality {config.refine_from:g} or more, so both trainings would see the same",
            "Give the column label_quality to the cases whose labels are worse, or leave refine_from out",
            request.cohort.source,
        )
    held = request.validation_subjects
    if held is None:
        held = split_validation(cohort, request.recipe.validation, request.seed)[1]
    identity = {
        "recipe": request.recipe.model_dump(mode="json"),
        "cases": [case.id for case in cohort.cases],
        "better": [case.id for case in better.cases],
        "seed": request.seed,
        "source": request.source.info.weights_sha256 if request.source else None,
        "strategy": request.strategy,
    }
    with staged_directory(request.out, identity, request.overwrite) as folder:
        first = replace(
            request,
            cohort=cohort,
            recipe=_without_stages(request.recipe),
            out=folder / FIRST,
            validation_subjects=held,
            overwrite=False,
        )
        if not (folder / FIRST).is_dir():
            logger.info("first training: %d cases with labels of any quality", len(cohort))
            train(first)
        second = replace(
            first,
            cohort=better,
            recipe=_second_recipe(request.recipe),
            out=folder / SECOND,
            strategy=config.refine_strategy,
            source=open_bundle(folder / FIRST),
            label_from={},
            encoder_weights=None,
            # They are the first training's own people, and only meet it again.
            allow_shared_subjects=True,
            validation_subjects=tuple(subject for subject in held if subject in better.subjects),
        )
        if not (folder / SECOND).is_dir() and not (folder / "model").is_dir():
            logger.info("second training: %d cases with labels of quality %g or more", len(better), config.refine_from)
            train(second)
        _move_up(folder / SECOND, folder)
    return open_bundle(request.out).info


def _without_stages(recipe: Recipe) -> Recipe:
    plain = recipe.label_quality.model_copy(update={"refine_from": None})
    return recipe.model_copy(update={"label_quality": plain})


def _second_recipe(recipe: Recipe) -> Recipe:
    config = recipe.label_quality
    changed = _without_stages(recipe)
    if config.refine_budget is not None:
        changed = changed.model_copy(update={"budget": config.refine_budget})
    if config.refine_learning_rate is not None:
        optimiser = recipe.optimiser.model_copy(update={"learning_rate": config.refine_learning_rate})
        changed = changed.model_copy(update={"optimiser": optimiser})
    return changed


def _move_up(inner: Path, folder: Path) -> None:
    """Put what a finished training wrote beside the folder of the first one; the model goes first of all."""
    if not inner.is_dir():
        return
    for entry in sorted(inner.iterdir(), key=lambda path: path.name != "model"):
        entry.rename(folder / entry.name)
    inner.rmdir()
