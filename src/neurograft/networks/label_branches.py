"""An output layer in which each label has a branch of its own."""

import math

import torch
from torch import Tensor, nn
from torch.nn import functional


class LabelBranches(nn.Module):
    """For each output a 3x3 convolution with ReLU and a 1x1 convolution, on features that all share.

    The weights of a branch are one row of each tensor, so that a branch moves by its label's name when
    weights are copied from another model.

    Args:
        in_channels: of the shared features.
        out_channels: outputs, each with its own branch.
        width: channels within a branch.

    Reference:
        Zhao et al. 2022 (P2), network: "three output branches for three nuclei", which can be read so. What
        a branch consists of is not printed.
    """

    def __init__(self, in_channels: int, out_channels: int, width: int) -> None:
        super().__init__()
        self.width = width
        self.conv_weight = nn.Parameter(torch.empty(out_channels, width, in_channels * 9))
        self.conv_bias = nn.Parameter(torch.zeros(out_channels, width))
        self.out_weight = nn.Parameter(torch.empty(out_channels, width))
        self.out_bias = nn.Parameter(torch.zeros(out_channels))
        nn.init.normal_(self.conv_weight, std=math.sqrt(2 / (in_channels * 9)))
        nn.init.normal_(self.out_weight, std=math.sqrt(1 / width))

    def forward(self, x: Tensor) -> Tensor:
        """Map (M, C, A, B) to (M, K, A, B)."""
        outputs = len(self.out_bias)
        kernel = self.conv_weight.view(outputs * self.width, x.shape[1], 3, 3)
        features = functional.conv2d(x, kernel, self.conv_bias.flatten(), padding=1).relu()
        return functional.conv2d(features, self.out_weight[:, :, None, None], self.out_bias, groups=outputs)
