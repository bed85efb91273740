"""P4's network for segmentation and autoencoding: a ResNet-50 encoder, a latent, and a decoder without skips."""

from torch import Tensor, nn

from neurograft.networks.blocks import initialise_convolutions
from neurograft.networks.latent_encoder2d import LatentEncoder2d
from neurograft.networks.units import Unit

LEAK = 0.2
"""Slope of the decoder's leaky ReLU below zero (P4)."""


class NormedConvolution(nn.Sequential):
    """A 3x3 convolution, plain or transposed with stride 2, batch norm and leaky ReLU, in this order.

    Args:
        in_channels: of the input.
        out_channels: of the output.
        doubles: whether it doubles the size.
    """

    def __init__(self, in_channels: int, out_channels: int, doubles: bool = False) -> None:
        convolution: nn.Module
        if doubles:
            convolution = nn.ConvTranspose2d(
                in_channels, out_channels, 3, stride=2, padding=1, output_padding=1, bias=False
            )
        else:
            convolution = nn.Conv2d(in_channels, out_channels, 3, padding=1, bias=False)
        super().__init__(convolution, nn.BatchNorm2d(out_channels), nn.LeakyReLU(LEAK, inplace=True))


class EncoderDecoder2d(LatentEncoder2d):
    """Slices to a latent of 1/16 of their size, and back to slices with as many channels as outputs.

    Units: those of `LatentEncoder2d`; ``start`` (two convolutions at the latent's size), ``up1`` ... ``up4``
    (a transposed convolution and, but for the last, a plain one), and ``head``, the tenth convolution.

    Args:
        in_channels: image channels.
        out_channels: outputs per pixel: classes, or the image's own channels.
        slice_axis: the array axis that is cut across.
        neighbour_slices: on either side.
        channels: features of the decoder, from the finest level to the latent's.
        latent_channels: of the latent.
        stem_channels: of the ResNet.

    Reference:
        P4, decoder: ten layers of 3x3, batch norm before leaky ReLU 0.2. It does not print the channels; the
        default ones are recommended.
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        slice_axis: int,
        neighbour_slices: int = 0,
        channels: tuple[int, ...] = (16, 32, 64, 128, 256),
        latent_channels: int = 4,
        stem_channels: int = 64,
    ) -> None:
        super().__init__(in_channels, slice_axis, neighbour_slices, latent_channels, stem_channels)
        units = list(self.encoder_units)
        levels = len(channels) - 1
        self.start = nn.Sequential(
            NormedConvolution(latent_channels, channels[-1]), NormedConvolution(channels[-1], channels[-1])
        )
        units.append(Unit("start", "decoder", levels))
        for level in reversed(range(levels)):
            name = f"up{levels - level}"
            layers = [NormedConvolution(channels[level + 1], channels[level], doubles=True)]
            if level > 0:
                layers.append(NormedConvolution(channels[level], channels[level]))
            self.add_module(name, nn.Sequential(*layers))
            units.append(Unit(name, "decoder", level))
        self.head = nn.Conv2d(channels[0], out_channels, 3, padding=1)
        self.units = (*units, Unit("head", "head", 0))
        initialise_convolutions(self)

    def slice_logits(self, slices: Tensor) -> Tensor:
        """Map slices (M, slice_channels, A, B), sides multiples of 32, to outputs (M, K, A, B)."""
        x = self.latent_of(slices)
        for unit in self.units[len(self.encoder_units) :]:
            x = self.get_submodule(unit.name)(x)
        return x

    def slice_outputs(self, slices: Tensor) -> dict[str, Tensor]:
        """``main`` (M, K, A, B)."""
        return {"main": self.slice_logits(slices)}
