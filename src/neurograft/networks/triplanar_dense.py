"""The tri-planar network over a whole block at once, with the answer of every patch.

Patches of neighbouring voxels share nearly all they read. Over a whole slice every convolution runs
once: where the patch network halves its resolution, the pooling here keeps every position and what
follows takes its neighbours two (then four) voxels apart, so that each output voxel meets the very
numbers that its own patch would have given. A dense layer over the last 3 x 3 features is a convolution
of that size, and dense layers after it act on each voxel alone.

Reference:
    Long, Shelhamer, Darrell 2015, "Fully convolutional networks for semantic segmentation", section 3.1;
    Yu, Koltun 2016, "Multi-scale context aggregation by dilated convolutions".
"""

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional

from neurograft.networks.triplanar_layers import ConvolutionLevel, DenseLayer

PIXELS_A_PASS = 2**15
"""Slices run together up to about this many pixels: enough to keep threads busy, few enough for the caches."""
VOXELS_A_PASS = 2**11
"""Voxels that go through the last dense layers together: their features stay in the caches."""


def dense_branch(slices: Tensor, levels: Sequence[ConvolutionLevel], dense: DenseLayer) -> Tensor:
    """The features that a branch gives for the patch around every pixel.

    Args:
        slices: (M, C, h + 31, w + 31) for patches of 32 x 32.
        levels: convolutions, with a 2 x 2 pooling between levels; norms as in evaluation.
        dense: reads the last level's features of a patch, flattened.

    Returns:
        (M, F, h, w).
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
    channels = x.shape[1]
    side = round((dense.linear.in_features / channels) ** 0.5)
    kernel = dense.linear.weight.view(-1, channels, side, side)
    x = functional.conv2d(x, _channels_last(kernel), dense.linear.bias, dilation=apart)
    return dense.act(x)


def dense_features(
    image: Tensor,
    branches: Sequence[tuple[int, Sequence[ConvolutionLevel], DenseLayer]],
    before: int,
    answer: tuple[int, int, int],
) -> Tensor:
    """All branches' features of every voxel of a block.

    Args:
        image: (C, D, H, W), the block with its context.
        branches: of each the array axis across its planes, its levels and its dense layer.
        before: voxels of context before the block, along each axis.
        answer: the block's size.

    Returns:
        (*answer, F), the branches' features side by side.
    """
    width = sum(dense.linear.out_features for _, _, dense in branches)
    found = image.new_empty((*answer, width))
    column = 0
    for axis, levels, dense in branches:
        features = dense.linear.out_features
        place = found[..., column : column + features].movedim(axis, 0)
        # Only the slices that the block answers for are read across the planes, and all of their context in them.
        slices = image.movedim(axis + 1, 0)[before : before + answer[axis]]
        together = max(1, PIXELS_A_PASS // slices[0, 0].numel())
        for first in range(0, len(slices), together):
            part = _channels_last(slices[first : first + together])
            place[first : first + together] = dense_branch(part, levels, dense).permute(0, 2, 3, 1)
        column += features
    return found


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
    for start in range(0, len(features), VOXELS_A_PASS):
        part = slice(start, start + VOXELS_A_PASS)
        x = first(features[part])
        # The product with both parts side by side, without putting them there.
        ours, theirs = second.linear.weight.split([x.shape[1], len(prior)], dim=1)
        x = functional.linear(x, ours, second.linear.bias) + prior[:, part].T @ theirs.T
        logits.append(head(second.act(x)).T)
    return torch.cat(logits, dim=1)


def _channels_last(x: Tensor) -> Tensor:
    return x.contiguous(memory_format=torch.channels_last)
