"""Cells in processes of this machine, which live on from cell to cell."""

import logging
import multiprocessing
import os
import threading
from collections import deque
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from multiprocessing.connection import Connection, wait
from multiprocessing.context import SpawnProcess
from pathlib import Path

import psutil

from neurograft.allocator import keep_freed_memory
from neurograft.studies.cells.cell import Cell
from neurograft.studies.cells.claims import LEASE_SECONDS
from neurograft.studies.cells.running import Outcome, run_cell
from neurograft.studies.executors.base import MOST_ATTEMPTS, vanished

logger = logging.getLogger(__name__)

RESERVED_MIB = 2048
"""Memory that is left to everything else."""


def fitting_workers(threads: int, memory_mib: int) -> int:
    """How many cells this machine's cores and memory carry side by side, at least one."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    memory = psutil.virtual_memory().available / 2**20 - RESERVED_MIB
    return max(1, min(cores // threads, int(memory // memory_mib)))


@dataclass
class _Worker:
    process: SpawnProcess
    connection: Connection
    cell: Cell | None = None


@dataclass
class LocalExecutor:
    """Worker processes of this machine.

    A worker that is killed is replaced, and its cell is run again; workers end with the process that
    started them, even if that is killed.

    Attributes:
        root: the study's folder.
        workers: how many.
        threads: of computation in each.
        gpus: names of GPUs, as in ``CUDA_VISIBLE_DEVICES``, that are given to workers in turn; empty to leave
            them as they are.
        lease_seconds: see `neurograft.studies.cells.claims`.
    """

    root: Path
    workers: int
    threads: int = 1
    gpus: Sequence[str] = ()
    lease_seconds: float = LEASE_SECONDS
    _all: list[_Worker] = field(default_factory=list)
    _queue: deque[Cell] = field(default_factory=deque)
    _lost: dict[str, int] = field(default_factory=dict)

    @property
    def capacity(self) -> int:
        """One cell a worker: what waits here could have waited where it came from."""
        return self.workers

    def submit(self, cell: Cell) -> None:
        """Hand a cell to a free worker, or let it wait for one."""
        self._queue.append(cell)
        self._assign()

    def outcomes(self) -> Iterator[Outcome]:
        """Wait for one worker or more to report or to vanish."""
        busy = [worker for worker in self._all if worker.cell is not None]
        if not busy:
            return
        ready = wait([item for worker in busy for item in (worker.connection, worker.process.sentinel)])
        for worker in busy:
            if worker.connection in ready or worker.process.sentinel in ready:
                outcome = self._hear(worker)
                if outcome is not None:
                    yield outcome
        self._assign()

    def close(self) -> None:
        """Let idle workers end, and end the others."""
        for worker in self._all:
            if worker.cell is None:
                with suppress(OSError):
                    worker.connection.send(None)
            else:
                worker.process.terminate()
        for worker in self._all:
            worker.process.join(10)
            if worker.process.is_alive():
                worker.process.kill()
                worker.process.join()
            worker.connection.close()
        self._all.clear()

    def _assign(self) -> None:
        while self._queue:
            worker = next((one for one in self._all if one.cell is None), None)
            if worker is None:
                if len(self._all) >= self.workers:
                    return
                worker = self._start(len(self._all))
                self._all.append(worker)
            cell = self._queue.popleft()
            try:
                worker.connection.send(cell.to_dict())
                worker.cell = cell
            except OSError:
                # It was killed while it had nothing to do.
                self._replace(worker)
                self._queue.appendleft(cell)

    def _hear(self, worker: _Worker) -> Outcome | None:
        """What a worker says of its cell; nothing when it vanished and the cell is run again."""
        cell = worker.cell
        assert cell is not None
        try:
            if worker.connection.poll():
                outcome: Outcome = worker.connection.recv()
                worker.cell = None
                return outcome
        except (EOFError, OSError):
            pass
        if worker.process.is_alive():
            worker.process.join(1)
        logger.warning("the worker of %r vanished (exit code %s)", cell.title, worker.process.exitcode)
        self._replace(worker)
        self._lost[cell.id] = self._lost.get(cell.id, 0) + 1
        if self._lost[cell.id] >= MOST_ATTEMPTS:
            return vanished(cell, self._lost[cell.id])
        self._queue.appendleft(cell)
        return None

    def _replace(self, worker: _Worker) -> None:
        place = self._all.index(worker)
        worker.process.kill()
        worker.process.join()
        worker.connection.close()
        self._all[place] = self._start(place)

    def _start(self, number: int) -> _Worker:
        # Not forked: a process that has run threads must not be.
        context = multiprocessing.get_context("spawn")
        ours, theirs = context.Pipe()
        gpu = self.gpus[number % len(self.gpus)] if self.gpus else None
        with _environment(self.threads, gpu):
            process = context.Process(
                target=_serve, args=(theirs, str(self.root), self.lease_seconds), name=f"study-worker-{number}"
            )
            process.start()
        theirs.close()
        return _Worker(process, ours)


@contextmanager
def _environment(threads: int, gpu: str | None) -> Iterator[None]:
    """The variables that a worker is to start with; numerical libraries read them once."""
    wanted = {"OMP_NUM_THREADS": str(threads), "MKL_NUM_THREADS": str(threads)}
    if gpu is not None:
        wanted["CUDA_VISIBLE_DEVICES"] = gpu
    before = {name: os.environ.get(name) for name in wanted}
    os.environ.update(wanted)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value


def _serve(connection: Connection, root: str, lease_seconds: float) -> None:
    """Run cells until told to end, or until the process that started this one is gone."""
    keep_freed_memory()
    parent = multiprocessing.parent_process()
    if parent is not None:
        threading.Thread(target=_end_with, args=(parent.sentinel,), daemon=True).start()
    logging.getLogger("neurograft").setLevel(logging.ERROR)
    while True:
        try:
            content = connection.recv()
        except (EOFError, OSError):
            return
        if content is None:
            return
        connection.send(run_cell(root, content, lease_seconds))


def _end_with(sentinel: int) -> None:
    wait([sentinel])
    os._exit(1)
