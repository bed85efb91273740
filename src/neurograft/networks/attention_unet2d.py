"""The attention U-Net of P2 over slices, with its ablations as options."""

from typing import Literal

from torch import Tensor, nn
from torch.nn import functional

from neurograft.networks.blocks import ActivationName, NormName, initialise_convolutions
from neurograft.networks.label_branches import LabelBranches
from neurograft.networks.resnet_encoder2d import RESNET50_CHANNELS, ResNetStem, resnet50_layers
from neurograft.networks.slice_blocks import BlockOrder, GatedUpStage, PyramidStage, SliceDoubleConvolution
from neurograft.networks.slices import SliceNetwork
from neurograft.networks.units import Unit

PYRAMID_LEVELS = 4
"""Levels that see the image: at 1, 1/2, 1/4 and 1/8 of its size (P2)."""


class AttentionUNet2d(SliceNetwork):
    """2D U-Net over slices with their neighbours: image pyramid in, attention gates on skips, coarse outputs.

    Units of the plain encoder: ``down1`` ... ``down<n>``, ``bottleneck``; of ResNet-50's: ``stem``, ``layer1``
    ... ``layer3``, and ``layer4`` as the bottleneck. Then ``up1`` (deepest) ..., ``head``, and the side units
    ``aux_head1`` ...: coarse outputs, number i at 1/2^i of the size. ResNet-50 starts at half the size: its
    decoder has no skip at the full one, and there is no image pyramid.

    Args:
        in_channels: image channels.
        out_channels: outputs per pixel.
        slice_axis: the array axis that is cut across.
        neighbour_slices: on either side; P2 takes one.
        channels: features from the finest level to the bottleneck; P2 does not print them. With ResNet-50 those
            of the five levels of the decoder.
        norm: of the plain encoder and of the decoder; P2 does not print it.
        activation: likewise.
        block_order: likewise.
        upsampling: 2x2 transposed convolution, or bilinear (``trilinear``).
        auxiliary_heads: coarse outputs; P2 has two.
        attention_gates: on all skips (P2), on all but the finest, or on none (P2's ablation).
        encoder: ``plain`` (P2), or ``resnet50`` (P2's ablation; its weights come from a file).
        output_branches: ``shared``: one output layer for all labels; ``labels``: a branch each.

    Raises:
        ValueError: more auxiliary heads than decoder levels, or a ResNet-50 without five levels.

    Reference:
        Zhao et al. 2022 (P2), network. The pyramid is averaged, and joined as `PyramidStage` says.
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        slice_axis: int,
        neighbour_slices: int = 1,
        channels: tuple[int, ...] = (32, 64, 128, 256, 512),
        norm: NormName = "batch",
        activation: ActivationName = "relu",
        block_order: BlockOrder = "conv-norm-act",
        upsampling: Literal["transposed", "trilinear"] = "transposed",
        auxiliary_heads: int = 0,
        attention_gates: Literal["all", "below_top", "none"] = "all",
        encoder: Literal["plain", "resnet50"] = "plain",
        output_branches: Literal["shared", "labels"] = "shared",
    ) -> None:
        plain = encoder == "plain"
        if not plain and len(channels) != len(RESNET50_CHANNELS):
            raise ValueError(f"a ResNet-50 has {len(RESNET50_CHANNELS)} levels, not {len(channels)}")
        depth = len(channels) - 1 if plain else len(channels)
        if auxiliary_heads > depth - 1:
            raise ValueError(
                f"{depth} decoder levels leave room for {depth - 1} auxiliary heads, not {auxiliary_heads}"
            )
        super().__init__(in_channels, slice_axis, neighbour_slices, 2**depth)
        self.depth = depth
        units: list[Unit] = []

        def add(name: str, module: nn.Module, role: Literal["encoder", "bottleneck"], depth: int) -> None:
            self.add_module(name, module)
            units.append(Unit(name, role, depth))

        if plain:
            source = self.slice_channels
            for level, width in enumerate(channels[:-1]):
                stage: nn.Module = SliceDoubleConvolution(source, width, norm, activation, block_order)
                if 0 < level < PYRAMID_LEVELS:
                    stage = PyramidStage(source, self.slice_channels, width, norm, activation, block_order)
                add(f"down{level + 1}", stage, "encoder", level)
                source = width
            add("bottleneck", SliceDoubleConvolution(source, channels[-1], norm, activation, block_order),
                "bottleneck", self.depth)  # fmt: skip
            seeing = range(1, min(self.depth, PYRAMID_LEVELS))
            self.stem_weights = ("down1.conv1.weight", *(f"down{level + 1}.pyramid.weight" for level in seeing))
            skip_channels, coarse = channels[:-1], channels[-1]
        else:
            add("stem", ResNetStem(self.slice_channels), "encoder", 1)
            for level, (name, layer) in enumerate(resnet50_layers().items(), start=2):
                add(name, layer, "bottleneck" if level == self.depth else "encoder", level)
            self.stem_weights = ("stem.conv1.weight",)
            skip_channels, coarse = (0, *RESNET50_CHANNELS[:-1]), RESNET50_CHANNELS[-1]
        for number, level in enumerate(reversed(range(self.depth)), start=1):
            gated = attention_gates == "all" or (attention_gates == "below_top" and level > 0)
            stage = GatedUpStage(
                coarse, skip_channels[level], channels[level], gated, upsampling, norm, activation, block_order
            )
            self.add_module(f"up{number}", stage)
            units.append(Unit(f"up{number}", "decoder", level))
            coarse = channels[level]
        if output_branches == "labels":
            self.head: nn.Module = LabelBranches(channels[0], out_channels, channels[0])
        else:
            self.head = nn.Conv2d(channels[0], out_channels, 1)
        units.append(Unit("head", "head", 0))
        for level in range(1, auxiliary_heads + 1):
            self.add_module(f"aux_head{level}", nn.Conv2d(channels[level], out_channels, 1))
            units.append(Unit(f"aux_head{level}", "side", level))
        self.auxiliary_heads = tuple(f"aux_head{level}" for level in range(1, auxiliary_heads + 1))
        self.units = tuple(units)
        initialise_convolutions(self)

    def slice_logits(self, slices: Tensor) -> Tensor:
        """Map slices (M, slice_channels, A, B), sides multiples of the stride, to logits (M, K, A, B)."""
        return self.head(self._features(slices)[0])

    def slice_outputs(self, slices: Tensor) -> dict[str, Tensor]:
        """``main`` (M, K, A, B), and ``aux_head<i>`` (M, K, A/2^i, B/2^i)."""
        levels = self._features(slices)
        found = {"main": self.head(levels[0])}
        for level, name in enumerate(self.auxiliary_heads, start=1):
            found[name] = self.get_submodule(name)(levels[level])
        return found

    def _features(self, slices: Tensor) -> list[Tensor]:
        """The decoder's features from the finest level down; the bottleneck's come last."""
        skips, x = self._encoded(slices)
        found = [x]
        for number in range(1, self.depth + 1):
            found.append(self.get_submodule(f"up{number}")(found[-1], skips.pop()))
        return found[::-1]

    def _encoded(self, slices: Tensor) -> tuple[list[Tensor | None], Tensor]:
        """The skips from the finest level down, and the bottleneck's features."""
        skips: list[Tensor | None] = []
        if "stem" in self._modules:
            skips.append(None)
            x = self.get_submodule("stem")(slices)
            for unit in self.units[1 : self.depth]:
                skips.append(x)
                if unit.name == "layer1":
                    x = functional.max_pool2d(x, 3, stride=2, padding=1)
                x = self.get_submodule(unit.name)(x)
            return skips, x
        x, image = slices, slices
        for unit in self.units[: self.depth]:
            stage = self.get_submodule(unit.name)
            if unit.depth > 0:
                x, image = functional.max_pool2d(x, 2), functional.avg_pool2d(image, 2)
            x = stage(x, image) if isinstance(stage, PyramidStage) else stage(x)
            skips.append(x)
        return skips, self.get_submodule("bottleneck")(functional.max_pool2d(x, 2))
