"""How long training steps and predictions of a recipe will take here, from short measurements.

A network's time grows with the voxels it sees, so a smaller patch is measured and scaled. Weights do
not matter to speed: they are random. Where a recipe leaves something to the cohort, one image
channel and two labels are assumed.
"""

import math
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from math import prod
from pathlib import Path

import torch

from neurograft.hardware import ComputeChoice, choose_compute, step_seconds
from neurograft.imaging.grid import Shape
from neurograft.inference.engines import Engine, TorchEngine
from neurograft.inference.engines.interface import describe
from neurograft.inference.sliding_window import window_starts
from neurograft.inference.windows import window_size
from neurograft.networks import UnitNetwork, build_network
from neurograft.recipes.schema import Recipe

LABELS = 2
PRIOR_CHANNELS = 15
"""Of an atlas of the fourteen sub-cortical structures, background included."""

MEASURED_VOXELS = 48**3
"""Patches and windows are halved along their longest axis until they have no more."""

MEASURED_PATCHES = 8
"""Of a batch of single voxels, so many are measured."""

SCAN_MM = (160.0, 192.0, 160.0)
"""A brain with a margin."""

CALLS = 2
"""Timed calls of an engine, after one that warms up; the fastest counts."""


@dataclass(frozen=True)
class Expectation:
    """What to expect of a recipe.

    Attributes:
        recipe: its name.
        parameters: of its network.
        compute: how a step would be computed.
        step_seconds: of a training step, without its augmentation.
        windows: over a scan of `SCAN_MM` at the recipe's voxel size, 1 mm where it keeps the file's.
        scan_seconds: of a scan, by engine.
    """

    recipe: str
    parameters: int
    compute: str
    step_seconds: float
    windows: int
    scan_seconds: dict[str, float]


def expect(name: str, recipe: Recipe) -> Expectation:
    """Measure a recipe's network here."""
    prior = PRIOR_CHANNELS if recipe.preparation.prior == "channels" else 0
    outputs = LABELS + (recipe.task.output == "softmax")
    network = build_network(recipe.network, 1 + prior, outputs, 0, prior).eval()
    choice, seconds = _training(network, recipe)
    windows, scan_seconds = _prediction(network, recipe)
    parameters = sum(parameter.numel() for parameter in network.parameters())
    return Expectation(name, parameters, choice.describe(), seconds, windows, scan_seconds)


def _training(network: UnitNetwork, recipe: Recipe) -> tuple[ComputeChoice, float]:
    patch = network.padded_size(recipe.sampling.patch_size)
    batch = recipe.sampling.batch_size
    small = _reduced(patch, network)
    measured = min(batch, MEASURED_PATCHES) if prod(patch) == 1 else 1
    choice = choose_compute(network, recipe.compute, small, measured)
    seconds = choice.eager_seconds or step_seconds(network, choice, small, measured)
    return choice, seconds * batch / measured * prod(patch) / prod(small)


def _prediction(network: UnitNetwork, recipe: Recipe) -> tuple[int, dict[str, float]]:
    spacing = recipe.preparation.spacing_mm or (1.0, 1.0, 1.0)
    extents = [math.ceil(length / side) for length, side in zip(SCAN_MM, spacing, strict=True)]
    if recipe.preparation.crop_size is not None:
        wanted = recipe.preparation.crop_size
        extents = [extent if length is None else length for extent, length in zip(extents, wanted, strict=True)]
    window = window_size(network, recipe)
    overlap = recipe.inference.overlap
    places = [(max(extent, side), side) for extent, side in zip(extents, window, strict=True)]
    windows = prod(len(window_starts(extent, side, overlap)) for extent, side in places)
    small = _reduced(window, network)
    scale = windows * prod(window) / prod(small)
    shape = (1, network.in_channels, *network.context.block(small))
    seconds = {}
    with tempfile.TemporaryDirectory() as folder:
        for make in _engines(network, shape, Path(folder)):
            try:
                engine = make()
                seconds[describe(engine)] = _call_seconds(engine, shape) * scale
            except Exception:  # an exporter that does not know an operation: predict says so and stays with PyTorch
                continue
    return windows, seconds


def _engines(network: UnitNetwork, shape: tuple[int, ...], folder: Path) -> list[Callable[[], Engine]]:
    makers: list[Callable[[], Engine]] = [lambda: TorchEngine(network)]
    try:
        from neurograft.inference.engines import openvino_cpu
    except ImportError:
        return makers

    def exported(precision: openvino_cpu.Precision) -> Engine:
        if not (folder / openvino_cpu.FILE).is_file():
            openvino_cpu.export(network, shape, folder)
        return openvino_cpu.OpenVinoEngine(folder, precision, torch.get_num_threads())

    makers.append(lambda: exported("fp32"))
    if "bf16" in openvino_cpu.capabilities():
        makers.append(lambda: exported("bf16"))
    return makers


def _call_seconds(engine: Engine, shape: tuple[int, ...]) -> float:
    window = torch.randn(shape, generator=torch.Generator().manual_seed(0))
    times = []
    for _ in range(CALLS + 1):
        start = time.perf_counter()
        engine(window)
        times.append(time.perf_counter() - start)
    return min(times[1:])


def _reduced(size: Shape, network: UnitNetwork) -> Shape:
    """A size that the network accepts, with the longest axes halved until it is small enough."""
    sides = list(size)
    while prod(sides) > MEASURED_VOXELS:
        axis = max(range(3), key=sides.__getitem__)
        sides[axis] = -(-sides[axis] // 2)
    first, second, third = network.padded_size((sides[0], sides[1], sides[2]))
    return first, second, third
