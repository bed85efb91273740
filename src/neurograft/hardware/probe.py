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
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from itertools import product
from pathlib import Path

import torch

from neurograft.errors import InputError
from neurograft.hardware.gradients import gradient_fault, working_copy
from neurograft.networks import UnitNetwork
from neurograft.outputs import cache_folder, write_json
from neurograft.recipes.schema import ComputeConfig, Size

logger = logging.getLogger(__name__)

GRADIENTS_COMPARED = "gradients compared"
"""Choices that were kept before they were are not taken."""

TRIAL_STEPS = 3
"""Timed steps a combination, after one that warms up; the fastest counts."""


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
    """

    device: str
    precision: str
    channels_last: bool
    threads: int
    step_seconds: dict[str, float]

    def describe(self) -> str:
        """One line for a person."""
        layout = "channels last" if self.channels_last else "channels first"
        threads = f", {self.threads} threads" if self.device == "cpu" else ""
        return f"{self.device}, {self.precision}, {layout}{threads}"


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
    seconds = {option: _step_seconds(network, device, option, shape) for option in options}
    precision, channels_last, threads = _fastest_sound(network, device, shape, seconds, config)
    named = {_name(option): round(seconds[option], 4) for option in options}
    choice = ComputeChoice(device, precision, channels_last, threads, named)
    try:
        write_json(cache, asdict(choice))
    except OSError as error:
        logger.warning("the measurement is not kept for the next time: %s", error)
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
        with _threads(threads):
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
    return _step_seconds(network, choice.device, (choice.precision, choice.channels_last, choice.threads), shape)


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


def _step_seconds(network: UnitNetwork, device: str, option: Option, shape: tuple[int, ...]) -> float:
    precision, channels_last, threads = option
    with _threads(threads), working_copy(network, device, channels_last, shape) as (trial, image):
        times = []
        for _ in range(TRIAL_STEPS + 1):
            start = time.perf_counter()
            with torch.autocast(device, dtype=torch.bfloat16, enabled=precision == "bf16"):
                loss = trial(image).float().square().mean()
            loss.backward()
            trial.zero_grad()
            if device == "cuda":
                torch.cuda.synchronize()
            times.append(time.perf_counter() - start)
        return min(times[1:])


@contextmanager
def _threads(count: int) -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(count)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def _key(network: UnitNetwork, device: str, size: Size, batch_size: int, options: list[Option]) -> str:
    name = torch.cuda.get_device_name() if device == "cuda" else f"{platform.processor()} {_cpu_flags()}"
    # The printed network holds its kinds of norm and activation, which shapes alone do not tell apart.
    text = repr(
        (GRADIENTS_COMPARED, platform.node(), device, name, torch.__version__, str(network), size, batch_size, options)
    )
    return hashlib.sha256(text.encode()).hexdigest()[:24]


def _cpu_flags() -> str:
    return f"{torch.backends.cpu.get_cpu_capability()} {os.cpu_count()}"
