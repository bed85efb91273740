"""Gaussian blur of a patch."""

import math

import torch
from torch import Tensor


def blur(image: Tensor, sigma_voxels: tuple[float, ...]) -> None:
    """Blur each channel of (C, d, h, w) float32 with its own standard deviation, in place.

    The kernel is cut at four standard deviations; the border voxel repeats outwards.
    """
    weights = _weights(sigma_voxels)
    if image.device.type == "cpu":
        from neurograft.sampling.augmentation import blur_loops  # slow to import, and only patches need it

        blur_loops.fill_blurred(image, weights.to(image), image)
    else:
        image.copy_(blurred_by_products(image, weights))


def blurred_by_products(image: Tensor, weights: Tensor) -> Tensor:
    """Blur as one product with a banded matrix for each axis, on any device.

    Args:
        image: (C, d, h, w).
        weights: (C, 1 + radius) on the CPU, of a voxel and of those before and after it.
    """
    # Made on the CPU: sums over indices come in no fixed order on a GPU.
    matrices = {length: _matrices(length, weights).to(image) for length in set(image.shape[1:])}
    depth, height, width = (matrices[length] for length in image.shape[1:])
    blurred = (depth @ image.flatten(2)).reshape(image.shape)
    return height[:, None] @ blurred @ width.mT[:, None]


def _weights(sigma_voxels: tuple[float, ...]) -> Tensor:
    """(C, 1 + radius) float64 Gaussian weights, of the middle and of each side, which sum to one with both sides."""
    radius = max(1, math.ceil(4 * max(sigma_voxels)))
    rows = []
    for sigma in sigma_voxels:
        reach = max(1, math.ceil(4 * sigma)) if sigma > 0 else 0
        side = [math.exp(-0.5 * (offset / sigma) ** 2) for offset in range(1, reach + 1)]
        total = 1 + 2 * sum(side)
        rows.append([value / total for value in (1, *side)] + [0.0] * (radius - reach))
    return torch.tensor(rows, dtype=torch.float64)


def _matrices(length: int, weights: Tensor) -> Tensor:
    """(C, length, length) rows of weights, with those beyond the border given to the border voxel."""
    radius = weights.shape[1] - 1
    offsets = torch.arange(-radius, radius + 1)
    columns = (torch.arange(length)[:, None] + offsets).clamp(0, length - 1)
    matrices = weights.new_zeros(len(weights), length, length)
    of_offsets = weights[:, None, offsets.abs()].expand(-1, length, -1)
    return matrices.scatter_add_(2, columns.expand(len(weights), -1, -1), of_offsets)
