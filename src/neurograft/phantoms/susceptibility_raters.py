"""Two people who draw the midbrain nuclei by hand on susceptibility maps.

A drawing's border runs a little inside or outside of the truth, by a smooth field of displacement, and it is wider
or tighter as a whole. A rater's manner stays; each drawing departs from it. On the source protocol nobody can tell
the subthalamic nucleus from the nigra, and both are drawn as one.

What is published, and how it is used here: P2 reports Dice between its two raters of 0.891 +- 0.027 (red nucleus),
0.845 +- 0.037 (nigra) and 0.783 +- 0.061 (subthalamic nucleus) on the target protocol. The numbers below are chosen
so that drawings come near to these.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import find_objects

from neurograft.phantoms.deformation import FloatArray, draw_field
from neurograft.phantoms.susceptibility_nuclei import NUCLEI, NucleusSizes
from neurograft.phantoms.susceptibility_subject import (
    FIELDS_OF_VIEW_MM,
    Protocol,
    SusceptibilityDraw,
    SusceptibilitySubject,
    clipped_normal,
    nuclei_occupancy,
    shown_positions,
)

Rater = Literal["rater1", "rater2"]

LABELS: Mapping[Protocol, Mapping[str, tuple[str, ...]]] = {
    "source": {"RN": ("RN",), "SN-STN": ("SN", "STN")},
    "target": {"RN": ("RN",), "SN": ("SN",), "STN": ("STN",)},
}
"""The labels of each protocol, in the order of their values 1, 2, ..., and the nuclei that each is made of."""


@dataclass(frozen=True)
class Unsteadiness:
    """Standard deviations of one drawing's departure from its rater's manner.

    Attributes:
        border_mm: displacement of the border along each axis.
        size: factor of the radii.
    """

    border_mm: float
    size: float


SIZE_FACTOR: Mapping[Rater, Mapping[str, float]] = {
    "rater1": {"RN": 1.01, "SN": 1.03, "STN": 1.03},
    "rater2": {"RN": 0.98, "SN": 0.96, "STN": 0.95},
}
"""How wide a rater draws, as a factor of the true radii: the first is a little generous, the second tight."""

UNSTEADINESS: Mapping[str, Unsteadiness] = {
    "RN": Unsteadiness(0.19, 0.02),
    "SN": Unsteadiness(0.24, 0.03),
    "STN": Unsteadiness(0.27, 0.04),
}

_KNOT_MM = 5.0
"""Length over which a border wanders."""
_MARGIN_MM = 4.0
_SUBVOXELS = 3


def true_labels(person: SusceptibilitySubject, protocol: Protocol) -> NDArray[np.uint8]:
    """The values of a protocol's labels, (D, H, W): in each voxel that of what fills most of it."""
    return _largest_share(person.occupancy, protocol)


def drawn_labels(
    person: SusceptibilitySubject, draw: SusceptibilityDraw, protocol: Protocol, rater: Rater, index: int, seed: int
) -> NDArray[np.uint8]:
    """What a rater draws on a person's map. The same arguments give the same drawing.

    Args:
        person: whose map it is.
        draw: what the person was rendered from.
        protocol: of the map.
        rater: who draws.
        index: number of the person.
        seed: seed of the cohort.

    Returns:
        Shape (D, H, W), the values of the protocol's labels.
    """
    number = list(SIZE_FACTOR).index(rater) + 1
    generator = np.random.default_rng(np.random.SeedSequence([seed, index], spawn_key=(6, number)))
    box = _box_about(person)
    axes = [
        person.affine[axis, 3] + side * np.arange(part.start, part.stop, dtype=np.float64)
        for axis, (side, part) in enumerate(zip(person.spacing_mm, box, strict=True))
    ]
    mapping = shown_positions(draw, axes)
    shares: dict[str, FloatArray] = {}
    for name in NUCLEI:
        unsteady = UNSTEADINESS[name]
        border = draw_field(FIELDS_OF_VIEW_MM["wide"], _KNOT_MM, unsteady.border_mm, generator, components=3)
        width = SIZE_FACTOR[rater][name] + unsteady.size * clipped_normal(generator)
        own = draw.sizes.factor[name] * width
        sizes = NucleusSizes({**draw.sizes.factor, name: own})
        shares |= nuclei_occupancy(mapping + border.on_axes(axes), person.spacing_mm, sizes, (name,), _SUBVOXELS)
    labels = np.zeros(person.image.shape, dtype=np.uint8)
    labels[box] = _largest_share(shares, protocol)
    return labels


def _box_about(person: SusceptibilitySubject) -> tuple[slice, slice, slice]:
    """The box round a person's nuclei, and a margin in which a drawing may depart from them."""
    filled = np.max(list(person.occupancy.values()), axis=0) > 0
    (found,) = find_objects(filled.astype(np.uint8))
    x, y, z = (
        slice(max(part.start - round(_MARGIN_MM / side), 0), min(part.stop + round(_MARGIN_MM / side), count))
        for part, side, count in zip(found, person.spacing_mm, filled.shape, strict=True)
    )
    return x, y, z


def _largest_share(shares: Mapping[str, NDArray[np.floating]], protocol: Protocol) -> NDArray[np.uint8]:
    labels = [np.sum([shares[name] for name in names], axis=0) for names in LABELS[protocol].values()]
    background = np.maximum(1.0 - np.sum(labels, axis=0), 0.0)
    return np.argmax([background, *labels], axis=0).astype(np.uint8)
