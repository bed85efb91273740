"""People who draw the nuclei by hand: not quite where they are, and not the same twice.

A drawing departs from the truth as drawings do. Its border runs a little inside or outside, by a smooth field of
displacement; it is wider or tighter as a whole; and it begins and ends on an axial slice of its own, short of the
structure's faint ends. None of it is noise from voxel to voxel. Each rater has a manner that stays (how wide, how
far rostrally and caudally) and each drawing has its own departure from it.

What is published, and how it is used here: P1 (SPEC section 1) quotes Dice between two raters of 0.54 to 0.64 for
the locus coeruleus, and of a rater's two drawings of 0.65 to 0.74; manual reproducibility of the substantia nigra pars
compacta is 0.80 +- 0.03. The numbers below are chosen so that drawings on voxels of 0.75 mm meet the first, the third
between the raters, and the second for the first rater.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import find_objects

from neurograft.phantoms.anatomy import FIELD_OF_VIEW_MM, STRUCTURES, StructureSize
from neurograft.phantoms.deformation import draw_field
from neurograft.phantoms.partial_volume import structure_occupancy
from neurograft.phantoms.subject import MidbrainDraw, MidbrainSubject, template_positions

Rater = Literal["rater1", "rater2"]


@dataclass(frozen=True)
class Manner:
    """How a rater draws a structure, drawing after drawing.

    Attributes:
        thickness: width of the drawing as a factor of the true one.
        caudal_cut_mm: how far before the caudal end the drawing stops.
        rostral_cut_mm: how far before the rostral end.
    """

    thickness: float
    caudal_cut_mm: float
    rostral_cut_mm: float


@dataclass(frozen=True)
class Unsteadiness:
    """Standard deviations of one drawing's departure from its rater's manner.

    Attributes:
        border_mm: displacement of the border along each axis.
        thickness: factor of the width.
        cut_mm: where the drawing begins and ends.
    """

    border_mm: float
    thickness: float
    cut_mm: float


MANNERS: Mapping[Rater, Mapping[str, Manner]] = {
    "rater1": {"LC": Manner(1.1, 0.75, 0.5), "SNpc": Manner(1.05, 0.5, 0.5)},
    "rater2": {"LC": Manner(0.95, 2.75, 0.75), "SNpc": Manner(0.97, 0.75, 0.5)},
}
"""The first is generous, the second tight, and leaves out the locus coeruleus where it is faint, caudally."""

UNSTEADINESS: Mapping[str, Unsteadiness] = {
    "LC": Unsteadiness(0.29, 0.05, 0.6),
    "SNpc": Unsteadiness(0.25, 0.03, 0.4),
}

_KNOT_MM = 5.0
"""Length over which a border wanders."""
_MARGIN_MM = 4.0
_SUBVOXELS = 3


def rater_labels(
    person: MidbrainSubject, draw: MidbrainDraw, rater: Rater, index: int, seed: int, session: int = 1
) -> NDArray[np.uint8]:
    """Return what a rater draws on a person's scan. The same arguments give the same drawing.

    Args:
        person: whose scan it is.
        draw: what the person was rendered from.
        rater: who draws.
        index: number of the person.
        seed: seed of the cohort.
        session: 1 for the first time, 2 for the same rater's second time, and so on.

    Returns:
        Shape (D, H, W), the values of `STRUCTURES`.
    """
    number = list(MANNERS).index(rater) + 1
    generator = np.random.default_rng(np.random.SeedSequence([seed, index], spawn_key=(3, number, session)))
    spacing_mm = float(person.affine[0, 0])
    box = _box_about(person.labels > 0, round(_MARGIN_MM / spacing_mm))
    axes = [
        person.affine[axis, 3] + spacing_mm * np.arange(part.start, part.stop, dtype=np.float64)
        for axis, part in enumerate(box)
    ]
    mapping = template_positions(draw, axes)
    drawn = np.zeros(mapping.shape[1:], dtype=np.uint8)
    for name, value in STRUCTURES.items():
        manner, unsteady = MANNERS[rater][name], UNSTEADINESS[name]
        field = draw_field(FIELD_OF_VIEW_MM, _KNOT_MM, unsteady.border_mm, generator, components=3)
        thickness = manner.thickness + unsteady.thickness * _clipped_normal(generator)
        moved = mapping + field.on_axes(axes)
        mask = structure_occupancy(name, moved, spacing_mm, _of_width(draw.size, thickness), _SUBVOXELS) >= 0.5
        for side in (axes[0] < 0, axes[0] > 0):
            cuts_mm = (
                max(cut + unsteady.cut_mm * _clipped_normal(generator), 0.0)
                for cut in (manner.caudal_cut_mm, manner.rostral_cut_mm)
            )
            mask[side] = _cut(mask[side], *(round(cut / spacing_mm) for cut in cuts_mm))
        drawn[mask] = value
    labels = np.zeros_like(person.labels)
    labels[box] = drawn
    return labels


def _clipped_normal(generator: np.random.Generator) -> float:
    return float(np.clip(generator.normal(), -2.0, 2.0))


def _of_width(size: StructureSize, factor: float) -> StructureSize:
    return replace(size, lc_thickness=size.lc_thickness * factor, sn_thickness=size.sn_thickness * factor)


def _cut(mask: NDArray[np.bool_], caudal_slices: int, rostral_slices: int) -> NDArray[np.bool_]:
    """Clear the lowest and the highest axial slices of a structure, and never all of it."""
    slices = np.flatnonzero(mask.any(axis=(0, 1)))
    kept = slices[caudal_slices : len(slices) - rostral_slices]
    if not len(kept):
        return mask
    cut = np.zeros_like(mask)
    cut[:, :, kept] = mask[:, :, kept]
    return cut


def _box_about(mask: NDArray[np.bool_], margin: int) -> tuple[slice, slice, slice]:
    (found,) = find_objects(mask.astype(np.uint8))
    parts = (
        slice(max(part.start - margin, 0), min(part.stop + margin, size))
        for part, size in zip(found, mask.shape, strict=True)
    )
    x, y, z = parts
    return x, y, z
