import pytest
import torch
from torch import nn

from neurograft.networks.instance_norm import ChannelsLastInstanceNorm3d


def _norms(channels: int) -> tuple[nn.InstanceNorm3d, nn.InstanceNorm3d]:
    ours, theirs = ChannelsLastInstanceNorm3d(channels, affine=True), nn.InstanceNorm3d(channels, affine=True)
    generator = torch.Generator().manual_seed(0)
    state = {"weight": torch.randn(channels, generator=generator), "bias": torch.randn(channels, generator=generator)}
    ours.load_state_dict(state)
    theirs.load_state_dict(state)
    return ours, theirs


@pytest.mark.parametrize("memory", [torch.channels_last_3d, torch.contiguous_format])
@pytest.mark.parametrize("shape", [(1, 5, 6, 7, 8), (3, 2, 4, 1, 9), (2, 1, 5, 5, 5)])
def test_output_and_gradients_are_those_of_torch(shape: tuple[int, ...], memory: torch.memory_format) -> None:
    ours, theirs = _norms(shape[1])
    generator = torch.Generator().manual_seed(1)
    # A mean far from zero, as of intensities, is where a careless variance loses its digits.
    data = torch.randn(shape, generator=generator) * 3 + 50
    gradient = torch.randn(shape, generator=generator)
    found = []
    # PyTorch's own is asked in its plain memory format; see the module for why.
    for norm, layout in ((ours, memory), (theirs, torch.contiguous_format)):
        x = data.clone().to(memory_format=layout).requires_grad_()
        y = norm(x)
        y.backward(gradient.to(memory_format=layout))
        found.append((y.detach(), x.grad, norm.weight.grad, norm.bias.grad))
    for one, other in zip(*found, strict=True):
        torch.testing.assert_close(one, other, rtol=2e-4, atol=2e-4)


def test_memory_stays_channels_last() -> None:
    ours, _ = _norms(4)
    x = torch.randn(2, 4, 6, 5, 3).to(memory_format=torch.channels_last_3d).requires_grad_()
    y = ours(x)
    assert y.is_contiguous(memory_format=torch.channels_last_3d)
    y.sum().backward()
    assert x.grad is not None
    assert x.grad.is_contiguous(memory_format=torch.channels_last_3d)


def test_half_precision_is_near() -> None:
    ours, theirs = _norms(6)
    x = (torch.randn(1, 6, 8, 8, 8) * 2 + 1).to(memory_format=torch.channels_last_3d)
    y = ours(x.bfloat16().requires_grad_())
    assert y.dtype == torch.bfloat16
    torch.testing.assert_close(y.float(), theirs(x), rtol=0.05, atol=0.05)


def test_a_constant_channel_is_its_bias() -> None:
    ours, _ = _norms(2)
    x = torch.full((1, 2, 3, 4, 5), 7.0).to(memory_format=torch.channels_last_3d).requires_grad_()
    y = ours(x)
    torch.testing.assert_close(y, ours.bias.view(1, 2, 1, 1, 1).expand_as(y), atol=1e-4, rtol=0)
    y.sum().backward()
    assert torch.isfinite(x.grad).all()


def test_without_gradients_the_original_runs() -> None:
    ours, theirs = _norms(3)
    x = torch.randn(1, 3, 4, 5, 6).to(memory_format=torch.channels_last_3d)
    with torch.no_grad():
        assert torch.equal(ours(x), theirs(x))
