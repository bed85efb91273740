"""Random changes of intensity, on a batch of patches.

Each is drawn for a patch with its own chance, then with its own value for each channel. The order is
that of a scan: blur, contrast (gamma), scale, shift, and noise last, so that the noise stays white.
"""

from dataclasses import dataclass

import torch
from torch import Tensor

from neurograft.recipes.schema import AugmentationConfig, Range
from neurograft.sampling.augmentation.blur import blur


@dataclass(frozen=True)
class IntensityDraw:
    """What happens to one patch: a value for each channel, ``None`` for not at all.

    Args:
        blur_sigma_voxels: Gaussian blur.
        gamma: exponent on the range of the patch.
        scale: factor.
        shift: added, in units of the normalised image.
        noise_std: of the Gaussian noise, in units of the normalised image.
        noise_seed: from which the noise is drawn, so that applying a draw twice gives the same patch.
    """

    blur_sigma_voxels: tuple[float, ...] | None = None
    gamma: tuple[float, ...] | None = None
    scale: tuple[float, ...] | None = None
    shift: tuple[float, ...] | None = None
    noise_std: tuple[float, ...] | None = None
    noise_seed: int = 0


def draw_intensity(
    config: AugmentationConfig, count: int, channels: int, generator: torch.Generator
) -> list[IntensityDraw]:
    """Draw what happens to each of ``count`` patches.

    Args:
        config: ranges and chances.
        count: patches.
        channels: of the image.
        generator: the only source of randomness; on the CPU.
    """

    def values(bounds: Range, probability: float) -> tuple[float, ...] | None:
        chance, *shares = torch.rand(1 + channels, generator=generator, dtype=torch.float64).tolist()
        low, high = bounds
        return tuple(low + (high - low) * share for share in shares) if chance < probability else None

    return [
        IntensityDraw(
            blur_sigma_voxels=values(config.blur_sigma_voxels, config.blur_probability),
            gamma=values(config.gamma, config.gamma_probability),
            scale=values(config.intensity_scale, config.intensity_scale_probability),
            shift=values(config.intensity_shift, config.intensity_shift_probability),
            noise_std=values(config.noise_std, config.noise_probability),
            noise_seed=int(torch.randint(2**62, (1,), generator=generator)),
        )
        for _ in range(count)
    ]


def apply_intensity(images: Tensor, draws: list[IntensityDraw]) -> None:
    """Apply each draw to its patch, in place.

    Args:
        images: (N, C, d, h, w) float32.
        draws: one for each patch.
    """
    for image, draw in zip(images, draws, strict=True):
        if draw.blur_sigma_voxels is not None:
            blur(image, draw.blur_sigma_voxels)
        if draw.gamma is not None:
            adjust_gamma(image, draw.gamma)
        if draw.scale is not None:
            image *= _per_channel(draw.scale, image)
        if draw.shift is not None:
            image += _per_channel(draw.shift, image)
        if draw.noise_std is not None:
            noise_generator = torch.Generator(device=image.device).manual_seed(draw.noise_seed)
            noise = torch.randn(image.shape, generator=noise_generator, device=image.device, dtype=image.dtype)
            image.addcmul_(noise, _per_channel(draw.noise_std, image))


def adjust_gamma(image: Tensor, gamma: tuple[float, ...]) -> None:
    """Raise each channel of (C, d, h, w), scaled to [0, 1], to a power, then give it back its mean and deviation.

    A constant channel stays as it is.
    """
    low, high = image.amin((1, 2, 3), keepdim=True), image.amax((1, 2, 3), keepdim=True)
    constant = low == high
    curved = (image - low).div_((high - low).masked_fill_(constant, 1))
    # Half of pow_'s time; the logarithm of the darkest voxels is minus infinity, and they become 0 again.
    curved.log2_().mul_(_per_channel(gamma, image)).exp2_()
    mean = image.mean((1, 2, 3), keepdim=True)
    curved -= curved.mean((1, 2, 3), keepdim=True)
    # Their ratio is that of the deviations, and torch.std takes several times as long.
    size, curved_size = (torch.linalg.vector_norm(each, dim=(1, 2, 3), keepdim=True) for each in (image - mean, curved))
    # A constant channel is 0 here throughout, and its only value that of any voxel.
    mean = torch.where(constant, low, mean)
    torch.addcmul(mean, curved, size / curved_size.masked_fill_(constant, 1), out=image)


def _per_channel(values: tuple[float, ...], image: Tensor) -> Tensor:
    return torch.tensor(values, dtype=image.dtype, device=image.device)[:, None, None, None]
