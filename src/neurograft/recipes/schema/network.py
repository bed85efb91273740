"""Recipe section ``network``: a network's architecture. ``name`` is a key of `neurograft.networks.NETWORKS`."""

from typing import Literal

from pydantic import Field, PositiveInt, model_validator

from neurograft.recipes.schema.base import Section, Share

OF_LATENTS = ("encoder_decoder2d", "encoder_classifier2d")
"""Networks of slices that go through a small latent (P4)."""


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
    skips: Literal["all", "none"] = "all"
    """``none`` leaves the decoder without the encoder's features (``unet3d``, ``residual_unet3d``): an autoencoder
    with skips has only to copy its input."""
    auxiliary_heads: int = Field(0, ge=0)
    """Coarse outputs for deep supervision (``residual_unet3d``, ``attention_unet2d``): that many levels
    below the full one, from the finest down."""
    age_head: Literal["none", "paper", "code"] = "none"
    """A head at the bottleneck that reads the subject's age (``residual_unet3d`` only): as P3's text
    describes it, for any patch, or as its public code has it, for a bottleneck of 4 x 4 x 4."""
    slice_axis: Literal["none", "sagittal", "coronal", "axial"] = "none"
    """The slices that a network of slices sees (``attention_unet2d``, ``encoder_decoder2d``,
    ``encoder_classifier2d``)."""
    neighbour_slices: int = Field(1, ge=0)
    """Slices on either side that come along as further channels of a slice (networks of slices)."""
    attention_gates: Literal["all", "below_top", "none"] = "all"
    """On all skips (P2), on all but the finest, or on none (``attention_unet2d``)."""
    encoder: Literal["plain", "resnet50"] = "plain"
    """``resnet50`` starts from weights of a file in torchvision's form, if one is given, and has an image side
    divisible by 32 (``attention_unet2d``)."""
    output_branches: Literal["shared", "labels"] = "shared"
    """One output layer for all labels, or a branch for each (``attention_unet2d``)."""
    stem_channels: Literal[4, 8, 16, 32, 64] = 64
    """Of the ResNet-50 of ``encoder_decoder2d`` and ``encoder_classifier2d``; with fewer than 64 all of its layers
    are narrower by the same factor, and no weights from elsewhere fit."""
    latent_channels: PositiveInt = 4
    """Of the small picture that the encoder ends in (``encoder_decoder2d``, ``encoder_classifier2d``)."""
    classifier_features: PositiveInt = 2048
    """Of the fully connected layer (``encoder_classifier2d``)."""
    dense_channels: tuple[PositiveInt, PositiveInt, PositiveInt] = (180, 540, 270)
    """Features of each branch, of the layer that joins them, and of the one that a prior joins (``triplanar``)."""
    dropout: Share = Field(0.3, ge=0, lt=1)
    """Share of features left out in training (``triplanar``)."""

    @model_validator(mode="after")
    def _planes_fit(self) -> "NetworkConfig":
        if self.name != "triplanar":
            return self
        if len(self.channels) != 3:
            raise ValueError(f"triplanar has three levels of convolutions; network.channels has {len(self.channels)}")
        if (self.norm, self.activation) != ("batch", "prelu"):
            raise ValueError("triplanar is built of batch norms and PReLUs; set network.norm: batch, activation: prelu")
        if self.auxiliary_heads or self.age_head != "none":
            raise ValueError("triplanar has no side units; network.auxiliary_heads and age_head are residual_unet3d's")
        return self

    @model_validator(mode="after")
    def _slices_fit(self) -> "NetworkConfig":
        if self.name == "attention_unet2d":
            if self.slice_axis == "none":
                raise ValueError("attention_unet2d sees slices: set network.slice_axis to sagittal, coronal or axial")
            if self.age_head != "none":
                raise ValueError("attention_unet2d has no age head; network.age_head is residual_unet3d's")
            if self.encoder == "resnet50" and len(self.channels) != 5:
                raise ValueError(f"a ResNet-50 has five levels; give five network.channels, not {len(self.channels)}")
            self._refuse(("stem_channels", "latent_channels", "classifier_features"), "encoder_decoder2d's")
            return self
        self._refuse(("attention_gates", "encoder", "output_branches"), "attention_unet2d's")
        if self.name not in OF_LATENTS:
            self._refuse(
                ("slice_axis", "neighbour_slices"), "attention_unet2d's", f"{self.name} is no network of slices; "
            )
            self._refuse(("stem_channels", "latent_channels", "classifier_features"), "encoder_decoder2d's")
        return self

    def _refuse(self, options: tuple[str, ...], whose: str, why: str = "") -> None:
        """Refuse options that another network has, unless they stand at their defaults."""
        defaults = type(self).model_fields
        for name in options:
            if getattr(self, name) != defaults[name].default:
                raise ValueError(f"{why or f'{self.name} does not have it; '}network.{name} is {whose}")

    @model_validator(mode="after")
    def _latents_fit(self) -> "NetworkConfig":
        if self.name not in OF_LATENTS:
            return self
        if self.slice_axis == "none":
            raise ValueError(f"{self.name} sees slices: set network.slice_axis to sagittal, coronal or axial")
        if len(self.channels) != 5:
            raise ValueError(f"{self.name} has five levels; give five network.channels, not {len(self.channels)}")
        if (self.norm, self.activation) != ("batch", "leaky_relu"):
            raise ValueError(
                f"{self.name} is built of batch norms and leaky ReLUs; set network.norm: batch, activation: leaky_relu"
            )
        if self.auxiliary_heads or self.age_head != "none":
            raise ValueError(f"{self.name} has no side units; leave network.auxiliary_heads and age_head out")
        return self

    @model_validator(mode="after")
    def _options_exist(self) -> "NetworkConfig":
        if self.name == "unet3d" and (self.auxiliary_heads or self.age_head != "none"):
            raise ValueError("unet3d has no side units; network.auxiliary_heads and age_head are residual_unet3d's")
        if self.skips == "none" and self.name not in ("unet3d", "residual_unet3d"):
            raise ValueError(f"network.skips: none is for unet3d and residual_unet3d, not {self.name}")
        if self.name == "encoder3d" and (self.auxiliary_heads or self.age_head != "none"):
            raise ValueError("encoder3d has no side units; network.auxiliary_heads and age_head are residual_unet3d's")
        if self.name == "residual_unet3d" and self.block_order != "conv-norm-act":
            raise ValueError("residual_unet3d has its norms before its activations: network.block_order: conv-norm-act")
        if self.auxiliary_heads > len(self.channels) - 2:
            raise ValueError(
                f"{len(self.channels)} network.channels leave room for {len(self.channels) - 2} auxiliary_heads"
            )
        return self
