"""One person of the ageing phantom: a brain whose lateral ventricles are as large as the person's age has them.

What is published, and how it is used here: Chung et al. 2006 (Neurosci Lett 395:155) measured the ventricles of 118
Koreans in their twenties, 16.2 ml in the mean, and of 100 in their forties, 24.9 ml (all four ventricles). Between 25
and 45 that is a growth of 2.2 percent a year. The phantom has this rate at all ages from 20 to 85, and puts all of it
into the lateral ventricles. Older people's ventricles grow faster than that: by 5.6 percent a year between 74 and 87
(Tang et al. 2001, J Neuroimaging 11:393). The scatter between people of one age is a choice, and smaller than in life.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from neurograft.phantoms.deformation import FloatArray, draw_deformation, draw_field
from neurograft.phantoms.ventricles import brain_template, growth_for, shown_positions, ventricle_share

TISSUES: Mapping[str, int] = {"ventricles": 1, "CSF": 2, "grey matter": 3, "white matter": 4}
"""Names of the labels and their values; `ventricles` are the lateral ones, `CSF` all other fluid."""

AGE_YEARS = (20.0, 85.0)
SPACING_MM = 2.0
SCATTER = 0.2

FIELD_OF_VIEW_MM = ((-64.0, 64.0), (-92.0, 52.0), (-54.0, 74.0))
"""Lowest and highest MNI coordinate on each axis: 64 x 72 x 64 voxels of 2 mm, about the ventricles."""

_VOLUME_AT_25_ML = 16.2
_VOLUME_AT_45_ML = 24.9
_T2_SIGNAL: Mapping[str, float] = {"ventricles": 1.0, "CSF": 0.95, "grey matter": 0.55, "white matter": 0.4}
_T1_FLUID = 0.33
"""The template's own signal of fluid."""
_CENTRE_MM = np.array([0.0, -20.0, 10.0])


@dataclass(frozen=True, eq=False)
class AgeingSubject:
    """One person of the phantom. All arrays have the shape (D, H, W), in RAS order.

    Attributes:
        images: float32 scans by channel, "T1w" and "T2w".
        labels: uint8, the values of `TISSUES`.
        affine: shape (4, 4), voxel indices to mm.
        age_years: the person's age.
        ventricle_volume_ml: of the lateral ventricles, partly filled voxels counted by their share. Divided by
            `head_volume_factor` it is the age's volume times the person's scatter, exactly.
        head_volume_factor: the head's volume as a factor of the template's.
    """

    images: Mapping[str, NDArray[np.float32]]
    labels: NDArray[np.uint8]
    affine: FloatArray
    age_years: float
    ventricle_volume_ml: float
    head_volume_factor: float


def expected_ventricle_volume_ml(age_years: float) -> float:
    """Return the volume of the lateral ventricles that people of an age have in the median.

    Example:
        >>> round(expected_ventricle_volume_ml(45.0), 1)
        24.9
    """
    return _VOLUME_AT_25_ML * (_VOLUME_AT_45_ML / _VOLUME_AT_25_ML) ** ((age_years - 25.0) / 20.0)


def ageing_subject(index: int, seed: int, spacing_mm: float = SPACING_MM, scatter: float = SCATTER) -> AgeingSubject:
    """Make one person of the phantom. The same arguments give the same person, bit for bit.

    Args:
        index: number of the person, from 0.
        seed: seed of the cohort.
        spacing_mm: isotropic voxel size.
        scatter: standard deviation of the logarithm of the ventricles' volume among people of one age and head
            size, cut off at two standard deviations.
    """
    generator = np.random.default_rng(np.random.SeedSequence([seed, index], spawn_key=(4,)))
    age_years = round(float(generator.uniform(*AGE_YEARS)), 1)
    spread = float(np.exp(scatter * np.clip(generator.normal(), -2.0, 2.0)))
    scale = 1.0 + 0.03 * np.clip(generator.normal(size=3), -2.0, 2.0)
    shift_mm = generator.uniform(-2.0, 2.0, size=3)
    deformation = draw_deformation(FIELD_OF_VIEW_MM, 2.5, generator, knot_spacing_mm=24.0)
    contrast_exponent = float(generator.uniform(0.85, 1.15))
    texture = draw_field(FIELD_OF_VIEW_MM, 6.0, 0.015, generator)
    bias = draw_field(FIELD_OF_VIEW_MM, 80.0, 0.07, generator)
    gain = float(generator.uniform(200.0, 800.0))
    noise_sd = float(generator.uniform(0.015, 0.035))

    axes, affine = _axes(spacing_mm)
    template = brain_template()
    column = (3, 1, 1, 1)
    centre = (_CENTRE_MM + shift_mm).reshape(column)
    positions = np.stack(np.meshgrid(*axes, indexing="ij"))
    positions = (positions - centre) / scale.reshape(column) + _CENTRE_MM.reshape(column) + deformation.on_axes(axes)
    distance = template.at(template.distance_mm, positions)
    head_volume_factor = float(scale.prod())
    volume_mm3 = expected_ventricle_volume_ml(age_years) * spread * head_volume_factor * 1000.0
    growth_mm = growth_for(distance, volume_mm3, spacing_mm**3)
    ventricles = ventricle_share(distance, growth_mm)
    shown = shown_positions(template, positions, distance, growth_mm)

    brain = template.at(template.brain, shown)
    shares = _tissue_shares(ventricles, brain, template.at(template.grey, shown), template.at(template.white, shown))
    t1 = template.at(template.t1, shown)
    t1 = (t1 * (1.0 - ventricles) + _T1_FLUID * ventricles) ** contrast_exponent
    t2 = sum((share * _T2_SIGNAL[name] for name, share in shares.items()), np.zeros_like(t1))
    field = np.exp(texture.on_axes(axes)[0] + bias.on_axes(axes)[0])
    images = {
        channel: (_with_noise(signal * field, noise_sd, generator) * gain).astype(np.float32)
        for channel, signal in (("T1w", t1), ("T2w", t2))
    }
    stacked = np.stack([1.0 - brain, *shares.values()])
    labels = np.array([0, *(TISSUES[name] for name in shares)], dtype=np.uint8)[stacked.argmax(axis=0)]
    return AgeingSubject(
        images, labels, affine, age_years, float(ventricles.sum() * spacing_mm**3 / 1000.0), head_volume_factor
    )


def _tissue_shares(
    ventricles: FloatArray, brain: FloatArray, grey: FloatArray, white: FloatArray
) -> dict[str, FloatArray]:
    """Share of each tissue in every voxel; with what lies outside the brain they add up to 1."""
    rest = np.maximum(brain - ventricles, 0.0)
    solid = grey + white
    within = np.minimum(solid, rest) / np.maximum(solid, 1e-6)
    grey, white = grey * within, white * within
    return {
        "ventricles": ventricles,
        "CSF": np.maximum(rest - grey - white, 0.0),
        "grey matter": grey,
        "white matter": white,
    }


def _axes(spacing_mm: float) -> tuple[list[FloatArray], FloatArray]:
    """The coordinates in mm of the voxel centres along each axis, and the affine."""
    axes: list[FloatArray] = []
    affine: FloatArray = np.diag([spacing_mm] * 3 + [1.0])
    for axis, (low, high) in enumerate(FIELD_OF_VIEW_MM):
        count = round((high - low) / spacing_mm)
        first = (low + high - (count - 1) * spacing_mm) / 2.0
        axes.append(first + spacing_mm * np.arange(count, dtype=np.float64))
        affine[axis, 3] = first
    return axes, affine


def _with_noise(signal: FloatArray, noise_sd: float, generator: np.random.Generator) -> FloatArray:
    """Add complex Gaussian noise and take the magnitude: Rician noise."""
    real = signal + generator.normal(0.0, noise_sd, signal.shape)
    imaginary = generator.normal(0.0, noise_sd, signal.shape)
    return np.hypot(real, imaginary)
