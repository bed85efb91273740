"""Random changes of intensity, on a batch of patches.

Each is drawn for a patch with its own chance, then with its own value for each channel. The order is
that of a scan: blur, contrast (gamma), scale, shift, and noise last, so that the noise stays white.
"""

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from neurograft.recipes.schema import AugmentationConfig, Range


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


def apply_intensity(images: Tensor, draws: list[IntensityDraw]) -> Tensor:
    """Apply each draw to its patch.

    Args:
        images: (N, C, d, h, w); left as they are.
        draws: one for each patch.

    Returns:
        (N, C, d, h, w) on the same device.
    """
    return torch.stack([_changed(image, draw) for image, draw in zip(images, draws, strict=True)])


def _changed(image: Tensor, draw: IntensityDraw) -> Tensor:
    """(C, d, h, w) changed as drawn; the patch itself where nothing was."""
    if draw.blur_sigma_voxels is not None:
        image = gaussian_blur(image, draw.blur_sigma_voxels)
    if draw.gamma is not None:
        image = adjust_gamma(image, draw.gamma)
    if draw.scale is not None:
        image = image * _per_channel(draw.scale, image)
    if draw.shift is not None:
        image = image + _per_channel(draw.shift, image)
    if draw.noise_std is not None:
        noise_generator = torch.Generator(device=image.device).manual_seed(draw.noise_seed)
        noise = torch.randn(image.shape, generator=noise_generator, device=image.device, dtype=image.dtype)
        image = torch.addcmul(image, noise, _per_channel(draw.noise_std, image))
    return image


def gaussian_blur(image: Tensor, sigma_voxels: tuple[float, ...]) -> Tensor:
    """Blur each channel of (C, d, h, w) with its own standard deviation; the border voxel repeats outwards.

    The kernel is cut at four standard deviations. Each axis is one product with a banded matrix, which
    on a CPU takes a fraction of a convolution's time.
    """
    matrices = {
        length: torch.stack([_blur_matrix(length, sigma) for sigma in sigma_voxels]).to(image)
        for length in set(image.shape[1:])
    }
    depth, height, width = (matrices[length] for length in image.shape[1:])
    blurred = (depth @ image.flatten(2)).reshape(image.shape)
    return height[:, None] @ blurred @ width.mT[:, None]


def adjust_gamma(image: Tensor, gamma: tuple[float, ...]) -> Tensor:
    """Raise each channel of (C, d, h, w), scaled to [0, 1], to a power, then give it back its mean and deviation.

    A constant channel stays as it is.
    """
    low, high = image.amin((1, 2, 3), keepdim=True), image.amax((1, 2, 3), keepdim=True)
    span = high - low
    curved = (image - low).div_(torch.where(span > 0, span, 1)).pow_(_per_channel(gamma, image))
    mean = image.mean((1, 2, 3), keepdim=True)
    curved -= curved.mean((1, 2, 3), keepdim=True)
    # Their ratio is that of the deviations, and torch.std takes several times as long.
    size, curved_size = (torch.linalg.vector_norm(each, dim=(1, 2, 3), keepdim=True) for each in (image - mean, curved))
    restored = curved.mul_(size / torch.where(curved_size > 0, curved_size, 1)).add_(mean)
    return torch.where((span > 0) & (curved_size > 0), restored, image)


def _blur_matrix(length: int, sigma: float) -> Tensor:
    """(length, length) rows of Gaussian weights, with those beyond the border given to the border voxel."""
    if sigma <= 0:
        return torch.eye(length, dtype=torch.float64)
    radius = max(1, math.ceil(4 * sigma))
    offsets = torch.arange(-radius, radius + 1)
    weights = torch.exp(-0.5 * (offsets.double() / sigma) ** 2)
    columns = (torch.arange(length)[:, None] + offsets).clamp(0, length - 1)
    matrix = torch.zeros(length, length, dtype=torch.float64)
    return matrix.scatter_add_(1, columns, (weights / weights.sum()).expand(length, -1))


def _per_channel(values: tuple[float, ...], image: Tensor) -> Tensor:
    return torch.tensor(values, dtype=image.dtype, device=image.device)[:, None, None, None]
