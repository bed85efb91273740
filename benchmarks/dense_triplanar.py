"""The tri-planar network of P5 over whole blocks, against patch by patch on the same processor.

Both ways answer for every voxel of a block and end with logits. Patch by patch cuts the three planes through
each voxel and passes them in batches; whole blocks pass once. Each row is a process of its own; times are the
fastest of a few repetitions, in processor time (of all threads), which other work on the machine does not add
to; memory is what the process's peak grew by. The ratio is per voxel.

    python benchmarks/dense_triplanar.py                   # one thread
    python benchmarks/dense_triplanar.py --threads 2 --out benchmarks/results/dense_triplanar.md
"""

import argparse
import json
import platform
import resource
import subprocess
import sys
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import torch
from torch import Tensor

from neurograft.networks.triplanar import TriplanarNetwork, cut_planes

PATCHES = (1, 32, 128, 256)
"""Patches a pass, patch by patch."""
BLOCKS = (16, 32, 48, 64)
"""Sides of whole blocks, in voxels."""
VOXELS_BY_PATCH = 512
"""Voxels that are timed patch by patch."""


def main() -> int:
    """Measure all rows, each in its own process, or one."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--repetitions", type=int, default=3)
    parser.add_argument("--out", type=Path, help="write the table there")
    parser.add_argument("--one", nargs=2, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    if arguments.one is not None:
        kind, size = arguments.one
        print(json.dumps(measure(kind, int(size), arguments.repetitions)))
        return 0
    rows = [("patches", size) for size in PATCHES] + [("block", size) for size in BLOCKS]
    measured = []
    for kind, size in rows:
        command = [sys.executable, __file__, "--one", kind, str(size), "--threads", str(arguments.threads)]
        done = subprocess.run(
            [*command, "--repetitions", str(arguments.repetitions)], capture_output=True, text=True, check=True
        )
        measured.append(json.loads(done.stdout.splitlines()[-1]))
    fastest = min(row["microseconds"] for row in measured[: len(PATCHES)])
    lines = [
        "| way | processor µs a voxel | times as fast as the fastest patches | largest difference | memory (MiB) |",
        "|---|---:|---:|---:|---:|",
    ]
    for (kind, size), row in zip(rows, measured, strict=True):
        way = f"{size} patches a pass" if kind == "patches" else f"block of {size} x {size} x {size}"
        difference = "" if kind == "patches" else f"{row['difference']:.1e}"
        ratio = fastest / row["microseconds"]
        lines.append(f"| {way} | {row['microseconds']:.1f} | {ratio:.1f} | {difference} | {row['mib']:.0f} |")
    lines += [
        "",
        f"- command: python benchmarks/dense_triplanar.py --threads {arguments.threads}",
        f"- hardware: CPU, {arguments.threads} threads, {platform.system()} {platform.machine()}",
        f"- torch: {torch.__version__}",
        f"- date: {datetime.now(UTC):%Y-%m-%d}",
    ]
    print("\n".join(lines))
    if arguments.out:
        arguments.out.write_text("\n".join(lines) + "\n", "utf-8")
    return 0


def measure(kind: str, size: int, repetitions: int) -> dict[str, float]:
    """Time a voxel, memory, and how far whole blocks are from single patches, on logits of order one."""
    torch.manual_seed(0)
    network = TriplanarNetwork(1, 15, 15).eval()
    side = 31 + (size if kind == "block" else round(VOXELS_BY_PATCH ** (1 / 3)) + 1)
    block = torch.randn(1, 16, side, side, side)
    before = peak_mib()
    with torch.inference_mode():
        if kind == "block":
            seconds = fastest_seconds(lambda: network(block), repetitions)
            answer = network(block)[0]
            places = [(0, 0, 0), (size - 1,) * 3, *torch.randint(0, size, (30, 3)).tolist()]
            patches = torch.stack([patch_at(block, place)[0] for place in places])
            alone = network(patches)[..., 0, 0, 0]
            at_once = torch.stack([answer[:, place[0], place[1], place[2]] for place in places])
            difference, voxels = float((alone - at_once).abs().max()), size**3
        else:
            voxels = VOXELS_BY_PATCH if size > 1 else VOXELS_BY_PATCH // 8
            count = side - 31
            places = [(n // count**2, n // count % count, n % count) for n in range(voxels)]

            def one_by_one() -> None:
                for first in range(0, voxels, size):
                    planes = [planes_at(block, place) for place in places[first : first + size]]
                    network(torch.cat(planes))

            seconds, difference = fastest_seconds(one_by_one, repetitions), 0.0
    return {"microseconds": seconds / voxels * 1e6, "mib": peak_mib() - before, "difference": difference}


def patch_at(block: Tensor, place: tuple[int, ...]) -> Tensor:
    """(1, C, 32, 32, 32): what single voxels are answered from."""
    i, j, k = place
    return block[:, :, i : i + 32, j : j + 32, k : k + 32]


def planes_at(block: Tensor, place: tuple[int, ...]) -> Tensor:
    """(1, C, 3, 32, 32): its three planes, which is all that is copied."""
    return cut_planes(patch_at(block, place))


def fastest_seconds(work: Callable[[], object], repetitions: int) -> float:
    """The fastest of some repetitions, in processor time, after one that warms up."""
    work()
    seconds = []
    for _ in range(repetitions):
        start = time.process_time()
        work()
        seconds.append(time.process_time() - start)
    return min(seconds)


def peak_mib() -> float:
    """The process's largest resident set so far; Linux gives KiB, macOS bytes."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (2**20 if sys.platform == "darwin" else 2**10)


if __name__ == "__main__":
    raise SystemExit(main())
