"""Weights of an encoder from a file in torchvision's form, such as those trained on ImageNet."""

from collections.abc import Mapping
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor

from neurograft.errors import InputError
from neurograft.networks import UnitNetwork, unit_of
from neurograft.networks.resnet_encoder2d import ResNetStem, torchvision_name
from neurograft.transfer.loading import Action, LoadingReport, TensorRow

PLAIN = (torch.float64, torch.float32, torch.float16, torch.bfloat16, torch.int64)
"""Types of the numbers of weights, and of the counters of norms."""
NESTED = ("state_dict", "model")
"""Keys under which some checkpoints hold their tensors."""


def read_checkpoint(path: Path) -> dict[str, Tensor]:
    """Read the tensors of a ``.safetensors`` file, or of one of PyTorch's without running what is in it.

    Raises:
        InputError: no such file, another form, or anything in it but tensors.
    """
    if not path.is_file():
        raise InputError("there is no such file", "Give a file with weights, .safetensors or .pth", path)
    mend = "Give a file that holds a dictionary of tensors: .safetensors, or .pth as torch.save writes it"
    found: object
    if path.suffix == ".safetensors":
        try:
            found = load_file(path)
        except SafetensorError as error:
            raise InputError(f"not a safetensors file: {error}", mend, path) from error
    else:
        try:
            found = torch.load(path, map_location="cpu", weights_only=True)
        except Exception as error:  # on a damaged file PyTorch's reader fails with almost any kind of error
            reason = str(error).splitlines()[0] if str(error) else type(error).__name__
            raise InputError(f"weights cannot be read safely from it: {reason}", mend, path) from error
    for key in NESTED:
        if isinstance(found, Mapping) and isinstance(found.get(key), Mapping):
            found = found[key]
    if not isinstance(found, Mapping) or not found:
        raise InputError("it holds no dictionary of tensors", mend, path)
    tensors = {str(name).removeprefix("module."): value for name, value in found.items()}
    odd = [name for name, value in tensors.items() if not _holds_plain_numbers(value)]
    if odd:
        raise InputError(f"{odd[0]!r} in it is no tensor of plain numbers", mend, path)
    return tensors


def _holds_plain_numbers(value: object) -> bool:
    """Whether it is a tensor with a number for each of its elements: not sparse, nested, quantised or without data."""
    return (
        isinstance(value, Tensor)
        and value.dtype in PLAIN
        and value.layout == torch.strided
        and value.device.type == "cpu"
        and not value.is_nested
    )


def load_encoder_weights(network: UnitNetwork, path: Path) -> LoadingReport:
    """Copy the weights of a ResNet-50 checkpoint into a network's encoder, in place.

    The first convolution is adapted to the network's slices where these have other than three channels: to the
    mean over the colours, scaled so that the same signal in every channel gives the same response.

    Args:
        network: with an encoder of `neurograft.networks.resnet_encoder2d`.
        path: the file.

    Returns:
        A row for each tensor of the encoder, and one for each of the file that has no place in it.

    Raises:
        InputError: the network has another encoder, the file cannot be read, or none of its convolutions fits.
    """
    if not isinstance(getattr(network, "stem", None), ResNetStem):
        raise InputError(
            "weights of an encoder were given, and the network has no ResNet-50 encoder",
            "Set network.encoder=resnet50, take network.name=encoder_decoder2d, or leave the weights out",
            path,
        )
    source = read_checkpoint(path)
    rows: list[TensorRow] = []
    used: set[str] = set()
    with torch.no_grad():
        for name, tensor in network.state_dict().items():
            theirs = torchvision_name(name)
            if theirs is None:
                continue
            found = source.get(theirs)
            used.add(theirs)
            action, why = _copy(tensor, found, is_stem=name in network.stem_weights)
            shape = () if found is None else tuple(found.shape)
            rows.append(TensorRow(name, unit_of(name), action, why, shape, tuple(tensor.shape)))
    if not any(row.action != "reset" and len(row.target_shape) > 1 for row in rows):
        raise InputError(
            "no convolution in it fits the encoder of a ResNet-50",
            "Give a checkpoint with torchvision's tensor names, such as layer1.0.conv1.weight",
            path,
        )
    for name in source:
        if name not in used:
            why = "not in the encoder"
            rows.append(TensorRow(name, unit_of(name), "skipped", why, tuple(source[name].shape), ()))
    return LoadingReport(tuple(rows), ())


def with_encoder_rows(report: LoadingReport, encoder: LoadingReport) -> LoadingReport:
    """A network's report, in which the rows of its encoder are those of the encoder's own file."""
    own = {row.tensor: row for row in encoder.rows if row.target_shape}
    extra = tuple(row for row in encoder.rows if not row.target_shape)
    rows = tuple(own.get(row.tensor, row) for row in report.rows)
    return LoadingReport(rows + extra, report.fresh_outputs, report.fresh_side_units)


def _copy(tensor: Tensor, found: Tensor | None, is_stem: bool) -> tuple[Action, str]:
    if found is None:
        return "reset", "not in the file"
    if found.is_floating_point() and not bool(torch.isfinite(found).all()):
        return "reset", "holds numbers that are not finite"
    if found.shape == tensor.shape:
        tensor.copy_(found)
        # Three slices take the place of three colours.
        return "copied", ""
    if is_stem and found.shape[:1] + found.shape[2:] == tensor.shape[:1] + tensor.shape[2:]:
        tensor.copy_(found.mean(1, keepdim=True).expand_as(tensor) * (found.shape[1] / tensor.shape[1]))
        return "adapted", f"{found.shape[1]} colours averaged and repeated to {tensor.shape[1]} channels"
    return "reset", "shapes differ"
