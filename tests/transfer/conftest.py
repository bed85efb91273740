from collections.abc import Callable

import pytest
import torch

from neurograft.networks import UnitNetwork, build_network
from neurograft.recipes.schema import NetworkConfig


@pytest.fixture(scope="session")
def make_network() -> Callable[..., UnitNetwork]:
    """Builds a small U-Net whose every tensor, statistics included, has a value of its own."""

    def make(inputs=1, outputs=2, norm="batch", seed=0, channels=(2, 3, 4, 5)) -> UnitNetwork:
        network = build_network(NetworkConfig(channels=channels, norm=norm), inputs, outputs, seed)
        generator = torch.Generator().manual_seed(seed + 1000)
        with torch.no_grad():
            for tensor in network.state_dict().values():
                if tensor.is_floating_point():
                    tensor.add_(torch.rand(tensor.shape, generator=generator) * 0.2 + 0.05)
                else:
                    tensor.fill_(7)
        return network

    return make
