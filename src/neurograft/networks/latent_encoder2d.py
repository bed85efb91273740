"""The encoder of P4: a ResNet-50 over slices that ends in a small picture of a few channels, the latent."""

from torch import Tensor, nn
from torch.nn import functional

from neurograft.networks.resnet_encoder2d import BLOCKS, EXPANSION, ResNetStem, narrowed, resnet50_layers
from neurograft.networks.slices import SliceNetwork
from neurograft.networks.units import Unit

DOWNSAMPLING = 32
"""A ResNet-50 makes a slice so many times smaller, and the latent is twice as large as that."""
LATENT_DEPTH = 4


class LatentStage(nn.Module):
    """3x3 transposed convolution of stride 2 to a few channels, and ReLU.

    Args:
        in_channels: of the ResNet's last layer.
        latent_channels: 4 in P4.
    """

    def __init__(self, in_channels: int, latent_channels: int) -> None:
        super().__init__()
        self.up = nn.ConvTranspose2d(in_channels, latent_channels, 3, stride=2, padding=1, output_padding=1)
        self.relu = nn.ReLU()

    def forward(self, x: Tensor) -> Tensor:
        """Map (M, C, A, B) to (M, latent_channels, 2A, 2B)."""
        return self.relu(self.up(x))


class LatentEncoder2d(SliceNetwork):
    """What the networks of P4 have in common: units ``stem``, ``layer1`` ... ``layer4`` and ``latent``.

    All of them belong to the encoder, ``latent`` as the bottleneck, so that strategy ``encoder_only`` copies
    them and nothing else. A slice of 256 x 256 becomes a latent of 16 x 16.

    Args:
        in_channels: image channels. P4 repeats the one of a scan to three; one channel with the colours'
            weights added up, as loading makes it, is the same function.
        slice_axis: the array axis that is cut across.
        neighbour_slices: on either side; P4 takes none.
        latent_channels: 4 in P4.
        stem_channels: of the ResNet; 64 is ResNet-50, fewer make it narrower throughout.

    Attributes:
        encoder_units: the units, in order.

    Reference:
        P4, encoder: "16 x 16 x 4". The public encoder that it builds on reaches 16 x 16 by leaving out the
        last stride instead.
    """

    def __init__(
        self, in_channels: int, slice_axis: int, neighbour_slices: int, latent_channels: int, stem_channels: int
    ) -> None:
        super().__init__(in_channels, slice_axis, neighbour_slices, DOWNSAMPLING)
        self.stem = ResNetStem(self.slice_channels, stem_channels)
        units = [Unit("stem", "encoder", 1)]
        for depth, (name, layer) in enumerate(resnet50_layers(stem_channels).items(), start=2):
            self.add_module(name, layer)
            units.append(Unit(name, "encoder", depth))
        widest = EXPANSION * narrowed(BLOCKS["layer4"][1], stem_channels)
        self.latent = LatentStage(widest, latent_channels)
        units.append(Unit("latent", "bottleneck", LATENT_DEPTH))
        self.encoder_units = tuple(units)
        self.stem_weights = ("stem.conv1.weight",)

    def latent_of(self, slices: Tensor) -> Tensor:
        """Map slices (M, slice_channels, A, B), sides multiples of 32, to latents (M, latent, A/16, B/16)."""
        x = functional.max_pool2d(self.stem(slices), 3, stride=2, padding=1)
        for unit in self.encoder_units[1:]:
            x = self.get_submodule(unit.name)(x)
        return x
