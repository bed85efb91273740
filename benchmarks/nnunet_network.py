"""nnU-Net's plain 3D U-Net as one of our networks, with its tensor names, so that one set of weights serves both."""

from itertools import pairwise

import torch
from torch import Tensor, nn

from neurograft.networks.blockwise_upsampling import BlockwiseUpsampling3d
from neurograft.networks.convolution import ThreeWideConvolution3d
from neurograft.networks.instance_norm import ChannelsLastInstanceNorm3d, in_turn
from neurograft.networks.units import Unit, UnitNetwork

CHANNELS = (32, 64, 128, 256, 320, 320)


class _Layer(nn.Module):
    """Convolution, instance norm, leaky ReLU."""

    def __init__(self, source: int, channels: int, stride: int) -> None:
        super().__init__()
        self.conv = ThreeWideConvolution3d(source, channels, stride)
        self.norm = ChannelsLastInstanceNorm3d(channels, affine=True)
        self.act = nn.LeakyReLU(0.01, inplace=True)

    def forward(self, x: Tensor) -> Tensor:
        return in_turn(self.norm, self.act, self.conv(x))


class _Stage(nn.Module):
    def __init__(self, source: int, channels: int, stride: int) -> None:
        super().__init__()
        self.convs = nn.Sequential(_Layer(source, channels, stride), _Layer(channels, channels, 1))

    def forward(self, x: Tensor) -> Tensor:
        return self.convs(x)


class _Encoder(nn.Module):
    def __init__(self, in_channels: int, channels: tuple[int, ...]) -> None:
        super().__init__()
        sources = (in_channels, *channels)
        self.stages = nn.Sequential(
            *(nn.Sequential(_Stage(sources[n], size, 1 if n == 0 else 2)) for n, size in enumerate(channels))
        )


class _Decoder(nn.Module):
    def __init__(self, out_channels: int, channels: tuple[int, ...]) -> None:
        super().__init__()
        down = channels[::-1]
        pairs = list(pairwise(down))
        self.transpconvs = nn.ModuleList(BlockwiseUpsampling3d(below, above) for below, above in pairs)
        self.stages = nn.ModuleList(_Stage(2 * above, above, 1) for _, above in pairs)
        self.seg_layers = nn.ModuleList(nn.Conv3d(above, out_channels, 1) for _, above in pairs)


class PlainUNet(UnitNetwork):
    """What nnU-Net calls PlainConvUNet: strided convolutions down, transposed ones up, two layers a stage.

    Args:
        in_channels: of the image.
        out_channels: classes.
        channels: of the stages.
        deep_supervision: whether `outputs` gives the coarser heads too.
    """

    auxiliary_heads: tuple[str, ...] = ()

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        channels: tuple[int, ...] = CHANNELS,
        deep_supervision: bool = False,
    ) -> None:
        super().__init__()
        self.in_channels = in_channels
        self.stride = (2 ** (len(channels) - 1),) * 3
        self.stem_weights = ("encoder.stages.0.0.convs.0.conv.weight",)
        self.units = (Unit("encoder", "encoder", 0), Unit("decoder", "decoder", 0))
        self.deep_supervision = deep_supervision
        self.encoder = _Encoder(in_channels, channels)
        self.decoder = _Decoder(out_channels, channels)

    def forward(self, image: Tensor) -> Tensor:
        """Map (N, C, D, H, W) to logits (N, K, D, H, W)."""
        return self._heads(image, 1)[-1]

    def outputs(self, image: Tensor) -> dict[str, Tensor]:
        """The main logits, and those of coarser stages under deep supervision."""
        heads = self._heads(image, len(self.decoder.stages) if self.deep_supervision else 1)
        named = {"main": heads[-1]}
        # The coarsest head has weight zero in nnU-Net.
        named.update({f"aux_head{n}": head for n, head in enumerate(heads[-2:0:-1], start=1)})
        return named

    def _heads(self, image: Tensor, wanted: int) -> list[Tensor]:
        skips = []
        x = image
        for stage in self.encoder.stages:
            x = stage(x)
            skips.append(x)
        heads = []
        levels = len(self.decoder.stages)
        for level in range(levels):
            x = self.decoder.stages[level](torch.cat([self.decoder.transpconvs[level](x), skips[-2 - level]], 1))
            if level >= levels - wanted:
                heads.append(self.decoder.seg_layers[level](x))
        return heads
