"""Weights in half precision on disk: half the size, and single precision again once they are in memory."""

from collections.abc import Mapping

import torch
from torch import Tensor

from neurograft.errors import InputError

LARGEST = torch.finfo(torch.float16).max


def halved(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Round the large tensors of a state to half precision.

    Vectors (biases, scales, running statistics) and whole numbers stay as they are: they are few, and a
    sum over many voxels feels them most.

    Args:
        state: float32 and integer tensors by name.

    Raises:
        InputError: a weight that half precision cannot hold.
    """
    small: dict[str, Tensor] = {}
    for name, tensor in state.items():
        if not tensor.is_floating_point() or tensor.ndim < 2:
            small[name] = tensor
            continue
        if not bool(torch.isfinite(tensor).all()) or float(tensor.abs().max()) > LARGEST:
            raise InputError(
                f"{name} holds weights that half precision cannot (beyond {LARGEST:.0f}, or no numbers)",
                "Keep the model in single precision",
            )
        small[name] = tensor.to(torch.float16)
    return small


def in_single_precision(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The state as a network computes with it: every half as a single."""
    return {name: tensor.float() if tensor.dtype == torch.float16 else tensor for name, tensor in state.items()}


def largest_rounding(before: Mapping[str, Tensor], after: Mapping[str, Tensor]) -> float:
    """The largest change of a weight, as a share of the largest weight of its tensor."""
    shares = [0.0]
    for name, tensor in before.items():
        if tensor.is_floating_point() and tensor.numel():
            largest = float(tensor.abs().max())
            change = float((after[name].float() - tensor).abs().max())
            shares.append(change / largest if largest else 0.0)
    return max(shares)
