"""Pieces that the networks of slices share."""

from typing import Literal

import torch
from torch import Tensor, nn

from neurograft.networks.attention_gate import AttentionGate
from neurograft.networks.blocks import ActivationName, NormName, activation_layer

BlockOrder = Literal["conv-act-norm", "conv-norm-act"]


def slice_norm_layer(name: NormName, channels: int) -> nn.Module:
    """A norm over (M, C, A, B) with learnt scale and shift.

    Instance norm is group norm with a group a channel, which is the same, and sound on channels-last tensors.
    """
    if name == "batch":
        return nn.BatchNorm2d(channels)
    if name == "instance":
        return nn.GroupNorm(channels, channels)
    if name == "group":
        return nn.GroupNorm(max(1, channels // 8), channels)
    return nn.Identity()


class SliceDoubleConvolution(nn.Module):
    """Two 3x3 same-size convolutions, each with norm and activation in the given order.

    Args:
        in_channels: of the input.
        out_channels: of the output.
        norm: of each convolution.
        activation: of each convolution.
        order: activation before or after the norm.
    """

    def __init__(
        self, in_channels: int, out_channels: int, norm: NormName, activation: ActivationName, order: BlockOrder
    ) -> None:
        super().__init__()
        # A bias in front of a norm that subtracts the mean would have no effect.
        bias = order == "conv-act-norm" or norm == "none"
        for number, source in ((1, in_channels), (2, out_channels)):
            self.add_module(f"conv{number}", nn.Conv2d(source, out_channels, 3, padding=1, bias=bias))
            layers = {f"norm{number}": slice_norm_layer(norm, out_channels)}
            layers[f"act{number}"] = activation_layer(activation)
            for name in layers if order == "conv-norm-act" else reversed(layers):
                self.add_module(name, layers[name])

    def forward(self, x: Tensor) -> Tensor:
        """Map (M, C_in, A, B) to (M, C_out, A, B)."""
        for layer in self.children():
            x = layer(x)
        return x


class PyramidStage(nn.Module):
    """A stage of an encoder that sees the image again, made as coarse as the stage's features.

    A 3x3 convolution with activation gives the image as many channels as the stage has, and both are joined;
    P2 prints neither.

    Args:
        in_channels: of the features.
        image_channels: of the slices.
        out_channels: of the stage.
        norm: of the double convolution.
        activation: of all convolutions.
        order: of the double convolution.

    Reference:
        Zhao et al. 2022 (P2), network: inputs at 1, 1/2, 1/4 and 1/8 of the size.
    """

    def __init__(
        self,
        in_channels: int,
        image_channels: int,
        out_channels: int,
        norm: NormName,
        activation: ActivationName,
        order: BlockOrder,
    ) -> None:
        super().__init__()
        self.pyramid = nn.Conv2d(image_channels, out_channels, 3, padding=1)
        self.act = activation_layer(activation)
        self.block = SliceDoubleConvolution(in_channels + out_channels, out_channels, norm, activation, order)

    def forward(self, x: Tensor, image: Tensor) -> Tensor:
        """Map features (M, C_in, A, B) and the image (M, C_image, A, B) to (M, C_out, A, B)."""
        return self.block(torch.cat([x, self.act(self.pyramid(image))], dim=1))


class GatedUpStage(nn.Module):
    """Double the resolution, join the skip, through an attention gate or not, and convolve twice.

    Args:
        in_channels: of the coarse features.
        skip_channels: of the skip; 0 for a level that has none.
        out_channels: of the stage.
        gated: whether the coarse features gate the skip.
        upsampling: 2x2 transposed convolution, or 1x1 convolution and bilinear interpolation (``trilinear``).
        norm: of the double convolution.
        activation: of the double convolution.
        order: of the double convolution.
    """

    def __init__(
        self,
        in_channels: int,
        skip_channels: int,
        out_channels: int,
        gated: bool,
        upsampling: Literal["transposed", "trilinear"],
        norm: NormName,
        activation: ActivationName,
        order: BlockOrder,
    ) -> None:
        super().__init__()
        self.gate = AttentionGate(skip_channels, in_channels) if gated and skip_channels else None
        self.up: nn.Module
        if upsampling == "transposed":
            self.up = nn.ConvTranspose2d(in_channels, out_channels, 2, stride=2)
        else:
            self.up = nn.Sequential(
                nn.Conv2d(in_channels, out_channels, 1), nn.Upsample(scale_factor=2, mode="bilinear")
            )
        self.block = SliceDoubleConvolution(out_channels + skip_channels, out_channels, norm, activation, order)

    def forward(self, x: Tensor, skip: Tensor | None) -> Tensor:
        """Map (M, C_in, A, B) and the skip (M, C_skip, 2A, 2B) to (M, C_out, 2A, 2B)."""
        if skip is None:
            return self.block(self.up(x))
        if self.gate is not None:
            skip = self.gate(skip, x)
        return self.block(torch.cat([skip, self.up(x)], dim=1))
