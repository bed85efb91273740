"""Layers of the tri-planar network: convolutions of one level of a branch, and dense layers."""

from typing import cast

import torch
from torch import Tensor, nn

PRELU_START = 0.25
"""Slope for negative values that every PReLU starts from."""
NORM_EPSILON = 1e-5
"""Added to a batch norm's variance."""


class ConvolutionLevel(nn.Module):
    """3x3 convolutions without padding at one resolution, each with batch norm and a PReLU a channel.

    Args:
        in_channels: of the input.
        out_channels: of every convolution.
        convolutions: how many; each takes two voxels off both axes.
    """

    def __init__(self, in_channels: int, out_channels: int, convolutions: int) -> None:
        super().__init__()
        self.convolutions = convolutions
        for number in range(1, convolutions + 1):
            # The bias has no effect in front of a batch norm; the paper's code has it, and its weights count it.
            self.add_module(f"conv{number}", nn.Conv2d(in_channels, out_channels, 3))
            self.add_module(f"norm{number}", nn.BatchNorm2d(out_channels, eps=NORM_EPSILON))
            self.add_module(f"act{number}", nn.PReLU(out_channels, PRELU_START))
            in_channels = out_channels

    def forward(self, x: Tensor) -> Tensor:
        """Map (N, C_in, h, w) to (N, C_out, h - 2n, w - 2n), `n` convolutions on."""
        for layer in self.children():
            x = layer(x)
        return x

    def with_norm(self, number: int) -> tuple[Tensor, Tensor]:
        """Weight and bias of a convolution, counted from 1, that does its norm's evaluation as well."""
        convolution, norm = self.get_submodule(f"conv{number}"), self.get_submodule(f"norm{number}")
        scale = norm.get_parameter("weight") * torch.rsqrt(norm.get_buffer("running_var") + NORM_EPSILON)
        # Not get_parameter: where there is a low-rank adapter, the weight is made anew at each look.
        weight = cast("nn.Conv2d", convolution).weight
        bias = (convolution.get_parameter("bias") - norm.get_buffer("running_mean")) * scale
        return weight * scale[:, None, None, None], bias + norm.get_parameter("bias")

    def slopes(self, number: int) -> Tensor:
        """(C_out,) slopes for negative values after a convolution, counted from 1."""
        return self.get_submodule(f"act{number}").get_parameter("weight")


class DenseLayer(nn.Module):
    """A linear layer and a PReLU a feature.

    Args:
        in_features: of the input.
        out_features: of the output.
    """

    def __init__(self, in_features: int, out_features: int) -> None:
        super().__init__()
        self.linear = nn.Linear(in_features, out_features)
        self.act = nn.PReLU(out_features, PRELU_START)

    def forward(self, x: Tensor) -> Tensor:
        """Map (N, F_in) to (N, F_out)."""
        return self.act(self.linear(x))
