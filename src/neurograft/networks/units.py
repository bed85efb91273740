"""The one idea: a network is an ordered list of named units."""

from abc import ABC, abstractmethod
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from torch import Tensor, nn

from neurograft.imaging.context import Context

Role = Literal["encoder", "bottleneck", "decoder", "head", "side"]


@dataclass(frozen=True)
class Unit:
    """A part of a network that a strategy can address.

    Attributes:
        name: the attribute of the network that holds its module, and so the first part of the
            name of each of its tensors.
        role: where in the network it stands.
        depth: levels below full resolution; 0 for units at full resolution.
    """

    name: str
    role: Role
    depth: int


class UnitNetwork(nn.Module, ABC):
    """A network whose direct children with tensors are its units.

    Subclasses set `units`, in order from input to output, and register one child module a unit
    under the unit's name, so that every tensor belongs to exactly one unit.

    Attributes:
        units: from input to output; side units come last.
        stride: the side of an answer must be a multiple of this, per axis.
        in_channels: channels of the input.
        stem_weights: names of the weights whose second axis is the input's channels.
        auxiliary_heads: names of the side units that give coarse label outputs, from the finest down.
        has_age: whether there is a side unit ``age``.
        context: what is read around the block that is answered for; `stride` and every size of a patch or
            window are the answer's.
        prior_channels: how many of the input's channels, the last ones, are a prior's probabilities and are
            read apart from the image.
        prior_weights: names of the weights whose last columns are these channels; without any, a prior's
            channels are channels of the stem like others.
        reads_planes: whether, for single voxels, the planes through them do: (N, C, 3, d, h), across the last
            axis, the middle one and the first.
        slice_axis: the array axis across which a network of slices sees its input as separate pictures;
            nothing may be turned or stretched along it.
    """

    units: tuple[Unit, ...]
    stride: tuple[int, int, int]
    in_channels: int
    stem_weights: tuple[str, ...]
    auxiliary_heads: tuple[str, ...] = ()
    has_age: bool = False
    context: Context = Context()
    slice_axis: int | None = None
    prior_channels: int = 0
    prior_weights: tuple[str, ...] = ()
    reads_planes: bool = False

    @abstractmethod
    def forward(self, image: Tensor) -> Tensor:
        """Map images to the main output's logits (N, K, D, H, W).

        Args:
            image: (N, C, D, H, W), larger by `context` than the answer.
        """

    def outputs(self, image: Tensor) -> dict[str, Tensor]:
        """All outputs, of which training may use more than inference does.

        Returns:
            ``{"main": logits}``; networks with side units add theirs under the unit's name:
            coarse logits (N, K, d, h, w), and ``age`` (N,).
        """
        return {"main": self(image)}

    @property
    def head_names(self) -> tuple[str, ...]:
        """Names of the units with role ``head``."""
        return tuple(unit.name for unit in self.units if unit.role == "head")

    @property
    def label_heads(self) -> tuple[str, ...]:
        """Names of the units whose output rows stand for labels: the heads and the auxiliary heads."""
        return self.head_names + self.auxiliary_heads

    def unit_module(self, name: str) -> nn.Module:
        """The module of a unit."""
        return self.get_submodule(name)

    def padded_size(self, size: tuple[int, int, int]) -> tuple[int, int, int]:
        """The smallest size, at least `size` along each axis, that the network accepts."""
        d, h, w = (-(-length // step) * step for length, step in zip(size, self.stride, strict=True))
        return d, h, w

    def tensors(self) -> Iterator[tuple[str, str, Tensor]]:
        """Yield (unit name, tensor name, tensor) for all parameters and buffers."""
        for name, tensor in self.state_dict(keep_vars=True).items():
            yield unit_of(name), name, tensor


def unit_of(tensor_name: str) -> str:
    """The unit that a tensor belongs to, from its name in the state dict."""
    return tensor_name.partition(".")[0]
