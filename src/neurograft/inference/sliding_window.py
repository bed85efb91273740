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
from torch.nn import functional

from neurograft.imaging.context import Context

Merge = Literal["gaussian", "uniform"]

GAUSSIAN_SIGMA_SHARE = 1 / 8
"""Standard deviation of the Gaussian weight as a share of the window's size."""
SMALLEST_WEIGHT = 1e-3
"""Floor of the Gaussian weight: a voxel seen only by a window's corner must not be divided by nothing."""


NO_CONTEXT = Context()


def sliding_window(
    image: Tensor,
    network_call: Callable[[Tensor], Tensor],
    window: Sequence[int],
    overlap: float = 0.5,
    merge: Merge = "gaussian",
    batch_size: int = 1,
    progress: Callable[[int, int], None] | None = None,
    context: Context = NO_CONTEXT,
) -> Tensor:
    """Merge a network's activations over overlapping windows.

    A volume smaller than the window is padded on both sides with what the context says stands
    for voxels beyond it, and the result is cropped back.

    Args:
        image: shape (C, D, H, W). The result is merged on this tensor's device; `network_call`
            may compute elsewhere.
        network_call: maps windows (N, C, *context.block((d, h, w))) to activations (N, K, d, h, w), in any
            floating type. Called with 1 to `batch_size` windows.
        window: size (d, h, w) in voxels, of what the network answers for.
        overlap: share of a window that its neighbour covers too, from 0 to below 1.
        merge: ``gaussian`` or ``uniform`` weights.
        batch_size: windows in one call.
        progress: called after every batch with the windows done and the windows in all.
        context: what the network reads around a window.

    Returns:
        Merged activations, shape (K, D, H, W), float32.

    Raises:
        ValueError: the network's output has another spatial size than the window.
    """
    with torch.no_grad():
        shape = tuple(image.shape[1:])
        extent = (max(shape[0], window[0]), max(shape[1], window[1]), max(shape[2], window[2]))
        margin = tuple((large - small) // 2 for large, small in zip(extent, shape, strict=True))
        padded = _pad(image, margin, extent, context)
        corners = list(product(*map(window_starts, extent, window, [overlap] * 3)))
        block = context.block((window[0], window[1], window[2]))
        weight = window_weight(window, merge).to(image.device)
        total_weight = torch.zeros(extent, device=image.device)
        merged: Tensor | None = None
        for first in range(0, len(corners), batch_size):
            boxes = [_box(corner, window) for corner in corners[first : first + batch_size]]
            windows = torch.stack([padded[:, *_box(corner, block)] for corner in corners[first : first + batch_size]])
            activations = network_call(windows)
            if activations.shape[0] != len(boxes) or activations.shape[2:] != tuple(window):
                raise ValueError(
                    f"the network must answer for windows of {tuple(window)} voxels, one each for {len(boxes)}, "
                    f"but gave {tuple(activations.shape)}"
                )
            activations = activations.to(image.device, torch.float32)
            if merged is None:
                merged = torch.zeros((activations.shape[1], *extent), device=image.device)
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


def _pad(image: Tensor, margin: Sequence[int], extent: Sequence[int], context: Context) -> Tensor:
    """The image at `margin` in a volume of size `extent`, with the context around that."""
    if context.is_empty and tuple(extent) == tuple(image.shape[1:]):
        return image
    first = [lead + inside for lead, inside in zip(context.before, margin, strict=True)]
    block = context.block((extent[0], extent[1], extent[2]))
    last = [size - start - length for size, start, length in zip(block, first, image.shape[1:], strict=True)]
    if context.outside == "edge":
        widths = [width for axis in (2, 1, 0) for width in (first[axis], last[axis])]
        return functional.pad(image[None], widths, mode="replicate")[0]
    values = image.amin(dim=(1, 2, 3)) if context.outside == "minimum" else image.new_zeros(len(image))
    padded = values[:, None, None, None].repeat(1, *block)
    padded[:, *_box(first, image.shape[1:])] = image
    return padded


def _box(start: Sequence[int], size: Sequence[int]) -> tuple[slice, ...]:
    return tuple(slice(first, first + length) for first, length in zip(start, size, strict=True))
