"""Pieces that the networks share."""

from typing import Literal

from torch import Tensor, nn

from neurograft.networks.instance_norm import ChannelsLastInstanceNorm3d

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
            convolution = (f"conv{number}", nn.Conv3d(source, out_channels, 3, padding=1, bias=bias))
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
        for layer in self.children():
            x = layer(x)
        return x
