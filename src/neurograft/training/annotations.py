"""What is known of each voxel of a training case: label states, a budget of slices, assumed background."""

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import ndimage

from neurograft.cohorts import Case
from neurograft.cohorts.label_budget import AnnotatedSlices, choose_slices
from neurograft.cohorts.open_labels import open_labels
from neurograft.imaging.labels import IGNORE, LabelTable
from neurograft.imaging.partial_classes import decode_open_labels, encode_open_labels
from neurograft.imaging.preparation import PreparedImage, prepare_classes
from neurograft.imaging.volume import Volume
from neurograft.recipes.schema import LabelBudgetConfig


@dataclass(frozen=True, eq=False)
class Annotation:
    """The label map of a case, as far as it may be learnt from.

    Attributes:
        case, subject: whose it is.
        classes: int16 (D, H, W) on the prepared grid, with `IGNORE` and codes for open labels.
        open_labels: the table that the codes point to, (rows, labels), or None.
        slices: what the budget left, or None.
        annotated_voxels: on the file's own grid, known for one label at least.
        voxels_by_label: drawn voxels that count, on the file's own grid, by name.
    """

    case: str
    subject: str
    classes: NDArray[np.int16]
    open_labels: NDArray[np.bool_] | None
    slices: AnnotatedSlices | None
    annotated_voxels: int
    voxels_by_label: dict[str, int]


def annotate(
    case: Case,
    label_map: Volume,
    labels: LabelTable,
    prepared: PreparedImage,
    budget: LabelBudgetConfig,
    seed: int = 0,
) -> Annotation:
    """Find out what is known of each voxel, on the file's own grid, and bring it to the prepared one.

    Args:
        case: with its label states.
        label_map: its label map.
        labels: the label table.
        prepared: the image.
        budget: which slices count, and how far from a label background is assumed.
        seed: the run's; with the case's names it decides the slices.

    Raises:
        InputError: the label map lies on another grid than the image, or the case has an unknown way to
            cut slices.
    """
    classes, masks = open_labels(case, labels.to_classes(label_map.data), labels, label_map.grid)
    slices = None
    if budget.axis != "none":
        # A slice of which the label states leave nothing is none to choose.
        undrawn = np.logical_and.reduce(list({id(mask): mask for mask in masks}.values())) & (classes == 0)
        usable = np.where(undrawn, np.int16(IGNORE), classes)
        slices = choose_slices(usable, label_map.grid, budget, case.subject, case.id, seed)
    if slices is not None:
        outside = ~slices.mask(label_map.grid.shape)
        classes[outside] = 0
        # Labels of one extent go on sharing one array, which spares work.
        widened = {id(mask): mask | outside for mask in masks}
        masks = [widened[id(mask)] for mask in masks]
    coded, table = encode_open_labels(classes, masks)
    annotated = int(np.count_nonzero(coded != IGNORE))
    counts = np.bincount(classes.ravel(), minlength=len(labels) + 1)[1:]
    coded = _through_preparation(coded, label_map, prepared)
    if budget.background_beyond_mm is not None:
        coded, table = assume_background(
            coded, table, len(labels), prepared.grid.spacing_mm, budget.background_beyond_mm
        )
    voxels = dict(zip(labels.names, counts.tolist(), strict=True))
    return Annotation(case.id, case.subject, coded, table, slices, annotated, voxels)


def annotated_slices(annotations: Iterable[Annotation]) -> pd.DataFrame:
    """What a budget left of each case.

    Returns:
        A row a case: ``case``, ``subject``, ``axis``, ``slices`` (counted from 0 on the file's own grid,
        between commas; ``all`` without a limit), ``annotated_voxels``, and ``voxels_<label>`` a label.
    """
    return pd.DataFrame(
        {
            "case": one.case,
            "subject": one.subject,
            "axis": "all" if one.slices is None else one.slices.plane,
            "slices": "all" if one.slices is None else ",".join(map(str, one.slices.slices)),
            "annotated_voxels": one.annotated_voxels,
            **{f"voxels_{label}": voxels for label, voxels in one.voxels_by_label.items()},
        }
        for one in annotations
    )


def assume_background(
    coded: NDArray[np.int16],
    table: NDArray[np.bool_] | None,
    labels: int,
    spacing_mm: tuple[float, float, float],
    beyond_mm: float,
) -> tuple[NDArray[np.int16], NDArray[np.bool_] | None]:
    """Count voxels far from everything that is drawn with a label as free of that label.

    A network that sees a few slices alone learns nothing of what lies far from them, and may find the
    structure there. No structure reaches farther from its drawn slices than its own size, so a distance
    safely above that makes background of the rest without a stroke. A label that the case does not show
    at all stays open, for there is nothing to measure from.

    Args:
        coded: class map with codes.
        table: open labels (rows, labels).
        labels: number of labels.
        spacing_mm: of the voxels.
        beyond_mm: the distance, between voxel centres.

    Returns:
        The class map and its table anew.
    """
    if not (coded < 0).any():
        return coded, table
    classes, masks = decode_open_labels(coded, table, labels)
    kept = [mask & ~_far_from(classes == label, spacing_mm, beyond_mm) for label, mask in enumerate(masks, start=1)]
    if all(np.array_equal(mask, kept[0]) for mask in kept[1:]):
        kept = kept[:1] * labels
    return encode_open_labels(classes, kept)


def _far_from(drawn: NDArray[np.bool_], spacing_mm: tuple[float, float, float], beyond_mm: float) -> NDArray[np.bool_]:
    """Voxels farther than a distance from every drawn voxel; none where nothing is drawn."""
    if not drawn.any():
        return np.zeros(drawn.shape, bool)
    far = np.ones(drawn.shape, bool)
    # Distances are measured only in the box that the distance can reach.
    box = []
    for axis, side in enumerate(spacing_mm):
        places = np.flatnonzero(drawn.any(axis=tuple(other for other in range(3) if other != axis)))
        reach = int(beyond_mm / side) + 1
        box.append(slice(max(0, int(places[0]) - reach), int(places[-1]) + reach + 1))
    inside = tuple(box)
    far[inside] = ndimage.distance_transform_edt(~drawn[inside], sampling=spacing_mm) > beyond_mm
    return far


def _through_preparation(coded: NDArray[np.int16], label_map: Volume, prepared: PreparedImage) -> NDArray[np.int16]:
    """Bring a class map with codes onto the prepared grid, by the nearest voxel; around it lies background."""
    lowest = min(0, int(coded.min()))
    # Preparation takes label maps of values from 0 on: what is below 0 goes above the classes, and back.
    highest = int(coded.max())
    values = np.where(coded < 0, highest - coded, coded).astype(np.int32)
    plain = LabelTable.from_names({value: f"class {value}" for value in range(1, highest - lowest + 1)})
    moved = prepare_classes(Volume(values, label_map.grid, label_map.path), plain, prepared)
    return np.where(moved > highest, highest - moved, moved).astype(np.int16)
