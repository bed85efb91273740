"""Which engine runs a model here: those that this machine offers are tried, and the fastest sound one is taken."""

import importlib.util
import logging
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Literal

import torch
from torch import Tensor

from neurograft.errors import InputError
from neurograft.imaging.grid import Shape
from neurograft.inference.engines.interface import Engine, EngineName, Precision, describe
from neurograft.inference.engines.parity import CALIBRATION_PLACES_MM, Parity, compare_answers, template_windows
from neurograft.inference.engines.pytorch import TorchEngine
from neurograft.inference.engines.store import EngineStore, Measured
from neurograft.models import Bundle
from neurograft.networks import UnitNetwork
from neurograft.tasks import SegmentationTask

logger = logging.getLogger(__name__)

PACKAGES: dict[EngineName, str] = {"openvino": "openvino", "onnx": "onnxruntime"}

WORTHWHILE_SECONDS = 20.0
"""``auto`` tries nothing where PyTorch is done in less: exporting and comparing take as long."""

Kind = tuple[EngineName, Precision]
REFERENCE: Kind = ("torch", "fp32")


@dataclass(frozen=True)
class EngineRequest:
    """What the user asks for.

    Attributes:
        engine: ``auto`` leaves it to the machine.
        precision: ``auto`` takes bf16 where the processor has it, it is faster, and masks agree; int8 is taken only
            where it is asked for.
    """

    engine: Literal["auto", "torch", "openvino", "onnx"] = "torch"
    precision: Literal["auto", "fp32", "bf16", "int8"] = "fp32"


PLAIN_TORCH = EngineRequest()


@dataclass(frozen=True, eq=False)
class ChosenEngine:
    """An engine and why it was taken.

    Attributes:
        engine: ready to run.
        reason: in words.
        measured: all that were tried, by engine and precision.
    """

    engine: Engine
    reason: str
    measured: dict[str, Measured]

    @property
    def parity(self) -> Parity | None:
        """Against PyTorch in single precision; ``None`` for that itself."""
        found = self.measured.get(describe(self.engine))
        return None if found is None else found.parity


@dataclass(frozen=True, eq=False)
class _Exports:
    """What engines are loaded from, made when it is first needed.

    Attributes:
        network: to be exported.
        store: keeps the exports.
        calibration: gives windows by which the range of activations is found.
    """

    network: UnitNetwork
    store: EngineStore
    calibration: Callable[[], Tensor]

    def load(self, kind: Kind) -> Engine:
        """An engine, exported unless it was before."""
        name, precision = kind
        threads = torch.get_num_threads()
        if name == "openvino":
            from neurograft.inference.engines.openvino_cpu import OpenVinoEngine

            return OpenVinoEngine(self._int8() if precision == "int8" else self._openvino(), precision, threads)
        if name == "onnx":
            from neurograft.inference.engines import onnx_runtime

            folder = self.store.export("onnx", lambda place: onnx_runtime.export(self.network, self._shape, place))
            return onnx_runtime.OnnxEngine(folder, threads)
        return TorchEngine(self.network, precision)

    @property
    def _shape(self) -> tuple[int, ...]:
        return (1, self.network.in_channels, *self.store.block)

    def _openvino(self) -> Path:
        from neurograft.inference.engines import openvino_cpu

        return self.store.export("openvino", lambda place: openvino_cpu.export(self.network, self._shape, place))

    def _int8(self) -> Path:
        from neurograft.inference.engines import openvino_int8

        plain = self._openvino()
        return self.store.export(
            "openvino-int8", lambda place: openvino_int8.quantise(plain, self.calibration(), place)
        )


def choose_engine(
    bundle: Bundle,
    network: UnitNetwork,
    task: SegmentationTask,
    window: Shape,
    request: EngineRequest,
    windows_ahead: int | None = None,
) -> ChosenEngine:
    """Choose among the engines asked for, measuring those that were not measured here before.

    Args:
        bundle: the model.
        network: its network, in evaluation mode, on the device where it shall run.
        task: how logits become classes.
        window: voxels that are answered for.
        request: what the user wants.
        windows_ahead: how many there will be; ``auto`` leaves all to PyTorch where they are few.

    Raises:
        InputError: an engine asked for by name that is not installed, does not serve this model
            or device, or is too far from PyTorch.
    """
    device = next(network.parameters()).device.type
    reference = TorchEngine(network)
    if request.precision == "int8" and request.engine == "auto":
        # No other engine has it.
        request = replace(request, engine="openvino")
    by_name = request.engine not in ("auto", "torch")
    if by_name or request.precision == "int8":
        _require(request, device, network)
    versions = {name: _version(name) for name in ("torch", *PACKAGES.values()) if _is_installed(name)}
    block = network.context.block(window)
    store = EngineStore(bundle, block, device, versions)
    measured = store.read()

    def is_little() -> bool:
        if request.engine != "auto" or request.precision == "bf16" or windows_ahead is None:
            return False
        window = torch.zeros((1, network.in_channels, *block))
        # The first call is slower than those that follow, and mostly says enough.
        return any(windows_ahead * _seconds(reference, window) < WORTHWHILE_SECONDS for _ in range(2))

    too_little = ChosenEngine(reference, "there is too little to do for an export to pay", {})
    # Before engines are asked what they can do: that alone takes half a second.
    if not measured and _may_differ(device, network, request.precision) and is_little():
        return too_little
    kinds = _kinds(request, device, network)
    if kinds == [REFERENCE]:
        return ChosenEngine(reference, "asked for" if request.engine == "torch" else "no other engine here", {})
    exports = _Exports(network, store, lambda: template_windows(bundle, network, window, CALIBRATION_PLACES_MM))
    missing = [kind for kind in kinds if kind != REFERENCE and _name(kind) not in measured]
    if missing:
        if measured and is_little():
            return too_little
        try:
            windows = template_windows(bundle, network, window)
        except InputError as error:
            # Of a model whose preparation does not suit a brain alone, as one that needs a mask.
            if REFERENCE not in kinds:
                raise InputError(
                    f"--engine {request.engine} --precision {request.precision} cannot be compared with PyTorch: "
                    f"{error.problem}",
                    "Use --engine torch --precision fp32",
                ) from error
            return ChosenEngine(reference, f"no other engine can be compared with it ({error.problem})", {})
        expected, seconds = _timed(reference, windows)
        measured[_name(REFERENCE)] = Measured(seconds)
        threshold = bundle.info.recipe.inference.threshold
        for kind in missing:
            measured[_name(kind)] = _measure(
                kind, exports, lambda engine: _try(engine, windows, expected, task, threshold)
            )
        store.write(measured)
    return _fastest(kinds, measured, exports, by_name, request)


def _fastest(
    kinds: list[Kind],
    measured: dict[str, Measured],
    exports: _Exports,
    by_name: bool,
    request: EngineRequest,
) -> ChosenEngine:
    found = {_name(kind): measured[_name(kind)] for kind in {*kinds, REFERENCE} if _name(kind) in measured}
    sound = [kind for kind in kinds if not measured[_name(kind)].fault]
    if not sound:
        faults = "; ".join(f"{_name(kind)}: {measured[_name(kind)].fault}" for kind in kinds)
        raise InputError(
            f"the model cannot run with --engine {request.engine} here ({faults})",
            "Use --engine auto or --engine torch, and --precision auto or fp32",
        )
    for kind in kinds:
        if fault := measured[_name(kind)].fault:
            # That fewer bits do not serve every model is to be expected.
            level = logging.WARNING if kind[1] == "fp32" else logging.INFO
            logger.log(level, "%s is not used: %s", _name(kind), fault)
    for kind in sorted(sound, key=lambda kind: measured[_name(kind)].seconds):
        try:
            engine = exports.load(kind)
        except Exception as error:  # an export of the cache that went bad, in whatever way its reader says so
            logger.warning("%s cannot be loaded: %s", _name(kind), _first_line(error))
            continue
        times = ", ".join(f"{name} {entry.seconds:.3g} s" for name, entry in found.items() if not entry.fault)
        return ChosenEngine(engine, f"fastest of those tried (a window: {times})", found)
    if by_name:
        raise InputError(
            f"the export for --engine {request.engine} cannot be loaded", f"Delete {exports.store.folder}, and repeat"
        )
    return ChosenEngine(TorchEngine(exports.network), "no export could be loaded", found)


def _may_differ(device: str, network: UnitNetwork, precision: str) -> bool:
    """Whether there could be anything to choose among."""
    others = {"cpu": any(map(_is_installed, PACKAGES.values())), "cuda": precision != "fp32"}
    return not network.has_age and others.get(device, False)


def _kinds(request: EngineRequest, device: str, network: UnitNetwork) -> list[Kind]:
    """What to choose among; for ``auto`` PyTorch in single precision is one of them, unless bf16 is asked for."""
    precisions: list[Precision] = ["fp32"] if request.precision == "fp32" else ["bf16", "fp32"]
    if request.precision in ("bf16", "int8"):
        precisions = [request.precision]
    if request.engine == "torch":
        return [("torch", precision) for precision in precisions]
    if request.engine == "onnx":
        return [("onnx", "fp32")]
    if request.engine == "openvino":
        return [("openvino", precision) for precision in precisions]
    kinds: list[Kind] = []
    if device == "cpu" and not network.has_age:
        here: list[EngineName] = [name for name, package in PACKAGES.items() if _is_installed(package)]
        for precision in precisions:
            kinds += [
                (name, precision) for name in here[:1] if precision == "fp32" or (name == "openvino" and _has_bf16())
            ]
    elif device == "cuda" and not network.has_age and "bf16" in precisions:
        kinds.append(("torch", "bf16"))
    if request.precision == "bf16":
        # Asked for by name: it is that, or it is refused.
        return list(dict.fromkeys([*kinds, ("torch", "bf16")]))
    return [*kinds, REFERENCE]


def _require(request: EngineRequest, device: str, network: UnitNetwork) -> None:
    engine = request.engine
    if engine == "onnx" and request.precision in ("bf16", "int8"):
        raise InputError("--engine onnx runs in single precision", "Use --precision fp32, or --engine openvino")
    if engine == "torch":
        raise InputError("--precision int8 is OpenVINO's", "Use --engine openvino, or another --precision")
    package = PACKAGES["openvino" if engine == "openvino" else "onnx"]
    if not _is_installed(package):
        raise InputError(f"--engine {engine} needs the package {package}", f"Run: pip install {package}")
    if device != "cpu":
        raise InputError(f"--engine {engine} runs on the CPU, not on {device}", "Set --device cpu, or --engine torch")
    if network.has_age:
        raise InputError(
            f"--engine {engine} gives a model's labels only, and this one reads ages too", "Use --engine torch"
        )


def _measure(kind: Kind, exports: _Exports, attempt: Callable[[Engine], Measured]) -> Measured:
    """Export, load and try an engine; whatever goes wrong is its fault."""
    try:
        return attempt(exports.load(kind))
    except Exception as error:  # exporters and their runtimes raise whatever they like
        passing = isinstance(error, OSError | MemoryError)
        return Measured(0.0, None, f"does not run this model ({_first_line(error)})", passing)


def _try(engine: Engine, windows: Tensor, expected: Tensor, task: SegmentationTask, threshold: float) -> Measured:
    answers, seconds = _timed(engine, windows)
    parity = compare_answers(answers, expected, task, threshold, engine.precision)
    return Measured(seconds, parity, parity.fault)


def _seconds(engine: Engine, window: Tensor) -> float:
    start = time.perf_counter()
    engine(window).cpu()
    return time.perf_counter() - start


def _timed(engine: Engine, windows: Tensor) -> tuple[Tensor, float]:
    """Answers to all windows, and the seconds of the fastest call but the first."""
    answers, times = [], []
    for window in [windows[:1], *windows.split(1)]:
        start = time.perf_counter()
        answer = engine(window).cpu()
        times.append(time.perf_counter() - start)
        answers.append(answer)
    return torch.cat(answers[1:]), min(times[1:])


def _name(kind: Kind) -> str:
    return " ".join(kind)


def _is_installed(package: str) -> bool:
    return importlib.util.find_spec(package) is not None


def _version(package: str) -> str:
    """Of an installed package; some builds of it go by another name than the module."""
    try:
        return version(package)
    except PackageNotFoundError:
        return "unknown"


def _has_bf16() -> bool:
    try:
        from neurograft.inference.engines import openvino_cpu

        return "bf16" in openvino_cpu.capabilities()
    except Exception:  # an installation that is broken, in whatever way: trying the engine says how
        return False


def _first_line(error: Exception) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0]
