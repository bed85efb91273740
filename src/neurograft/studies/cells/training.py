"""The cell that trains a model."""

import json
import logging
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import torch

from neurograft.cohorts import Cohort
from neurograft.cohorts.combining import combine_cohorts
from neurograft.errors import InputError
from neurograft.hardware import describe_machine
from neurograft.models import Bundle, open_bundle
from neurograft.recipes.schema import Recipe
from neurograft.studies.cells.cell import content_hash
from neurograft.studies.cells.kinds import CellContext
from neurograft.studies.cohorts import verified
from neurograft.studies.folder import StudyFolder
from neurograft.training.record import library_versions
from neurograft.training.request import TrainingRequest
from neurograft.training.run import train_model

logger = logging.getLogger(__name__)

RUN = "run"
"""In a training cell: the directory that `train_model` writes."""
MODEL = f"{RUN}/model"


def train_cell(context: CellContext) -> dict[str, Any]:
    """Train as the specification says, from the point that an earlier attempt had reached.

    Returns:
        Steps, seconds, memory, machine and versions, for ``result.json``.
    """
    spec = context.cell.spec
    recipe = Recipe.model_validate(context.folder.block(spec["recipe"]))
    source = source_of(context.folder, spec)
    if source is not None:
        recipe = with_scale_of(source, recipe)
    cohort, validation = _learners(context.folder, spec)
    torch.set_num_threads(spec["threads"])
    target = context.output / RUN
    request = TrainingRequest(
        cohort=cohort,
        recipe=recipe,
        out=target,
        strategy=spec["strategy"],
        source=source,
        label_from=spec["label_from"],
        seed=spec["seed"],
        allow_shared_subjects=spec["shared"],
        validation_subjects=validation,
        # What an attempt has left is in the way only if it began otherwise, as from a source that was trained again.
        overwrite=True,
    )
    if target.is_dir():
        # An earlier attempt was cut off between the training and the end of its cell.
        logger.info("the training of %s is finished already", context.cell.title)
    else:
        train_model(request)
    record = json.loads((target / "run.json").read_text("utf-8"))
    return {
        **{key: record[key] for key in ("steps", "kept", "compute", "peak_memory_mib", "preparation_seconds")},
        "training_seconds": record["seconds"],
        "people": record["training_subjects"],
        "machine": describe_machine(),
        "versions": library_versions(),
    }


def with_scale_of(source: Bundle, recipe: Recipe) -> Recipe:
    """A recipe with the source's scale of intensities, where both standardise in one way and it has none of its own."""
    theirs, ours = source.info.recipe.preparation, recipe.preparation
    same = ours.normalisation == theirs.normalisation and ours.normalisation in ("nyul", "histogram")
    if not same or ours.standard.method is not None:
        return recipe
    return recipe.model_copy(update={"preparation": ours.model_copy(update={"standard": theirs.standard})})


def model_digest(bundle: Bundle) -> str:
    """The hash of all of a model that decides what is made from it: weights, recipe, labels, whom it knows."""
    return content_hash(json.loads(bundle.info.model_dump_json()))


def people_of(folder: StudyFolder, spec: Mapping[str, Any]) -> Cohort:
    """The cohort of a specification, with the people whom it names.

    Raises:
        InputError: it has changed since the study was planned.
    """
    placed = json.loads(folder.description.read_text("utf-8"))["cohorts"]
    return verified(folder, placed[spec["cohort"]], spec["cohort"], folder.block(spec["people"]))


def _learners(folder: StudyFolder, spec: Mapping[str, Any]) -> tuple[Cohort, tuple[str, ...] | None]:
    """Whom a training learns from, and who of them chooses the weights, where that is not the recipe's to say."""
    cohort = people_of(folder, spec)
    validation = None if spec["validation"] is None else tuple(spec["validation"])
    beside = spec.get("beside")
    if beside is None:
        return cohort, validation
    # By the protocol's names, which differ: two tables may both be called cohort.tsv.
    parts = [replace(cohort, name=spec["cohort"]), replace(people_of(folder, beside), name=beside["cohort"])]
    if validation is not None:
        validation = tuple(f"{spec['cohort']}_{subject}" for subject in validation)
    return combine_cohorts(parts), validation


def source_of(folder: StudyFolder, spec: Mapping[str, Any]) -> Bundle | None:
    """The model that a training starts from: of another cell, or one that was there before the study."""
    source = spec["source"]
    if source is None:
        return None
    if "cell" in source:
        return open_bundle(folder.cell(source["cell"]) / MODEL)
    return finished_model(folder, source)


def finished_model(folder: StudyFolder, source: Mapping[str, str]) -> Bundle:
    """A model that was there before the study, if it is still the same."""
    models = json.loads(folder.description.read_text("utf-8"))["models"]
    bundle = open_bundle(models[source["name"]])
    if model_digest(bundle) != source["weights"]:
        raise InputError("the model is another than when the study was planned", "Put it back", bundle.path)
    return bundle
