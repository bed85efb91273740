from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

from neurograft.networks.blocks import DoubleConvolution, ResidualBlock
from neurograft.networks.instance_norm import ChannelsLastInstanceNorm3d, in_turn
from neurograft.networks.instance_norm_loops import MOST_CHANNELS


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


def _channels_last(shape: tuple[int, ...], seed: int, spread: float = 1.0, middle: float = 0.0) -> Tensor:
    noise = torch.randn(shape, generator=torch.Generator().manual_seed(seed)) * spread + middle
    return noise.to(memory_format=torch.channels_last_3d)


def _found(norm: nn.InstanceNorm3d, x: Tensor, gradient: Tensor, slope: float) -> tuple[Tensor, ...]:
    """The activated norm and the gradients of input, weight and bias."""
    x = x.clone(memory_format=torch.preserve_format).requires_grad_()
    y = in_turn(norm, nn.LeakyReLU(slope), x)
    return y.detach(), *torch.autograd.grad(y, (x, norm.weight, norm.bias), gradient)


def _differences(
    norm: nn.InstanceNorm3d, x: Tensor, gradient: Tensor, slope: float, change: float = 0.0
) -> dict[str, float]:
    """Of output and gradients to PyTorch's own in double precision and its plain memory format, as shares of norms.

    Where the norm is zero but for rounding, either side of the activation may be taken: no gradient comes in there.
    """
    double = nn.InstanceNorm3d(norm.num_features, affine=True).double()
    double.load_state_dict(norm.state_dict())
    plain = x.double().contiguous()
    with torch.no_grad():
        gradient = torch.where(double(plain).abs() < 1e-3, 0, gradient).to(memory_format=torch.channels_last_3d)
    expected = _found(double, plain, gradient.double().contiguous(), slope)
    found = _found(norm, x, gradient, slope)
    size = float(gradient.double().norm()) + 1e-9
    names = ("output", "input", "weight", "bias")
    return {
        name: float((one.double() * (1 + change) - other).norm() / max(float(other.norm()), 1e-2 * size))
        for name, one, other in zip(names, found, expected, strict=True)
    }


@settings(deadline=None, max_examples=80)
@given(
    # One channel lies in both memory formats, and PyTorch's own layers run.
    shape=st.tuples(st.integers(1, 3), st.integers(2, 40), *[st.integers(1, 9)] * 3).filter(
        lambda shape: shape[2] * shape[3] * shape[4] >= 8
    ),
    slope=st.sampled_from([0.01, 0.0, 1.0, 0.3]),
    half=st.booleans(),
    seed=st.integers(0, 99),
)
def test_with_its_activation_it_is_that_of_torch(shape: tuple[int, ...], slope: float, half: bool, seed: int) -> None:
    ours, _ = _norms(shape[1])
    kind = torch.bfloat16 if half else torch.float32
    x, gradient = _channels_last(shape, seed, 2, 1).to(kind), _channels_last(shape, seed + 1).to(kind)
    assert ours.has_loops(x.requires_grad_())
    differences = _differences(ours, x.detach(), gradient, slope)
    # Single precision inside, whatever is read and written.
    limits = {"output": 5e-3, "input": 2e-2, "weight": 1e-4, "bias": 1e-4} if half else dict.fromkeys(differences, 1e-4)
    assert all(differences[name] < limits[name] for name in limits), differences


def test_a_hundredth_too_much_would_be_seen() -> None:
    ours, _ = _norms(5)
    x, gradient = _channels_last((2, 5, 6, 7, 8), 0), _channels_last((2, 5, 6, 7, 8), 1)
    assert min(_differences(ours, x, gradient, 0.01, change=0.01).values()) > 5e-3


@pytest.mark.parametrize("channels", [127, 128, 129, 320, MOST_CHANNELS, MOST_CHANNELS + 1])
@pytest.mark.parametrize("slope", [0.01, 1.0])
def test_many_channels(channels: int, slope: float) -> None:
    ours, _ = _norms(channels)
    x, gradient = _channels_last((2, channels, 3, 5, 7), 0, 3, 50), _channels_last((2, channels, 3, 5, 7), 1)
    assert ours.has_loops(x) == (channels <= MOST_CHANNELS)
    differences = _differences(ours, x, gradient, slope)
    assert max(differences.values()) < 1e-4, differences


@pytest.mark.parametrize("kind", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("first", [None, 0.0, 3000.0])
def test_a_large_volume_far_from_zero(kind: torch.dtype, first: float | None) -> None:
    """Hundreds of thousands of voxels a channel, where sums in single precision lose digits."""
    ours, _ = _norms(3)
    shape = (1, 3, 60, 80, 70)
    x, gradient = _channels_last(shape, 0, 3, 300), _channels_last(shape, 1).to(kind)
    if first is not None:
        x[..., 0, 0, 0] = first  # unlike all that follow
    differences = _differences(ours, x.to(kind), gradient, 1.0)
    limit = 1e-2 if kind == torch.bfloat16 else 5e-4
    assert max(differences.values()) < limit, differences


def test_the_number_of_threads_changes_no_bit() -> None:
    ours, _ = _norms(16)
    x, gradient = _channels_last((2, 16, 20, 24, 17), 0).bfloat16(), _channels_last((2, 16, 20, 24, 17), 1).bfloat16()
    before = torch.get_num_threads()
    found = []
    try:
        for threads in (1, 2, 3):
            torch.set_num_threads(threads)
            found.append(_found(ours, x, gradient, 0.01))
    finally:
        torch.set_num_threads(before)
    for other in found[1:]:
        assert all(torch.equal(one, another) for one, another in zip(found[0], other, strict=True))


def test_a_gradient_in_another_memory_format_is_taken_as_it_is_meant() -> None:
    ours, _ = _norms(4)
    x, gradient = _channels_last((2, 4, 5, 6, 7), 0), _channels_last((2, 4, 5, 6, 7), 1)
    expected = _found(ours, x, gradient, 0.01)
    for other in (gradient.contiguous(), gradient.transpose(2, 3).contiguous().transpose(2, 3)):
        for one, another in zip(_found(ours, x, other, 0.01), expected, strict=True):
            assert torch.equal(one, another)
    ones = x.clone(memory_format=torch.preserve_format).requires_grad_()
    ours(ones).sum().backward()  # one number for all voxels
    full = _found(ours, x, torch.ones_like(x), 1.0)
    assert ones.grad is not None
    assert torch.equal(ones.grad, full[1])


def test_an_input_that_was_kept_in_another_memory_format_is_taken_as_it_is_meant() -> None:
    ours, _ = _norms(4)
    x, gradient = _channels_last((2, 4, 5, 6, 7), 0), _channels_last((2, 4, 5, 6, 7), 1)
    expected = _found(ours, x, gradient, 0.01)
    with torch.autograd.graph.saved_tensors_hooks(lambda t: t.contiguous(), lambda t: t):
        found = _found(ours, x, gradient, 0.01)
    for one, another in zip(found, expected, strict=True):
        assert torch.equal(one, another)


def test_what_is_frozen_gets_no_gradient() -> None:
    ours, _ = _norms(4)
    ours.requires_grad_(False)
    x = _channels_last((1, 4, 5, 6, 7), 0).requires_grad_()
    ours(x).sum().backward()
    assert x.grad is not None
    assert ours.weight.grad is None
    assert ours.bias.grad is None


def test_a_number_that_is_none_spreads_over_its_channel_alone() -> None:
    ours, _ = _norms(3)
    x = _channels_last((2, 3, 5, 6, 7), 0)
    x[1, 2, 3, 3, 3] = torch.nan
    y = ours(x.requires_grad_())
    assert y[1, 2].isnan().all()
    assert not y[0].isnan().any()
    assert not y[1, :2].isnan().any()


def test_what_torch_refuses_is_refused() -> None:
    ours, theirs = _norms(2)
    for norm in (ours, theirs):
        with pytest.raises(ValueError, match="more than 1"):
            norm(torch.randn(3, 2, 1, 1, 1).requires_grad_())
    with pytest.raises(RuntimeError):
        ours(_channels_last((1, 5, 4, 4, 4), 0).requires_grad_())


@pytest.mark.parametrize("block", [DoubleConvolution, ResidualBlock])
@pytest.mark.parametrize("activation", ["leaky_relu", "relu", "prelu", "silu"])
def test_blocks_do_what_their_layers_do_in_turn(block: type[nn.Module], activation: str) -> None:
    torch.manual_seed(0)
    last = "conv-norm-act" if block is DoubleConvolution else None
    options = [3, 4, "instance", activation, last] if last else [3, 4, 1, "instance", activation]
    module: Any = block(*options).to(memory_format=torch.channels_last_3d)
    x = _channels_last((2, 3, 6, 7, 8), 0)
    with torch.no_grad():  # PyTorch's own norm
        first = module.act1(module.norm1(module.conv1(x)))
        expected = module.norm2(module.conv2(first))
        expected = module.act2(expected if last else expected + module.shortcut(x))
    torch.testing.assert_close(module(x).detach(), expected, rtol=1e-4, atol=1e-5)


def test_hooks_see_their_layers() -> None:
    module = DoubleConvolution(3, 4, "instance", "leaky_relu", "conv-norm-act").to(memory_format=torch.channels_last_3d)
    seen: list[Tensor] = []
    module.act1.register_forward_hook(lambda layer, given, answer: seen.append(answer))  # type: ignore[union-attr]
    module(_channels_last((1, 3, 6, 7, 8), 0))
    assert len(seen) == 1
