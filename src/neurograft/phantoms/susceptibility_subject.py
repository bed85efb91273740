"""One person of the susceptibility phantom: a susceptibility map of the midbrain, in ppm, and the truth.

The map is made as such; no phase image and no inversion of a field stand behind it. What it has of a real map: the
voxels of two protocols, partial volume, errors that vary over centimetres, and noise that grows as voxels shrink.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter

from neurograft.phantoms.deformation import FloatArray, SplineField, draw_deformation, draw_field
from neurograft.phantoms.partial_volume import SUBVOXELS, shape_occupancy
from neurograft.phantoms.susceptibility_nuclei import (
    NUCLEI,
    PALLIDUM_PPM,
    SUSCEPTIBILITY_PPM,
    NucleusSizes,
    inside_nucleus,
    nucleus_box_mm,
)
from neurograft.phantoms.ventricles import brain_template

Protocol = Literal["source", "target"]
FieldOfView = Literal["midbrain", "wide"]
Spacing = tuple[float, float, float]

SPACING_MM: Mapping[Protocol, Spacing] = {"source": (0.63, 0.63, 2.0), "target": (0.83, 0.83, 0.8)}
"""Voxel sizes of P2's two data sets."""

FIELDS_OF_VIEW_MM: Mapping[FieldOfView, tuple[tuple[float, float], ...]] = {
    "midbrain": ((-28.0, 28.0), (-46.0, 10.0), (-34.0, 10.0)),
    "wide": ((-48.0, 48.0), (-66.0, 30.0), (-56.0, 32.0)),
}
"""Lowest and highest MNI coordinate on each axis. The nuclei lie about the middle of both, as they do in a whole
head; P2's centre crops fit into the wide one."""

WHITE_PPM = -0.03
GREY_PPM = 0.015
"""Of the tissue about the nuclei, against cerebrospinal fluid; choices of this phantom."""

_DEFORMATION_MM = 2.0
_TEXTURE_PPM = 0.008
_ERROR_PPM = 0.008
_SIZE_SD = 0.07
_HEAD_CENTRE_MM = np.array([0.0, -18.0, -10.0])
_NOISE_VOXEL_MM3 = 0.55
"""Volume of a voxel of the target protocol, whose noise the draw is of."""


@dataclass(frozen=True, eq=False)
class SusceptibilityDraw:
    """Everything random about a person, before anything is computed from it.

    Attributes:
        susceptibility_ppm: of each nucleus.
        sizes: of each nucleus.
        scale: factor of the head's size on each axis.
        pitch_radians: nodding of the head.
        shift_mm: position of the head.
        deformation: smooth displacement in mm.
        texture: variation over a few mm, in ppm.
        error: variation over centimetres, as maps have it from fields that were not removed, in ppm.
        noise_ppm: standard deviation of the noise on voxels of the target protocol.
        noise_seed: seed of the noise.
    """

    susceptibility_ppm: Mapping[str, float]
    sizes: NucleusSizes
    scale: FloatArray
    pitch_radians: float
    shift_mm: FloatArray
    deformation: SplineField
    texture: SplineField
    error: SplineField
    noise_ppm: float
    noise_seed: int


@dataclass(frozen=True, eq=False)
class SusceptibilitySubject:
    """One person of the phantom. All arrays have the shape (D, H, W), in RAS order.

    Attributes:
        image: float32, the map in ppm.
        occupancy: float32 for each of `NUCLEI`, the share of each voxel that it fills.
        affine: shape (4, 4), voxel indices to mm.
        spacing_mm: of the voxels.
        susceptibility_ppm: the truth for each nucleus.
        volume_mm3: of each nucleus, both sides, partly filled voxels counted by their share.
    """

    image: NDArray[np.float32]
    occupancy: Mapping[str, NDArray[np.float32]]
    affine: FloatArray
    spacing_mm: Spacing
    susceptibility_ppm: Mapping[str, float]
    volume_mm3: Mapping[str, float]


def susceptibility_subject(
    index: int, seed: int, protocol: Protocol = "target", field_of_view: FieldOfView = "midbrain"
) -> SusceptibilitySubject:
    """Make one person of the phantom. The same arguments give the same person, bit for bit.

    Args:
        index: number of the person, from 0.
        seed: seed of the cohort.
        protocol: whose voxels; the same person's nuclei lie at the same places in both.
        field_of_view: a key of `FIELDS_OF_VIEW_MM`.
    """
    return render_susceptibility(draw_susceptibility(index, seed), protocol, field_of_view)


def draw_susceptibility(index: int, seed: int) -> SusceptibilityDraw:
    """Draw a person. What is drawn depends neither on the protocol nor on the field of view."""
    generator = np.random.default_rng(np.random.SeedSequence([seed, index], spawn_key=(5,)))
    extent = FIELDS_OF_VIEW_MM["wide"]
    return SusceptibilityDraw(
        susceptibility_ppm={
            name: mean + sd * clipped_normal(generator) for name, (mean, sd) in SUSCEPTIBILITY_PPM.items()
        },
        sizes=NucleusSizes({name: 1.0 + _SIZE_SD * clipped_normal(generator) for name in NUCLEI}),
        scale=1.0 + 0.03 * np.clip(generator.normal(size=3), -2.0, 2.0),
        pitch_radians=float(np.deg2rad(generator.uniform(-4.0, 4.0))),
        shift_mm=generator.uniform(-1.5, 1.5, size=3),
        deformation=draw_deformation(extent, _DEFORMATION_MM, generator),
        texture=draw_field(extent, 4.0, _TEXTURE_PPM, generator),
        error=draw_field(extent, 20.0, _ERROR_PPM, generator),
        noise_ppm=float(generator.uniform(0.010, 0.016)),
        noise_seed=int(generator.integers(2**63)),
    )


def render_susceptibility(
    draw: SusceptibilityDraw, protocol: Protocol, field_of_view: FieldOfView = "midbrain"
) -> SusceptibilitySubject:
    """Compute a person's map from what was drawn."""
    spacing = SPACING_MM[protocol]
    axes, affine = voxel_axes(spacing, FIELDS_OF_VIEW_MM[field_of_view])
    mapping = shown_positions(draw, axes)
    template = brain_template()
    tissue = WHITE_PPM * template.at(template.white, mapping) + GREY_PPM * template.at(template.grey, mapping)
    signal = _over_voxels(tissue, spacing) + draw.texture.on_axes(axes)[0]
    fill = nuclei_occupancy(mapping, spacing, draw.sizes, (*NUCLEI, "pallidum"))
    signal *= 1.0 - np.sum(list(fill.values()), axis=0)
    for name, occupancy in fill.items():
        signal += occupancy * draw.susceptibility_ppm.get(name, PALLIDUM_PPM)
    voxel_mm3 = float(np.prod(spacing))
    noise = np.random.default_rng(draw.noise_seed).normal(0.0, draw.noise_ppm, signal.shape)
    image = signal + draw.error.on_axes(axes)[0] + noise * (_NOISE_VOXEL_MM3 / voxel_mm3)
    del fill["pallidum"]
    return SusceptibilitySubject(
        image=image.astype(np.float32),
        occupancy={name: occupancy.astype(np.float32) for name, occupancy in fill.items()},
        affine=affine,
        spacing_mm=spacing,
        susceptibility_ppm=draw.susceptibility_ppm,
        volume_mm3={name: float(occupancy.sum()) * voxel_mm3 for name, occupancy in fill.items()},
    )


def nuclei_occupancy(
    mapping_mm: FloatArray,
    spacing_mm: Spacing,
    sizes: NucleusSizes,
    names: tuple[str, ...] = NUCLEI,
    subvoxels: int = SUBVOXELS,
) -> dict[str, FloatArray]:
    """The share of each voxel that each nucleus fills, (D, H, W); together at most 1."""
    return {
        name: shape_occupancy(
            lambda positions, name=name: inside_nucleus(name, positions, sizes),  # type: ignore[misc]
            nucleus_box_mm(name),
            mapping_mm,
            spacing_mm,
            subvoxels,
        )
        for name in names
    }


def voxel_axes(spacing_mm: Spacing, extent_mm: tuple[tuple[float, float], ...]) -> tuple[list[FloatArray], FloatArray]:
    """The coordinates in mm of the voxel centres along each axis, about the middle of the extent, and the affine."""
    axes: list[FloatArray] = []
    affine: FloatArray = np.diag([*spacing_mm, 1.0])
    for axis, (side, (low, high)) in enumerate(zip(spacing_mm, extent_mm, strict=True)):
        count = round((high - low) / side)
        first = (low + high - (count - 1) * side) / 2.0
        axes.append(first + side * np.arange(count, dtype=np.float64))
        affine[axis, 3] = first
    return axes, affine


def shown_positions(draw: SusceptibilityDraw, axes: list[FloatArray]) -> FloatArray:
    """The MNI position that each voxel of a person shows, (3, D, H, W) in mm."""
    cosine, sine = np.cos(draw.pitch_radians), np.sin(draw.pitch_radians)
    pitch = np.array([[1.0, 0.0, 0.0], [0.0, cosine, -sine], [0.0, sine, cosine]])
    positions = np.stack(np.meshgrid(*axes, indexing="ij"))
    centre = _HEAD_CENTRE_MM.reshape(3, 1, 1, 1)
    turned = np.tensordot(pitch / draw.scale, positions - centre, axes=1)
    return np.asarray(turned + centre + draw.shift_mm.reshape(3, 1, 1, 1) + draw.deformation.on_axes(axes))


def clipped_normal(generator: np.random.Generator) -> float:
    """A normal number, cut off at two standard deviations."""
    return float(np.clip(generator.normal(), -2.0, 2.0))


def _over_voxels(tissue: FloatArray, spacing_mm: Spacing) -> FloatArray:
    """Blur a signal read at voxel centres along the axes on which a voxel is longer than the template's 1 mm."""
    # A box of side s has the variance s^2 / 12; the template's own voxels have theirs already.
    blur = [np.sqrt(max(side**2 - 1.0, 0.0) / 12.0) / side for side in spacing_mm]
    return np.asarray(gaussian_filter(tissue, blur, mode="nearest"))
