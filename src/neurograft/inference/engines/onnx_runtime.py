"""ONNX Runtime: export to a file, and the engine that runs it on the CPU."""

import warnings
from pathlib import Path

import numpy as np
import onnxruntime
import torch
from torch import Tensor

from neurograft.inference.engines.interface import EngineName, Precision
from neurograft.networks import UnitNetwork

FILE = "network.onnx"
OPSET = 17
_WARNINGS_AND_WORSE = 3

# Builds for Windows report to their makers unless told not to.
onnxruntime.disable_telemetry_events()


def export(network: UnitNetwork, shape: tuple[int, ...], folder: Path) -> None:
    """Write the network's main output, for windows of one shape (1, C, D, H, W), into a folder."""
    with warnings.catch_warnings(), torch.no_grad():
        # The tracing exporter needs no further package; that it is the older one is no news to a user.
        warnings.simplefilter("ignore")
        torch.onnx.export(network, (torch.zeros(shape),), str(folder / FILE), dynamo=False, opset_version=OPSET)


class OnnxEngine:
    """An exported network, read by ONNX Runtime. Windows go through one by one.

    Args:
        folder: where `export` wrote it.
        threads: CPU threads.
    """

    name: EngineName = "onnx"
    precision: Precision = "fp32"

    def __init__(self, folder: Path, threads: int) -> None:
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads
        options.log_severity_level = _WARNINGS_AND_WORSE
        self._session = onnxruntime.InferenceSession(str(folder / FILE), options, providers=["CPUExecutionProvider"])
        self._input = self._session.get_inputs()[0].name

    def __call__(self, windows: Tensor, wanted: Tensor | None = None) -> Tensor:
        """Map windows (N, C, D, H, W) to logits (N, K, d, h, w) on the CPU, whatever is wanted."""
        given = windows.detach().cpu().float().contiguous()
        answers = [self._session.run(None, {self._input: window.numpy()})[0] for window in given.split(1)]
        return torch.from_numpy(np.concatenate(answers))
