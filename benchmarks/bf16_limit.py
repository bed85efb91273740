"""What a device could do at best in bf16: the yardstick for what a network's arithmetic takes."""

import time
from collections.abc import Callable

import torch
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

EXTENT = {"cpu": 2048, "cuda": 8192}
ROUNDS = 20


def bf16_limit(device: str) -> float:
    """Operations a second of a product of two large bf16 matrices, the best of some rounds.

    A data sheet promises more than any product reaches; this is what a library reaches on this very device.
    """
    extent = EXTENT[device]
    one, other = (torch.randn((extent, extent), device=device).bfloat16() for _ in range(2))
    return 2 * extent**3 / min(device_seconds(lambda: one @ other, device) for _ in range(ROUNDS))


def device_seconds(work: Callable[[], object], device: str) -> float:
    """Wall time of some work, to the end of what it started on the device."""
    synchronise(device)
    start = time.perf_counter()
    work()
    synchronise(device)
    return time.perf_counter() - start


def synchronise(device: str) -> None:
    """Wait for a GPU; a CPU is done when a call returns."""
    if device == "cuda":
        torch.cuda.synchronize()


def forward_operations(network: Callable[[], nn.Module], shape: tuple[int, ...]) -> int:
    """Operations of a network's convolutions and products, a product and its sum being two.

    Args:
        network: makes it; no memory is taken for it.
        shape: of its input.
    """
    with torch.device("meta"):
        built, image = network().eval(), torch.empty(shape)
        with FlopCounterMode(display=False) as counter, torch.inference_mode():
            built(image)
    return int(counter.get_total_flops())


def device_peak_mib() -> float:
    """Most memory that PyTorch took on a GPU since the process began."""
    return torch.cuda.max_memory_allocated() / 2**20


def device_name(device: str) -> str:
    """Of a GPU with its memory; nothing of a CPU, which is named anyway."""
    if device == "cpu":
        return ""
    found = torch.cuda.get_device_properties(0)
    return f"{found.name}, {found.total_memory / 2**30:.0f} GiB, "
