"""One person of the midbrain phantom: drawn, then made.

The image is that of a neuromelanin-sensitive, T1-weighted scan of the midbrain and pons at 0.75 mm, the
voxel size of Betts et al. 2017 (NeuroImage 163:150).
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from neurograft.phantoms.anatomy import (
    CONTRAST_RATIO,
    FIELD_OF_VIEW_MM,
    FIELDS_OF_VIEW,
    LC_LENGTH_MM,
    STRUCTURES,
    FieldOfView,
    StructureSize,
    template_tissue,
)
from neurograft.phantoms.deformation import (
    FloatArray,
    SplineField,
    draw_deformation,
    draw_field,
    grow_deformation,
    grow_field,
    sample,
)
from neurograft.phantoms.groups import GROUPS, AgeGroup
from neurograft.phantoms.partial_volume import structure_occupancy

SPACING_MM = 0.75

_DEFORMATION_MM = 2.0
_TEXTURE_SD = 0.012
_BIAS_SD = 0.07
_HEAD_CENTRE_MM = np.array([0.0, -27.0, -20.0])
_MIDLINE_WIDTH_MM = 8.0


@dataclass(frozen=True, eq=False)
class MidbrainDraw:
    """Everything random about a person, before anything is computed from it.

    Args:
        contrast_ratio: (S - reference) / reference for each structure.
        size: sizes of the structures.
        scale: factor of the head's size on each axis.
        pitch_radians: nodding of the head.
        shift_mm: position of the head along y and z.
        deformation: smooth displacement in mm.
        contrast_exponent: bends the template's contrast between tissues.
        texture: relative variation of the tissue's signal over a few mm.
        bias: logarithm of the receive field.
        gain: image units for each unit of brainstem signal.
        noise_sd: standard deviation of the noise in each of the two channels of the complex signal, as
            a share of the brainstem's signal.
        noise_seed: seed of the noise.
    """

    contrast_ratio: Mapping[str, float]
    size: StructureSize
    scale: FloatArray
    pitch_radians: float
    shift_mm: FloatArray
    deformation: SplineField
    contrast_exponent: float
    texture: SplineField
    bias: SplineField
    gain: float
    noise_sd: float
    noise_seed: int


@dataclass(frozen=True, eq=False)
class MidbrainSubject:
    """One person of the phantom. All arrays have the shape (D, H, W), in RAS order.

    Args:
        image: float32, the scan.
        labels: uint8, the values of `STRUCTURES`: voxels of which half or more is the structure.
        reference: bool, the pontine reference region.
        affine: shape (4, 4), voxel indices to mm.
        contrast_ratio: the truth for each structure: its signal S and the mean signal R over the voxels of
            `reference` satisfy (S - R) / R = contrast ratio exactly in `signal`, where S is that of every
            voxel wholly inside the structure.
        signal: float32, the scan before bias field and noise, with partial volume.
        occupancy: float32 for each structure, the share of each voxel that it fills.
        noise_sd: see `MidbrainDraw`.
    """

    image: NDArray[np.float32]
    labels: NDArray[np.uint8]
    reference: NDArray[np.bool_]
    affine: FloatArray
    contrast_ratio: Mapping[str, float]
    signal: NDArray[np.float32]
    occupancy: Mapping[str, NDArray[np.float32]]
    noise_sd: float


def midbrain_subject(
    index: int,
    seed: int,
    spacing_mm: float = SPACING_MM,
    group: AgeGroup | None = None,
    field_of_view: FieldOfView = "midbrain",
) -> MidbrainSubject:
    """Make one person of the phantom. The same arguments give the same person, bit for bit.

    Args:
        index: number of the person, from 0.
        seed: seed of the cohort.
        spacing_mm: isotropic voxel size.
        group: age group whose contrast the person has; without one, that of healthy people at large.
        field_of_view: `midbrain`, or `wide`, in which the same head is seen with more round it and other noise.
    """
    return render_subject(drawn_subject(index, seed, group, field_of_view), spacing_mm, field_of_view)


def drawn_subject(
    index: int, seed: int, group: AgeGroup | None = None, field_of_view: FieldOfView = "midbrain"
) -> MidbrainDraw:
    """Draw a person of a cohort by number; see `midbrain_subject`."""
    generator = np.random.default_rng(np.random.SeedSequence([seed, index]))
    draw = draw_subject(generator, CONTRAST_RATIO if group is None else GROUPS[group].contrast_ratio)
    if field_of_view == "midbrain":
        return draw
    extent = FIELDS_OF_VIEW[field_of_view]
    generator = np.random.default_rng(np.random.SeedSequence([seed, index], spawn_key=(2,)))
    return replace(
        draw,
        deformation=grow_deformation(draw.deformation, extent, _DEFORMATION_MM, generator),
        texture=grow_field(draw.texture, extent, _TEXTURE_SD, generator),
        bias=grow_field(draw.bias, extent, _BIAS_SD, generator),
    )


def draw_subject(
    generator: np.random.Generator, ratios: Mapping[str, tuple[float, float]] = CONTRAST_RATIO
) -> MidbrainDraw:
    """Draw a person. What is drawn does not depend on the voxel size.

    Args:
        generator: source of all that is random.
        ratios: mean and standard deviation of the contrast ratio of each structure.
    """
    contrast_ratio = {
        name: mean + sd * float(np.clip(generator.normal(), -2.0, 2.0)) for name, (mean, sd) in ratios.items()
    }
    length_mean, length_sd = LC_LENGTH_MM
    size = StructureSize(
        lc_length_mm=length_mean + length_sd * float(np.clip(generator.normal(), -2.0, 2.0)),
        lc_thickness=float(generator.uniform(0.9, 1.1)),
        sn_thickness=float(generator.uniform(0.85, 1.15)),
    )
    return MidbrainDraw(
        contrast_ratio=contrast_ratio,
        size=size,
        scale=1.0 + 0.03 * np.clip(generator.normal(size=3), -2.0, 2.0),
        pitch_radians=float(np.deg2rad(generator.uniform(-4.0, 4.0))),
        shift_mm=generator.uniform(-1.5, 1.5, size=2),
        deformation=draw_deformation(FIELD_OF_VIEW_MM, _DEFORMATION_MM, generator),
        contrast_exponent=float(generator.uniform(0.85, 1.15)),
        texture=draw_field(FIELD_OF_VIEW_MM, 4.0, _TEXTURE_SD, generator),
        bias=draw_field(FIELD_OF_VIEW_MM, 60.0, _BIAS_SD, generator),
        gain=float(generator.uniform(200.0, 800.0)),
        noise_sd=float(generator.uniform(0.025, 0.045)),
        noise_seed=int(generator.integers(2**63)),
    )


def render_subject(
    draw: MidbrainDraw, spacing_mm: float = SPACING_MM, field_of_view: FieldOfView = "midbrain"
) -> MidbrainSubject:
    """Compute a person from what was drawn for this field of view."""
    axes, affine = phantom_axes(spacing_mm, field_of_view)
    mapping = template_positions(draw, axes)
    coefficients, template_affine = template_tissue(field_of_view)
    tissue = _neuromelanin_contrast(sample(coefficients, template_affine, mapping, order=3))
    tissue = tissue**draw.contrast_exponent * np.exp(draw.texture.on_axes(axes)[0])

    fill = {name: structure_occupancy(name, mapping, spacing_mm, draw.size) for name in (*STRUCTURES, "reference")}
    reference = fill.pop("reference") >= 0.5
    reference_signal = tissue[reference].mean()
    labels = np.zeros(tissue.shape, dtype=np.uint8)
    signal = tissue.copy()
    for name, occupancy in fill.items():
        structure_signal = reference_signal * (1.0 + draw.contrast_ratio[name])
        signal += occupancy * (structure_signal - signal)
        labels[occupancy >= 0.5] = STRUCTURES[name]

    image = _with_noise(signal * np.exp(draw.bias.on_axes(axes)[0]), draw) * draw.gain
    return MidbrainSubject(
        image=image.astype(np.float32),
        labels=labels,
        reference=reference,
        affine=affine,
        contrast_ratio=draw.contrast_ratio,
        signal=(signal * draw.gain).astype(np.float32),
        occupancy={name: occupancy.astype(np.float32) for name, occupancy in fill.items()},
        noise_sd=draw.noise_sd,
    )


def phantom_axes(spacing_mm: float, field_of_view: FieldOfView = "midbrain") -> tuple[list[FloatArray], FloatArray]:
    """Return the coordinates in mm of the voxel centres along each axis, and the affine."""
    axes: list[FloatArray] = []
    affine: FloatArray = np.diag([spacing_mm] * 3 + [1.0])
    for axis, (low, high) in enumerate(FIELDS_OF_VIEW[field_of_view]):
        count = round((high - low) / spacing_mm)
        first = (low + high - (count - 1) * spacing_mm) / 2.0
        axes.append(first + spacing_mm * np.arange(count, dtype=np.float64))
        affine[axis, 3] = first
    return axes, affine


def template_positions(draw: MidbrainDraw, axes: list[FloatArray]) -> FloatArray:
    """Return the MNI position that each voxel of a person shows.

    The midline stays where it is, so that left and right remain apart at x = 0.

    Returns:
        Shape (3, D, H, W), in mm.
    """
    displacement = draw.deformation.on_axes(axes)
    x = axes[0][:, None, None]
    displacement[0] *= 1.0 - np.exp(-((x / _MIDLINE_WIDTH_MM) ** 2))
    cosine, sine = np.cos(draw.pitch_radians), np.sin(draw.pitch_radians)
    pitch = np.array([[1.0, 0.0, 0.0], [0.0, cosine, -sine], [0.0, sine, cosine]])
    positions = np.stack(np.meshgrid(*axes, indexing="ij"))
    centre = _HEAD_CENTRE_MM.reshape(3, 1, 1, 1)
    shift = np.array([0.0, *draw.shift_mm]).reshape(3, 1, 1, 1)
    turned = np.tensordot(pitch / draw.scale, positions - centre, axes=1)
    return np.asarray(turned + centre + shift + displacement)


def _neuromelanin_contrast(tissue: FloatArray) -> FloatArray:
    """Lessen the contrast between grey and white matter, as magnetisation transfer does; keep the brainstem at 1."""
    level = 0.7
    saturated = 1.0 - np.exp(-((np.maximum(tissue, 0.05) / level) ** 2))
    return np.asarray(saturated / (1.0 - np.exp(-(level**-2.0))))


def _with_noise(signal: FloatArray, draw: MidbrainDraw) -> FloatArray:
    """Add complex Gaussian noise and take the magnitude: Rician noise."""
    generator = np.random.default_rng(draw.noise_seed)
    real = signal + generator.normal(0.0, draw.noise_sd, signal.shape)
    imaginary = generator.normal(0.0, draw.noise_sd, signal.shape)
    return np.hypot(real, imaginary)
