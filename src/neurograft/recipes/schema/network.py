"""Recipe section ``network``: a network's architecture. ``name`` is a key of `neurograft.networks.NETWORKS`."""

from typing import Literal

from pydantic import Field, PositiveInt, model_validator

from neurograft.recipes.schema.base import Section


class NetworkConfig(Section):
    """A network's architecture. ``name`` is a key of `neurograft.networks.NETWORKS`."""

    name: str = "unet3d"
    channels: tuple[PositiveInt, ...] = Field((16, 32, 64, 128), min_length=2)
    """Feature channels from the finest level to the bottleneck; its length sets the depth."""
    norm: Literal["batch", "instance", "group", "none"] = "instance"
    activation: Literal["relu", "leaky_relu", "prelu", "silu"] = "leaky_relu"
    block_order: Literal["conv-act-norm", "conv-norm-act"] = "conv-norm-act"
    """P1 applies the activation before the norm."""
    upsampling: Literal["transposed", "trilinear"] = "transposed"
    auxiliary_heads: int = Field(0, ge=0)
    """Coarse outputs for deep supervision (``residual_unet3d`` only): that many levels below the
    full one, from the finest down."""
    age_head: Literal["none", "paper", "code"] = "none"
    """A head at the bottleneck that reads the subject's age (``residual_unet3d`` only): as P3's text
    describes it, for any patch, or as its public code has it, for a bottleneck of 4 x 4 x 4."""

    @model_validator(mode="after")
    def _options_exist(self) -> "NetworkConfig":
        if self.name == "unet3d" and (self.auxiliary_heads or self.age_head != "none"):
            raise ValueError("unet3d has no side units; network.auxiliary_heads and age_head are residual_unet3d's")
        if self.name == "residual_unet3d" and self.block_order != "conv-norm-act":
            raise ValueError("residual_unet3d has its norms before its activations: network.block_order: conv-norm-act")
        if self.auxiliary_heads > len(self.channels) - 2:
            raise ValueError(
                f"{len(self.channels)} network.channels leave room for {len(self.channels) - 2} auxiliary_heads"
            )
        return self
