"""What runs a trained network on windows of an image: PyTorch, OpenVINO or ONNX Runtime."""

from neurograft.inference.engines.choosing import PLAIN_TORCH, ChosenEngine, EngineRequest, choose_engine
from neurograft.inference.engines.interface import Engine, EngineName, Precision
from neurograft.inference.engines.parity import Parity, template_windows
from neurograft.inference.engines.pytorch import TorchEngine

__all__ = [
    "PLAIN_TORCH",
    "ChosenEngine",
    "Engine",
    "EngineName",
    "EngineRequest",
    "Parity",
    "Precision",
    "TorchEngine",
    "choose_engine",
    "template_windows",
]
