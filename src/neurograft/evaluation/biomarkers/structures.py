"""Every biomarker of every structure of a label map, looking only at the voxels around each."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from neurograft.evaluation.biomarkers.structure import StructureBiomarkers, measure_structure
from neurograft.evaluation.boxes import Box, grow_box, join_boxes, joint_boxes

_FIRST_VOXEL: Box = (slice(0, 1), slice(0, 1), slice(0, 1))
"""What is looked at where there is nothing to see."""


def measure_structures(
    image: NDArray[Any],
    labels: NDArray[Any],
    structures: Mapping[str, Sequence[int]],
    spacing_mm: Sequence[float],
    reference_region: NDArray[Any] | None = None,
    contrast_wanted: bool = True,
) -> dict[str, StructureBiomarkers]:
    """Measure structures; the result is that of `measure_structure` on the whole image.

    Args:
        image: intensities as acquired, (D, H, W).
        labels: integer label map of the same shape.
        structures: the label values that make each structure, by its name.
        spacing_mm: voxel lengths, one an axis.
        reference_region: mask for contrast ratios, same shape.
        contrast_wanted: whether a missing reference region is a flaw.

    Raises:
        ValueError: shapes differ, or spacing does not fit.
    """
    if image.shape != labels.shape or (reference_region is not None and reference_region.shape != image.shape):
        raise ValueError("image, label map and reference region must have one shape")
    values = sorted({value for members in structures.values() for value in members})
    boxes = joint_boxes(labels, labels, values)
    region = None
    if reference_region is not None:
        inside = (reference_region != 0).astype(np.uint8)
        region = joint_boxes(inside, inside, [1])[1]
    measured = {}
    for name, members in structures.items():
        # With a voxel around it, so that a region at the border of the image, and no other, touches a border.
        box = join_boxes([region, *(boxes[member] for member in members)])
        shown = _FIRST_VOXEL if box is None else grow_box(box, image.shape)
        measured[name] = measure_structure(
            image[shown],
            np.isin(labels[shown], members),
            spacing_mm,
            None if reference_region is None else reference_region[shown],
            contrast_wanted=contrast_wanted,
        )
    return measured
