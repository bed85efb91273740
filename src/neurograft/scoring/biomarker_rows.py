"""Volume, intensity and contrast of each structure of one case, as each segmentation delineates it."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from neurograft.evaluation.biomarkers.structures import measure_structures
from neurograft.scoring.reading import CaseArrays

REFERENCE, PREDICTION = "reference", "prediction"


def delineations(arrays: CaseArrays) -> Iterator[tuple[str, NDArray[Any]]]:
    """Every segmentation of a case by the name of who made it: reference, prediction, raters."""
    yield REFERENCE, arrays.reference
    if arrays.prediction is not None:
        yield PREDICTION, arrays.prediction
    yield from arrays.raters.items()


def biomarker_rows(
    arrays: CaseArrays, labels: Mapping[int, str], groups: Mapping[str, Sequence[int]], contrast_wanted: bool
) -> list[dict[str, Any]]:
    """A row a segmentation and structure.

    Args:
        arrays: a case; without an image, volumes are all that is measured.
        labels: name by class index.
        groups: class indices by name.
        contrast_wanted: whether a missing reference region is a flaw.

    Returns:
        Rows with ``rater`` (who delineated), ``label``, ``kind`` and ``volume_mm3``; with an image,
        the columns of `neurograft.evaluation.biomarkers.structure.StructureBiomarkers.to_row`.
    """
    structures = {name: (index,) for index, name in labels.items()} | {
        name: tuple(members) for name, members in groups.items()
    }
    rows = []
    for rater, classes in delineations(arrays):
        figures = _figures(arrays, classes, structures, contrast_wanted)
        for name, row in figures.items():
            kind = "group" if name in groups else "label"
            rows.append({"rater": rater, "label": name, "kind": kind, **row})
    return rows


def _figures(
    arrays: CaseArrays, classes: NDArray[Any], structures: Mapping[str, Sequence[int]], contrast_wanted: bool
) -> dict[str, dict[str, float | str]]:
    spacing_mm = arrays.grid.spacing_mm
    if arrays.image is None:
        voxel_mm3 = arrays.grid.voxel_volume_mm3
        return {
            name: {"volume_mm3": int(np.isin(classes, members).sum()) * voxel_mm3}
            for name, members in structures.items()
        }
    measured = measure_structures(
        arrays.image, classes, structures, spacing_mm, arrays.reference_region, contrast_wanted
    )
    return {name: biomarkers.to_row() for name, biomarkers in measured.items()}
