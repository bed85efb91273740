"""What this machine has, as far as it matters to networks."""

import importlib.util
import platform
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

import psutil
import torch

from neurograft.hardware.machine import describe_machine

LIBRARIES = ("torch", "openvino", "onnxruntime", "lightning", "monai", "SimpleITK", "numpy")

INSTRUCTIONS = ("avx2", "avx512f", "avx512_bf16", "amx_bf16", "asimd", "bf16")
"""Of those that a processor lists, the ones that convolutions profit from."""


@dataclass(frozen=True)
class MachineFacts:
    """A machine.

    Attributes:
        summary: in a line.
        cores: that this process may use; a limit of its container counts.
        threads: that PyTorch uses.
        memory_gib: in all; a limit of its container counts.
        free_memory_gib: now.
        instructions: of the processor, where the system lists them.
        accelerators: names of GPUs.
        versions: of the libraries that are installed.
    """

    summary: str
    cores: float
    threads: int
    memory_gib: float
    free_memory_gib: float
    instructions: tuple[str, ...]
    accelerators: tuple[str, ...]
    versions: dict[str, str]


def machine_facts(root: Path = Path("/")) -> MachineFacts:
    """Look at this machine.

    Args:
        root: of the file system in which limits and processor are looked up.
    """
    memory = psutil.virtual_memory()
    limit = _number(root / "sys/fs/cgroup/memory.max")
    total = memory.total if limit is None else min(memory.total, limit)
    accelerators = [torch.cuda.get_device_name(number) for number in range(torch.cuda.device_count())]
    if torch.backends.mps.is_available():
        accelerators.append("Apple GPU")
    return MachineFacts(
        describe_machine(),
        _cores(root),
        torch.get_num_threads(),
        total / 2**30,
        min(memory.available, total) / 2**30,
        _instructions(root),
        tuple(accelerators),
        {name: version(name) for name in LIBRARIES if importlib.util.find_spec(name) is not None}
        | {"python": platform.python_version()},
    )


def _cores(root: Path) -> float:
    """Cores that this process may use: those of its affinity, or the share that its container allows."""
    process = psutil.Process()
    affinity = len(process.cpu_affinity()) if hasattr(process, "cpu_affinity") else psutil.cpu_count() or 1
    try:
        quota, period = (root / "sys/fs/cgroup/cpu.max").read_text("utf-8").split()
        return min(float(affinity), float(quota) / float(period))
    except (OSError, ValueError):
        return float(affinity)


def _instructions(root: Path) -> tuple[str, ...]:
    try:
        lines = (root / "proc/cpuinfo").read_text("utf-8").splitlines()
    except OSError:
        return ()
    listed = next((line for line in lines if line.lower().startswith(("flags", "features"))), "").split()
    return tuple(name for name in INSTRUCTIONS if name in listed)


def _number(file: Path) -> int | None:
    try:
        return int(file.read_text("utf-8"))
    except (OSError, ValueError):
        return None
