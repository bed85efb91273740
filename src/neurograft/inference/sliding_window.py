"""Run a patch network over a whole volume in overlapping windows and merge what it says.

Windows start every ``window * (1 - overlap)`` voxels along each axis; the last one is moved back
so that it ends with the volume. Where windows overlap, their activations are averaged, either
equally or with a Gaussian weight that trusts the middle of a window more than its border.
"""

from collections.abc import Callable, Sequence
from itertools import product
from typing import Literal

import torch
from torch import Tensor

Merge = Literal["gaussian", "uniform"]

GAUSSIAN_SIGMA_SHARE = 1 / 8
"""Standard deviation of the Gaussian weight as a share of the window's size."""
SMALLEST_WEIGHT = 1e-3
"""Floor of the Gaussian weight: a voxel seen only by a window's corner must not be divided by nothing."""


def sliding_window(
    image: Tensor,
    network_call: Callable[[Tensor], Tensor],
    window: Sequence[int],
    overlap: float = 0.5,
    merge: Merge = "gaussian",
    batch_size: int = 1,
    progress: Callable[[int, int], None] | None = None,
) -> Tensor:
    """Merge a network's activations over overlapping windows.

    A volume smaller than the window is padded on both sides with the smallest value of each
    channel (in a normalised brain image: air), and the result is cropped back.

    Args:
        image: shape (C, D, H, W). The result is merged on this tensor's device; `network_call`
            may compute elsewhere.
        network_call: maps windows (N, C, d, h, w) to activations (N, K, d, h, w), in any floating
            type. Called with 1 to `batch_size` windows.
        window: size (d, h, w) in voxels.
        overlap: share of a window that its neighbour covers too, from 0 to below 1.
        merge: ``gaussian`` or ``uniform`` weights.
        batch_size: windows in one call.
        progress: called after every batch with the windows done and the windows in all.

    Returns:
        Merged activations, shape (K, D, H, W), float32.

    Raises:
        ValueError: the network's output has another spatial size than its input.
    """
    with torch.no_grad():
        shape = tuple(image.shape[1:])
        padded, margin = _pad_to_window(image, window)
        corners = list(product(*map(window_starts, padded.shape[1:], window, [overlap] * 3)))
        weight = window_weight(window, merge).to(image.device)
        total_weight = torch.zeros(padded.shape[1:], device=image.device)
        merged: Tensor | None = None
        for first in range(0, len(corners), batch_size):
            boxes = [_box(corner, window) for corner in corners[first : first + batch_size]]
            windows = torch.stack([padded[:, *box] for box in boxes])
            activations = network_call(windows)
            if activations.shape[0] != len(boxes) or activations.shape[2:] != windows.shape[2:]:
                raise ValueError(
                    f"the network must keep the size of its windows {tuple(windows.shape)}, "
                    f"but gave {tuple(activations.shape)}"
                )
            activations = activations.to(image.device, torch.float32)
            if merged is None:
                merged = torch.zeros((activations.shape[1], *padded.shape[1:]), device=image.device)
            for box, activation in zip(boxes, activations, strict=True):
                merged[:, *box].addcmul_(activation, weight)
                total_weight[box] += weight
            if progress is not None:
                progress(first + len(boxes), len(corners))
        if merged is None:
            raise ValueError(f"an image of shape {tuple(image.shape)} holds no window")
        merged /= total_weight
        return merged[:, *_box(margin, shape)]


def window_starts(size: int, window: int, overlap: float) -> list[int]:
    """First voxels of the windows along one axis of `size` voxels, at least as long as the window.

    Example:
        >>> window_starts(10, 4, 0.5)
        [0, 2, 4, 6]
        >>> window_starts(9, 4, 0.5)
        [0, 2, 4, 5]
    """
    step = max(int(window * (1 - overlap)), 1)
    last = size - window
    return [*range(0, last, step), last]


def window_weight(window: Sequence[int], merge: Merge) -> Tensor:
    """Weight of each voxel of a window, shape (d, h, w), in (0, 1]."""
    weight = torch.ones(tuple(window))
    if merge == "uniform":
        return weight
    for axis, size in enumerate(window):
        distance = torch.arange(size) - (size - 1) / 2
        profile = torch.exp(-0.5 * (distance / (GAUSSIAN_SIGMA_SHARE * size)) ** 2)
        weight *= profile.reshape([-1 if other == axis else 1 for other in range(len(window))])
    return weight.clamp_(min=SMALLEST_WEIGHT)


def _pad_to_window(image: Tensor, window: Sequence[int]) -> tuple[Tensor, tuple[int, ...]]:
    """Centre the image in a volume at least as large as the window; also give its first voxel there."""
    shape = tuple(image.shape[1:])
    padded_shape = tuple(map(max, shape, window))
    margin = tuple((large - small) // 2 for large, small in zip(padded_shape, shape, strict=True))
    if padded_shape == shape:
        return image, margin
    padded = image.amin(dim=(1, 2, 3))[:, None, None, None].repeat(1, *padded_shape)
    padded[:, *_box(margin, shape)] = image
    return padded, margin


def _box(start: Sequence[int], size: Sequence[int]) -> tuple[slice, ...]:
    return tuple(slice(first, first + length) for first, length in zip(start, size, strict=True))
