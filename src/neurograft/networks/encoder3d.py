"""The way down of the 3D U-Net, with a head that answers for the whole patch."""

from typing import Literal

from torch import Tensor, nn

from neurograft.networks.blocks import ActivationName, DoubleConvolution, NormName, initialise_convolutions
from neurograft.networks.units import Unit, UnitNetwork


class Encoder3d(UnitNetwork):
    """Encoder and bottleneck of `UNet3d`, then the mean over the patch and a linear head.

    Units: ``down1`` ... ``down<n>``, ``bottleneck``, ``head``. Units and tensors have the names and the
    shapes that they have in `UNet3d`, so that what is learnt here loads there.

    Args:
        in_channels: image channels.
        out_channels: outputs per patch.
        channels: feature channels from the finest level to the bottleneck.
        norm: of every block.
        activation: of every block.
        block_order: of every block.

    Reference:
        Lin, Chen, Yan 2014, "Network in network", section 3.2, for the mean over the patch; P4 puts a
        fully connected block there, whose sizes belong to one size of slice.
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        channels: tuple[int, ...] = (16, 32, 64, 128),
        norm: NormName = "instance",
        activation: ActivationName = "leaky_relu",
        block_order: Literal["conv-act-norm", "conv-norm-act"] = "conv-norm-act",
    ) -> None:
        super().__init__()
        levels = len(channels) - 1
        self.in_channels = in_channels
        self.stride = (2**levels, 2**levels, 2**levels)
        self.stem_weights = ("down1.conv1.weight",)
        units = []
        source = in_channels
        for level in range(levels):
            name = f"down{level + 1}"
            self.add_module(name, DoubleConvolution(source, channels[level], norm, activation, block_order))
            units.append(Unit(name, "encoder", level))
            source = channels[level]
        self.bottleneck = DoubleConvolution(source, channels[-1], norm, activation, block_order)
        units.append(Unit("bottleneck", "bottleneck", levels))
        self.head = nn.Linear(channels[-1], out_channels)
        units.append(Unit("head", "head", levels))
        self.units = tuple(units)
        self.pool = nn.MaxPool3d(2)
        initialise_convolutions(self)

    def forward(self, image: Tensor) -> Tensor:
        """Map (N, C, D, H, W), sides multiples of `stride`, to logits (N, K)."""
        x = image
        for unit in self.units[:-2]:
            x = self.pool(self.get_submodule(unit.name)(x))
        return self.head(self.bottleneck(x).mean((2, 3, 4)))
