"""A person of the lesion phantom: the template's brain, deformed, with lesions in its white matter."""

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import binary_dilation, gaussian_filter, label

from neurograft.phantoms.deformation import FloatArray, SplineField, draw_deformation, draw_field
from neurograft.phantoms.lesion_statistics import draw_lesion_volumes
from neurograft.phantoms.ventricles import brain_template

Channel = Literal["T1w", "FLAIR"]

EXTENT_MM = ((-90.0, 90.0), (-124.0, 92.0), (-72.0, 96.0))
"""MNI coordinates between which the volume lies: all of the brain, but for the brainstem's lower end."""
SIGNALS: dict[Channel, tuple[float, float, float, float]] = {
    "T1w": (0.25, 0.65, 0.87, 0.62),
    "FLAIR": (0.12, 0.72, 0.58, 1.00),
}
"""Signal of fluid, grey matter, white matter and lesions. Those of T1w but the last are the template's own; the
others were chosen by hand to look like common protocols."""
_SIGNAL_SD = 0.03
_NEAR_MM = 10.0
"""Length over which lesions become rarer with the distance from the lateral ventricles, chosen by hand."""
_WHITE_FROM = 0.6
_UNEVENNESS = 0.35
"""Standard deviation of a lesion's radius over directions, as part of it."""
_DEFORMATION_MM = 2.5


@dataclass(frozen=True, eq=False)
class LesionSubject:
    """One person of the phantom. All arrays have the shape (D, H, W), in RAS order.

    Attributes:
        images: float32 by channel, 0 outside of the brain.
        lesions: bool.
        affine: shape (4, 4), voxel indices to mm.
        count: number of lesions, as components of 26-connected voxels.
        volume_mm3: of all lesions together.
    """

    images: dict[Channel, NDArray[np.float32]]
    lesions: NDArray[np.bool_]
    affine: FloatArray
    count: int
    volume_mm3: float


def lesion_subject(index: int, seed: int, spacing_mm: float = 2.0) -> LesionSubject:
    """Make one person of the phantom. The same arguments give the same person, bit for bit.

    Args:
        index: number of the person, from 0.
        seed: seed of the cohort.
        spacing_mm: voxel size. Lesions smaller than a voxel are one voxel.
    """
    generator = np.random.default_rng(np.random.SeedSequence([seed, index], spawn_key=(6,)))
    deformation = draw_deformation(EXTENT_MM, _DEFORMATION_MM, generator, knot_spacing_mm=24.0)
    scale = 1.0 + 0.03 * np.clip(generator.normal(size=3), -2.0, 2.0)
    bias: SplineField = draw_field(EXTENT_MM, 60.0, 0.08, generator)
    volumes = draw_lesion_volumes(generator)
    axes, affine = _voxel_axes(spacing_mm)
    positions = np.stack(np.meshgrid(*axes, indexing="ij"))
    mapping = positions / scale.reshape(3, 1, 1, 1) + deformation.on_axes(axes)
    template = brain_template()
    brain = template.at(template.brain, mapping) > 0.5
    white, grey = template.at(template.white, mapping), template.at(template.grey, mapping)
    lesions = place_lesions(
        (white > _WHITE_FROM) & brain, template.at(template.distance_mm, mapping), volumes, spacing_mm, generator
    )
    edge = np.maximum(gaussian_filter(lesions.astype(np.float64), 0.4 / spacing_mm), 0.75 * lesions)
    images: dict[Channel, NDArray[np.float32]] = {}
    own = template.at(template.t1, mapping)
    for channel, signals in SIGNALS.items():
        fluid, of_grey, of_white, of_lesion = np.array(signals) + generator.normal(0.0, _SIGNAL_SD, 4)
        # The template's own T1 signal keeps what tissue maps do not know of, such as the pallidum.
        tissue = own if channel == "T1w" else fluid + grey * (of_grey - fluid) + white * (of_white - fluid)
        # Some lesions are hardly seen in T1w.
        signal = tissue + edge * (of_lesion - tissue) * (generator.uniform(0.3, 1.0) if channel == "T1w" else 1.0)
        signal = signal * np.exp(bias.on_axes(axes)[0]) + generator.normal(0.0, 0.03, signal.shape)
        images[channel] = np.where(brain, np.maximum(signal, 1e-3), 0.0).astype(np.float32)
    count = int(label(lesions, np.ones((3, 3, 3)))[1])
    return LesionSubject(images, lesions, affine, count, float(lesions.sum()) * spacing_mm**3)


def place_lesions(
    white: NDArray[np.bool_],
    from_ventricles_mm: FloatArray,
    volumes_mm3: NDArray[np.float64],
    spacing_mm: float,
    generator: np.random.Generator,
) -> NDArray[np.bool_]:
    """Fill lesions of given volumes into white matter, none of which touches another.

    A lesion grows from a voxel, near the ventricles more often than far from them, as an ellipsoid with an uneven
    surface, over as many voxels of white matter as its volume wants. One that finds no room is smaller, or left out.

    Args:
        white: where lesions may lie, (D, H, W).
        from_ventricles_mm: distance of each voxel, (D, H, W).
        volumes_mm3: of the lesions.
        spacing_mm: voxel size.
        generator: of places and shapes.

    Returns:
        bool (D, H, W).
    """
    lesions = np.zeros(white.shape, bool)
    free = white.copy()
    chance = np.exp(-np.maximum(from_ventricles_mm, 0.0) / _NEAR_MM)
    for volume in volumes_mm3:
        places = np.flatnonzero(free)
        if not len(places):
            break
        weights = chance.ravel()[places].cumsum()
        place = places[min(int(np.searchsorted(weights, generator.uniform() * weights[-1])), len(places) - 1)]
        centre = np.array(np.unravel_index(place, white.shape))
        voxels = max(1, round(volume / spacing_mm**3))
        reach = int(np.ceil(2.5 * (3 * voxels / (4 * np.pi)) ** (1 / 3))) + 1
        box = tuple(slice(max(0, at - reach), at + reach + 1) for at in centre)
        offsets = np.stack(
            np.meshgrid(*(np.arange(part.start, min(part.stop, size)) - at
                          for part, size, at in zip(box, white.shape, centre, strict=True)), indexing="ij")
        )  # fmt: skip
        axes = np.exp(generator.normal(0.0, 0.25, 3)).reshape(3, 1, 1, 1)
        rough = gaussian_filter(generator.normal(size=offsets.shape[1:]), max(1.0, reach / 4))
        rough *= _UNEVENNESS / max(float(rough.std()), 1e-12)
        distance = np.where(free[box], np.sqrt(((offsets / axes) ** 2).sum(0)) * np.exp(rough), np.inf)
        nearest = np.argsort(distance, axis=None, kind="stable")[:voxels]
        grown = np.zeros(distance.shape, bool)
        grown.ravel()[nearest[np.isfinite(distance.ravel()[nearest])]] = True
        # What lies across a gyrus is no part of the same lesion.
        parts, _ = label(grown, np.ones((3, 3, 3)))
        middle = tuple(int(at - part.start) for at, part in zip(centre, box, strict=True))
        grown = parts == (parts[middle] or int(np.bincount(parts[grown]).argmax()))
        lesions[box] |= grown
        wide = tuple(slice(max(0, part.start - 1), part.stop + 1) for part in box)
        free[wide] &= ~binary_dilation(lesions[wide], np.ones((3, 3, 3)))
    return lesions


def _voxel_axes(spacing_mm: float) -> tuple[list[FloatArray], FloatArray]:
    axes: list[FloatArray] = []
    affine: FloatArray = np.diag([spacing_mm, spacing_mm, spacing_mm, 1.0])
    for axis, (low, high) in enumerate(EXTENT_MM):
        count = round((high - low) / spacing_mm)
        first = (low + high - (count - 1) * spacing_mm) / 2.0
        axes.append(first + spacing_mm * np.arange(count, dtype=np.float64))
        affine[axis, 3] = first
    return axes, affine
