"""What exports of OpenVINO ask of a graph, and change in it."""

from functools import reduce
from typing import Any

import numpy as np
from numpy.typing import NDArray
from openvino import opset13 as operations
from openvino.passes import ConstantFolding, Manager

_CHANNELS = 1


def fold_constants(model: Any) -> None:
    """Compute what does not depend on the image, such as sizes, once and for all; `model` is changed in place."""
    manager = Manager()
    manager.register_pass(ConstantFolding())
    manager.run_passes(model)


def split_joined(model: Any) -> int:
    """Let convolutions read the parts of joined tensors one by one, and add up what they say.

    The skip connection of a U-Net is joined with what comes from below, and a convolution reads both. In the layout
    that is fast on CPUs, with channels innermost, joining copies both: at the top of a U-Net that copy is the largest
    tensor of all. A convolution is linear, so the parts' own convolutions add up to the same, in another order of
    summation.

    Args:
        model: of OpenVINO; changed in place.

    Returns:
        How many convolutions were split.
    """
    count = 0
    for joined in [node for node in model.get_ordered_ops() if node.get_type_name() == "Concat"]:
        readers = [reader.get_node() for reader in joined.output(0).get_target_inputs()]
        # Where anything else reads it, the joined tensor is made all the same.
        rank = joined.get_output_partial_shape(0).rank.get_length()
        if joined.get_attributes()["axis"] % rank == _CHANNELS and all(map(_has_own_weights, readers)):
            for reader in readers:
                _split(reader, joined)
            count += len(readers)
    model.validate_nodes_and_infer_types()
    return count


def upsample_pointwise(model: Any) -> int:
    """Write transposed convolutions whose steps are as long as their kernels as pointwise ones.

    Each voxel then gives a block of voxels that no other one touches: a pointwise convolution gives the block as
    channels, and they are laid out in space afterwards (Shi et al. 2016, sub-pixel convolution, section 3). The
    numbers are the same. What comes out can be rounded to eight bits before it is laid out, which no transposed
    convolution here can.

    Args:
        model: of OpenVINO; changed in place.

    Returns:
        How many convolutions were changed.
    """
    found = [node for node in model.get_ordered_ops() if _is_blockwise(node)]
    for node in found:
        # (in, out, depth, height, width) to (depth, height, width, out, in): blocks first.
        weights = np.moveaxis(constant_behind(node.input_value(1)), (0, 1), (-1, -2))
        side, rank = weights.shape[0], weights.ndim - 2
        weights = weights.reshape(-1, weights.shape[-1], *[1] * rank)
        zeros, ones = [0] * rank, [1] * rank
        answer = operations.convolution(
            node.input_value(0), operations.constant(np.ascontiguousarray(weights)), ones, zeros, zeros, ones
        )
        answer.set_friendly_name(node.get_friendly_name())
        last = node
        readers = list(node.output(0).get_target_inputs())
        shift = readers[0].get_node() if len(readers) == 1 else None
        if shift is not None and shift.get_type_name() == "Add":
            values = [constant_behind(value) for value in shift.input_values() if value.get_node() is not node]
            channels = node.get_output_partial_shape(0)[_CHANNELS].get_length()
            # By channel, and not along another axis of as many voxels.
            if values[0].shape in ((1, channels, *[1] * rank), (channels, *[1] * rank)):
                blocks = np.tile(values[0].ravel(), side**rank).reshape(1, -1, *[1] * rank)
                answer, last = operations.add(answer, operations.constant(blocks)), shift
        spread = operations.depth_to_space(answer, "blocks_first", side)
        for reader in last.output(0).get_target_inputs():
            reader.replace_source_output(spread.output(0))
    model.validate_nodes_and_infer_types()
    return len(found)


def constant_behind(output: Any) -> NDArray[np.float32]:
    """The weights behind an output, whatever conversions lie between; an empty array where there is no constant."""
    node = output.get_node()
    while node.get_type_name() == "Convert":
        node = node.input_value(0).get_node()
    return node.get_data().astype(np.float32) if node.get_type_name() == "Constant" else np.empty(0, np.float32)


def _has_own_weights(node: Any) -> bool:
    return node.get_type_name() == "Convolution" and bool(constant_behind(node.input_value(1)).size)


def _split(convolution: Any, joined: Any) -> None:
    weights, attributes = constant_behind(convolution.input_value(1)), convolution.get_attributes()
    answers, first = [], 0
    for part in joined.input_values():
        channels = part.get_partial_shape()[_CHANNELS].get_length()
        own = operations.constant(np.ascontiguousarray(weights[:, first : first + channels]))
        first += channels
        answer = operations.convolution(
            part,
            own,
            attributes["strides"],
            attributes["pads_begin"],
            attributes["pads_end"],
            attributes["dilations"],
            attributes["auto_pad"],
        )
        answer.set_friendly_name(f"{convolution.get_friendly_name()}/{first}")
        answers.append(answer)
    total = reduce(operations.add, answers)
    for reader in convolution.output(0).get_target_inputs():
        reader.replace_source_output(total.output(0))


def _is_blockwise(node: Any) -> bool:
    if node.get_type_name() != "ConvolutionBackpropData" or node.get_input_size() != 2:
        return False
    attributes, kernel = node.get_attributes(), constant_behind(node.input_value(1)).shape[2:]
    plain = not any(attributes[name] != [0] * len(kernel) for name in ("pads_begin", "pads_end", "output_padding"))
    cube = len(set(kernel)) == 1 and list(attributes["strides"]) == list(kernel)
    return plain and cube and list(attributes["dilations"]) == [1] * len(kernel)
