"""Signs that a mask should not be trusted, without any truth to hold it against.

None of them proves a mask wrong, and a mask without any may be wrong all the same: they say which
scans to look at first.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from neurograft.imaging.grid import Grid
from neurograft.imaging.labels import LabelTable
from neurograft.imaging.sides import pair_sides
from neurograft.inference.evidence import Evidence
from neurograft.models import VolumeRange

VOLUME_FACTOR = 2.0
"""A volume this many times smaller or larger than any of the training cases is a sign."""
SIDES_FACTOR = 2.0
"""So is one side this many times as large as the other."""
LOW_CERTAINTY = 0.6
"""So is a mean probability below this over a label's own voxels."""
LEAST_KEPT = 0.7
"""So is a label of which the component filter has taken more than the rest."""
EDGE_VOXELS = 10
"""So are this many voxels of a label in the outermost layer of the scan."""


@dataclass(frozen=True)
class Sign:
    """A sign against a mask.

    Attributes:
        label: of which label; "" for the scan as a whole.
        kind: in one word or two: missing, small, large, uneven sides, swapped sides, uncertain, in pieces, cut off.
        words: with figures.
    """

    label: str
    kind: str
    words: str


def signs(
    values: NDArray[np.integer],
    grid: Grid,
    labels: LabelTable,
    ranges: Sequence[VolumeRange],
    evidence: Evidence | None,
) -> list[Sign]:
    """Look for signs against a mask.

    Args:
        values: label values on the scan's grid.
        grid: that grid.
        labels: their table.
        ranges: volumes among the cases that the model learnt from; may be empty.
        evidence: what was gathered while the mask was made, or ``None``.
    """
    classes = labels.to_classes(values)
    counts = np.bincount(classes.ravel().clip(0), minlength=len(labels) + 1)[1:]
    volumes = dict(zip(labels.names, (counts * grid.voxel_volume_mm3).tolist(), strict=True))
    found = _of_volumes(volumes, {known.label: known for known in ranges})
    found += _of_sides(classes, grid, labels.names, volumes)
    if evidence is not None:
        found += _of_evidence(labels.names, evidence)
    edge = np.zeros(len(labels) + 1, np.int64)
    for axis, extent in enumerate(classes.shape):
        for place in {0, extent - 1}:
            edge += np.bincount(np.take(classes, place, axis).ravel().clip(0), minlength=len(labels) + 1)
    for name, voxels in zip(labels.names, edge[1:].tolist(), strict=True):
        if voxels >= EDGE_VOXELS:
            found.append(Sign(name, "cut off", f"{voxels} voxels of {name} lie at the edge of the scan"))
    return found


def _of_volumes(volumes: Mapping[str, float], known: Mapping[str, VolumeRange]) -> list[Sign]:
    found = []
    for name, mm3 in volumes.items():
        of_label = known.get(name)
        if of_label is None or of_label.largest_mm3 == 0:
            continue
        if mm3 == 0:
            if of_label.absent == 0:
                found.append(Sign(name, "missing", f"{name} was not found, and all training cases have it"))
        elif mm3 < of_label.smallest_mm3 / VOLUME_FACTOR:
            told = f"{name} has {mm3:.0f} mm³, the smallest training case {of_label.smallest_mm3:.0f}"
            found.append(Sign(name, "small", told))
        elif mm3 > of_label.largest_mm3 * VOLUME_FACTOR:
            told = f"{name} has {mm3:.0f} mm³, the largest training case {of_label.largest_mm3:.0f}"
            found.append(Sign(name, "large", told))
    return found


def _of_sides(classes: NDArray[np.int16], grid: Grid, names: Sequence[str], volumes: Mapping[str, float]) -> list[Sign]:
    found = []
    boxes = ndimage.find_objects(classes.clip(0))
    for left, right in pair_sides(names)[0]:
        pair = volumes[names[left]], volumes[names[right]]
        if min(pair) == 0:
            continue
        if max(pair) > SIDES_FACTOR * min(pair):
            smaller, larger = sorted((left, right), key=lambda place: volumes[names[place]])
            told = f"{names[larger]} has {max(pair) / min(pair):.1f} times the volume of {names[smaller]}"
            found.append(Sign(names[smaller], "uneven sides", told))
        if _middle_x(classes, left + 1, boxes, grid) > _middle_x(classes, right + 1, boxes, grid):
            told = f"{names[left]} lies to the right of {names[right]}: check the scan's orientation"
            found.append(Sign(names[left], "swapped sides", told))
    return found


def _of_evidence(names: Sequence[str], evidence: Evidence) -> list[Sign]:
    found = []
    for name, certainty, kept in zip(names, evidence.certainty, evidence.kept, strict=True):
        # Comparisons with NaN, for a label without voxels, are false.
        if certainty < LOW_CERTAINTY:
            found.append(
                Sign(name, "uncertain", f"the mean probability of {name} in its own voxels is {certainty:.2f}")
            )
        if kept < LEAST_KEPT:
            found.append(Sign(name, "in pieces", f"{1 - kept:.0%} of {name} lay apart and was taken out"))
    return found


def _middle_x(classes: NDArray[np.int16], number: int, boxes: Sequence[tuple[slice, ...]], grid: Grid) -> float:
    """Mean world coordinate from left to right of a class's voxels, in mm."""
    box = boxes[number - 1]
    places = np.nonzero(classes[box] == number)
    middle = [float(index.mean()) + side.start for index, side in zip(places, box, strict=True)]
    return float((grid.affine @ [*middle, 1.0])[0])
