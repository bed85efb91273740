"""From a recipe's network section to a network."""

import difflib
from collections.abc import Callable

import torch

from neurograft.errors import InputError
from neurograft.networks.residual_unet3d import ResidualUNet3d
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
    )


NETWORKS: dict[str, Callable[[NetworkConfig, int, int], UnitNetwork]] = {
    "unet3d": _unet3d,
    "residual_unet3d": _residual_unet3d,
}
"""Architectures by name: (config, input channels, output channels) -> network."""


def build_network(config: NetworkConfig, in_channels: int, out_channels: int, seed: int) -> UnitNetwork:
    """Build a network with weights drawn from `seed`, leaving the global generator as it was.

    Raises:
        InputError: the name is not in `NETWORKS`.
    """
    if config.name not in NETWORKS:
        near = difflib.get_close_matches(config.name, NETWORKS, n=1)
        hint = f"Did you mean {near[0]!r}? " if near else ""
        raise InputError(f"unknown network {config.name!r}", f"{hint}Networks: {', '.join(NETWORKS)}")
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return NETWORKS[config.name](config, in_channels, out_channels)
