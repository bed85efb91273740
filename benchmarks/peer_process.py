"""A part of a benchmark in a process of its own, with the threads that it may use."""

import json
import os
import subprocess
from contextlib import suppress
from pathlib import Path
from typing import Any

import psutil

EVERY_SECONDS = 0.5
"""Between two looks at the memory."""


def run_part(command: list[str], cache: Path, threads: int, every_seconds: float = EVERY_SECONDS) -> dict[str, Any]:
    """Run a part, and read the JSON of its last line.

    Args:
        command: what to start.
        cache: neurograft's, so that nothing measured before helps or harms.
        threads: of whatever library asks for their number.
        every_seconds: between two looks at the memory. One holds the watched processes up for some milliseconds, more
            the more memory they have: every half second costs a training of a gigabyte three per cent.

    Returns:
        What it printed, with ``tree_mib``: most memory of it and its children, shared pages counted once.
    """
    printed, most = run_watched(command, cache, threads, every_seconds)
    lines = printed.splitlines()
    return {**(json.loads(lines[-1]) if lines else {}), "tree_mib": most}


def run_watched(
    command: list[str], cache: Path, threads: int, every_seconds: float = EVERY_SECONDS
) -> tuple[str, float]:
    """The same of any command: what it printed, and most memory, MiB."""
    environment = {**os.environ, "OMP_NUM_THREADS": str(threads), "NEUROGRAFT_CACHE": str(cache)}
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment)
    most = 0.0
    watched = psutil.Process(process.pid)
    while process.poll() is None:
        most = max(most, _tree_mib(watched))
        with suppress(subprocess.TimeoutExpired):
            process.wait(every_seconds)
    assert process.stdout is not None
    printed = process.stdout.read()
    if process.returncode:
        raise SystemExit(f"{' '.join(command)} ended with status {process.returncode}")
    return printed, most


def _tree_mib(process: psutil.Process) -> float:
    total = 0.0
    try:
        for one in (process, *process.children(recursive=True)):
            full = one.memory_full_info()
            total += getattr(full, "pss", full.rss) / 2**20
    except (psutil.NoSuchProcess, psutil.AccessDenied):
        return 0.0
    return total
