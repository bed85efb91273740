"""P4's network for classification: its encoder, and a fully connected block that answers for a slice."""

from torch import Tensor, nn
from torch.nn import functional

from neurograft.networks.blocks import initialise_convolutions
from neurograft.networks.latent_encoder2d import LatentEncoder2d
from neurograft.networks.units import Unit

LATENT_SIDE = 16
"""Of the latent that the fully connected layers read: that of a slice of 256 x 256."""


class ConnectedStage(nn.Module):
    """A fully connected layer over the whole latent, ReLU and batch norm, in this order.

    A latent of another size is averaged, or repeated, to 16 x 16, so that the layer fits slices of any size.

    Args:
        latent_channels: of the latent.
        features: 2048 in P4.
    """

    def __init__(self, latent_channels: int, features: int) -> None:
        super().__init__()
        self.linear = nn.Linear(latent_channels * LATENT_SIDE**2, features)
        self.relu = nn.ReLU()
        self.norm = nn.BatchNorm1d(features)

    def forward(self, latent: Tensor) -> Tensor:
        """Map (M, latent_channels, A, B) to (M, features)."""
        at_full_size = functional.adaptive_avg_pool2d(latent, LATENT_SIDE)
        return self.norm(self.relu(self.linear(at_full_size.flatten(1))))


class EncoderClassifier2d(LatentEncoder2d):
    """Slices to a latent, and on to a logit for each label that a slice may show.

    Units: those of `LatentEncoder2d`, under the same names and shapes as in `EncoderDecoder2d`; then ``fc``
    and ``head``. A block of several slices shows what any of them shows.

    Args:
        in_channels: image channels.
        out_channels: labels.
        slice_axis: the array axis that is cut across.
        neighbour_slices: on either side.
        latent_channels: of the latent.
        stem_channels: of the ResNet.
        features: of the fully connected layer.

    Reference:
        P4, fully connected block: 2048 with ReLU and batch norm, then one output a structure.
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        slice_axis: int,
        neighbour_slices: int = 0,
        latent_channels: int = 4,
        stem_channels: int = 64,
        features: int = 2048,
    ) -> None:
        super().__init__(in_channels, slice_axis, neighbour_slices, latent_channels, stem_channels)
        self.fc = ConnectedStage(latent_channels, features)
        self.head = nn.Linear(features, out_channels)
        self.units = (*self.encoder_units, Unit("fc", "decoder", 0), Unit("head", "head", 0))
        initialise_convolutions(self)

    def slice_logits(self, slices: Tensor) -> Tensor:
        """Map slices (M, slice_channels, A, B), sides multiples of 32, to logits (M, K)."""
        return self.head(self.fc(self.latent_of(slices)))

    def slice_outputs(self, slices: Tensor) -> dict[str, Tensor]:
        """``main`` (M, K)."""
        return {"main": self.slice_logits(slices)}

    def forward(self, image: Tensor) -> Tensor:
        """Map blocks (N, C, D, H, W) to logits (N, K), each the highest of the block's slices."""
        return self.slice_logits(self._slices(image)).unflatten(0, (len(image), -1)).amax(1)

    def outputs(self, image: Tensor) -> dict[str, Tensor]:
        """``main`` (N, K)."""
        return {"main": self(image)}
