"""Seconds and memory of a peer's prediction, for those that run in its environment."""

import resource
import time
from collections.abc import Callable
from typing import Any

import torch


def timed(predict: Callable[[], Any], device: str) -> tuple[Any, dict[str, float]]:
    """What a prediction gives, and its ``seconds`` and ``peak_mib``.

    Args:
        predict: leaves nothing undone on a GPU when it returns.
        device: on a GPU the second of two calls is told of, since the first one starts the card, and memory is what
            PyTorch took there; else it is that of the process.
    """
    seconds, found = 0.0, None
    for _ in range(2 if device == "cuda" else 1):
        start = time.perf_counter()
        found = predict()
        seconds = time.perf_counter() - start
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    if device == "cuda":
        peak = torch.cuda.max_memory_allocated() / 2**20
    return found, {"seconds": seconds, "peak_mib": peak}
