"""Overlap and surface figures of one case: a row a label, a group of labels, and a mean over labels."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from neurograft.evaluation.measures import MEASURES
from neurograft.evaluation.overlap.counts import LabelCounts, Overlap
from neurograft.evaluation.overlap.means import mean_over_labels, volume_weighted_mean
from neurograft.evaluation.overlap.scores import overlap_scores
from neurograft.evaluation.overlap.slices import slice_scores
from neurograft.evaluation.surfaces.figures import SurfaceFigures, image_diagonal_mm, surface_figures
from neurograft.imaging.labels import IGNORE
from neurograft.scoring.options import ScoringOptions
from neurograft.scoring.reading import CaseArrays

Row = dict[str, Any]

MISSING = "prediction-missing"
MEAN, BY_VOLUME, BY_SQUARED_VOLUME = "mean", "mean weighted by 1/V", "mean weighted by 1/V²"
LABEL, GROUP, MEAN_OF_LABELS = "label", "group", "mean"

_FAILED = ("dice", "iou", "sensitivity", "precision", "volume_similarity")
"""What a missing prediction scores 0 in, so that it lowers every mean of an overlap."""


def score_rows(
    arrays: CaseArrays,
    prediction: NDArray[Any],
    counts: LabelCounts,
    labels: Mapping[int, str],
    groups: Mapping[str, Sequence[int]],
    options: ScoringOptions,
    threads: int = 1,
) -> list[Row]:
    """Rows of a case that has a prediction.

    Args:
        arrays: the case.
        prediction: its classes, (D, H, W).
        counts: of the labels.
        labels: name by class index.
        groups: class indices by name.
        options: what to compute.
        threads: that share the labels.

    Returns:
        Rows with ``label``, ``kind``, ``status`` and measures; with several labels, the means last.
    """
    surfaces = _surface_columns(arrays, prediction, labels, groups, options, threads)
    rows = []
    for index, name in labels.items():
        rows.append(_row(name, LABEL, counts.overlap(index), arrays, options) | surfaces.get(index, {}))
    for name, members in groups.items():
        rows.append(_row(name, GROUP, counts.group(members), arrays, options) | surfaces.get(name, {}))
    slices = None
    if options.slices is not None:
        slices = slice_scores(arrays.reference, prediction, list(labels), policy=options.slices, ignore=IGNORE)
        for row, index in zip(rows, labels, strict=False):
            row["dice_slices"] = slices.mean_dice_of(index).value
            row["iou_slices"] = slices.mean_iou_of(index).value
    if len(labels) > 1:
        means = mean_rows(rows[: len(labels)])
        if slices is not None:
            # P4 averages the labels within each slice, and the slices after that.
            means[0]["iou_slices"] = slices.mean_of_mean_iou.value
        rows += means
    return rows


def missing_rows(
    arrays: CaseArrays, labels: Mapping[int, str], groups: Mapping[str, Sequence[int]], options: ScoringOptions
) -> list[Row]:
    """Rows of a case without a prediction: a failure of every label that the reference shows or lacks."""
    members: dict[str, tuple[str, tuple[int, ...]]] = {name: (LABEL, (index,)) for index, name in labels.items()}
    members |= {name: (GROUP, tuple(indices)) for name, indices in groups.items()}
    rows = []
    for name, (kind, indices) in members.items():
        voxels = int(np.isin(arrays.reference, indices).sum())
        row: Row = {"label": name, "kind": kind, "status": MISSING, **dict.fromkeys(_FAILED, 0.0)}
        row["reference_mm3"] = voxels * arrays.grid.voxel_volume_mm3
        for definition in options.surfaces:
            figures = SurfaceFigures.of_missing_prediction(definition, options.tolerance_mm)
            row |= _under_policies(figures, arrays, options)
        if options.slices is not None and kind == LABEL:
            row |= {"dice_slices": 0.0, "iou_slices": 0.0}
        rows.append(row)
    if len(labels) > 1:
        rows += mean_rows(rows[: len(labels)])
    return rows


def mean_rows(labels: Sequence[Row]) -> list[Row]:
    """The mean over labels of every measure of a case, and the two means of Dice weighted by volume (P5)."""
    names = [row["label"] for row in labels]
    # In the order of the alphabet an empty or missing prediction stands behind "ok", so that no mean hides one.
    whose: Row = {"kind": MEAN_OF_LABELS, "status": max(row["status"] for row in labels)}
    plain: Row = {"label": MEAN, **whose}
    for measure in MEASURES:
        if not measure.endswith("_mm3") and measure in labels[0]:
            values = {name: row[measure] for name, row in zip(names, labels, strict=True)}
            plain[measure] = mean_over_labels(values).value
    dice = {name: row["dice"] for name, row in zip(names, labels, strict=True)}
    volumes = {name: row["reference_mm3"] for name, row in zip(names, labels, strict=True)}
    return [
        plain,
        {"label": BY_VOLUME, **whose, "dice": volume_weighted_mean(dice, volumes, 1).value},
        {"label": BY_SQUARED_VOLUME, **whose, "dice": volume_weighted_mean(dice, volumes, 2).value},
    ]


def _row(name: str, kind: str, overlap: Overlap, arrays: CaseArrays, options: ScoringOptions) -> Row:
    scores = overlap_scores(overlap, arrays.grid.voxel_volume_mm3, options.policies.empty)
    figures = {measure: getattr(scores, measure) for measure in MEASURES if hasattr(scores, measure)}
    return {"label": name, "kind": kind, "status": scores.status, **figures}


def _surface_columns(
    arrays: CaseArrays,
    prediction: NDArray[Any],
    labels: Mapping[int, str],
    groups: Mapping[str, Sequence[int]],
    options: ScoringOptions,
    threads: int,
) -> dict[int | str, Row]:
    """Surface columns by class index, and by name for groups."""
    if not options.surfaces:
        return {}
    measured = surface_figures(
        arrays.reference,
        prediction,
        list(labels),
        arrays.grid.spacing_mm,
        options.surfaces,
        options.tolerance_mm,
        groups,
        ignore=IGNORE,
        workers=threads,
    )
    columns: dict[int | str, Row] = {}
    for figures_of in measured.values():
        for key, figures in figures_of.items():
            columns.setdefault(key, {}).update(_under_policies(figures, arrays, options))
    return columns


def _under_policies(figures: SurfaceFigures, arrays: CaseArrays, options: ScoringOptions) -> Row:
    diagonal_mm = image_diagonal_mm(arrays.grid.shape, arrays.grid.spacing_mm)
    return dict(figures.under(options.policies.empty, options.policies.distance, diagonal_mm).to_row())
