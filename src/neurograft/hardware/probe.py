"""Choose precision, memory format and threads for training on this machine, by trying them.

The fastest combination differs between machines and networks by factors, so it is measured: a
few training steps each, a second or two in all. The choice is kept in the user's cache under
the machine, the library version and the network, so that runs with one seed stay alike.
"""

import hashlib
import json
import logging
import os
import platform
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from importlib import metadata
from itertools import product
from pathlib import Path

import torch

from neurograft.errors import InputError
from neurograft.hardware.gradients import gradient_fault
from neurograft.hardware.trial_steps import step_times, thread_count
from neurograft.networks import UnitNetwork
from neurograft.networks.convolution import original_convolutions
from neurograft.outputs import cache_folder, write_json
from neurograft.recipes.schema import ComputeConfig, Size

logger = logging.getLogger(__name__)

STEPS_MEASURED = "gradients compared, instance norm and convolutions by loops"
"""Choices that were kept before a step was like that are not taken."""
COMPILED_FROM_SECONDS = 3600.0
"""It is not tried for trainings that are expected to be shorter: trying takes a minute, and mostly saves little."""

Option = tuple[str, bool, int]
"""Precision, channels last, threads."""


@dataclass(frozen=True)
class ComputeChoice:
    """How to train here.

    Attributes:
        device: "cpu", "cuda" or "mps".
        precision: "fp32", or "bf16" for mixed precision.
        channels_last: memory format of activations.
        threads: CPU threads.
        step_seconds: measured time of a step, by combination; empty when nothing was tried.
        compiled: whether steps are compiled.
    """

    device: str
    precision: str
    channels_last: bool
    threads: int
    step_seconds: dict[str, float]
    compiled: bool = False

    @property
    def eager_seconds(self) -> float | None:
        """Of a step as it was chosen, not compiled; None when nothing was tried."""
        return self.step_seconds.get(_name(_option(self)))

    def describe(self) -> str:
        """One line for a person."""
        layout = "channels last" if self.channels_last else "channels first"
        threads = f", {self.threads} threads" if self.device == "cpu" else ""
        return f"{self.device}, {self.precision}, {layout}{threads}{', compiled' if self.compiled else ''}"


def choose_compute(network: UnitNetwork, config: ComputeConfig, patch_size: Size, batch_size: int) -> ComputeChoice:
    """Measure what the recipe leaves open, or take it from the cache.

    Args:
        network: the network that will be trained; it is not changed.
        config: the recipe's compute section; what it fixes is not tried.
        patch_size: voxels of a training patch, before padding to the network's stride.
        batch_size: patches a step.

    Raises:
        InputError: the recipe asks for a device that is not here, or for bf16 where its gradients are wrong.
    """
    device = _device(config.device)
    size = _input_size(network, patch_size)
    options = _options(config, device, network)
    if len(options) == 1 and options[0][0] == "fp32":
        precision, channels_last, threads = options[0]
        return ComputeChoice(device, precision, channels_last, threads, {})
    cache = cache_folder() / "compute" / f"{_key(network, device, size, batch_size, options)}.json"
    known = _read_choice(cache)
    if known is not None:
        return known
    shape = (batch_size, network.in_channels, *size)
    logger.info("measuring training steps of this network on this machine, once")
    seconds = {option: step_times(network, device, option, shape)[1] for option in options}
    precision, channels_last, threads = _fastest_sound(network, device, shape, seconds, config)
    named = {_name(option): round(seconds[option], 4) for option in options}
    choice = ComputeChoice(device, precision, channels_last, threads, named)
    _keep(cache, choice)
    logger.info("seconds a step: %s", ", ".join(f"{name} {value:.3f}" for name, value in named.items()))
    return choice


def _fastest_sound(
    network: UnitNetwork, device: str, shape: tuple[int, ...], seconds: dict[Option, float], config: ComputeConfig
) -> Option:
    """The fastest option whose gradients can be trusted."""
    for option in sorted(seconds, key=seconds.__getitem__):
        precision, channels_last, threads = option
        if precision == "fp32":
            return option
        logger.info("comparing the gradients of %s with those of single precision", _name(option))
        with thread_count(threads):
            fault = gradient_fault(network, device, channels_last, shape)
        if not fault:
            return option
        logger.warning("%s is not used on this machine: %s", _name(option), fault)
    raise InputError(
        f"compute.precision is {config.precision}, and this machine computes wrong gradients with it for this network "
        f"and patches of {' x '.join(map(str, shape[2:]))} voxels",
        "Set compute.precision=auto, or another sampling.patch_size",
    )


def step_seconds(network: UnitNetwork, choice: ComputeChoice, patch_size: Size, batch_size: int) -> float:
    """Measure a training step computed in a given way.

    Args:
        network: it is not changed.
        choice: device, precision, memory format and threads.
        patch_size: voxels of a training patch, before padding to the network's stride.
        batch_size: patches a step.
    """
    shape = (batch_size, network.in_channels, *_input_size(network, patch_size))
    return step_times(network, choice.device, _option(choice), shape)[1]


def choose_compiling(
    network: UnitNetwork,
    config: ComputeConfig,
    choice: ComputeChoice,
    patch_size: Size,
    batch_size: int,
    expected_seconds: Callable[[float], float],
) -> ComputeChoice:
    """Decide whether a training's steps are compiled.

    ``compute.compile: auto`` compiles where that saves more time than it takes. Finding out takes as long as
    compiling, so it is tried for long trainings of one process only, and not where the recipe leaves nothing open.

    Args:
        network: the network that will be trained; it is not changed.
        config: the recipe's compute section.
        choice: the rest, chosen before.
        patch_size: voxels of a training patch, before padding to the network's stride.
        batch_size: patches a step.
        expected_seconds: of the whole training, given those of one step.

    Raises:
        InputError: the recipe asks for compiling, and it fails here, or gradients of a convolution in bf16 are wrong.
    """
    # The fastest of all may have been refused for its gradients.
    known = choice.eager_seconds
    if config.compile is False or (config.compile == "auto" and (known is None or config.devices * config.nodes > 1)):
        return choice
    size = _input_size(network, patch_size)
    shape = (batch_size, network.in_channels, *size)
    option = _option(choice)
    eager = known or step_times(network, choice.device, option, shape)[1]
    expected = expected_seconds(eager)
    if config.compile == "auto" and expected < COMPILED_FROM_SECONDS:
        return choice
    cache = cache_folder() / "compute" / f"{_key(network, choice.device, size, batch_size, [option, 'compiled'])}.json"
    trial = _read_trial(cache) or _try_compiling(network, choice, shape, cache)
    if config.compile is True:
        if trial.fault:
            raise InputError(
                f"compute.compile is true, and this network cannot be trained so here: {trial.fault}",
                "Set compute.compile=auto",
            )
        return replace(choice, compiled=True)
    if trial.fault:
        logger.info("steps are not compiled: %s", trial.fault)
        return choice
    saved = (eager - trial.step_seconds) * expected / eager
    pays = saved > trial.first_seconds
    logger.info(
        "a compiled step takes %.3f s and not %.3f s, after %.0f s of compiling: %s",
        trial.step_seconds,
        eager,
        trial.first_seconds,
        "taken" if pays else "not taken",
    )
    return replace(choice, compiled=pays)


@dataclass(frozen=True)
class _CompilingTrial:
    """How a compiled step did: seconds of the first and of a later one, or why there is none."""

    first_seconds: float
    step_seconds: float
    fault: str = ""


def _try_compiling(network: UnitNetwork, choice: ComputeChoice, shape: tuple[int, ...], cache: Path) -> _CompilingTrial:
    if choice.precision == "bf16":
        # The compiler chooses memory formats itself.
        for channels_last in (False, True) if not network.reads_planes else (False,):
            with original_convolutions():
                fault = gradient_fault(network, choice.device, channels_last, shape)
            if fault:
                return _CompilingTrial(0.0, 0.0, fault)
    logger.info("trying to compile a training step, which takes a minute or so")
    try:
        trial = _CompilingTrial(*step_times(network, choice.device, _option(choice), shape, compiled=True))
    except Exception as error:  # what a compiler may raise is not documented, and nothing depends on it
        reason = next(iter(str(error).strip().splitlines()), type(error).__name__)
        return _CompilingTrial(0.0, 0.0, f"compiling fails: {reason}")
    _keep(cache, trial)
    return trial


def _read_trial(cache: Path) -> _CompilingTrial | None:
    try:
        return _CompilingTrial(**json.loads(cache.read_text("utf-8")))
    except (OSError, ValueError, TypeError):
        return None


def _keep(cache: Path, found: ComputeChoice | _CompilingTrial) -> None:
    try:
        write_json(cache, asdict(found))
    except OSError as error:
        logger.warning("the measurement is not kept for the next time: %s", error)


def _option(choice: ComputeChoice) -> Option:
    return choice.precision, choice.channels_last, choice.threads


def _input_size(network: UnitNetwork, patch_size: Size) -> Size:
    """Voxels that the network reads for a patch."""
    size = network.context.block(network.padded_size(patch_size))
    if network.reads_planes and tuple(patch_size) == (1, 1, 1):
        return 3, size[1], size[2]
    return size


def _read_choice(cache: Path) -> ComputeChoice | None:
    """The choice that was kept; None when there is none, or it cannot be read."""
    try:
        return ComputeChoice(**json.loads(cache.read_text("utf-8")))
    except (OSError, ValueError, TypeError):
        return None


def _options(config: ComputeConfig, device: str, network: UnitNetwork) -> list[Option]:
    precisions = ["fp32", "bf16"] if config.precision == "auto" else [config.precision]
    layouts = [False, True] if config.channels_last == "auto" else [config.channels_last]
    if network.reads_planes:
        # Its convolutions see pictures, which have no such format.
        if config.channels_last is True:
            logger.warning("compute.channels_last does not concern a network that reads planes, and is left out")
        layouts = [False]
    cores = torch.get_num_threads()
    if config.threads != "auto":
        threads = [config.threads]
    elif device == "cpu" and cores >= 8:
        threads = [cores, cores // 2]
    else:
        threads = [cores]
    return list(product(precisions, layouts, threads))


def _name(option: Option) -> str:
    precision, channels_last, threads = option
    return f"{precision}/{'channels-last' if channels_last else 'channels-first'}/{threads}"


def _device(wanted: str) -> str:
    here = {"cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available(), "cpu": True}
    if wanted == "auto":
        return next(name for name, found in here.items() if found)
    if not here[wanted]:
        raise InputError(f"compute.device is {wanted}, which torch does not find here", "Set compute.device=auto")
    return wanted


def _key(network: UnitNetwork, device: str, size: Size, batch_size: int, options: Sequence[object]) -> str:
    name = torch.cuda.get_device_name() if device == "cuda" else f"{platform.processor()} {_cpu_flags()}"
    # The printed network holds its kinds of norm and activation, which shapes alone do not tell apart.
    text = repr(
        (STEPS_MEASURED, platform.node(), device, name, torch.__version__, str(network), size, batch_size, options)
    )
    return hashlib.sha256(text.encode()).hexdigest()[:24]


def _cpu_flags() -> str:
    from neurograft.networks.bf16_tile import multiplies_pairs  # slow to import

    loops = f"{metadata.version('numba')} {multiplies_pairs()}"
    return f"{torch.backends.cpu.get_cpu_capability()} {os.cpu_count()} {loops}"
