"""Between volumes and slices: what a network of 2D pictures needs to be one over volumes.

The slices of a block, each with its neighbours as further channels, are one batch of pictures; what the
network says of them is stacked to a block again. So a whole window is one pass.
"""

from abc import abstractmethod
from typing import Any

import torch
from torch import Tensor

from neurograft.imaging.context import Context
from neurograft.networks.units import UnitNetwork

SLICE_AXES = {"sagittal": 0, "coronal": 1, "axial": 2}
"""Array axis across which slices of each name lie, in a volume whose axes run left-right, front-back, up-down."""


def volume_to_slices(image: Tensor, axis: int, neighbours: int) -> Tensor:
    """Cut a block into slices that bring their neighbours along.

    Args:
        image: (N, C, D, H, W).
        axis: the array axis to cut across, 0 to 2.
        neighbours: slices on either side that come along; the block's first and last so many are only that.

    Returns:
        (N * S, C * (2 * neighbours + 1), A, B), where A and B are the other two axes in their order. The
        slices of a sample follow each other, and so do the neighbours of a channel, in the block's order.
    """
    stacked = image.unfold(2 + axis, 2 * neighbours + 1, 1)
    # Contiguous, because a view's strides can look like those of channels that lie last.
    return stacked.movedim((2 + axis, 5), (1, 3)).flatten(0, 1).flatten(1, 2).contiguous()


def slices_to_volume(slices: Tensor, axis: int, samples: int) -> Tensor:
    """Stack slices (N * S, K, A, B) of `samples` blocks to (N, K, D, H, W), S along `axis`."""
    return slices.unflatten(0, (samples, -1)).movedim(1, 2 + axis)


class SliceNetwork(UnitNetwork):
    """A network of 2D slices that takes and gives volumes.

    Args:
        in_channels: image channels.
        slice_axis: the array axis that is cut across.
        neighbour_slices: slices on either side that are further channels of each slice. Beyond the volume
            its first or last slice stands for them.
        in_plane_stride: the sides of a slice must be multiples of this.

    Attributes:
        neighbour_slices: as given.
        slice_channels: channels of a slice, its neighbours' included: those of image channel c are
            ``c * (2 * neighbour_slices + 1)`` and on.
    """

    slice_axis: int

    def __init__(self, in_channels: int, slice_axis: int, neighbour_slices: int, in_plane_stride: int) -> None:
        super().__init__()
        self.in_channels = in_channels
        self.slice_axis = slice_axis
        self.neighbour_slices = neighbour_slices
        self.slice_channels = in_channels * (2 * neighbour_slices + 1)
        first, second, third = (neighbour_slices * (axis == slice_axis) for axis in range(3))
        self.context = Context((first, second, third), (first, second, third), "edge")
        first, second, third = (1 if axis == slice_axis else in_plane_stride for axis in range(3))
        self.stride = (first, second, third)

    @abstractmethod
    def slice_logits(self, slices: Tensor) -> Tensor:
        """Map slices (M, slice_channels, A, B) to the main output's logits (M, K, A, B)."""

    @abstractmethod
    def slice_outputs(self, slices: Tensor) -> dict[str, Tensor]:
        """All outputs of slices (M, slice_channels, A, B): ``main`` (M, K, A, B), and coarser ones."""

    def forward(self, image: Tensor) -> Tensor:
        """Map blocks with their neighbouring slices to logits (N, K, D, H, W), all slices in one batch."""
        return slices_to_volume(self.slice_logits(self._slices(image)), self.slice_axis, len(image))

    def outputs(self, image: Tensor) -> dict[str, Tensor]:
        """All outputs, stacked to volumes; coarse ones are coarse within the slices only."""
        found = self.slice_outputs(self._slices(image))
        return {name: slices_to_volume(output, self.slice_axis, len(image)) for name, output in found.items()}

    def to(self, *args: Any, **kwargs: Any) -> "SliceNetwork":
        """Move or convert; the memory format of volumes is that of slices here, where weights have two axes."""
        if kwargs.get("memory_format") is torch.channels_last_3d:
            kwargs["memory_format"] = torch.channels_last
        return super().to(*args, **kwargs)

    def _slices(self, image: Tensor) -> Tensor:
        return volume_to_slices(image, self.slice_axis, self.neighbour_slices)
