"""What a table of measurements must say of the run that made it."""

import os
import sys
from collections.abc import Sequence
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path

import psutil


def provenance(threads: int | None, packages: Sequence[str], peers: Sequence[str] = ()) -> str:
    """Hardware, load, versions, date and command, in a line.

    Args:
        threads: that PyTorch used; ``None`` where that is said elsewhere.
        packages: of this environment, by their names.
        peers: name and version of what ran in others.
    """
    script = Path(sys.argv[0]).name
    # Paths of one machine say nothing on another.
    words = [Path(word).name if word.startswith("/") else word for word in sys.argv[1:]]
    versions = ", ".join([*(f"{name} {version(name)}" for name in packages), *peers])
    used = "" if threads is None else f"{threads} threads, "
    load = f"load {os.getloadavg()[0]:.1f} at the end, " if hasattr(os, "getloadavg") else ""
    return (
        f"{used}{processor()}, {psutil.cpu_count()} cores, {load}{versions}; {datetime.now(UTC).date().isoformat()}; "
        f"`{' '.join(['python', f'benchmarks/{script}', *words])}`."
    )


def processor() -> str:
    """Its name, where the system tells it."""
    try:
        for line in Path("/proc/cpuinfo").read_text("utf-8").splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    except OSError:
        pass
    return "an unnamed processor"
