"""A network that tells whether an image is real or was made by another network."""

from collections.abc import Sequence
from itertools import pairwise

import torch
from torch import Tensor, nn

from neurograft.recipes.schema import Size

LEAK = 0.2
"""Slope of the leaky ReLU below zero."""


class PatchDiscriminator(nn.Module):
    """Five convolutions over an image and a candidate for it, which end in one logit for each region.

    Three kernels of 5 with strides 1 (or 4), 4 and 4, then two of 4 with stride 1; batch norm on all but the
    first and the last; leaky ReLU. Convolutions keep the size but for their stride. Along an axis on which
    patches are one voxel thick, kernels and strides are 1: the same network is then one of slices.

    Args:
        image_channels: of the image, and of the candidate.
        patch_size: voxels of a patch, which decide along which axes there is anything to see.
        channels: of the first four layers.
        first_stride: of the first layer.

    Reference:
        P4, section on the self-supervised source, which gives kernels and strides; channels and norms are
        those of the public code that it builds on (Zamir et al. 2018, "Taskonomy").
    """

    def __init__(
        self,
        image_channels: int,
        patch_size: Size,
        channels: Sequence[int] = (64, 128, 256, 512),
        first_stride: int = 1,
    ) -> None:
        super().__init__()
        widths = [2 * image_channels, *channels, 1]
        kernels, strides = (5, 5, 5, 4, 4), (first_stride, 4, 4, 1, 1)
        layers: list[nn.Module] = []
        for number, (width, following) in enumerate(pairwise(widths)):
            kernel, stride = (_where_seen(patch_size, value) for value in (kernels[number], strides[number]))
            has_norm = 0 < number < len(kernels) - 1
            # An even kernel wants one voxel more behind than before; pads are listed from the last axis on.
            before, after = [(side - 1) // 2 for side in kernel], [side // 2 for side in kernel]
            layers.append(nn.ZeroPad3d((before[2], after[2], before[1], after[1], before[0], after[0])))
            layers.append(nn.Conv3d(width, following, kernel, stride, bias=not has_norm))
            if has_norm:
                layers.append(nn.BatchNorm3d(following))
            if number < len(kernels) - 1:
                layers.append(nn.LeakyReLU(LEAK))
        self.layers = nn.Sequential(*layers)

    def forward(self, image: Tensor, candidate: Tensor) -> Tensor:
        """Map two images (N, C, D, H, W) to logits (N, 1, d, h, w): how real the candidate looks."""
        return self.layers(torch.cat([image, candidate], dim=1))


def _where_seen(patch_size: Size, value: int) -> Size:
    """The value along axes on which patches have more than one voxel, 1 along the others."""
    first, second, third = (value if side > 1 else 1 for side in patch_size)
    return first, second, third
