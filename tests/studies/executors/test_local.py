"""Processes of this machine: each cell once, whatever happens to its worker."""

import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import numpy as np
import psutil

from neurograft.studies.cells.cell import Cell
from neurograft.studies.cells.claims import holder_of, is_gone
from neurograft.studies.executors.base import MOST_ATTEMPTS
from neurograft.studies.executors.inline import InlineExecutor
from neurograft.studies.executors.local import LocalExecutor, fitting_workers
from neurograft.studies.folder import StudyFolder
from neurograft.studies.scheduling import run_cells
from neurograft.studies.status import study_status


def chain(count: int, seconds: float = 0.0) -> list[Cell]:
    """A first cell, many that wait for it, and one that waits for all of these."""
    first = Cell("empty", {"value": -1}, (), "first")
    middle = [Cell("empty", {"value": n, "seconds": seconds}, (first.id,), f"cell {n}") for n in range(count)]
    return [first, *middle, Cell("empty", {"value": count}, tuple(cell.id for cell in middle), "last")]


def values(folder: StudyFolder, cells: list[Cell]) -> list[int]:
    return [folder.result(cell.id)["value"] for cell in cells]


def test_order_kept_work_and_results(tmp_path: Path) -> None:
    folder, cells = StudyFolder(tmp_path), chain(20)
    executor = LocalExecutor(tmp_path, 2)
    told: list[tuple[int, int, str]] = []
    result = run_cells(cells, folder, executor, lambda *told_now: told.append(told_now))
    executor.close()
    assert (result.done, result.kept, result.failed) == (22, 0, {})
    assert values(folder, cells) == [-1, *range(20), 20]
    assert told[-1] == (22, 22, "last")
    events = [(row["event"], row.get("cell")) for row in folder.read_lines(folder.ledger)]
    order = [cell for event, cell in events if event == "start"]
    assert order[0] == cells[0].id
    assert order[-1] == cells[-1].id
    again = run_cells(cells, folder, InlineExecutor(tmp_path))
    assert (again.done, again.kept) == (0, 22)


def test_a_failure_stops_nobody_but_those_that_wait_for_it(tmp_path: Path) -> None:
    folder = StudyFolder(tmp_path)
    bad = Cell("empty", {"fail": "no luck"}, (), "bad")
    after = Cell("empty", {"value": 1}, (bad.id,), "after")
    later = Cell("empty", {"value": 2}, (after.id,), "later")
    good = Cell("empty", {"value": 3}, (), "good")
    result = run_cells([bad, after, later, good], folder, InlineExecutor(tmp_path))
    assert (result.done, set(result.failed)) == (1, {bad.id, after.id, later.id})
    assert result.failed[bad.id] == "no luck"
    assert "waits for 'bad'" in result.failed[later.id]
    known = folder.failed()
    assert "RuntimeError" in known[bad.id]["traceback"]
    assert known[bad.id]["title"] == "bad"
    folder.write_lines(folder.plan, (cell.to_dict() for cell in (bad, after, later, good)))
    status = study_status(tmp_path)
    assert (status.cells, status.done, len(status.failed), status.waiting) == (4, 1, 3, 0)
    # A failed cell is tried again, and stands in for nothing.
    assert set(run_cells([bad, after, later, good], folder, InlineExecutor(tmp_path)).failed) == set(result.failed)


def test_killed_workers_are_replaced(tmp_path: Path) -> None:
    folder, cells = StudyFolder(tmp_path), chain(40, seconds=0.05)
    executor = LocalExecutor(tmp_path, 3)
    moments = np.random.default_rng(0)
    stop = threading.Event()
    kills = 0

    def kill() -> None:
        nonlocal kills
        while not stop.wait(float(moments.uniform(0.2, 0.4))):
            workers = [child for child in psutil.Process().children() if "spawn_main" in " ".join(child.cmdline())]
            # A cell whose workers are killed three times fails, and is to: that has a test of its own.
            spared = any(lost >= MOST_ATTEMPTS - 1 for lost in list(executor._lost.values()))
            if workers and folder.finished() and kills < 4 and not spared:
                workers[int(moments.integers(len(workers)))].send_signal(signal.SIGKILL)
                kills += 1

    killer = threading.Thread(target=kill)
    killer.start()
    result = run_cells(cells, folder, executor)
    stop.set()
    killer.join()
    executor.close()
    assert kills >= 2
    assert (result.done, result.failed) == (len(cells), {})
    assert values(folder, cells) == [-1, *range(40), 40]
    assert not list(folder.work.iterdir())


def test_a_cell_that_kills_its_workers_fails_in_the_end(tmp_path: Path) -> None:
    folder = StudyFolder(tmp_path)
    cell = Cell("empty", {"value": 0, "seconds": 30}, (), "deadly")
    executor = LocalExecutor(tmp_path, 1)
    stop = threading.Event()

    def kill() -> None:
        while not stop.wait(0.05):
            for work in folder.work.glob(f"{cell.id}.*"):
                holder = holder_of(work)
                if holder is not None and not is_gone(holder):
                    os.kill(int(str(holder["pid"])), signal.SIGKILL)

    killer = threading.Thread(target=kill)
    killer.start()
    result = run_cells([cell, Cell("empty", {"value": 1}, (), "other")], folder, executor)
    stop.set()
    killer.join()
    executor.close()
    assert f"vanished {MOST_ATTEMPTS} times" in result.failed[cell.id]
    assert result.done == 1


COORDINATOR = """
import sys
from pathlib import Path
from neurograft.studies.cells.cell import Cell
from neurograft.studies.executors.local import LocalExecutor
from neurograft.studies.folder import StudyFolder
from neurograft.studies.scheduling import run_cells
if __name__ == "__main__":
    root = Path(sys.argv[1])
    cells = [Cell("empty", {"value": n, "seconds": 0.05}, (), f"cell {n}") for n in range(30)]
    folder = StudyFolder(root)
    folder.write_lines(folder.plan, (cell.to_dict() for cell in cells))
    executor = LocalExecutor(root, 2)
    run_cells(cells, folder, executor)
    executor.close()
"""


def test_workers_end_with_the_study_that_is_killed(tmp_path: Path) -> None:
    script = tmp_path / "coordinate.py"
    script.write_text(COORDINATOR)
    root = tmp_path / "study"
    root.mkdir()
    first = subprocess.Popen([sys.executable, str(script), str(root)])
    deadline = time.monotonic() + 60
    while len(list(root.glob("cells/*/*"))) < 3 and time.monotonic() < deadline:
        time.sleep(0.02)
    workers = psutil.Process(first.pid).children()
    os.kill(first.pid, signal.SIGKILL)
    first.wait()
    psutil.wait_procs(workers, timeout=10)
    assert not [worker for worker in workers if worker.is_running() and worker.status() != psutil.STATUS_ZOMBIE]
    cut = study_status(root)
    assert 3 <= cut.done < 30
    assert cut.running == ()
    assert cut.seconds_left is not None
    subprocess.run([sys.executable, str(script), str(root)], check=True)
    assert study_status(root).done == 30
    assert sorted(StudyFolder(root).result(name)["value"] for name in StudyFolder(root).finished()) == list(range(30))


def test_workers_fit_the_machine() -> None:
    assert fitting_workers(threads=10_000, memory_mib=1) == 1
    assert fitting_workers(threads=1, memory_mib=10**9) == 1
    assert 1 <= fitting_workers(threads=1, memory_mib=1) <= (os.cpu_count() or 1)
