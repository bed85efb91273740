"""What this machine is, in a line."""

import platform
from pathlib import Path

import psutil
import torch


def describe_machine() -> str:
    """Processor, cores, memory, accelerator and operating system."""
    memory = psutil.virtual_memory().total / 2**30
    cores = psutil.cpu_count(logical=True)
    parts = [f"{_processor()}, {cores} cores, {memory:.0f} GiB memory"]
    if torch.cuda.is_available():
        parts.append(torch.cuda.get_device_name())
    parts.append(f"{platform.system()} {platform.machine()}")
    return ", ".join(parts)


def _processor() -> str:
    try:
        for line in Path("/proc/cpuinfo").read_text("utf-8").splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    except OSError:
        pass
    return platform.processor() or platform.machine()
