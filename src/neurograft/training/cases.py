"""From a cohort's files to the tensors that a training holds in memory."""

import logging
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from neurograft.cohorts import Case, Cohort, hold_out
from neurograft.cohorts.label_quality import case_quality
from neurograft.cohorts.open_labels import require_known_extent
from neurograft.cohorts.priors import case_prior
from neurograft.errors import InputError
from neurograft.evaluation.overlap.counts import label_overlaps
from neurograft.imaging.files import read_label_map
from neurograft.imaging.labels import IGNORE, LabelTable
from neurograft.imaging.partial_classes import is_open_for
from neurograft.imaging.preparation import cut_off_voxels
from neurograft.imaging.prior import with_prior
from neurograft.phantoms.synthesis import Synthesiser
from neurograft.recipes.schema import LabelBudgetConfig, PreparationConfig, ValidationConfig
from neurograft.sampling.examples import TrainingCase
from neurograft.training.annotations import Annotation, annotate
from neurograft.training.generation import generation_map, prepare_without_image, without_image
from neurograft.training.prepared_cache import PreparedCache

logger = logging.getLogger(__name__)

HOLD_OUT_FROM = 10
"""With ``auto``, the number of subjects from which on some are held out."""
HOLD_OUT_AT_MOST = 8
"""With ``auto``, how many are held out at most: validation must not take longer than training."""


@dataclass(frozen=True, eq=False)
class PreparedCase:
    """A case in memory with its voxel volume and spacing, and what was known of its labels."""

    example: TrainingCase
    spacing_mm: tuple[float, float, float]
    voxel_volume_mm3: float
    annotation: Annotation


def annotated_label(case: Case, labels: LabelTable) -> Path:
    """The label map of a case, unless nothing tells which of its voxels nobody looked at.

    Raises:
        InputError: no label map, none of the wanted labels annotated, or one that is annotated in some
            slices without a word on which.
    """
    if case.label is None:
        raise InputError(f"case {case.id} has no label map", "Give it one, or set its label_state to none")
    require_known_extent(case, labels if case.labels is None else case.labels)
    return case.label


def prepare_case(
    case: Case,
    labels: LabelTable,
    config: PreparationConfig,
    budget: LabelBudgetConfig | None = None,
    seed: int = 0,
    synthesiser: Synthesiser | None = None,
    cache: PreparedCache | None = None,
) -> PreparedCase:
    """Read and prepare one labelled case.

    Args:
        case: with a label map.
        labels: what to learn.
        config: how to prepare.
        budget: how much of the label map counts; all of it by default.
        seed: of the budget's slices.
        synthesiser: makes images from the label map in the place of the case's own.
        cache: where prepared images are kept; ``None`` keeps none.

    Raises:
        InputError: nothing tells where a wanted label was annotated, the crop loses some of it, or a
            file cannot be used.
    """
    budget = budget or LabelBudgetConfig()
    label = annotated_label(case, labels)
    labels = labels if case.labels is None else case.labels
    label_map = read_label_map(label)
    if synthesiser is None:
        prepared = (cache or PreparedCache(0)).image(case, config)
    else:
        prepared = prepare_without_image(case, label_map, config)
    prior = case_prior(case, config)
    if prior is not None:
        prepared = with_prior(prepared, prior)
    annotation = annotate(case, label_map, labels, prepared, budget, seed)
    lost = cut_off_voxels(label_map, labels, prepared)
    if lost and config.crop == "nonzero":
        # Masks drawn a voxel beyond a skull-stripped brain are common, and nothing that can be seen is lost.
        logger.warning("case %s: %d labelled voxels lie where the image is zero and are cropped away", case.id, lost)
    elif lost:
        raise InputError(
            f"the crop ({config.crop}) cuts {lost} labelled voxels off case {case.id}",
            "Make preparation.crop_size or preparation.crop_margin_mm larger, or correct the mask",
            label,
        )
    generation = None
    if synthesiser is not None:
        generation = generation_map(label_map, prepared, synthesiser)
        prepared = without_image(prepared)
    example = TrainingCase(
        case.id,
        case.subject,
        torch.from_numpy(prepared.data),
        torch.from_numpy(annotation.classes),
        unknown=None if annotation.open_labels is None else torch.from_numpy(annotation.open_labels),
        prior_channels=0 if prior is None else len(prior.names),
        prior_names=() if prior is None else prior.names,
        generation=generation,
        quality=case_quality(case),
    )
    return PreparedCase(example, prepared.grid.spacing_mm, prepared.grid.voxel_volume_mm3, annotation)


def prepare_cohort(
    cohort: Cohort,
    config: PreparationConfig,
    progress: Callable[[int, int], None] | None = None,
    budget: LabelBudgetConfig | None = None,
    seed: int = 0,
    unlimited_subjects: Collection[str] = (),
    synthesiser: Synthesiser | None = None,
) -> list[PreparedCase]:
    """Prepare all labelled cases of a cohort.

    A case of which a budget or a crop leaves nothing annotated is left out with a warning.

    Args:
        cohort: who.
        config: how to prepare.
        progress: called with the number of cases read and in all.
        budget: how much of each label map counts; all of it by default.
        seed: of the budget's slices.
        unlimited_subjects: subjects whose label maps count whole.
        synthesiser: makes images from the label maps in the place of the cases' own.

    Raises:
        InputError: no labelled case, one of which nothing tells where a label of the table was annotated,
            or a label that no case contains.
    """
    budget = budget or LabelBudgetConfig()
    unlimited = budget.model_copy(update={"axis": "none"})
    labelled = cohort.labelled()
    if not labelled.cases:
        raise InputError("no case has a label map, so there is nothing to learn from", "Label some", cohort.source)
    for case in labelled.cases:
        annotated_label(case, cohort.labels)
    cases = []
    cache = PreparedCache()
    for number, case in enumerate(labelled.cases, start=1):
        counted = unlimited if case.subject in unlimited_subjects else budget
        prepared = prepare_case(case, cohort.labels, config, counted, seed, synthesiser, cache)
        if (prepared.example.target != IGNORE).any():
            cases.append(prepared)
        else:
            logger.warning("case %s is left out: nothing of it is annotated after cropping", case.id)
        if progress is not None:
            progress(number, len(labelled.cases))
    if cache.reused:
        logger.info("%d of %d images were prepared before", cache.reused, len(labelled.cases))
    present = set().union(*(case.example.voxels_by_class for case in cases))
    absent = [name for index, name in enumerate(cohort.labels.names, start=1) if index not in present]
    if absent:
        raise InputError(
            f"no training case contains {', '.join(absent)}",
            "Leave the label out with labels=[...], or add a case that shows it"
            + ("" if budget.axis == "none" else "; or choose more slices, or those with label_budget.within=labels"),
            cohort.source,
        )
    return cases


def split_validation(
    cohort: Cohort, config: ValidationConfig, seed: int, labelled_only: bool = True
) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Training and validation subjects, by the recipe; of the labelled ones, unless all can be learnt from."""
    subjects = (cohort.labelled() if labelled_only else cohort).subjects
    if config.hold_out == "auto":
        wanted: int | float = min(round(len(subjects) / 5), HOLD_OUT_AT_MOST) if len(subjects) >= HOLD_OUT_FROM else 0
    else:
        wanted = config.hold_out
    if not wanted or config.split == "voxel":
        return tuple(subjects), ()
    if isinstance(wanted, int):
        return hold_out(subjects, count=wanted, seed=seed)
    return hold_out(subjects, share=wanted, seed=seed)


def mean_dice(
    reference: np.ndarray, prediction: np.ndarray, classes: Sequence[int], unknown: np.ndarray | None = None
) -> float:
    """Mean Dice over the classes that either side shows; NaN where none does.

    Voxels in which a class was not looked for do not count for it.

    Args:
        reference: classes (D, H, W), `IGNORE` and codes included.
        prediction: classes of the same shape.
        classes: those to average over.
        unknown: what the codes point to, (rows, labels).
    """
    if unknown is None:
        overlaps = label_overlaps(reference, prediction, classes, ignore=IGNORE)
    else:
        overlaps = {}
        for number in classes:
            looked_for = np.where(is_open_for(reference, unknown, number), IGNORE, reference)
            overlaps |= label_overlaps(looked_for, prediction, [number], ignore=IGNORE)
    values = [overlap.dice for overlap in overlaps.values()]
    known = [value for value in values if not np.isnan(value)]
    return float(np.mean(known)) if known else float("nan")
