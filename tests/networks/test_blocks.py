import pytest
import torch
from torch import nn

from neurograft.networks.blocks import NORM_TYPES, DoubleConvolution, activation_layer, norm_layer
from neurograft.networks.convolution import ThreeWideConvolution3d


@pytest.mark.parametrize(
    ("order", "kinds"),
    [
        ("conv-act-norm", [ThreeWideConvolution3d, nn.ReLU, nn.BatchNorm3d] * 2),
        ("conv-norm-act", [ThreeWideConvolution3d, nn.BatchNorm3d, nn.ReLU] * 2),
    ],
)
def test_layers_run_in_the_order_that_is_asked_for(order, kinds) -> None:
    block = DoubleConvolution(1, 2, "batch", "relu", order)
    ran: list[type] = []
    for layer in block.children():
        layer.register_forward_hook(lambda module, *_: ran.append(type(module)))
    block(torch.randn((1, 1, 4, 4, 4), generator=torch.Generator().manual_seed(0)))
    assert ran == kinds


def test_activation_before_norm_shows_in_the_output() -> None:
    image = torch.randn((2, 1, 4, 4, 4), generator=torch.Generator().manual_seed(0))
    after = DoubleConvolution(1, 2, "batch", "relu", "conv-norm-act")(image)
    before = DoubleConvolution(1, 2, "batch", "relu", "conv-act-norm")(image)
    assert after.min() >= 0
    # A batch norm that comes last leaves mean 0 and variance 1 in each channel.
    assert before.min() < 0
    assert torch.allclose(before.mean((0, 2, 3, 4)), torch.zeros(2), atol=1e-5)
    assert torch.allclose(before.var((0, 2, 3, 4), unbiased=False), torch.ones(2), atol=1e-2)


def test_block_equals_the_same_layers_written_out() -> None:
    block = DoubleConvolution(2, 3, "instance", "leaky_relu", "conv-act-norm")
    image = torch.randn((2, 2, 4, 5, 6), generator=torch.Generator().manual_seed(0))
    x = image
    for number in (1, 2):
        convolution = block.get_submodule(f"conv{number}")
        x = nn.functional.conv3d(x, convolution.weight, convolution.bias, padding=1)
        x = torch.where(x > 0, x, 0.01 * x)
        x = (x - x.mean((2, 3, 4), keepdim=True)) / (x.var((2, 3, 4), unbiased=False, keepdim=True) + 1e-5).sqrt()
    assert torch.allclose(block(image), x, atol=1e-5)


@pytest.mark.parametrize(
    ("order", "norm", "bias"),
    [
        ("conv-act-norm", "batch", True),
        ("conv-norm-act", "batch", False),
        ("conv-norm-act", "none", True),
        ("conv-act-norm", "none", True),
    ],
)
def test_a_convolution_has_a_bias_where_it_has_an_effect(order, norm, bias) -> None:
    block = DoubleConvolution(1, 2, norm, "relu", order)
    assert (block.get_submodule("conv1").bias is not None) is bias


@pytest.mark.parametrize("name", ["batch", "instance", "group"])
def test_norms_are_norm_types_and_learn_scale_and_shift(name) -> None:
    layer = norm_layer(name, 16)
    assert isinstance(layer, NORM_TYPES)
    assert [tuple(parameter.shape) for parameter in layer.parameters()] == [(16,), (16,)]


def test_no_norm_is_no_norm_type() -> None:
    assert not isinstance(norm_layer("none", 4), NORM_TYPES)


@pytest.mark.parametrize(("channels", "groups"), [(4, 1), (8, 1), (16, 2), (24, 3)])
def test_groups_hold_about_eight_channels(channels, groups) -> None:
    assert norm_layer("group", channels).num_groups == groups


@pytest.mark.parametrize(
    ("name", "expected"), [("relu", 0.0), ("leaky_relu", -0.02), ("prelu", -0.5), ("silu", -0.238406)]
)
def test_activation_of_minus_two(name, expected) -> None:
    assert activation_layer(name)(torch.tensor([-2.0])).item() == pytest.approx(expected, abs=1e-5)
