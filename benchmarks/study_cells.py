"""What cells cost by themselves: many empty ones scheduled, finished, resumed and reported.

Run with:  python benchmarks/study_cells.py [CELLS] [WORKERS]
"""

import os
import shutil
import sys
import tempfile
import time
from pathlib import Path

import psutil

from neurograft.hardware import describe_machine
from neurograft.studies.cells.cell import Cell
from neurograft.studies.executors.local import LocalExecutor
from neurograft.studies.folder import StudyFolder
from neurograft.studies.scheduling import run_cells
from neurograft.studies.status import study_status


def make_cells(count: int) -> list[Cell]:
    """Groups of a hundred: a first cell, and others that wait for it."""
    cells: list[Cell] = []
    for number in range(count):
        after = () if number % 100 == 0 else (cells[number - number % 100].id,)
        cells.append(Cell("empty", {"value": number}, after, f"cell {number}"))
    return cells


def memory_mib() -> float:
    """Memory of this process now."""
    return float(psutil.Process().memory_info().rss) / 2**20


def main() -> None:
    """Print a line a stage."""
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 10_000
    workers = int(sys.argv[2]) if len(sys.argv) > 2 else 2
    root = Path(tempfile.mkdtemp(prefix="study-cells-"))
    folder = StudyFolder(root)
    print(f"{describe_machine()}; {count} empty cells, {workers} workers, folder on {root}")

    def timed(what: str, start: float) -> None:
        seconds = time.perf_counter() - start
        print(
            f"{what}: {seconds:.2f} s, {1000 * seconds / count:.2f} ms a cell, {memory_mib():.0f} MiB in this process"
        )

    start = time.perf_counter()
    cells = make_cells(count)
    folder.write_lines(folder.plan, (cell.to_dict() for cell in cells))
    timed("planned", start)
    memories: list[float] = []

    def told(done: int, total: int, title: str) -> None:
        if done % max(1, total // 10) == 0:
            memories.append(memory_mib())

    executor = LocalExecutor(root, workers)
    start = time.perf_counter()
    result = run_cells(cells, folder, executor, told)
    timed(f"finished {result.done}", start)
    executor.close()
    print("memory after each tenth, MiB:", " ".join(f"{value:.0f}" for value in memories))
    start = time.perf_counter()
    result = run_cells(folder.cells(), folder, LocalExecutor(root, workers))
    timed(f"resumed, {result.kept} kept", start)
    start = time.perf_counter()
    status = study_status(root)
    timed(f"status, {status.done} done", start)
    start = time.perf_counter()
    total = sum(folder.result(cell.id)["value"] for cell in cells)
    timed("results read", start)
    assert total == count * (count - 1) // 2
    size = sum(entry.stat().st_size for entry in root.rglob("*") if entry.is_file())
    print(
        f"on disk: {size / count:.0f} bytes a cell in {sum(1 for _ in root.rglob('*')) / count:.1f} files and folders"
    )
    shutil.rmtree(root)


if __name__ == "__main__":
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    main()
