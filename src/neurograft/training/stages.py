"""Two trainings in a row, as one run: all labels first, then the better ones alone from there.

The run's directory is that of the second training; the first one's lies in its folder ``first``.

Reference:
    Kushibar et al. 2019 (P5) tunes a network on masks of another program that were corrected by hand.
"""

import logging
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from neurograft.cohorts.combining import fingerprint_parts
from neurograft.cohorts.label_quality import of_quality
from neurograft.errors import InputError
from neurograft.models import BundleInfo, open_bundle
from neurograft.outputs import MARKER, staged_directory
from neurograft.recipes.schema import Recipe
from neurograft.training.cases import split_validation
from neurograft.training.fit import RESUME
from neurograft.training.identity import run_identity
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
    config, task = request.recipe.label_quality, request.recipe.task
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
        **run_identity(request, cohort, fingerprint_parts(cohort)),
        "ages": {case.id: case.covariates.get(task.age_covariate) for case in cohort.cases if task.age_weight > 0},
    }
    name = request.name or request.out.resolve().name
    with staged_directory(request.out, identity, request.overwrite) as folder:
        first = replace(
            request,
            cohort=cohort,
            recipe=_without_stages(request.recipe),
            out=folder / FIRST,
            validation_subjects=held,
            # Whoever may go on with this run may replace what lies in it.
            overwrite=True,
            average=None,
            name=f"{name}-{FIRST}",
        )
        if not (folder / FIRST).is_dir():
            logger.info("first training: %d cases with labels of any quality", len(cohort))
            try:
                train(first)
            except InputError:
                # The mend may be another setting, which must not find this run in its way.
                if not any(folder.rglob(RESUME)):
                    shutil.rmtree(folder)
                raise
        second = replace(
            first,
            cohort=better,
            recipe=_second_recipe(request.recipe),
            out=folder / SECOND,
            strategy=config.refine_strategy,
            source=open_bundle(folder / FIRST),
            label_from={},
            encoder_weights=None,
            average=request.average,
            name=name,
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
    # The whole run's marker says what was asked; the second training's would stand in its place.
    entries = [entry for entry in inner.iterdir() if entry.name != MARKER]
    for entry in sorted(entries, key=lambda path: path.name != "model"):
        entry.rename(folder / entry.name)
    shutil.rmtree(inner)
