"""Deep Image Prior from files to a file."""

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from neurograft.cohorts import Case
from neurograft.cohorts.label_names import gather_labels
from neurograft.cohorts.open_labels import LABEL_AXIS, require_known_extent
from neurograft.errors import InputError
from neurograft.imaging.files import read_image, read_label_map, stem, write_label_map
from neurograft.imaging.labels import IGNORE, LabelTable
from neurograft.imaging.preparation import prepare_image, restore_classes
from neurograft.imaging.volume import Volume
from neurograft.recipes.schema import ComputeConfig, LabelBudgetConfig, PreparationConfig
from neurograft.training.annotations import annotate
from neurograft.training.deep_image_prior import ANY_COMPUTE, ImagePrior, fit_image_prior


@dataclass(frozen=True)
class ImagePriorRequest:
    """What to fill in.

    Attributes:
        image: the scan.
        label: its label map, on the same grid.
        out: the file to write.
        config: how the network is fitted.
        slice_axis: how drawn slices are cut, where slices without a label were not drawn; None where a value of
            the label map marks what was not annotated.
        label_table: names of the label map's values; None is ``labels.tsv`` beside it, or the values themselves.
        margin_mm: looked at around what is drawn.
        seed: of weights and noise.
        overwrite: replace the file.
        compute: what is not left open is not tried on this machine.
    """

    image: Path
    label: Path
    out: Path
    config: ImagePrior = field(default_factory=ImagePrior)
    slice_axis: str | None = None
    label_table: Path | None = None
    margin_mm: float = 15.0
    seed: int = 0
    overwrite: bool = False
    compute: ComputeConfig = ANY_COMPUTE


def segment_with_image_prior(
    request: ImagePriorRequest, progress: Callable[[int, int], None] | None = None
) -> dict[str, Any]:
    """Fit a network to one scan and write the label map that it fills in.

    Drawn voxels keep their labels; the network decides on the others.

    Args:
        request: files and settings.
        progress: called with steps done and in all.

    Returns:
        Drawn voxels, the two losses at the end, and voxels by label.

    Raises:
        InputError: the output exists or is one of the inputs, a file cannot be used, nothing is drawn, or nothing
            tells where.
    """
    if request.out.exists() and not request.overwrite:
        raise InputError("the output exists", "Choose another --out, or pass --overwrite to replace it", request.out)
    if request.out.resolve() in (request.image.resolve(), request.label.resolve()):
        raise InputError("the output would replace what it is made from", "Choose another --out", request.out)
    scan, drawn = read_image(request.image), read_label_map(request.label)
    labels = _labels(request)
    covariates = {} if request.slice_axis is None else {LABEL_AXIS: request.slice_axis}
    case = Case(
        stem(request.image),
        stem(request.image),
        None,
        {"image": request.image},
        request.label,
        label_state="slices",
        covariates=covariates,
    )
    require_known_extent(case, labels)
    region = drawn.data > 0
    if labels.ignore_value is not None:
        region &= drawn.data != labels.ignore_value
    if not region.any():
        raise InputError("no voxel has a label", "Draw some slices", request.label)
    preparation = PreparationConfig(crop="mask", crop_margin_mm=request.margin_mm)
    prepared = prepare_image([scan], preparation, Volume(region.astype(np.int32), drawn.grid, request.label))
    annotation = annotate(case, drawn, labels, prepared, LabelBudgetConfig())
    fit = fit_image_prior(
        prepared.data[0],
        annotation.classes,
        tuple(labels.names),
        request.config,
        request.seed,
        request.compute,
        progress,
    )
    known = annotation.classes != IGNORE
    classes = np.where(known, annotation.classes, fit.classes)
    filled = restore_classes(classes, prepared)
    write_label_map(request.out, labels.to_values(filled), scan.grid)
    return {
        "out": str(request.out),
        "drawn_voxels": fit.drawn_voxels,
        "steps": request.config.steps,
        "image_error": round(fit.image_error, 4),
        "label_loss": round(fit.label_loss, 4),
        **{f"voxels_{name}": int((filled == number).sum()) for number, name in enumerate(labels.names, start=1)},
    }


def _labels(request: ImagePriorRequest) -> LabelTable:
    beside = request.label.parent / "labels.tsv"
    if request.label_table is not None:
        return LabelTable.from_tsv(request.label_table)
    return LabelTable.from_tsv(beside) if beside.is_file() else gather_labels([request.label])
