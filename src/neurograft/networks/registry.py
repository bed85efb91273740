"""From a recipe's network section to a network."""

import difflib
from collections.abc import Callable

import torch

from neurograft.errors import InputError
from neurograft.networks.attention_unet2d import AttentionUNet2d
from neurograft.networks.encoder3d import Encoder3d
from neurograft.networks.encoder_classifier2d import EncoderClassifier2d
from neurograft.networks.encoder_decoder2d import EncoderDecoder2d
from neurograft.networks.residual_unet3d import ResidualUNet3d
from neurograft.networks.slices import SLICE_AXES
from neurograft.networks.triplanar import TriplanarNetwork
from neurograft.networks.unet3d import UNet3d
from neurograft.networks.units import UnitNetwork
from neurograft.recipes.schema import NetworkConfig


def _unet3d(config: NetworkConfig, in_channels: int, out_channels: int) -> UnitNetwork:
    return UNet3d(
        in_channels,
        out_channels,
        channels=config.channels,
        norm=config.norm,
        activation=config.activation,
        block_order=config.block_order,
        upsampling=config.upsampling,
        skips=config.skips == "all",
    )


def _encoder3d(config: NetworkConfig, in_channels: int, out_channels: int) -> UnitNetwork:
    return Encoder3d(
        in_channels,
        out_channels,
        channels=config.channels,
        norm=config.norm,
        activation=config.activation,
        block_order=config.block_order,
    )


def _residual_unet3d(config: NetworkConfig, in_channels: int, out_channels: int) -> UnitNetwork:
    return ResidualUNet3d(
        in_channels,
        out_channels,
        channels=config.channels,
        norm=config.norm,
        activation=config.activation,
        upsampling=config.upsampling,
        auxiliary_heads=config.auxiliary_heads,
        age_head=config.age_head,
        skips=config.skips == "all",
    )


def _attention_unet2d(config: NetworkConfig, in_channels: int, out_channels: int) -> UnitNetwork:
    return AttentionUNet2d(
        in_channels,
        out_channels,
        SLICE_AXES[config.slice_axis],
        config.neighbour_slices,
        channels=config.channels,
        norm=config.norm,
        activation=config.activation,
        block_order=config.block_order,
        upsampling=config.upsampling,
        auxiliary_heads=config.auxiliary_heads,
        attention_gates=config.attention_gates,
        encoder=config.encoder,
        output_branches=config.output_branches,
    )


def _encoder_decoder2d(config: NetworkConfig, in_channels: int, out_channels: int) -> UnitNetwork:
    return EncoderDecoder2d(
        in_channels,
        out_channels,
        SLICE_AXES[config.slice_axis],
        config.neighbour_slices,
        channels=config.channels,
        latent_channels=config.latent_channels,
        stem_channels=config.stem_channels,
    )


def _encoder_classifier2d(config: NetworkConfig, in_channels: int, out_channels: int) -> UnitNetwork:
    return EncoderClassifier2d(
        in_channels,
        out_channels,
        SLICE_AXES[config.slice_axis],
        config.neighbour_slices,
        latent_channels=config.latent_channels,
        stem_channels=config.stem_channels,
        features=config.classifier_features,
    )


def _triplanar(config: NetworkConfig, in_channels: int, out_channels: int, prior_channels: int = 0) -> UnitNetwork:
    return TriplanarNetwork(
        in_channels - prior_channels,
        out_channels,
        prior_channels,
        channels=config.channels,
        dense_channels=config.dense_channels,
        dropout=config.dropout,
    )


NETWORKS: dict[str, Callable[..., UnitNetwork]] = {
    "unet3d": _unet3d,
    "encoder3d": _encoder3d,
    "residual_unet3d": _residual_unet3d,
    "attention_unet2d": _attention_unet2d,
    "encoder_decoder2d": _encoder_decoder2d,
    "encoder_classifier2d": _encoder_classifier2d,
    "triplanar": _triplanar,
}
"""Architectures by name: (config, input channels, output channels) -> network."""

READ_PRIORS_APART = ("triplanar",)
"""Those that take ``prior_channels`` as well, because a prior does not go the image's way; for all others its
channels are channels like any."""


def build_network(
    config: NetworkConfig, in_channels: int, out_channels: int, seed: int, prior_channels: int = 0
) -> UnitNetwork:
    """Build a network with weights drawn from `seed`, leaving the global generator as it was.

    Args:
        config: the recipe's section.
        in_channels: channels of the input, a prior's included.
        out_channels: rows of the head.
        seed: of the weights.
        prior_channels: how many of the input's channels, the last ones, are a prior's.

    Raises:
        InputError: the name is not in `NETWORKS`.
    """
    if config.name not in NETWORKS:
        near = difflib.get_close_matches(config.name, NETWORKS, n=1)
        hint = f"Did you mean {near[0]!r}? " if near else ""
        raise InputError(f"unknown network {config.name!r}", f"{hint}Networks: {', '.join(NETWORKS)}")
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        apart = {"prior_channels": prior_channels} if config.name in READ_PRIORS_APART else {}
        return NETWORKS[config.name](config, in_channels, out_channels, **apart)
