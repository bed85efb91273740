"""Graphs that are changed for speed and memory: the same numbers, and no tensor that need not be."""

from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor, nn

openvino = pytest.importorskip("openvino", reason="openvino is not installed, so no graph was changed")

from openvino import opset13 as operations  # noqa: E402

from neurograft.inference.engines import TorchEngine, openvino_cpu  # noqa: E402
from neurograft.inference.engines.openvino_graph import split_joined, upsample_pointwise  # noqa: E402
from neurograft.networks import build_network  # noqa: E402
from neurograft.recipes.schema import NetworkConfig  # noqa: E402


def answer(model, *given: np.ndarray) -> np.ndarray:
    compiled = openvino.Core().compile_model(model, "CPU", {"INFERENCE_PRECISION_HINT": "f32"})
    return np.array(compiled(list(given))[compiled.outputs[0]])


def kinds(model) -> list[str]:
    return [node.get_type_name() for node in model.get_ordered_ops()]


def randoms(*shape: int) -> np.ndarray:
    return np.random.default_rng(sum(shape)).normal(size=shape).astype(np.float32)


def joining(widths: list[int], outputs: int, stride: int, pad: int, also_read: bool = False):
    """A model that joins inputs of some channels each, with a convolution that reads them."""
    inputs = [operations.parameter([1, width, 6, 7, 5], np.float32) for width in widths]
    joined = operations.concat(inputs, 1)
    weights = operations.constant(randoms(outputs, sum(widths), 3, 3, 3))
    read = operations.convolution(joined, weights, [stride] * 3, [pad] * 3, [pad] * 3, [1] * 3)
    outcome = [operations.relu(read), *([operations.relu(joined)] if also_read else [])]
    return openvino.Model(outcome, inputs, "joining")


@given(
    widths=st.lists(st.integers(1, 5), min_size=1, max_size=4),
    outputs=st.integers(1, 4),
    stride=st.integers(1, 2),
    pad=st.integers(0, 1),
)
def test_convolutions_of_joined_tensors_say_the_same_part_by_part(
    widths: list[int], outputs: int, stride: int, pad: int
) -> None:
    given = [randoms(1, width, 6, 7, 5) for width in widths]
    model = joining(widths, outputs, stride, pad)
    expected = answer(model, *given)
    assert split_joined(model) == 1
    assert "Concat" not in kinds(model)
    assert kinds(model).count("Convolution") == len(widths)
    np.testing.assert_allclose(answer(model, *given), expected, rtol=1e-4, atol=1e-4)


def test_what_something_else_reads_too_is_joined_as_before() -> None:
    model = joining([2, 3], 4, 1, 1, also_read=True)
    assert split_joined(model) == 0
    assert kinds(model).count("Convolution") == 1


class Upsampling(nn.Module):
    """Transposed convolutions alone, with what else they are given."""

    def __init__(self, kernel: tuple[int, ...], step: tuple[int, ...], bias: bool, **more: int) -> None:
        super().__init__()
        self.up = nn.ConvTranspose3d(3, 4, kernel, step, bias=bias, **more)

    def forward(self, image: Tensor) -> Tensor:
        return self.up(image).tanh()


@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize("side", [1, 2, 3])
def test_blockwise_upsampling_says_the_same_as_a_pointwise_convolution(side: int, bias: bool) -> None:
    torch.manual_seed(side)
    model = openvino_cpu.graph_of(Upsampling((side,) * 3, (side,) * 3, bias).eval(), (1, 3, 4, 5, 3))
    image = randoms(1, 3, 4, 5, 3)
    expected = answer(model, image)
    assert expected.shape == (1, 4, 4 * side, 5 * side, 3 * side)
    assert upsample_pointwise(model) == 1
    assert "ConvolutionBackpropData" not in kinds(model)
    if bias:
        order = kinds(model)
        assert order.index("Add") < order.index("DepthToSpace"), "what is shifted afterwards is moved in more bits"
    np.testing.assert_allclose(answer(model, image), expected, rtol=1e-4, atol=1e-5)


class Shifted(Upsampling):
    """A shift along the width, of as many voxels as there are channels."""

    def forward(self, image: Tensor) -> Tensor:
        return self.up(image) + torch.arange(4.0)


def test_a_shift_along_another_axis_is_not_taken_for_one_of_channels() -> None:
    model = openvino_cpu.graph_of(Shifted((2, 2, 2), (2, 2, 2), False).eval(), (1, 3, 2, 2, 2))
    image = randoms(1, 3, 2, 2, 2)
    expected = answer(model, image)
    assert upsample_pointwise(model) == 1
    np.testing.assert_allclose(answer(model, image), expected, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("axis", [1, -4])
def test_channels_may_be_counted_from_the_end(axis: int) -> None:
    inputs = [operations.parameter([1, 2, 3, 3, 3], np.float32) for _ in range(2)]
    weights = operations.constant(randoms(3, 4, 1, 1, 1))
    zeros, ones = [0] * 3, [1] * 3
    read = operations.convolution(operations.concat(inputs, axis), weights, ones, zeros, zeros, ones)
    assert split_joined(openvino.Model([read], inputs, "joining")) == 1


@pytest.mark.parametrize(
    ("kernel", "step", "more"),
    [
        ((3, 3, 3), (2, 2, 2), {}),
        ((2, 2, 1), (2, 2, 1), {}),
        ((2, 2, 2), (2, 2, 2), {"padding": 1}),
        ((2, 2, 2), (2, 2, 2), {"output_padding": 1}),
    ],
    ids=["blocks overlap", "blocks are no cubes", "cut at the border", "wider at the border"],
)
def test_other_upsampling_stays_as_it_is(kernel: tuple[int, ...], step: tuple[int, ...], more: dict[str, int]) -> None:
    model = openvino_cpu.graph_of(Upsampling(kernel, step, True, **more).eval(), (1, 3, 4, 5, 3))
    assert upsample_pointwise(model) == 0
    assert "ConvolutionBackpropData" in kinds(model)


def test_a_u_net_is_exported_without_joining_anything_and_says_the_same(tmp_path: Path) -> None:
    network = build_network(NetworkConfig(channels=(8, 12, 16)), 2, 3, seed=1).eval()
    openvino_cpu.export(network, (1, 2, 16, 16, 16), tmp_path)
    model = openvino.Core().read_model(tmp_path / openvino_cpu.FILE)
    assert "Concat" not in kinds(model)
    assert "ShapeOf" not in kinds(model), "sizes are known"
    windows = torch.randn((1, 2, 16, 16, 16), generator=torch.Generator().manual_seed(0))
    expected = TorchEngine(network)(windows)
    assert torch.allclose(openvino_cpu.OpenVinoEngine(tmp_path, "fp32", 1)(windows), expected, atol=1e-4)
