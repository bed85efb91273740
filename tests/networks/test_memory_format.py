"""The order of a tensor in memory changes the speed of a training step, and nothing else."""

import pytest
import torch

from neurograft.networks import build_network
from neurograft.recipes.schema import NetworkConfig


@pytest.mark.parametrize("norm", ["instance", "batch", "group", "none"])
@pytest.mark.parametrize("samples", [1, 2])
def test_channels_last_has_the_same_gradients(norm: str, samples: int) -> None:
    config = NetworkConfig(channels=(4, 8, 12), norm=norm)
    generator = torch.Generator().manual_seed(0)
    image = torch.randn(samples, 2, 16, 12, 8, generator=generator) * 2 + 1
    wanted = torch.randn(samples, 3, 16, 12, 8, generator=generator)
    gradients = []
    for memory in (torch.contiguous_format, torch.channels_last_3d):
        network = build_network(config, 2, 3, seed=1).to(memory_format=memory)  # type: ignore[call-overload]
        loss = (network(image.to(memory_format=memory)) - wanted).square().mean()
        loss.backward()
        gradients.append({name: weight.grad for name, weight in network.named_parameters()})
    for name, gradient in gradients[0].items():
        torch.testing.assert_close(
            gradients[1][name], gradient, rtol=1e-3, atol=1e-4, msg=lambda text, n=name: f"{n}: {text}"
        )
