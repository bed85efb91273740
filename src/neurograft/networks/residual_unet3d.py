"""The residual 3D U-Net of P3, with coarse outputs and an age head as side units."""

from typing import Literal

from torch import Tensor, nn

from neurograft.networks.age_head import AgeHead
from neurograft.networks.blocks import ActivationName, NormName, ResidualBlock, UpStage, initialise_convolutions
from neurograft.networks.units import Unit, UnitNetwork


class ResidualUNet3d(UnitNetwork):
    """3D U-Net with residual blocks and strided convolutions on the way down, plain blocks on the way up.

    Units: ``stem``, ``down1`` ... ``down<n>``, ``bottleneck``, ``up1`` (deepest) ... ``up<n + 1>``,
    ``head``, then the side units ``aux_head1`` ... and ``age``. The side unit ``aux_head<i>`` is a
    coarse output, at the level of ``down<i>``: `i` levels below full resolution, so number 1 is the
    finest.

    Args:
        in_channels: image channels.
        out_channels: outputs per voxel.
        channels: feature channels from the finest level to the bottleneck; P3's public code has
            min(2^(5 + level), 320) on six levels.
        norm: P3 uses instance norm, with scale and shift.
        activation: P3 uses leaky ReLU.
        upsampling: 2x2x2 transposed convolution without bias (P3), or trilinear.
        auxiliary_heads: coarse outputs, from the finest level below the full one down; at most
            ``len(channels) - 2``.
        age_head: form of the age head, see `AgeHead`.
        skips: whether the decoder sees the encoder's features; without, it is that of an autoencoder.

    Raises:
        ValueError: more auxiliary heads than decoder levels below the full one.

    Reference:
        Richter and Fetit 2022 (P3), network; its public code builds it from MONAI's ``DynUNet``,
        which this equals but for the order in which skips and features are joined.
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        channels: tuple[int, ...] = (32, 64, 128, 256, 320, 320),
        norm: NormName = "instance",
        activation: ActivationName = "leaky_relu",
        upsampling: Literal["transposed", "trilinear"] = "transposed",
        auxiliary_heads: int = 0,
        age_head: Literal["none", "paper", "code"] = "none",
        skips: bool = True,
    ) -> None:
        super().__init__()
        deepest = len(channels) - 1
        if auxiliary_heads > deepest - 1:
            raise ValueError(
                f"{len(channels)} levels leave room for {deepest - 1} auxiliary heads, not {auxiliary_heads}"
            )
        self.in_channels = in_channels
        self.stride = (2**deepest, 2**deepest, 2**deepest)
        self.stem_weights = ("stem.conv1.weight",)
        self.stem = ResidualBlock(in_channels, channels[0], 1, norm, activation)
        if isinstance(self.stem.shortcut, nn.Sequential):
            self.stem_weights += ("stem.shortcut.0.weight",)
        units = [Unit("stem", "encoder", 0)]
        for level in range(1, deepest):
            self.add_module(f"down{level}", ResidualBlock(channels[level - 1], channels[level], 2, norm, activation))
            units.append(Unit(f"down{level}", "encoder", level))
        self.bottleneck = ResidualBlock(channels[-2], channels[-1], 2, norm, activation)
        units.append(Unit("bottleneck", "bottleneck", deepest))
        for number, level in enumerate(reversed(range(deepest)), start=1):
            stage = UpStage(
                channels[level + 1],
                channels[level],
                upsampling,
                norm,
                activation,
                "conv-norm-act",
                bias=False,
                skip=skips,
            )
            self.add_module(f"up{number}", stage)
            units.append(Unit(f"up{number}", "decoder", level))
        self.head = nn.Conv3d(channels[0], out_channels, 1)
        units.append(Unit("head", "head", 0))
        for level in range(1, auxiliary_heads + 1):
            self.add_module(f"aux_head{level}", nn.Conv3d(channels[level], out_channels, 1))
            units.append(Unit(f"aux_head{level}", "side", level))
        self.auxiliary_heads = tuple(f"aux_head{level}" for level in range(1, auxiliary_heads + 1))
        self.has_age = age_head != "none"
        if age_head != "none":
            self.age = AgeHead(channels[-1], age_head)
            units.append(Unit("age", "side", deepest))
        self.units = tuple(units)
        initialise_convolutions(self)

    def forward(self, image: Tensor) -> Tensor:
        """Map (N, C, D, H, W), sides multiples of `stride`, to logits (N, K, D, H, W)."""
        return self.head(self._features(image)[0])

    def outputs(self, image: Tensor) -> dict[str, Tensor]:
        """All outputs: ``main``, ``aux_head<i>`` (N, K, D/2^i, H/2^i, W/2^i), and ``age`` (N,)."""
        levels = self._features(image)
        found = {"main": self.head(levels[0])}
        for level, name in enumerate(self.auxiliary_heads, start=1):
            found[name] = self.get_submodule(name)(levels[level])
        if self.has_age:
            found["age"] = self.age(levels[-1])
        return found

    def _features(self, image: Tensor) -> list[Tensor]:
        """The decoder's features from the finest level down; the bottleneck's come last."""
        deepest = next(unit.depth for unit in self.units if unit.role == "bottleneck")
        skips = [self.stem(image)]
        for level in range(1, deepest):
            skips.append(self.get_submodule(f"down{level}")(skips[-1]))
        found = [self.bottleneck(skips[-1])]
        for number in range(1, deepest + 1):
            found.append(self.get_submodule(f"up{number}")(found[-1], skips.pop()))
        return found[::-1]
