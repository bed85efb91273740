"""What every engine is: a call from windows to logits."""

from typing import Literal, Protocol

from torch import Tensor

EngineName = Literal["torch", "openvino", "onnx"]
Precision = Literal["fp32", "bf16", "int8"]


class Engine(Protocol):
    """Runs a network's main output on windows of one size."""

    @property
    def name(self) -> EngineName:
        """The library that runs."""

    @property
    def precision(self) -> Precision:
        """In which it multiplies; what comes out is float32."""

    def __call__(self, windows: Tensor, wanted: Tensor | None = None) -> Tensor:
        """Map windows (N, C, D, H, W) to logits (N, K, d, h, w), float32, on any device.

        Where `wanted`, bool (N, d, h, w), is false, any answer will do.
        """


def describe(engine: Engine) -> str:
    """For people: ``openvino bf16``."""
    return f"{engine.name} {engine.precision}"
