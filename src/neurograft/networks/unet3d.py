"""The 3D U-Net of P1, with its silences as options."""

from typing import Literal

from torch import Tensor, nn

from neurograft.networks.blocks import ActivationName, DoubleConvolution, NormName, UpStage, initialise_convolutions
from neurograft.networks.units import Unit, UnitNetwork


class UNet3d(UnitNetwork):
    """3D U-Net: max-pooling down, transposed convolution up, concatenated skips, same size out.

    Units: ``down1`` ... ``down<n>``, ``bottleneck``, ``up1`` (deepest) ... ``up<n>``, ``head``.
    A down unit is its two convolutions; the pooling before the next has no weights.

    Args:
        in_channels: image channels.
        out_channels: outputs per voxel.
        channels: feature channels from the finest level to the bottleneck; P1 does not print
            them, the default is 16-32-64-128.
        norm: P1 uses batch norm.
        activation: P1 uses ReLU.
        block_order: P1 puts the activation before the norm.
        upsampling: 2x2x2 transposed convolution (P1; the kernel is not printed), or trilinear.
        skips: whether the decoder sees the encoder's features; without, it is that of an autoencoder.

    Reference:
        Bahador et al., LC and SNpc in neuromelanin MRI, section on the network: three down
        blocks, one bottleneck, three up blocks, one convolution.
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        channels: tuple[int, ...] = (16, 32, 64, 128),
        norm: NormName = "batch",
        activation: ActivationName = "relu",
        block_order: Literal["conv-act-norm", "conv-norm-act"] = "conv-act-norm",
        upsampling: Literal["transposed", "trilinear"] = "transposed",
        skips: bool = True,
    ) -> None:
        super().__init__()
        levels = len(channels) - 1
        self.in_channels = in_channels
        self.stride = (2**levels, 2**levels, 2**levels)
        self.stem_weights = ("down1.conv1.weight",)
        units = []
        source = in_channels
        for level in range(levels):
            self.add_module(
                f"down{level + 1}", DoubleConvolution(source, channels[level], norm, activation, block_order)
            )
            units.append(Unit(f"down{level + 1}", "encoder", level))
            source = channels[level]
        self.bottleneck = DoubleConvolution(source, channels[-1], norm, activation, block_order)
        units.append(Unit("bottleneck", "bottleneck", levels))
        for number, level in enumerate(reversed(range(levels)), start=1):
            self.add_module(
                f"up{number}",
                UpStage(channels[level + 1], channels[level], upsampling, norm, activation, block_order, skip=skips),
            )
            units.append(Unit(f"up{number}", "decoder", level))
        self.head = nn.Conv3d(channels[0], out_channels, 1)
        units.append(Unit("head", "head", 0))
        self.units = tuple(units)
        self.pool = nn.MaxPool3d(2)
        initialise_convolutions(self)

    def forward(self, image: Tensor) -> Tensor:
        """Map (N, C, D, H, W), sides multiples of `stride`, to logits (N, K, D, H, W)."""
        levels = len(self.units) // 2 - 1
        skips = []
        x = image
        for level in range(levels):
            x = self.get_submodule(f"down{level + 1}")(x)
            skips.append(x)
            x = self.pool(x)
        x = self.bottleneck(x)
        for number in range(levels):
            x = self.get_submodule(f"up{number + 1}")(x, skips.pop())
        return self.head(x)
