"""Gradients in half precision against those of single precision."""

from typing import Any

import pytest
import torch
from torch import Tensor

from neurograft.hardware.gradients import gradient_fault
from neurograft.networks import build_network
from neurograft.recipes.schema import NetworkConfig
from neurograft.transfer import attach_adapters, plan_transfer, set_learning

SHAPE = (1, 1, 24, 24, 24)
"""Three voxels at the bottom, which every machine gets right."""


@pytest.mark.parametrize("channels_last", [False, True])
@pytest.mark.parametrize(
    ("config", "shape"),
    [
        (NetworkConfig(), SHAPE),
        (NetworkConfig(norm="batch", dropout=0.5), SHAPE),
        (NetworkConfig(name="residual_unet3d", channels=(4, 8, 16)), SHAPE),
        (NetworkConfig(name="attention_unet2d", channels=(4, 8), slice_axis="axial"), (2, 1, 24, 24, 3)),
    ],
)
def test_rounding_is_no_fault(config: NetworkConfig, shape: tuple[int, ...], channels_last: bool) -> None:
    assert gradient_fault(build_network(config, 1, 3, seed=0), "cpu", channels_last, shape) == ""


class _Spoilt(torch.nn.Conv3d):
    """A convolution whose weights' gradient is multiplied by something in half precision."""

    factor = 1.0

    def forward(self, given: Tensor) -> Tensor:
        if torch.is_autocast_enabled("cpu"):
            weight: Any = self.weight
            return self._conv_forward(given, _Multiplied.apply(weight, self.factor), self.bias)
        return super().forward(given)


class _Multiplied(torch.autograd.Function):
    @staticmethod
    def forward(context: Any, weight: Tensor, factor: float) -> Tensor:
        context.factor = factor
        return weight.clone()

    @staticmethod
    def backward(context: Any, gradient: Tensor) -> Any:
        return gradient * context.factor, None


@pytest.mark.parametrize("wrong", [float("nan"), float("inf"), 1e30, 0.0, 0.8, -1.0])
def test_a_gradient_of_half_precision_that_is_off_is_found(wrong: float) -> None:
    network = build_network(NetworkConfig(channels=(4, 8)), 1, 2, seed=0)
    assert gradient_fault(network, "cpu", False, (1, 1, 12, 12, 12)) == ""
    spoilt = _Spoilt(4, 8, 3, padding=1)
    spoilt.factor = wrong
    network.bottleneck.conv1 = spoilt
    fault = gradient_fault(network, "cpu", False, (1, 1, 12, 12, 12))
    assert fault == "the gradient of bottleneck.conv1, which reads 6 x 6 x 6 voxels, is not that of single precision"


@pytest.mark.parametrize("channels_last", [False, True])
def test_networks_with_adapters_and_frozen_units_are_compared_too(channels_last: bool) -> None:
    network = build_network(NetworkConfig(channels=(4, 8)), 1, 2, seed=0)
    plan = plan_transfer("lora(2)", network.units)
    attach_adapters(network, plan, seed=0)
    set_learning(network, plan, progress=1.0)
    assert gradient_fault(network, "cpu", channels_last, (1, 1, 12, 12, 12)) == ""
    assert torch.nn.utils.parametrize.is_parametrized(network.bottleneck.conv1, "weight")


def test_what_it_compares_leaves_no_trace() -> None:
    network = build_network(NetworkConfig(channels=(4, 8), dropout=0.5), 1, 2, seed=0)
    before = {name: tensor.clone() for name, tensor in network.state_dict().items()}
    generator = torch.get_rng_state()
    gradient_fault(network, "cpu", True, (1, 1, 12, 12, 12))
    assert torch.equal(torch.get_rng_state(), generator)
    assert all(torch.equal(before[name], tensor) for name, tensor in network.state_dict().items())
    assert all(parameter.grad is None for parameter in network.parameters())
