"""From a cohort's files to the tensors that a training holds in memory."""

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from neurograft.cohorts import Case, Cohort, hold_out
from neurograft.errors import InputError
from neurograft.evaluation.overlap.counts import label_overlaps
from neurograft.imaging.files import read_image, read_label_map
from neurograft.imaging.labels import LabelTable
from neurograft.imaging.preparation import cut_off_voxels, prepare_classes, prepare_image
from neurograft.imaging.volume import Volume
from neurograft.recipes.schema import PreparationConfig, ValidationConfig
from neurograft.sampling.examples import TrainingCase

logger = logging.getLogger(__name__)

HOLD_OUT_FROM = 10
"""With ``auto``, the number of subjects from which on some are held out."""
HOLD_OUT_AT_MOST = 8
"""With ``auto``, how many are held out at most: validation must not take longer than training."""


@dataclass(frozen=True, eq=False)
class PreparedCase:
    """A case in memory with its voxel volume and spacing."""

    example: TrainingCase
    spacing_mm: tuple[float, float, float]
    voxel_volume_mm3: float


def read_case_images(case: Case) -> tuple[list[Volume], Volume | None]:
    """Read a case's channels and its mask, where it has one."""
    return [read_image(path) for path in case.images.values()], read_label_map(case.mask) if case.mask else None


def annotated_label(case: Case, labels: LabelTable) -> Path:
    """The label map of a case, unless its voxels without a label may be voxels that nobody looked at.

    Where the label table has a value for voxels that were not annotated, the label map itself
    tells which slices were, and only a label that was not annotated at all is refused.

    Raises:
        InputError: no label map, or a wanted label that is not annotated throughout.
    """
    if case.label is None:
        raise InputError(f"case {case.id} has no label map", "Give it one, or set its label_state to none")
    usable = {"dense"} if labels.ignore_value is None else {"dense", "slices"}
    for name in labels.names:
        state = case.state_of(name)
        if state not in usable:
            where = "not annotated" if state == "none" else "annotated in some slices only"
            raise InputError(
                f"{name} is {where} in case {case.id} (label_state {state}), "
                "so its voxels elsewhere would pass for background",
                "Annotate it throughout, leave the case out, or leave the label out with labels=[...]",
                case.label,
            )
    return case.label


def prepare_case(case: Case, labels: LabelTable, config: PreparationConfig) -> PreparedCase:
    """Read and prepare one labelled case.

    Raises:
        InputError: a wanted label is not annotated throughout, the crop loses some of it, or a
            file cannot be used.
    """
    label = annotated_label(case, labels)
    volumes, mask = read_case_images(case)
    prepared = prepare_image(volumes, config, mask)
    label_map = read_label_map(label)
    classes = prepare_classes(label_map, labels, prepared)
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
    example = TrainingCase(case.id, case.subject, torch.from_numpy(prepared.data), torch.from_numpy(classes))
    return PreparedCase(example, prepared.grid.spacing_mm, prepared.grid.voxel_volume_mm3)


def prepare_cohort(
    cohort: Cohort, config: PreparationConfig, progress: Callable[[int, int], None] | None = None
) -> list[PreparedCase]:
    """Prepare all labelled cases of a cohort.

    Raises:
        InputError: no labelled case, a label of the table that a case does not annotate
            throughout, or one that no case contains.
    """
    labelled = cohort.labelled()
    if not labelled.cases:
        raise InputError("no case has a label map, so there is nothing to learn from", "Label some", cohort.source)
    for case in labelled.cases:
        annotated_label(case, cohort.labels)
    cases = []
    for number, case in enumerate(labelled.cases, start=1):
        cases.append(prepare_case(case, cohort.labels, config))
        if progress is not None:
            progress(number, len(labelled.cases))
    present = set().union(*(case.example.voxels_by_class for case in cases))
    absent = [name for index, name in enumerate(cohort.labels.names, start=1) if index not in present]
    if absent:
        raise InputError(
            f"no training case contains {', '.join(absent)}",
            "Leave the label out with labels=[...], or add a case that shows it",
            cohort.source,
        )
    return cases


def split_validation(cohort: Cohort, config: ValidationConfig, seed: int) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Training and validation subjects, by the recipe."""
    subjects = cohort.labelled().subjects
    if config.hold_out == "auto":
        wanted: int | float = min(round(len(subjects) / 5), HOLD_OUT_AT_MOST) if len(subjects) >= HOLD_OUT_FROM else 0
    else:
        wanted = config.hold_out
    if not wanted:
        return tuple(subjects), ()
    if isinstance(wanted, int):
        return hold_out(subjects, count=wanted, seed=seed)
    return hold_out(subjects, share=wanted, seed=seed)


def mean_dice(reference: np.ndarray, prediction: np.ndarray, classes: Sequence[int]) -> float:
    """Mean Dice over the classes that either side shows; NaN where none does."""
    values = [overlap.dice for overlap in label_overlaps(reference, prediction, classes).values()]
    known = [value for value in values if not np.isnan(value)]
    return float(np.mean(known)) if known else float("nan")
