"""Pieces that the networks share."""

from typing import Literal

import torch
from torch import Tensor, nn

from neurograft.networks.blockwise_upsampling import BlockwiseUpsampling3d
from neurograft.networks.convolution import ThreeWideConvolution3d
from neurograft.networks.instance_norm import ChannelsLastInstanceNorm3d, in_turn

NormName = Literal["batch", "instance", "group", "none"]
ActivationName = Literal["relu", "leaky_relu", "prelu", "silu"]

NORM_TYPES = (nn.modules.batchnorm._NormBase, nn.GroupNorm, nn.LayerNorm)
"""Modules that count as norm layers in a strategy's rules."""


def norm_layer(name: NormName, channels: int) -> nn.Module:
    """A norm over (N, C, D, H, W) with learnt scale and shift."""
    if name == "batch":
        return nn.BatchNorm3d(channels)
    if name == "instance":
        return ChannelsLastInstanceNorm3d(channels, affine=True)
    if name == "group":
        return nn.GroupNorm(max(1, channels // 8), channels)
    return nn.Identity()


def activation_layer(name: ActivationName) -> nn.Module:
    """An activation; leaky slope 0.01, one PReLU weight."""
    if name == "relu":
        return nn.ReLU(inplace=True)
    if name == "leaky_relu":
        return nn.LeakyReLU(0.01, inplace=True)
    if name == "prelu":
        return nn.PReLU()
    return nn.SiLU(inplace=True)


class DoubleConvolution(nn.Module):
    """Two 3x3x3 same-size convolutions, each with activation and norm in the given order.

    Reference:
        Bahador et al., neuromelanin MRI, network description: convolution, ReLU, batch norm in
        that order, twice a block (order ``conv-act-norm``).
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        norm: NormName,
        activation: ActivationName,
        order: Literal["conv-act-norm", "conv-norm-act"],
    ) -> None:
        super().__init__()
        # A bias in front of a norm that subtracts the mean would have no effect.
        bias = order == "conv-act-norm" or norm == "none"
        layers: list[tuple[str, nn.Module]] = []
        for number, source in ((1, in_channels), (2, out_channels)):
            convolution = (f"conv{number}", ThreeWideConvolution3d(source, out_channels, bias=bias))
            scaling = (f"norm{number}", norm_layer(norm, out_channels))
            nonlinearity = (f"act{number}", activation_layer(activation))
            if order == "conv-act-norm":
                layers += [convolution, nonlinearity, scaling]
            else:
                layers += [convolution, scaling, nonlinearity]
        for name, module in layers:
            self.add_module(name, module)

    def forward(self, x: Tensor) -> Tensor:
        """Map (N, C_in, D, H, W) to (N, C_out, D, H, W)."""
        layers = list(self.children())
        for convolution, first, second in (layers[:3], layers[3:]):
            x = in_turn(first, second, convolution(x))
        return x


class ResidualBlock(nn.Module):
    """Two 3x3x3 convolutions with norms, added to a shortcut before the last activation.

    Where the block changes size or channels, a 1x1x1 convolution with its own norm makes the
    shortcut fit; elsewhere the shortcut is the input.

    Args:
        in_channels: of the input.
        out_channels: of the output.
        stride: of the first convolution and the shortcut: 1 keeps the size, 2 halves it.
        norm: after each convolution.
        activation: after the first norm and after the sum.

    Reference:
        He, Zhang, Ren, Sun 2016, "Deep residual learning for image recognition", section 3.3,
        option B for the shortcut.
    """

    def __init__(
        self, in_channels: int, out_channels: int, stride: int, norm: NormName, activation: ActivationName
    ) -> None:
        super().__init__()
        bias = norm == "none"
        self.conv1 = ThreeWideConvolution3d(in_channels, out_channels, stride, bias)
        self.norm1 = norm_layer(norm, out_channels)
        self.act1 = activation_layer(activation)
        self.conv2 = ThreeWideConvolution3d(out_channels, out_channels, bias=bias)
        self.norm2 = norm_layer(norm, out_channels)
        self.act2 = activation_layer(activation)
        self.shortcut: nn.Module = nn.Identity()
        if stride != 1 or in_channels != out_channels:
            self.shortcut = nn.Sequential(
                nn.Conv3d(in_channels, out_channels, 1, stride=stride, bias=bias), norm_layer(norm, out_channels)
            )

    def forward(self, x: Tensor) -> Tensor:
        """Map (N, C_in, D, H, W) to (N, C_out, D/stride, H/stride, W/stride)."""
        changed = self.norm2(self.conv2(in_turn(self.norm1, self.act1, self.conv1(x))))
        return self.act2(changed + self.shortcut(x))


class UpStage(nn.Module):
    """Double the resolution, join the skip where there is one, convolve twice.

    Args:
        in_channels: of the coarse features.
        out_channels: of the skip and of the output.
        upsampling: 2x2x2 transposed convolution, or 1x1x1 convolution and trilinear interpolation.
        norm: of the double convolution.
        activation: of the double convolution.
        order: of the double convolution.
        bias: whether the convolution that goes with the upsampling has one.
        skip: whether there is a skip to join.
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        upsampling: Literal["transposed", "trilinear"],
        norm: NormName,
        activation: ActivationName,
        order: Literal["conv-act-norm", "conv-norm-act"],
        bias: bool = True,
        skip: bool = True,
    ) -> None:
        super().__init__()
        self.up: nn.Module
        if upsampling == "transposed":
            self.up = BlockwiseUpsampling3d(in_channels, out_channels, bias=bias)
        else:
            self.up = nn.Sequential(
                nn.Conv3d(in_channels, out_channels, 1, bias=bias), nn.Upsample(scale_factor=2, mode="trilinear")
            )
        self.joins_skip = skip
        self.block = DoubleConvolution((2 if skip else 1) * out_channels, out_channels, norm, activation, order)

    def forward(self, x: Tensor, skip: Tensor) -> Tensor:
        """Map (N, C_in, D, H, W) and the skip (N, C_out, 2D, 2H, 2W) to the skip's shape."""
        return self.block(torch.cat([skip, self.up(x)], dim=1) if self.joins_skip else self.up(x))


def initialise_convolutions(network: nn.Module) -> None:
    """Draw the weights of all convolutions by Kaiming's normal rule for a leaky slope of 0.01; biases are 0."""
    for module in network.modules():
        if isinstance(module, nn.Conv2d | nn.ConvTranspose2d | nn.Conv3d | nn.ConvTranspose3d):
            nn.init.kaiming_normal_(module.weight, a=0.01)
            if module.bias is not None:
                nn.init.zeros_(module.bias)
