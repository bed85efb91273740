"""One training from a cohort to a bundle: what the commands train and adapt do."""

import gc
import logging
import shutil
import statistics
import time
from collections.abc import Callable, Collection, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import pandas as pd
import yaml

from neurograft.cohorts import (
    Cohort,
)
from neurograft.cohorts.combining import fingerprint_parts
from neurograft.cohorts.label_quality import of_quality
from neurograft.cohorts.priors import with_prior_labels
from neurograft.errors import InputError
from neurograft.imaging.labels import LabelTable
from neurograft.models import AgeInfo, BundleInfo, save_bundle
from neurograft.networks import UnitNetwork
from neurograft.outputs import check_free, staged_directory, write_json, write_table, write_text
from neurograft.phantoms.synthesis import Synthesiser
from neurograft.recipes.schema import Recipe
from neurograft.sampling.batches import PatchBatches
from neurograft.sampling.voxels import VoxelBatches
from neurograft.tasks import AgeScale, SegmentationTask
from neurograft.training.ages import age_info, case_ages, with_ages
from neurograft.training.annotations import annotated_slices
from neurograft.training.cases import PreparedCase, prepare_cohort, split_validation
from neurograft.training.class_weights import weighted, with_class_weights
from neurograft.training.fit import BEST, RESUME, FitResult, fit
from neurograft.training.identity import require_different_people, run_identity, source_subjects
from neurograft.training.ranks import other_folder, ranks_of
from neurograft.training.record import library_versions, parent_record, plan_rows, training_record
from neurograft.training.request import TrainingRequest
from neurograft.training.stages import train_in_stages
from neurograft.training.standards import with_standard
from neurograft.training.starting_network import Transfer, prepare_transfer
from neurograft.training.synthetic import synthesiser_for, with_made_channels, with_made_images
from neurograft.training.unlabelled import prepare_scans
from neurograft.training.volumes import training_volumes
from neurograft.transfer import (
    TransferPlan,
    attach_adapters,
    average_with_source,
    load_encoder_weights,
    merge_adapters,
    source_anchor,
    with_encoder_rows,
)

logger = logging.getLogger(__name__)

CasesProgress = Callable[[int, int], None]

COLLECTED_FROM_BYTES = 2**20
"""Weights from which on a training's leavings are looked for: that takes some tenths of a second."""


def train_model(request: TrainingRequest, progress: CasesProgress | None = None) -> BundleInfo:
    """Run a training, or continue it, and write its directory.

    The directory holds ``recipe.yaml``, ``loading.tsv``, ``plan.tsv``, ``metrics.csv``,
    ``tensorboard/``, ``run.json`` and the bundle in ``model/``; under a label budget also
    ``annotated_slices.tsv``.

    Args:
        request: what to do.
        progress: called with the number of cases read and in all.

    Raises:
        InputError: anything that the user can mend.
    """
    recipe = request.recipe
    ranks = ranks_of(recipe.compute)
    if ranks.is_first:
        check_free(request.out, request.overwrite)
    if recipe.label_quality.refine_from is not None:
        if ranks.world > 1:
            raise InputError(
                "label_quality.refine_from is two trainings, which several processes do not share",
                "Set compute.devices=1 and compute.nodes=1",
            )
        return train_in_stages(request, partial(train_model, progress=progress))
    cohort = _learnt_from(with_made_channels(request.cohort, recipe), recipe)
    if not cohort.cases:
        raise InputError("no case has a label map, so there is nothing to learn from", "Label some", cohort.source)
    recipe = with_prior_labels(recipe, cohort)
    request = replace(request, recipe=recipe)
    channels, labels = tuple(cohort.channels), tuple(cohort.labels.names)
    transfer = prepare_transfer(
        channels, labels, recipe, request.strategy, request.source, request.label_from, request.seed
    )
    if request.encoder_weights is not None:
        rows = load_encoder_weights(transfer.network, request.encoder_weights)
        transfer = replace(transfer, report=with_encoder_rows(transfer.report, rows))
    fingerprints = fingerprint_parts(cohort)
    require_different_people(fingerprints, request)
    ancestors = source_subjects(request, transfer.plan, fingerprints)
    identity = run_identity(request, cohort, fingerprints)
    if request.average is not None:
        _require_average(request, transfer.plan)
    if transfer.learns_age:
        identity["ages"] = case_ages(cohort, recipe.task.age_covariate)
    own = [fingerprint.to_dict() for fingerprint in fingerprints]
    seen = [*ancestors, *own] if transfer.plan.trains else ancestors
    if not ranks.is_first:
        with other_folder(request.out, identity) as (folder, first_folder):
            return _run(request, cohort, transfer, seen, folder, None, first_folder)
    with staged_directory(request.out, identity, request.overwrite) as folder:
        try:
            return _run(request, cohort, transfer, seen, folder, progress)
        except InputError:
            # The mend may be another setting, which must not find this run in its way.
            if not (folder / RESUME).is_file():
                shutil.rmtree(folder)
            raise


def _learnt_from(cohort: Cohort, recipe: Recipe) -> Cohort:
    """The cases that the task can use, under the labels that it learns."""
    if not recipe.needs_label_maps:
        return cohort.with_labels(LabelTable(()))
    return of_quality(cohort.select_labels(recipe.labels).labelled(), recipe.label_quality.minimum)


def _run(
    request: TrainingRequest,
    cohort: Cohort,
    transfer: Transfer,
    seen: list[dict[str, Any]],
    folder: Path,
    progress: CasesProgress | None,
    first_folder: Path | None = None,
) -> BundleInfo:
    """Prepare, fit and write everything into `folder`."""
    recipe = request.recipe
    write_text(folder / "recipe.yaml", yaml.safe_dump(recipe.model_dump(mode="json"), sort_keys=False))
    write_table(folder / "loading.tsv", pd.DataFrame(transfer.report.to_records()))
    write_table(folder / "plan.tsv", pd.DataFrame(plan_rows(transfer.plan)))
    for note in transfer.plan.notes:
        logger.warning(note)
    began = time.monotonic()
    training, validation = _divided(request, cohort)
    recipe = with_standard(recipe, cohort.of_subjects(training))
    if recipe is not request.recipe:
        request = replace(request, recipe=recipe)
        write_text(folder / "recipe.yaml", yaml.safe_dump(recipe.model_dump(mode="json"), sort_keys=False))
    synthesiser = synthesiser_for(cohort, recipe)
    if recipe.needs_label_maps:
        prepared = prepare_cohort(
            cohort,
            recipe.preparation,
            progress,
            recipe.label_budget,
            request.seed,
            unlimited_subjects=validation if recipe.label_budget.validation == "all" else (),
            synthesiser=synthesiser,
        )
    else:
        prepared = prepare_scans(cohort, recipe.preparation, progress)
    if recipe.label_budget.axis != "none":
        write_table(folder / "annotated_slices.tsv", annotated_slices(case.annotation for case in prepared))
    age = _age_info(request, transfer, cohort, training)
    if age is not None and transfer.learns_age:
        prepared = with_ages(prepared, case_ages(cohort, age.covariate), age.covariate)
        transfer = transfer.with_age_scale(AgeScale(age.mean, age.sd))
    preparation_seconds = time.monotonic() - began
    trained = [case for case in prepared if case.example.subject in training]
    held = [case for case in prepared if case.example.subject in validation]
    recipe = with_class_weights(
        recipe, [case.example for case in trained], len(cohort.labels.names), transfer.network.slice_axis
    )
    if recipe is not request.recipe:
        request = replace(request, recipe=recipe)
        transfer = replace(transfer, task=weighted(transfer.task, recipe))
        write_text(folder / "recipe.yaml", yaml.safe_dump(recipe.model_dump(mode="json"), sort_keys=False))
    if synthesiser is not None:
        held = with_made_images(held, synthesiser, request.seed)
    if transfer.plan.trains and recipe.task.learns_from_labels:
        _warn_of_labels_held_out(cohort.labels.names, trained)
    if held and recipe.task.learns_from_labels and not any(case.example.voxels_by_class for case in held):
        # Every validation would score 0, and the first weights to be looked at would count as the best.
        logger.warning(
            "none of the held-out subjects shows a label where it is annotated, so they choose nothing"
            + (", unless label_budget.validation is all" if recipe.label_budget.validation == "budget" else "")
        )
        held = []
    result = None
    if transfer.plan.trains:
        start = {name: tensor.clone() for name, tensor in transfer.network.state_dict().items()}
        result = _fit_plan(request, transfer, cohort, trained, held, folder, synthesiser, first_folder)
        if request.average is not None:
            average_with_source(transfer.network, start, transfer.report, transfer.task.outputs, request.average)
    learners = (len(training), len({case.example.subject for case in held})) if result is not None else (0, 0)
    record = training_record(request, result, *learners, len(prepared), preparation_seconds)
    if request.average is not None:
        record["averaged"] = f"{request.average:g} of what was learnt, {1 - request.average:g} of the source"
    if request.encoder_weights is not None:
        record["encoder_weights"] = request.encoder_weights.name
    segments = isinstance(transfer.task, SegmentationTask)
    info = BundleInfo(
        name=request.name or request.out.resolve().name,
        units=[(unit.name, unit.role, unit.depth) for unit in transfer.network.units],
        channels=list(cohort.channels),
        labels=cohort.labels.to_dict(),
        recipe=recipe,
        spacing_mm=_median_spacing(prepared),
        strategy=request.strategy,
        plan=plan_rows(transfer.plan),
        parent=parent_record(request, transfer.plan),
        label_from=dict(request.label_from) if transfer.plan.copies else {},
        head=list(transfer.folding.rows) if transfer.folding else [],
        folded={label: list(rows) for label, rows in transfer.folding.parts.items()} if transfer.folding else {},
        loading=transfer.report.counts() if transfer.plan.copies else {},
        training=record,
        training_subjects=seen,
        age=age,
        volumes=training_volumes(cohort.labels.names, trained) if transfer.plan.trains and segments else [],
        versions=library_versions(),
    )
    info = save_bundle(folder / "model", info, transfer.network)
    write_json(folder / "run.json", {"strategy": request.strategy, **record, "notes": list(transfer.plan.notes)})
    for leftover in (RESUME, BEST):
        (folder / leftover).unlink(missing_ok=True)
    return info


def _divided(request: TrainingRequest, cohort: Cohort) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Training and validation subjects: those whom the request names, or the recipe draws."""
    if request.validation_subjects is None:
        # Who cannot be learnt from has been left out before.
        return split_validation(cohort, request.recipe.validation, request.seed, labelled_only=False)
    held = cohort.of_subjects(request.validation_subjects).subjects
    training = tuple(subject for subject in cohort.subjects if subject not in held)
    if not training:
        raise InputError("all subjects are held out for validation", "Leave some to train on", cohort.source)
    return training, held


def _age_info(
    request: TrainingRequest, transfer: Transfer, cohort: Cohort, training: Collection[str]
) -> AgeInfo | None:
    """How to read the age head after this training: None where there is none, or it never learnt."""
    if not transfer.network.has_age:
        return None
    copied = (
        transfer.plan.copies and not transfer.plan.rules["age"].reset and "age" not in transfer.report.fresh_side_units
    )
    source = request.source.info.age if request.source is not None and copied else None
    if not (transfer.plan.trains and transfer.learns_age):
        return source
    covariate = request.recipe.task.age_covariate
    ages = case_ages(cohort.of_subjects(training), covariate)
    return age_info(list(ages.values()), covariate, source)


def _fit_plan(
    request: TrainingRequest,
    transfer: Transfer,
    cohort: Cohort,
    trained: list[PreparedCase],
    held: list[PreparedCase],
    folder: Path,
    synthesiser: Synthesiser | None,
    first_folder: Path | None,
) -> FitResult:
    recipe = request.recipe
    anchor = source_anchor(transfer.network, transfer.report) if transfer.plan.l2sp_weight is not None else {}
    attach_adapters(transfer.network, transfer.plan, request.seed)
    kind: Callable[..., PatchBatches] = PatchBatches
    if recipe.sampling.kind == "voxels":
        by_voxel = recipe.validation.split == "voxel"
        share = float(recipe.validation.hold_out) if by_voxel and recipe.validation.hold_out != "auto" else 0.0
        kind = partial(VoxelBatches, reads_planes=transfer.network.reads_planes, held_share=share)
        held = trained if by_voxel else held
    batches = kind(
        [case.example for case in trained],
        recipe.sampling.model_copy(update={"patch_size": transfer.network.padded_size(recipe.sampling.patch_size)}),
        recipe.augmentation,
        mirror_pairs=cohort.labels.mirror_pairs(),
        seed=request.seed,
        spacing_mm=_median_spacing(trained),
        unpaired_sides=cohort.labels.unpaired_sides(),
        orientation=recipe.preparation.orientation,
        context=transfer.network.context,
        slice_axis=transfer.network.slice_axis,
        synthesiser=synthesiser,
    )
    _require_depth(transfer.network, recipe, batches.sampling.patch_size)
    _warn_of_padding(trained, batches.sampling.patch_size)
    if not held:
        logger.info("no subject is held out for validation: the last weights are kept")
    title = f"{request.strategy} on {len({case.example.subject for case in trained})} subjects"
    result = fit(
        transfer.network, transfer.task, transfer.plan, recipe, batches, held, anchor, folder, title, first_folder
    )
    if sum(weight.nbytes for weight in transfer.network.parameters()) >= COLLECTED_FROM_BYTES:
        # Lightning's trainer, the optimiser's moments and the training images refer to each other.
        gc.collect()
    merge_adapters(transfer.network)
    return result


def _require_depth(network: UnitNetwork, recipe: Recipe, patch_size: tuple[int, int, int]) -> None:
    """Refuse a patch of which pooling leaves one voxel: a norm has no spread to divide by there."""
    alone = recipe.network.norm == "instance" or (recipe.network.norm == "batch" and recipe.sampling.batch_size == 1)
    if alone and patch_size == network.stride:
        raise InputError(
            f"a patch of {' x '.join(map(str, patch_size))} voxels ends as one voxel, too few for the norm",
            "Enlarge sampling.patch_size, or shorten network.channels",
        )


def _warn_of_labels_held_out(labels: Sequence[str], trained: Sequence[PreparedCase]) -> None:
    """Tell of labels that only held-out subjects show, which a budget of few slices makes likely."""
    present = set().union(*(case.example.voxels_by_class for case in trained))
    absent = [name for number, name in enumerate(labels, start=1) if number not in present]
    if trained and absent:
        logger.warning("only held-out subjects show %s, so it cannot be learnt", ", ".join(absent))


def _warn_of_padding(cases: list[PreparedCase], patch_size: tuple[int, int, int]) -> None:
    smaller = [
        case.example.id for case in cases if any(a < b for a, b in zip(case.example.shape, patch_size, strict=True))
    ]
    if smaller:
        logger.warning(
            "the patch of %s voxels is larger than %d of %d images (first: %s); these are padded",
            " x ".join(map(str, patch_size)),
            len(smaller),
            len(cases),
            smaller[0],
        )


def _median_spacing(cases: list[PreparedCase]) -> tuple[float, float, float]:
    x, y, z = (statistics.median(case.spacing_mm[axis] for case in cases) for axis in range(3))
    return x, y, z


def _require_average(request: TrainingRequest, plan: TransferPlan) -> None:
    """Refuse a mean with a source's weights where none were taken, or with a weight that makes none."""
    if not plan.copies:
        raise InputError(
            f"strategy {plan.strategy!r} takes nothing from a source, so there is nothing to average with",
            "Choose another strategy, or leave --average out",
        )
    if request.average is None or not 0 <= request.average <= 1:
        raise InputError(f"--average {request.average} is no share", "Give a number from 0 to 1, such as 0.5")
