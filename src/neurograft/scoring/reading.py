"""One case from its files: reference, prediction, image and regions as arrays on one grid."""

import logging
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from neurograft.errors import InputError
from neurograft.evaluation.policies import GridPolicy
from neurograft.imaging.files import read_image, read_label_map
from neurograft.imaging.grid import Grid
from neurograft.imaging.labels import LabelTable
from neurograft.imaging.orientation import reorient
from neurograft.imaging.resampling import resample_to_grid
from neurograft.imaging.volume import Volume
from neurograft.scoring.pairing import Pair

logger = logging.getLogger(__name__)

CANONICAL = "RAS"
"""Everything is measured in this orientation, so that axial slices are axial."""


@dataclass(frozen=True, eq=False)
class CaseArrays:
    """What is measured of a case; all arrays share a shape (D, H, W) in RAS.

    Attributes:
        reference: class indices, 0 background, n the n-th label, -1 not annotated.
        prediction: class indices; ``None`` where there is no prediction.
        grid: of the arrays.
        image: intensities as stored, or ``None``.
        reference_region: mask for contrast ratios, or ``None``.
        raters: class indices by rater.
    """

    reference: NDArray[Any]
    prediction: NDArray[Any] | None
    grid: Grid
    image: NDArray[Any] | None = None
    reference_region: NDArray[Any] | None = None
    raters: Mapping[str, NDArray[Any]] = field(default_factory=dict)


@dataclass(frozen=True)
class LabelTables:
    """Label values on either side, with the same names in the same order.

    Attributes:
        reference: in the reference label maps, and what to score.
        prediction: in the predictions.
        raters: in each rater's label maps.
        region: the one label that is the reference region, in the reference label maps.
    """

    reference: LabelTable
    prediction: LabelTable
    raters: Mapping[str, LabelTable] = field(default_factory=dict)
    region: LabelTable | None = None


def read_case(pair: Pair, tables: LabelTables, grids: GridPolicy, with_image: bool) -> CaseArrays:
    """Read a pair's files.

    Args:
        pair: the files.
        tables: which values are which label.
        grids: whether a prediction on another grid is refused or resampled.
        with_image: read the image and the reference region, where the pair has them.

    Raises:
        InputError: unreadable files, different grids under ``refuse``, or a prediction without any
            value of its table.
    """
    reference = _canonical(read_label_map(pair.reference))
    prediction = None
    if pair.prediction is not None:
        prediction = _classes_on(pair.prediction, tables.prediction, reference, grids, pair.case)
    image = region = None
    if with_image and pair.image is not None:
        image = _on_same_grid(read_image(pair.image), reference, "image").data
        if pair.reference_region is not None:
            region = _on_same_grid(read_label_map(pair.reference_region), reference, "reference region").data > 0
        elif tables.region is not None:
            region = tables.region.to_classes(reference.data) > 0
    raters = {
        name: _classes_on(path, tables.raters[name], reference, grids, pair.case) for name, path in pair.raters.items()
    }
    classes = tables.reference.to_classes(reference.data)
    return CaseArrays(classes, prediction, reference.grid, image, region, raters)


def _classes_on(path: Path, labels: LabelTable, reference: Volume, grids: GridPolicy, case: str) -> NDArray[Any]:
    """A label map's classes on the reference's grid."""
    volume = _canonical(read_label_map(path))
    if not volume.grid.same_as(reference.grid):
        if grids == "refuse":
            raise InputError(
                f"the prediction does not lie on the grid of its reference {reference.path}: "
                f"{reference.grid.difference(volume.grid)}",
                "Predict from that case's own image, or ask for resampling by nearest neighbour with --grids resample",
                path,
            )
        logger.warning("case %s: %s is resampled to its reference by nearest neighbour", case, path.name)
        volume = resample_to_grid(volume, reference.grid, "nearest")
    classes = labels.to_classes(volume.data)
    unknown = labels.unknown_values(volume.data)
    if unknown and not (classes > 0).any():
        raise InputError(
            f"the prediction holds only values that the label table does not have: {unknown[:5]}",
            f"Values of the labels are {list(labels.values)}; put the prediction's own labels.tsv "
            "(columns index, name) beside it",
            path,
        )
    if unknown:
        logger.warning("%s: values %s are not in the label table and count as background", case, unknown[:5])
    # What the prediction itself calls "not annotated" is no label of its own.
    return np.where(classes < 0, 0, classes).astype(np.int16, copy=False)


def _canonical(volume: Volume) -> Volume:
    """The volume in RAS: files that store one grid in another order of axes are on one grid."""
    data, grid = reorient(volume.data, volume.grid, CANONICAL)
    return Volume(data, grid, volume.path)


def _on_same_grid(volume: Volume, reference: Volume, what: str) -> Volume:
    turned = _canonical(volume)
    if not turned.grid.same_as(reference.grid):
        raise InputError(
            f"the {what} does not lie on the grid of the reference label map {reference.path}: "
            f"{reference.grid.difference(turned.grid)}",
            "Resample it onto the label map",
            volume.path,
        )
    return turned
