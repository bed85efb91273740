"""Cubes of a patch that are hidden from a network, so that it learns to fill them in."""

import math

import torch
from torch import Tensor

from neurograft.errors import InputError


def hidden_cubes(patches: Tensor, cube_voxels: int, share: float, seed: int) -> Tensor:
    """Draw which voxels of each patch are hidden.

    Each patch is divided into cubes, the last along an axis perhaps smaller, and the share of them is hidden:
    at least one, and never all. Along an axis on which a patch is one voxel thick, cubes are squares.

    Args:
        patches: (N, C, D, H, W), of which size and device count.
        cube_voxels: side of a cube.
        share: part of the cubes, between 0 and 1.
        seed: decides which.

    Returns:
        bool (N, 1, D, H, W), true where hidden.

    Raises:
        InputError: a patch is a single cube.
    """
    size = patches.shape[2:]
    counts = [math.ceil(side / cube_voxels) for side in size]
    cubes = math.prod(counts)
    if cubes == 1:
        raise InputError(
            f"a patch of {' x '.join(map(str, size))} voxels is one hidden cube of {cube_voxels}: all or nothing",
            "Set task.hidden_cube_voxels smaller, or enlarge sampling.patch_size",
        )
    hidden = min(max(1, round(share * cubes)), cubes - 1)
    generator = torch.Generator().manual_seed(seed)
    drawn = torch.zeros((len(patches), cubes), dtype=torch.bool)
    for row in drawn:
        row[torch.randperm(cubes, generator=generator)[:hidden]] = True
    mask = drawn.view(-1, 1, *counts).to(patches.device)
    for axis, side in enumerate(size, start=2):
        mask = mask.repeat_interleave(cube_voxels, dim=axis).narrow(axis, 0, side)
    return mask


def hide(patches: Tensor, hidden: Tensor) -> Tensor:
    """Replace hidden voxels by the mean of the patch's visible ones, channel by channel.

    Args:
        patches: (N, C, D, H, W).
        hidden: bool (N, 1, D, H, W).
    """
    visible = (~hidden).to(patches)
    mean = (patches * visible).sum((2, 3, 4), keepdim=True) / visible.sum((2, 3, 4), keepdim=True).clamp(min=1)
    return torch.where(hidden, mean, patches)
