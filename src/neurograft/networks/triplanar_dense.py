"""The tri-planar network over a whole block at once, with the answer of every patch.

Patches of neighbouring voxels share nearly all they read. Over a whole slice every convolution runs
once: where the patch network halves its resolution, the pooling here keeps every position and what
follows takes its neighbours two (then four) voxels apart, so that each output voxel meets the very
numbers that its own patch would have given. What a voxel's dense layers read is gathered from there, for
the voxels that are asked for and no others.

Reference:
    Long, Shelhamer, Darrell 2015, "Fully convolutional networks for semantic segmentation", section 3.1;
    Yu, Koltun 2016, "Multi-scale context aggregation by dilated convolutions".
"""

from collections.abc import Iterator, Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional

from neurograft.networks.triplanar_layers import ConvolutionLevel, DenseLayer

PIXELS_A_PASS = 2**15
"""Slices run together up to about this many pixels: enough to keep threads busy, few enough for the caches."""
VOXELS_A_PASS = 2**11
"""Voxels that go through the dense layers together: their features stay in the caches."""

Branch = tuple[int, Sequence[ConvolutionLevel], DenseLayer]
"""The array axis across a branch's planes, its levels and its dense layer."""


def dense_features(image: Tensor, branches: Sequence[Branch], before: int, after: int, wanted: Tensor) -> Tensor:
    """All branches' features of the wanted voxels of a block.

    Convolutions run over what lies around them, slice by slice; dense layers only where they are wanted.

    Args:
        image: (C, D, H, W), the block with its context.
        branches: in the order of their features.
        before: voxels of context before the block, along each axis.
        after: voxels of context after it.
        wanted: bool (d, h, w), of the block's voxels.

    Returns:
        (V, F), the branches' features side by side, voxels in the order of their places in memory.
    """
    found = image.new_empty((int(wanted.sum()), sum(dense.linear.out_features for _, _, dense in branches)))
    row = wanted.flatten().cumsum(0).view(wanted.shape) - 1
    column = 0
    for axis, levels, dense in branches:
        place = found[:, column : column + dense.linear.out_features]
        # Only the slices that are answered for are read across the planes, and all of their context in them.
        slices = image.movedim(axis + 1, 0)[before : before + wanted.shape[axis]]
        masks, rows = wanted.movedim(axis, 0), row.movedim(axis, 0)
        for first, last, (up, down), (left, right) in _passes(masks):
            part = slices[first:last, :, up : down + before + after, left : right + before + after]
            inside = (slice(first, last), slice(up, down), slice(left, right))
            features, apart = convolved(_channels_last(part), levels)
            _read_patches(features, apart, masks[inside], dense, place, rows[inside][masks[inside]])
        column += dense.linear.out_features
    return found


def _passes(masks: Tensor) -> Iterator[tuple[int, int, tuple[int, int], tuple[int, int]]]:
    """Slices that go through together, with the box of what is wanted in them: first, last, rows, columns."""
    rows, columns = _extent(masks.any(dim=2).any(dim=0)), _extent(masks.any(dim=1).any(dim=0))
    if rows is None or columns is None:
        return
    together = max(1, PIXELS_A_PASS // ((rows[1] - rows[0]) * (columns[1] - columns[0])))
    for first in range(0, len(masks), together):
        part = masks[first : first + together]
        rows, columns = _extent(part.any(dim=2).any(dim=0)), _extent(part.any(dim=1).any(dim=0))
        if rows is not None and columns is not None:
            yield first, first + len(part), rows, columns


def _extent(line: Tensor) -> tuple[int, int] | None:
    """From the first true place to behind the last."""
    places = line.nonzero()
    return (int(places[0]), int(places[-1]) + 1) if len(places) else None


def convolved(slices: Tensor, levels: Sequence[ConvolutionLevel]) -> tuple[Tensor, int]:
    """The last level's features, at every position of a slice.

    Args:
        slices: (M, C, h + 31, w + 31) for patches of 32 x 32.
        levels: convolutions, with a 2 x 2 pooling between levels; norms as in evaluation.

    Returns:
        (M, F, h + a, w + a), where patches keep a few positions; and how far apart those of one patch lie.
    """
    x = slices
    apart = 1
    for number, level in enumerate(levels):
        if number:
            x = functional.max_pool2d(x, 2, stride=1, dilation=apart)
            apart *= 2
        for index in range(1, level.convolutions + 1):
            weight, bias = level.with_norm(index)
            x = functional.conv2d(x, _channels_last(weight), bias, dilation=apart)
            x = functional.prelu(_channels_last(x), level.slopes(index))
    return x, apart


def _read_patches(x: Tensor, apart: int, wanted: Tensor, dense: DenseLayer, place: Tensor, rows: Tensor) -> None:
    """Put what the dense layer says of the wanted patches into rows of `place`."""
    channels, width = x.shape[1], x.shape[3]
    side = round((dense.linear.in_features / channels) ** 0.5)
    # The layer's weights in the order in which memory holds a patch's features.
    weight = dense.linear.weight.view(-1, channels, side, side).permute(0, 2, 3, 1).flatten(1)
    features = x.permute(0, 2, 3, 1).reshape(-1, channels)
    number, up, left = wanted.nonzero(as_tuple=True)
    corners = (number * x.shape[2] + up) * width + left
    steps = [(down * width + right) * apart for down in range(side) for right in range(side)]
    for start in range(0, len(corners), VOXELS_A_PASS):
        some = slice(start, start + VOXELS_A_PASS)
        patches = torch.cat([features.index_select(0, corners[some] + step) for step in steps], dim=1)
        answered = dense.act(functional.linear(patches, weight, dense.linear.bias))
        place[rows[some]] = answered.to(place.dtype)


def dense_trunk(features: Tensor, prior: Tensor, layers: tuple[DenseLayer, DenseLayer, nn.Linear]) -> Tensor:
    """The layers that read all branches, voxel by voxel.

    Args:
        features: (V, F).
        prior: (P, V), joined to what the first layer gives.
        layers: the first dense layer, the second, and the head.

    Returns:
        (K, V) logits.
    """
    first, second, head = layers
    logits = []
    for start in range(0, max(1, len(features)), VOXELS_A_PASS):
        part = slice(start, start + VOXELS_A_PASS)
        x = first(features[part])
        # The product with both parts side by side, without putting them there.
        ours, theirs = second.linear.weight.split([x.shape[1], len(prior)], dim=1)
        x = functional.linear(x, ours, second.linear.bias) + prior[:, part].T @ theirs.T
        logits.append(head(second.act(x)).T)
    return torch.cat(logits, dim=1)


def _channels_last(x: Tensor) -> Tensor:
    return x.contiguous(memory_format=torch.channels_last)
