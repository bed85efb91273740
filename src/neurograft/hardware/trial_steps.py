"""Training steps for trial: on a copy of a network, on noise, with a stopwatch."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from copy import deepcopy
from typing import cast

import torch
from torch import Tensor, nn

from neurograft.hardware.compiler import outputs_of
from neurograft.networks import UnitNetwork

TRIAL_STEPS = 3
"""Timed steps, after one that warms up; the fastest counts."""


def step_times(
    network: UnitNetwork, device: str, option: tuple[str, bool, int], shape: tuple[int, ...], compiled: bool = False
) -> tuple[float, float]:
    """Seconds of the first training step, and of the fastest of some more.

    Args:
        network: it is not changed.
        device: where it is trained.
        option: precision, channels last, threads.
        shape: of what the network reads.
        compiled: whether by PyTorch's compiler, which works in the first step.
    """
    precision, channels_last, threads = option
    with thread_count(threads), working_copy(network, device, channels_last, shape) as (trial, image):
        outputs = outputs_of(trial, compiled)
        times = []
        for _ in range(TRIAL_STEPS + 1):
            start = time.perf_counter()
            with torch.autocast(device, dtype=torch.bfloat16, enabled=precision == "bf16"):
                loss = torch.stack([answer.float().square().mean() for answer in outputs(image).values()]).sum()
            loss.backward()
            trial.zero_grad()
            if device == "cuda":
                torch.cuda.synchronize()
            times.append(time.perf_counter() - start)
        return times[0], min(times[1:])


@contextmanager
def working_copy(
    network: UnitNetwork, device: str, channels_last: bool, shape: tuple[int, ...]
) -> Iterator[tuple[UnitNetwork, Tensor]]:
    """A copy of a network in training, and noise for it to read, both in one memory format."""
    trial = cast(nn.Module, deepcopy(network)).to(device).train()
    image = torch.randn(shape, generator=torch.Generator().manual_seed(0)).to(device)
    if channels_last:
        trial = trial.to(memory_format=torch.channels_last_3d)  # type: ignore[call-overload]
        image = image.to(memory_format=torch.channels_last_3d)
    # Dropout must not move the generator that the training draws from.
    with torch.random.fork_rng(devices=[torch.cuda.current_device()] if device == "cuda" else []):
        yield cast(UnitNetwork, trial), image


@contextmanager
def thread_count(count: int) -> Iterator[None]:
    """So many threads of the CPU, and then as many as before."""
    before = torch.get_num_threads()
    torch.set_num_threads(count)
    try:
        yield
    finally:
        torch.set_num_threads(before)
