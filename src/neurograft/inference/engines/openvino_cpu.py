"""OpenVINO on CPUs: export to a file, and the engine that runs it."""

import warnings
from pathlib import Path
from typing import Any

import numpy as np
import openvino
import torch
from numpy.typing import NDArray
from openvino.frontend import FrontEndManager
from openvino.frontend.pytorch.ts_decoder import TorchScriptPythonDecoder
from torch import Tensor
from torch.nn import Module

from neurograft.inference.engines.interface import EngineName, Precision
from neurograft.inference.engines.openvino_graph import fold_constants, split_joined
from neurograft.networks import UnitNetwork

FILE = "network.xml"
"""Its weights lie beside it, in ``network.bin``."""

HINTS = {"fp32": "f32", "bf16": "bf16"}
"""What the library calls precisions; what an eight-bit export does not round has the best that the CPU does."""


def capabilities() -> tuple[Precision, ...]:
    """Precisions that this CPU has instructions for."""
    found = openvino.Core().get_property("CPU", "OPTIMIZATION_CAPABILITIES")
    return ("bf16", "fp32") if "BF16" in found else ("fp32",)


def export(network: UnitNetwork, shape: tuple[int, ...], folder: Path) -> None:
    """Write the network's main output, for windows of one shape (1, C, D, H, W), into a folder."""
    model = graph_of(network, shape)
    split_joined(model)
    openvino.save_model(model, folder / FILE, compress_to_fp16=False)


def graph_of(network: Module, shape: tuple[int, ...]) -> Any:
    """A network as a model of OpenVINO's, for one shape.

    The frontend is called itself: ``openvino.convert_model`` does the same, ten times slower, and reports
    each use of it to its makers over the network.
    """
    with warnings.catch_warnings(), torch.no_grad():
        # Sizes that tracing turns into constants are meant to be: the export is for one window size.
        warnings.simplefilter("ignore")
        traced = torch.jit.trace(network, torch.zeros(shape), check_trace=False)
        # Held by name: the frontend does not keep it alive.
        decoder = TorchScriptPythonDecoder(traced)
        frontend = FrontEndManager().load_by_framework("pytorch")
        model = frontend.convert(frontend.load(decoder))
    model.reshape({model.inputs[0]: list(shape)})
    fold_constants(model)
    return model


class OpenVinoEngine:
    """An exported network, compiled for this CPU.

    Windows go through one by one: each uses all threads.

    Args:
        folder: where `export` wrote it, or for int8 `openvino_int8.quantise`.
        precision: of the multiplications.
        threads: CPU threads.
    """

    name: EngineName = "openvino"

    def __init__(self, folder: Path, precision: Precision, threads: int) -> None:
        self.precision: Precision = precision
        settings = {
            "INFERENCE_PRECISION_HINT": HINTS[precision if precision != "int8" else capabilities()[0]],
            "INFERENCE_NUM_THREADS": threads,
            "PERFORMANCE_HINT": "LATENCY",
        }
        compiled: Any = openvino.Core().compile_model(folder / FILE, "CPU", settings)
        self._request = compiled.create_infer_request()

    def __call__(self, windows: Tensor, wanted: Tensor | None = None) -> Tensor:
        """Map windows (N, C, D, H, W) to logits (N, K, d, h, w) on the CPU, whatever is wanted."""
        answers = []
        for window in windows.detach().cpu().float().split(1):
            given: NDArray[np.float32] = window.contiguous().numpy()
            self._request.infer([given], share_inputs=True)
            # The request's own memory holds the next answer soon.
            answers.append(torch.from_numpy(np.array(self._request.get_output_tensor(0).data)))
        return answers[0] if len(answers) == 1 else torch.cat(answers)
