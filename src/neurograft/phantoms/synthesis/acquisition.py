"""How a scanner sees tissue: blur, thick slices, ringing, ghosts, noise, each along the axes of the array.

All but noise are linear along one axis at a time, so an image goes through a matrix an axis down to the
resolution at which it is acquired, and through another one back up: a few products, whatever was drawn.
"""

import math

import torch
from torch import Tensor

from neurograft.phantoms.synthesis.draw import SynthesisDraw
from neurograft.recipes.schema import Triple

_SLICE_SIGMA = 0.35
"""Blur of a slice by its thickness: between a box's 0.29 and a Gaussian's 0.42 of that width at half height."""


def acquire(image: Tensor, draw: SynthesisDraw, spacing_mm: Triple, generator: torch.Generator) -> Tensor:
    """See tissue through a scanner.

    Args:
        image: (C, d, h, w), not negative.
        draw: what the scanner does.
        spacing_mm: of the voxels.
        generator: of the noise; on the image's device.

    Returns:
        (C, d, h, w), not negative: of a magnitude image noise leaves the size and not the sign.
    """
    down, up = zip(
        *(_axis_matrices(draw, axis, image.shape[axis + 1], spacing_mm[axis]) for axis in range(3)), strict=True
    )
    seen = along_axes(image, *(matrix.to(image) for matrix in down))
    if draw.noise_std:
        std = torch.tensor(draw.noise_std, dtype=image.dtype, device=image.device)[:, None, None, None]
        seen.addcmul_(torch.randn(seen.shape, generator=generator, dtype=image.dtype, device=image.device), std)
    seen = seen.abs_()
    if any(matrix is not None for matrix in up):
        lengths = seen.shape[1:]
        matrices = (torch.eye(n) if matrix is None else matrix for matrix, n in zip(up, lengths, strict=True))
        seen = along_axes(seen, *(matrix.to(image) for matrix in matrices))
    return seen


def along_axes(image: Tensor, depth: Tensor, height: Tensor, width: Tensor) -> Tensor:
    """Take (C, d, h, w) through a matrix (new, old) an axis."""
    channels = image.shape[0]
    seen = (depth @ image.flatten(2)).reshape(channels, len(depth), *image.shape[2:])
    return height @ (seen @ width.T)


def _axis_matrices(draw: SynthesisDraw, axis: int, length: int, spacing_mm: float) -> tuple[Tensor, Tensor | None]:
    """(n, length) onto the acquired positions, and (length, n) back, ``None`` where nothing is lost."""
    slice_mm = draw.slice_mm[axis]
    count = length if slice_mm <= spacing_mm else max(2, round(length * spacing_mm / slice_mm))
    count = min(count, length)
    step = length / count  # voxels
    sigma = draw.blur_sigma_mm[axis] / spacing_mm
    if count < length:
        sigma = math.hypot(sigma, _SLICE_SIGMA * step)
    positions = (torch.arange(count, dtype=torch.float64) + 0.5) * step - 0.5
    down = gaussian_matrix(length, positions, sigma)
    if draw.ghost is not None and draw.ghost[0] == axis:
        down = ghost_matrix(count, draw.ghost[1], draw.ghost[2]) @ down
    if draw.ringing_share[axis] < 1:
        down = low_pass_matrix(count, draw.ringing_share[axis]) @ down
    return down, None if count == length else linear_matrix(length, positions)


def gaussian_matrix(length: int, positions: Tensor, sigma: float) -> Tensor:
    """(n, length) Gaussian weights about each position, in voxels; the border voxel repeats outwards."""
    if sigma < 1e-3:
        return linear_matrix_at(length, positions)
    edges = torch.arange(length + 1, dtype=torch.float64) - 0.5
    # A voxel gets the part of the Gaussian that lies over it, and the outermost ones all that lies beyond.
    edges[0], edges[-1] = -math.inf, math.inf
    below = 0.5 * (1 + torch.erf((edges - positions[:, None]) / (sigma * math.sqrt(2))))
    return below.diff(dim=1)


def linear_matrix(length: int, positions: Tensor) -> Tensor:
    """(length, n) linear interpolation at every voxel between rising, even positions; constant beyond the last."""
    if len(positions) == 1:
        return torch.ones(length, 1, dtype=torch.float64)
    step = positions[1] - positions[0]
    return linear_matrix_at(len(positions), (torch.arange(length, dtype=torch.float64) - positions[0]) / step)


def linear_matrix_at(length: int, positions: Tensor) -> Tensor:
    """(n, length) linear interpolation of ``length`` values at positions among them; constant beyond."""
    place = positions.clamp(0, length - 1)
    return (1 - (place[:, None] - torch.arange(length)).abs()).clamp(min=0)


def ghost_matrix(length: int, shift: float, strength: float) -> Tensor:
    """(length, length): everything again, fainter, by a part of the length farther on, and round the end."""
    whole = torch.eye(length, dtype=torch.float64)
    return (whole + strength * whole.roll(max(1, round(shift * length)), 0)) / (1 + strength)


def low_pass_matrix(length: int, share: float) -> Tensor:
    """(length, length): cut off the highest frequencies, which rings at edges (Gibbs)."""
    spectrum = torch.fft.rfft(torch.eye(length, dtype=torch.float64), dim=0)
    kept = max(1, math.ceil(share * len(spectrum)))
    spectrum[kept:] = 0
    return torch.fft.irfft(spectrum, n=length, dim=0)
