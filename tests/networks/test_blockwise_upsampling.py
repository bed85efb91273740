"""Upsampling by one product of matrices: PyTorch's transposed convolution, in both directions."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from neurograft.networks import build_network
from neurograft.networks.blockwise_upsampling import BlockwiseUpsampling3d
from neurograft.recipes.schema import NetworkConfig


def pair(channels: tuple[int, int], factor: int, bias: bool) -> tuple[nn.Module, nn.Module]:
    """PyTorch's and ours, with the same weights."""
    theirs = nn.ConvTranspose3d(*channels, factor, stride=factor, bias=bias)
    ours = BlockwiseUpsampling3d(*channels, factor, bias=bias)
    ours.load_state_dict(theirs.state_dict())
    return theirs, ours


@settings(max_examples=30, deadline=None)
@given(
    channels=st.tuples(st.integers(2, 5), st.integers(1, 5)),
    size=st.tuples(*[st.integers(1, 4)] * 3),
    count=st.integers(1, 3),
    factor=st.integers(1, 3),
    bias=st.booleans(),
)
def test_answers_and_gradients_are_those_of_a_transposed_convolution(
    channels: tuple[int, int], size: tuple[int, int, int], count: int, factor: int, bias: bool
) -> None:
    theirs, ours = (module.double() for module in pair(channels, factor, bias))
    image = torch.randn((count, channels[0], *size), dtype=torch.float64)
    answers, gradients = [], []
    for module in (theirs, ours):
        given = image.clone().contiguous(memory_format=torch.channels_last_3d).requires_grad_()
        answer = module(given)
        (answer * torch.arange(answer.numel(), dtype=torch.float64).reshape(answer.shape).sin()).sum().backward()
        answers.append(answer)
        gradients.append([given.grad, *(parameter.grad for parameter in module.parameters())])
    torch.testing.assert_close(answers[0], answers[1])
    # What lies both ways in memory, as one voxel does, PyTorch's own layer serves.
    if not image.contiguous(memory_format=torch.channels_last_3d).is_contiguous():
        assert answers[1].is_contiguous(memory_format=torch.channels_last_3d)
    for expected, found in zip(*gradients, strict=True):
        torch.testing.assert_close(found, expected)


def test_the_product_is_taken_for_channels_last_tensors_that_learn(monkeypatch: pytest.MonkeyPatch) -> None:
    _, ours = pair((4, 3), 2, True)
    products = []
    linear = nn.functional.linear
    monkeypatch.setattr(nn.functional, "linear", lambda *given: products.append(1) or linear(*given))
    image = torch.randn((2, 4, 3, 3, 3))
    ours(image)
    with torch.no_grad():
        ours(image.contiguous(memory_format=torch.channels_last_3d))
    assert not products
    ours(image.contiguous(memory_format=torch.channels_last_3d))
    assert products == [1]


def test_networks_have_it_and_keep_the_names_and_kinds_of_their_weights() -> None:
    network = build_network(NetworkConfig(channels=(4, 6, 8)), 1, 2, seed=0)
    found = {name: module for name, module in network.named_modules() if isinstance(module, nn.ConvTranspose3d)}
    assert len(found) == 2
    assert all(isinstance(module, BlockwiseUpsampling3d) for module in found.values())
    assert {name.rsplit(".", 1)[1] for name in network.state_dict() if name.startswith(tuple(found))} == {
        "weight", "bias"
    }  # fmt: skip
