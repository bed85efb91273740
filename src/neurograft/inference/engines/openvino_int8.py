"""An export of OpenVINO whose convolutions multiply in eight bits.

Post-training quantisation as Jacob et al. 2018 (Quantization and training of neural networks for efficient
integer-arithmetic-only inference, section 3) have it: weights by output channel, symmetric; activations by tensor, on
the range that calibration windows show. OpenVINO's own tool for this, NNCF, reports its use to its makers over the
network.
"""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import openvino
from numpy.typing import NDArray
from openvino import opset13 as operations
from torch import Tensor

from neurograft.inference.engines.openvino_cpu import FILE
from neurograft.inference.engines.openvino_graph import constant_behind, upsample_pointwise

LEVELS = 256
"""Of an activation."""
WEIGHT_LEVELS = 255
"""Of a weight: as many below zero as above."""
OUTPUT_CHANNEL = {"Convolution": 0, "ConvolutionBackpropData": 1}
"""Axis of the weights, by the kind of convolution."""


def quantise(source: Path, windows: Tensor, folder: Path) -> None:
    """Write the network of an export with quantised convolutions into another folder.

    Args:
        source: where `openvino_cpu.export` wrote it.
        windows: (N, C, D, H, W), of the export's size, by which the range of activations is found.
        folder: for the new export.

    Raises:
        ValueError: no convolution can be quantised.
    """
    core = openvino.Core()
    model = core.read_model(source / FILE)
    upsample_pointwise(model)
    nodes = _inner_convolutions(model)
    if not nodes:
        raise ValueError("it has no convolution that could be quantised")
    ranges = _ranges(core, model.clone(), [node.get_friendly_name() for node in nodes], windows)
    for node in nodes:
        axis = OUTPUT_CHANNEL[node.get_type_name()]
        weights = np.moveaxis(constant_behind(node.input_value(1)), axis, 0)
        low, high = ranges[node.get_friendly_name()]
        scale = _balance(np.maximum(-low, high), np.abs(weights).max(axis=(0, *range(2, weights.ndim))))
        least, most = _with_zero(float((low / scale).min()), float((high / scale).max()))
        by_channel = scale.reshape(1, -1, *[1] * (weights.ndim - 2))
        _round_input(node, scale, least, most)
        weights = np.moveaxis(weights * by_channel, 0, axis)
        others = tuple(place for place in range(weights.ndim) if place != axis)
        largest = np.maximum(np.abs(weights).max(axis=others, keepdims=True), np.float32(1e-12))
        rounded = _rounded(operations.constant(weights), -largest, largest, -largest, largest, WEIGHT_LEVELS)
        node.input(1).replace_source_output(rounded.output(0))
    model.validate_nodes_and_infer_types()
    openvino.save_model(model, folder / FILE, compress_to_fp16=False)


def _inner_convolutions(model: Any) -> list[Any]:
    """Convolutions with constant weights that neither read the image nor give the answer.

    Those two suffer most from rounding, and cost least.
    """
    outer = {
        node.get_friendly_name()
        for ends, neighbours in ((model.get_parameters(), _readers), (model.get_results(), _givers))
        for node in _first_convolutions(ends, neighbours)
    }
    found = [node for node in model.get_ordered_ops() if node.get_type_name() in OUTPUT_CHANNEL]
    return [
        node for node in found if node.get_friendly_name() not in outer and constant_behind(node.input_value(1)).size
    ]


def _first_convolutions(ends: list[Any], neighbours: Callable[[Any], list[Any]]) -> Iterator[Any]:
    """Convolutions that are reached from an end of the graph without passing another."""
    waiting, seen = list(ends), set()
    while waiting:
        node = waiting.pop()
        if node.get_friendly_name() in seen:
            continue
        seen.add(node.get_friendly_name())
        if node.get_type_name() in OUTPUT_CHANNEL:
            yield node
        else:
            waiting += neighbours(node)


def _readers(node: Any) -> list[Any]:
    return [reader.get_node() for output in node.outputs() for reader in output.get_target_inputs()]


def _givers(node: Any) -> list[Any]:
    return [given.get_source_output().get_node() for given in node.inputs()]


def _ranges(
    core: Any, model: Any, names: list[str], windows: Tensor
) -> dict[str, tuple[NDArray[np.float32], NDArray[np.float32]]]:
    """Smallest and largest value of each channel that each convolution reads, zero included, over the windows."""
    nodes = {node.get_friendly_name(): node for node in model.get_ordered_ops()}
    results = []
    for name in names:
        given = nodes[name].input_value(0)
        rank = given.get_partial_shape().rank.get_length()
        axes = operations.constant(np.array([axis for axis in range(rank) if axis != 1]))
        for reduced in (operations.reduce_min(given, axes), operations.reduce_max(given, axes)):
            results.append(operations.result(reduced))
    # Their own outputs only: two numbers a channel, however large the activations are.
    watched = openvino.Model(results, model.get_parameters(), "ranges")
    request: Any = core.compile_model(watched, "CPU", {"INFERENCE_PRECISION_HINT": "f32"}).create_infer_request()
    found: dict[str, tuple[NDArray[np.float32], NDArray[np.float32]]] = {}
    for window in windows.detach().cpu().float().split(1):
        request.infer([window.contiguous().numpy()])
        for place, name in enumerate(names):
            # Copies: the request's own memory holds the next window's soon.
            low, high = (request.get_output_tensor(2 * place + side).data.ravel().copy() for side in (0, 1))
            before = found.get(name, (np.zeros_like(low), np.zeros_like(high)))
            found[name] = np.minimum(before[0], low), np.maximum(before[1], high)
    return found


def _balance(activations: NDArray[np.float32], weights: NDArray[np.float32]) -> NDArray[np.float32]:
    """What each channel's activations are divided by, and its weights multiplied by, before they are rounded.

    A channel of small values that shares its levels with a large one would be lost; all of it moved into the weights
    would lose there what is won here (Xiao et al. 2023, SmoothQuant, section 4, with both sides alike).
    """
    scale = np.sqrt(np.maximum(activations, 1e-6) / np.maximum(weights, 1e-6)).astype(np.float32)
    return np.asarray(scale / np.exp(np.log(scale).mean()), np.float32)


def _with_zero(low: float, high: float) -> tuple[float, float]:
    """A range that holds zero as one of its levels, so that what was nothing stays nothing."""
    step = max(high - low, 1e-6) / (LEVELS - 1)
    below = round(-low / step)
    return -below * step, (LEVELS - 1 - below) * step


def _round_input(node: Any, scale: NDArray[np.float32], least: float, most: float) -> None:
    """Bring what a convolution reads to one range for all channels, and to levels."""
    place, spread = node.input(0), node.input_value(0).get_node()
    rank = spread.get_output_partial_shape(0).rank.get_length() - 2
    if _lays_out_blocks(spread) and len(spread.output(0).get_target_inputs()) == 1:
        # Before it is laid out in space: eight bits are moved instead of more, and the convolution before does both.
        place, scale = spread.input(0), np.tile(scale, spread.get_attributes()["block_size"] ** rank)
    by_channel = scale.reshape(1, -1, *[1] * rank)
    rounded = _rounded(
        place.get_source_output(),
        least * by_channel,
        most * by_channel,
        np.float32(least),
        np.float32(most),
        LEVELS,
    )
    place.replace_source_output(rounded.output(0))


def _lays_out_blocks(node: Any) -> bool:
    return node.get_type_name() == "DepthToSpace" and node.get_attributes()["mode"] == "blocks_first"


def _rounded(values: Any, low: Any, high: Any, new_low: Any, new_high: Any, levels: int) -> Any:
    """Values between two bounds rounded to levels, and brought between two others."""
    bounds = [operations.constant(np.asarray(bound, np.float32)) for bound in (low, high, new_low, new_high)]
    return operations.fake_quantize(values, *bounds, levels)
