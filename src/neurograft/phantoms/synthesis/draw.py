"""What is drawn for one made image, before it is made: the look of every class, and how the scanner saw it."""

import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from neurograft.phantoms.synthesis.tissues import Tissues
from neurograft.phantoms.synthesis.view import View, cut_off_view, tight_view
from neurograft.recipes.schema import Range, Size, SynthesisConfig, Triple


@dataclass(frozen=True)
class Lesion:
    """An ellipsoid in white matter.

    Args:
        place: from 0 to 1, which of the patch's white voxels is its centre.
        radii_mm: along the array axes.
    """

    place: float
    radii_mm: Triple


@dataclass(frozen=True, eq=False)
class SynthesisDraw:
    """One patch; the defaults of what has any change nothing.

    Args:
        mean, std: (C, K) float64, of each class in each channel.
        noise_seed: of the texture of tissues and of the noise.
        lesions: with ``lesion_mean`` (C,) for their intensity.
        bias: (C, n0, n1, n2) float64 logarithms at the control points of a smooth field, or ``None``.
        blur_sigma_mm: along each axis.
        slice_mm: distance of slices along each axis; 0 leaves an axis as it is.
        gamma, noise_std: one a channel.
        ringing_share: part of the frequencies that is left along each axis.
        ghost: an axis, the shift as part of the patch, and the strength.
        zero_air: air is exactly 0.
        strip_border_mm: how far outside of the brain all is 0, or ``None`` for a whole head.
        strip_wobble: (n0, n1, n2) float64, control points in mm of the unevenness of that border.
        view: what is seen, or ``None`` for all.
    """

    mean: Tensor
    std: Tensor
    noise_seed: int
    lesions: tuple[Lesion, ...] = ()
    lesion_mean: Tensor | None = None
    bias: Tensor | None = None
    blur_sigma_mm: Triple = (0.0, 0.0, 0.0)
    slice_mm: Triple = (0.0, 0.0, 0.0)
    gamma: tuple[float, ...] = ()
    noise_std: tuple[float, ...] = ()
    ringing_share: Triple = (1.0, 1.0, 1.0)
    ghost: tuple[int, float, float] | None = None
    zero_air: bool = False
    strip_border_mm: float | None = None
    strip_wobble: Tensor | None = None
    view: View | None = None

    @property
    def bias_log_std(self) -> float:
        """Spread of the logarithm of the field, 0 without one."""
        return 0.0 if self.bias is None else float(self.bias.std(correction=0))


STRIP_WOBBLE_MM = 0.7
"""Unevenness of a stripped brain's border: its standard deviation at control points."""
STRIP_WOBBLE_SPACING_MM = 12.0


def draw_synthesis(
    config: SynthesisConfig,
    tissues: Tissues,
    size: Size,
    spacing_mm: Triple,
    count: int,
    generator: torch.Generator,
) -> list[SynthesisDraw]:
    """Draw ``count`` patches.

    Args:
        config: ranges and chances.
        tissues: the intensity classes.
        size: voxels of a patch.
        spacing_mm: of its voxels.
        count: patches.
        generator: the only source of randomness; on the CPU.
    """
    return [_draw(config, tissues, size, spacing_mm, generator) for _ in range(count)]


def _draw(
    config: SynthesisConfig, tissues: Tissues, size: Size, spacing_mm: Triple, generator: torch.Generator
) -> SynthesisDraw:
    channels = len(config.channels)

    def share() -> float:
        return float(torch.rand(1, generator=generator, dtype=torch.float64))

    def number(bounds: Range) -> float:
        return bounds[0] + (bounds[1] - bounds[0]) * share()

    def integer(low: int, high: int) -> int:
        return int(torch.randint(low, high + 1, (1,), generator=generator))

    def happens(probability: float) -> bool:
        return share() < probability

    mean, std = _look(config, tissues, channels, generator)
    lesions: tuple[Lesion, ...] = ()
    if happens(config.lesion_probability):
        lesions = tuple(
            Lesion(share(), _triple(number(config.lesion_radius_mm) for _ in range(3)))
            for _ in range(integer(*config.lesions))
        )
    bias = None
    if happens(config.bias_probability):
        points = torch.randn(
            (channels, *control_counts(size, spacing_mm, config.bias_spacing_mm)),
            generator=generator,
            dtype=torch.float64,
        )
        bias = points * number(config.bias_log_std)
    axis = integer(0, 2)
    border, wobble = None, None
    if happens(config.strip_probability):
        border = number(config.strip_border_mm)
        counts = control_counts(size, spacing_mm, STRIP_WOBBLE_SPACING_MM)
        wobble = torch.randn(counts, generator=generator, dtype=torch.float64) * STRIP_WOBBLE_MM
    drawn = SynthesisDraw(
        mean=mean,
        std=std,
        noise_seed=int(torch.randint(2**62, (1,), generator=generator)),
        lesions=lesions,
        lesion_mean=_lesion_mean(config, tissues, mean, generator) if lesions else None,
        bias=bias,
        blur_sigma_mm=_triple(number(config.blur_sigma_mm) for _ in range(3)),
        slice_mm=_slices(config, axis, share),
        gamma=tuple(number(config.gamma) for _ in range(channels)) if happens(config.gamma_probability) else (),
        noise_std=(
            tuple(number(config.noise_std) for _ in range(channels)) if happens(config.noise_probability) else ()
        ),
        ringing_share=(
            _on(integer(0, 2), number(config.ringing_share), 1.0)
            if happens(config.ringing_probability)
            else (1.0, 1.0, 1.0)
        ),
        ghost=(
            (integer(0, 2), number((0.1, 0.5)), number(config.ghost_strength))
            if happens(config.ghost_probability)
            else None
        ),
        zero_air=happens(config.zero_air_probability),
        strip_border_mm=border,
        strip_wobble=wobble,
        view=(
            cut_off_view(size, integer(0, 2), number(config.partial_view_share), happens(0.5))
            if happens(config.partial_view_probability)
            else None
        ),
    )
    # Nothing is drawn where it is off, so that recipes without it make the images that they always made.
    if config.tight_view_probability == 0 or not happens(config.tight_view_probability):
        return drawn
    shares = torch.rand((2, 3), generator=generator, dtype=torch.float64)
    return replace(drawn, view=tight_view(size, spacing_mm, config.tight_view_mm, shares))


def control_counts(size: Size, spacing_mm: Triple, distance_mm: float) -> Size:
    """Control points of a smooth field over a patch, along each axis: one before its start, and beyond its end."""
    first, second, third = (
        math.floor((length - 1) * side / distance_mm) + 4 for length, side in zip(size, spacing_mm, strict=True)
    )
    return first, second, third


def _look(
    config: SynthesisConfig, tissues: Tissues, channels: int, generator: torch.Generator
) -> tuple[Tensor, Tensor]:
    """(C, K) mean and spread of every class; both sides of a structure alike unless drawn otherwise."""
    shape = (channels, len(tissues))
    chances = torch.rand(3, generator=generator, dtype=torch.float64)
    mean_share, std_share = torch.rand((2, *shape), generator=generator, dtype=torch.float64)
    about = torch.randn(shape, generator=generator, dtype=torch.float64)
    if chances[0] >= config.sides_differ_probability:
        mean_share, std_share, about = (part[:, tissues.pair] for part in (mean_share, std_share, about))
    mean = _between(config.mean, mean_share)
    std = _between(config.std, std_share)
    if config.look == "t1" or (config.look == "mixed" and chances[1] < config.t1_probability):
        known = ~tissues.t1_mean.isnan()
        t1 = (tissues.t1_mean + config.t1_mean_std * about).clamp(min=0)
        mean = torch.where(known, t1, mean)
        std = _between(config.t1_std, std_share)
    # Air has no tissue's texture, only the scanner's noise, and rarely any brightness.
    air = tissues.is_air
    mean = torch.where(air, 0.05 * mean_share, mean)
    std = torch.where(air, 0.02 * std_share, std)
    return mean, std


def _lesion_mean(config: SynthesisConfig, tissues: Tissues, mean: Tensor, generator: torch.Generator) -> Tensor:
    """(C,) a lesion's intensity: that of white matter, moved towards dark or bright by a fifth to a half."""
    white = mean[:, tissues.is_white].mean(1) if bool(tissues.is_white.any()) else mean.mean(1)
    signs, shares = torch.rand((2, len(config.channels)), generator=generator, dtype=torch.float64)
    return (white * (1 + torch.where(signs < 0.5, -1.0, 1.0) * (0.2 + 0.3 * shares))).clamp(min=0)


def _slices(config: SynthesisConfig, axis: int, share: Callable[[], float]) -> Triple:
    chance, which, length = share(), share(), share()
    if chance >= config.low_resolution_probability:
        return (0.0, 0.0, 0.0)
    low, high = config.low_resolution_mm
    axes = config.low_resolution_axes
    if axes[min(int(which * len(axes)), len(axes) - 1)] == 3:
        side = low + (high - low) / 3 * length
        return (side, side, side)
    return _on(axis, low + (high - low) * length, 0.0)


def _between(bounds: Range, share: Tensor) -> Tensor:
    return bounds[0] + (bounds[1] - bounds[0]) * share


def _on(axis: int, value: float, elsewhere: float) -> Triple:
    first, second, third = (value if axis == each else elsewhere for each in range(3))
    return first, second, third


def _triple(values: Iterable[float]) -> Triple:
    first, second, third = values
    return first, second, third
