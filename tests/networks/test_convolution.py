from types import SimpleNamespace
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn
from torch.nn import functional

from neurograft.networks import bf16_tile, build_network, convolution_loops
from neurograft.networks.blocks import DoubleConvolution
from neurograft.networks.convolution import ThreeWideConvolution3d, original_convolutions
from neurograft.recipes.schema import NetworkConfig
from neurograft.transfer import attach_adapters, plan_transfer, set_learning

needs_instruction = pytest.mark.skipif(
    not bf16_tile.multiplies_pairs(), reason="this processor does not add up products of pairs of bfloat16"
)


def _noise(shape: tuple[int, ...], seed: int) -> Tensor:
    """Numbers that bfloat16 holds, channels-last, in float32."""
    noise = torch.randn(shape, generator=torch.Generator().manual_seed(seed)).bfloat16().float()
    return noise.to(memory_format=torch.channels_last_3d)


def _layer(channels: int, filters: int, bias: bool = True) -> ThreeWideConvolution3d:
    layer = ThreeWideConvolution3d(channels, filters, bias=bias)
    layer.weight.data = _noise((filters, channels, 3, 3, 3), 90)
    if layer.bias is not None:
        layer.bias.data = _noise((1, filters, 1, 1, 1), 91).view(filters)
    return layer


def _found(layer: nn.Conv3d, x: Tensor, gradient: Tensor) -> dict[str, Tensor]:
    """The answer under bf16 autocast, and the gradients of input, weight and bias."""
    x = x.clone(memory_format=torch.preserve_format).requires_grad_()
    with torch.autocast("cpu", torch.bfloat16):
        answer = layer(x)
    wanted = {"input": x, **dict(layer.named_parameters())}
    gradients = torch.autograd.grad(answer, list(wanted.values()), gradient.to(answer.dtype))
    return {"answer": answer.detach(), **dict(zip(wanted, gradients, strict=True))}


def _differences(layer: nn.Conv3d, x: Tensor, gradient: Tensor) -> dict[str, float]:
    """To PyTorch's own in double precision, as shares of norms."""
    x64 = x.double().contiguous().requires_grad_()
    wanted = {"input": x64} | {name: each.detach().double().requires_grad_() for name, each in layer.named_parameters()}
    answer = functional.conv3d(x64, wanted["weight"], wanted.get("bias"), padding=1)
    expected = {"answer": answer.detach()}
    given = gradient.double().contiguous()
    expected |= dict(zip(wanted, torch.autograd.grad(answer, list(wanted.values()), given), strict=True))
    found = _found(layer, x, gradient)
    assert found.keys() == expected.keys()
    return {name: float((found[name].double() - each).norm() / each.norm()) for name, each in expected.items()}


@needs_instruction
@settings(deadline=None, max_examples=80)
@given(
    samples=st.integers(1, 3),
    channels=st.sampled_from([16, 32, 48, 64]),
    filters=st.sampled_from([16, 32, 48, 64]),
    size=st.tuples(*[st.integers(1, 9)] * 3).filter(lambda size: max(size) > 1),
    bias=st.booleans(),
    seed=st.integers(0, 99),
)
def test_gradients_are_those_of_torch(
    samples: int, channels: int, filters: int, size: tuple[int, int, int], bias: bool, seed: int
) -> None:
    layer, x = _layer(channels, filters, bias), _noise((samples, channels, *size), seed)
    assert layer.has_loops(x.bfloat16()) is False  # the weights are not
    with torch.autocast("cpu", torch.bfloat16):
        assert layer.has_loops(x)
    differences = _differences(layer, x, _noise((samples, filters, *size), seed + 1))
    assert differences["answer"] < 0.01
    if size[0] > 2:  # PyTorch's own, wrong where it is less
        assert differences["input"] < 0.01
    assert differences["weight"] < 2e-6  # sums are in single precision, and rounded nowhere
    assert differences.get("bias", 0.0) < 2e-6


@needs_instruction
@pytest.mark.parametrize(
    ("filters", "size"), [(16, (21, 10, 75)), (32, (21, 11, 75)), (32, (3, 3, 163)), (16, (3, 3, 163))]
)
def test_pieces_of_lines_and_runs_of_planes_are_all_added(filters: int, size: tuple[int, int, int]) -> None:
    # More lines than are worked on together, the last piece shorter; more planes than a run has; odd widths.
    layer, x = _layer(32, filters), _noise((2, 32, *size), 0)
    differences = _differences(layer, x, _noise((2, filters, *size), 1))
    assert differences["weight"] < 1e-5
    assert differences["bias"] < 1e-5
    assert differences["input"] < 0.01


@needs_instruction
@pytest.mark.parametrize("voxel", [(0, 0, 0), (0, 3, 4), (4, 5, 6), (4, 0, 3), (2, 3, 0)])
def test_a_single_voxel_reaches_each_shift(voxel: tuple[int, int, int]) -> None:
    layer, x = _layer(16, 32), _noise((1, 16, 5, 6, 7), 3)
    gradient = torch.zeros(1, 32, 5, 6, 7)
    gradient[0, :, *voxel] = 1.0
    found = _found(layer, x, gradient)["weight"]
    window = functional.pad(x[0], (1, 1) * 3)[:, *(slice(at, at + 3) for at in voxel)]
    assert torch.equal(found, window.expand(32, 16, 3, 3, 3))


@needs_instruction
def test_threads_do_not_change_a_bit() -> None:
    layer, x, gradient = _layer(32, 32), _noise((2, 32, 12, 9, 10), 0), _noise((2, 32, 12, 9, 10), 1)
    before, found = torch.get_num_threads(), []
    try:
        for threads in (1, 2, 3):  # as many as there are, at most
            torch.set_num_threads(threads)
            found.append(_found(layer, x, gradient))
    finally:
        torch.set_num_threads(before)
    for name in ("weight", "bias"):
        assert torch.equal(found[0][name], found[1][name])
        assert torch.equal(found[0][name], found[2][name])


@needs_instruction
@pytest.mark.parametrize("place", [(0, 7, 0, 0, 0), (1, 3, 4, 5, 6)])
def test_what_is_no_number_shows(place: tuple[int, ...]) -> None:
    layer, x, gradient = _layer(16, 16), _noise((2, 16, 5, 6, 7), 0), _noise((2, 16, 5, 6, 7), 1)
    x[place] = torch.nan
    missing = _found(layer, x, gradient)["weight"].isnan()
    assert missing[:, place[1], 1, 1, 1].all()
    assert not missing[:, [c for c in range(16) if c != place[1]]].any()


@needs_instruction
def test_a_gradient_of_any_layout_is_taken() -> None:
    layer, x = _layer(16, 16), _noise((2, 16, 4, 5, 6), 0)
    plain, last = (_noise((2, 16, 4, 5, 6), 1).contiguous(memory_format=each) for each in _LAYOUTS)
    assert torch.equal(_found(layer, x, plain)["weight"], _found(layer, x, last)["weight"])
    with torch.autocast("cpu", torch.bfloat16):
        layer(x).sum().backward()  # a gradient without memory of its own
    assert layer.weight.grad is not None
    assert torch.isfinite(layer.weight.grad).all()


_LAYOUTS = (torch.contiguous_format, torch.channels_last_3d)


@needs_instruction
@pytest.mark.parametrize(("of_image", "of_bias"), [(False, True), (True, False), (True, True)])
def test_only_what_is_wanted_is_made(of_image: bool, of_bias: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[bool] = []
    made = convolution_loops.gradients

    def noted(x: Tensor, gradient: Tensor, with_bias: bool) -> tuple[Tensor, Tensor]:
        asked.append(with_bias)
        return made(x, gradient, with_bias)

    monkeypatch.setattr(convolution_loops, "gradients", noted)
    layer, x = _layer(16, 16), _noise((1, 16, 4, 5, 6), 0).requires_grad_(of_image)
    assert layer.bias is not None
    layer.bias.requires_grad_(of_bias)
    with torch.autocast("cpu", torch.bfloat16):
        answer = layer(x).sum()
    with torch.profiler.profile() as profile:
        answer.backward()
    assert asked == [of_bias]
    assert any("convolution_backward" in each.name for each in profile.events()) is of_image
    assert layer.weight.grad is not None


@needs_instruction
def test_a_layer_that_is_all_bf16_learns_in_bf16() -> None:
    layer, x = _layer(16, 16).bfloat16(), _noise((1, 16, 4, 5, 6), 0).bfloat16()
    assert layer.has_loops(x)
    layer(x).sum().backward()
    expected = functional.conv3d(x, other := layer.weight.detach().clone().requires_grad_(), padding=1)
    expected.sum().backward()
    assert layer.weight.grad is not None
    assert layer.weight.grad.dtype == torch.bfloat16
    torch.testing.assert_close(layer.weight.grad, other.grad, rtol=0.02, atol=0.02)


@needs_instruction
def test_an_adapter_learns_through_the_loops(monkeypatch: pytest.MonkeyPatch) -> None:
    network = build_network(NetworkConfig(channels=(16, 32)), 1, 2, seed=0)
    network.to(memory_format=torch.channels_last_3d)  # type: ignore[attr-defined]
    plan = plan_transfer("lora(2)", network.units)
    attach_adapters(network, plan, seed=0)
    set_learning(network, plan, progress=1.0)
    found, parameters = [], dict(network.named_parameters())
    for has in (True, False):
        with monkeypatch.context() as patch, torch.autocast("cpu", torch.bfloat16):
            patch.setattr(bf16_tile, "multiplies_pairs", lambda has=has: has)
            learnt = [each for each in parameters.values() if each.requires_grad]
            found.append(torch.autograd.grad(network(_noise((2, 1, 8, 8, 8), 0)).float().square().sum(), learnt))
    for one, other in zip(*found, strict=True):
        assert float((one - other).norm()) <= 0.03 * float(other.norm())


@needs_instruction
def test_a_block_learns_as_without_the_loops(monkeypatch: pytest.MonkeyPatch) -> None:
    torch.manual_seed(0)
    block = DoubleConvolution(16, 32, "instance", "leaky_relu", "conv-norm-act")
    block.to(memory_format=torch.channels_last_3d)  # type: ignore[call-overload]
    x = _noise((2, 16, 8, 9, 10), 0)
    gradient = _noise((2, 32, 8, 9, 10), 1)

    def learnt() -> dict[str, Tensor]:
        block.zero_grad()
        with torch.autocast("cpu", torch.bfloat16):
            block(x).backward(gradient.bfloat16())
        return {name: each.grad.clone() for name, each in block.named_parameters() if each.grad is not None}

    with torch.autocast("cpu", torch.bfloat16):
        assert block.conv1.has_loops(x)
    found = learnt()
    monkeypatch.setattr(bf16_tile, "multiplies_pairs", lambda: False)
    expected = learnt()
    assert found.keys() == expected.keys()
    for name, each in expected.items():
        assert float((found[name] - each).norm() / each.norm()) < 0.01, name


@pytest.mark.parametrize(
    "change",
    [
        {"channels": 15},
        {"stride": 2},
        {"filters": 24},
        {"half": False},
        {"layout": torch.contiguous_format},
        {"frozen": True},
        {"kind": torch.float64},
    ],
)
def test_elsewhere_the_original_runs(change: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bf16_tile, "multiplies_pairs", lambda: True)
    settings = {"channels": 16, "filters": 16, "half": True, "layout": torch.channels_last_3d, "frozen": False} | change
    kind = settings.get("kind", torch.float32)
    sizes, stride = (settings["channels"], settings["filters"]), settings.get("stride", 1)
    ours = ThreeWideConvolution3d(*sizes, stride).to(kind)
    theirs = nn.Conv3d(*sizes, 3, stride, padding=1).to(kind)
    theirs.load_state_dict(ours.state_dict())
    found = []
    for layer in (ours, theirs):
        layer.weight.requires_grad_(not settings["frozen"])
        x = _noise((1, settings["channels"], 4, 5, 6), 0).to(kind).contiguous(memory_format=settings["layout"])
        x.requires_grad_()
        with torch.autocast("cpu", torch.bfloat16, enabled=settings["half"]):
            if layer is ours:
                assert not ours.has_loops(x)
            answer = layer(x)
        answer.sum().backward()
        found.append([answer.detach(), x.grad, layer.weight.grad])
    for one, other in zip(*found, strict=True):
        assert (one is None and other is None) or torch.equal(one, other)
    assert (found[0][2] is None) is settings["frozen"]


def test_loops_are_for_training_that_is_not_compiled(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bf16_tile, "multiplies_pairs", lambda: True)
    layer, x = _layer(16, 16), _noise((1, 16, 4, 5, 6), 0)
    with torch.autocast("cpu", torch.bfloat16):
        assert layer.has_loops(x)
        with torch.no_grad():
            assert not layer.has_loops(x)
        with original_convolutions():
            assert not layer.has_loops(x)
        with monkeypatch.context() as patch:
            patch.setattr(torch.compiler, "is_compiling", lambda: True)
            assert not layer.has_loops(x)
        assert layer.has_loops(x)


def test_without_the_instruction_the_original_learns(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bf16_tile, "multiplies_pairs", lambda: False)
    layer, x = _layer(16, 16), _noise((1, 16, 4, 5, 6), 0)
    with torch.autocast("cpu", torch.bfloat16):
        assert not layer.has_loops(x)
    differences = _differences(layer, x, _noise((1, 16, 4, 5, 6), 1))
    assert max(differences.values()) < 0.01


@pytest.mark.parametrize(
    ("features", "expected"),
    [
        ("+avx512f,+avx512bf16,-amx-bf16", True),
        ("+avx512f,+avx512bf16,+amx-bf16", False),  # whose products of matrices PyTorch uses
        ("+avx512f,-avx512bf16,-amx-bf16", False),
        ("+neon,+bf16", False),
        ("", False),
    ],
)
def test_the_processor_is_known_by_its_features(features: str, expected: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    target = SimpleNamespace(codegen=lambda: SimpleNamespace(magic_tuple=lambda: ("triple", "name", features)))
    monkeypatch.setattr(bf16_tile, "cpu_target", SimpleNamespace(target_context=target))
    assert bf16_tile.multiplies_pairs.__wrapped__() is expected
