"""Run one cell: in a folder of its own, finished by one move, its failure recorded."""

import logging
import os
import platform
import shutil
import threading
import time
import traceback
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal

from neurograft.errors import InputError
from neurograft.outputs import write_json
from neurograft.studies.cells.cell import Cell
from neurograft.studies.cells.claims import (
    LEASE_SECONDS,
    ClaimLostError,
    claimed,
    give_up,
    holder_of,
    is_gone,
    require_claim,
)
from neurograft.studies.cells.kinds import CellContext, work_of
from neurograft.studies.folder import RESULT, StudyFolder

logger = logging.getLogger(__name__)

OUTPUT = "out"
"""In a working folder: what becomes the folder of the finished cell."""

_ONE_AT_A_TIME = threading.Lock()
"""Cells in one process would share its random numbers, its memory and its GPU, whatever its scheduler's threads."""


@dataclass(frozen=True)
class Outcome:
    """How an attempt at a cell ended.

    Attributes:
        cell: its identifier.
        status: ``done`` now, ``kept`` from before, or ``failed``.
        seconds: that the attempt took.
        host: where.
        error: what went wrong, in one line.
    """

    cell: str
    status: Literal["done", "kept", "failed"]
    seconds: float = 0.0
    host: str = ""
    error: str = ""


def run_cell(root: str | Path, content: Mapping[str, Any], lease_seconds: float = LEASE_SECONDS) -> Outcome:
    """Run a cell to its end, or continue an earlier attempt that was cut off.

    Never raises for what the cell's work raises: that is recorded, so that other cells go on.

    Args:
        root: the study's folder.
        content: the cell, as `Cell.to_dict` gives it.
        lease_seconds: how long a claim of another machine must stand still to be taken over.
    """
    with _ONE_AT_A_TIME:
        return _attempt(root, content, lease_seconds)


def _attempt(root: str | Path, content: Mapping[str, Any], lease_seconds: float) -> Outcome:
    folder, cell = StudyFolder(Path(root)), Cell.from_dict(content)
    start, began = time.monotonic(), datetime.now(UTC)
    final = folder.cell(cell.id)
    held: Path | None = None
    try:
        with claimed(folder.work, cell.id, final / RESULT, lease_seconds) as work:
            if work is None:
                _remove_left(folder, cell.id)
                return Outcome(cell.id, "kept", host=platform.node())
            held = work
            output = work / OUTPUT
            output.mkdir(exist_ok=True)
            facts = work_of(cell.kind)(CellContext(folder, cell, output))
            seconds = time.monotonic() - start
            record = {
                "kind": cell.kind,
                "title": cell.title,
                "seconds": round(seconds, 3),
                "started": began.isoformat(timespec="seconds"),
                "host": platform.node(),
                "attempt": int(work.suffix[1:]) + 1,
                **facts,
            }
            write_json(output / RESULT, record)
            require_claim(work)
            _publish(output, final)
        _remove_work(folder, cell.id)
        folder.failure(cell.id).unlink(missing_ok=True)
        return Outcome(cell.id, "done", seconds, platform.node())
    except Exception as error:
        if held is not None and not _is_held(held):
            # Whatever went wrong, the cell is another worker's by now, whose folder and outcome are not ours to
            # touch: this one waits for the other's result, or takes over in its turn.
            logger.warning("%s has been taken over: %s", cell.title, error)
            return _attempt(root, content, lease_seconds)
        if held is not None:
            # With its folder: the next attempt goes on from the resume point that lies there.
            give_up(held)
        failure = {
            "error": str(error) or type(error).__name__,
            "input": isinstance(error, InputError),
            "traceback": "" if isinstance(error, InputError) else traceback.format_exc(),
            "host": platform.node(),
            "time": datetime.now(UTC).isoformat(timespec="seconds"),
        }
        folder.record_failure(cell, failure)
        return Outcome(cell.id, "failed", time.monotonic() - start, platform.node(), str(failure["error"]))


def _is_held(work: Path) -> bool:
    try:
        require_claim(work)
    except ClaimLostError:
        return False
    return True


def _publish(output: Path, final: Path) -> None:
    """Move a finished folder into place; of two equal ones the first stays."""
    final.parent.mkdir(parents=True, exist_ok=True)
    try:
        os.rename(output, final)
    except OSError:
        if not (final / RESULT).is_file():
            raise


def _remove_left(folder: StudyFolder, identifier: str) -> None:
    """Tidy up after a worker that was lost between publishing and doing so itself; others' folders stay."""
    for attempt in folder.work.glob(f"{identifier}.*"):
        holder = holder_of(attempt)
        if holder is not None and is_gone(holder):
            shutil.rmtree(attempt, ignore_errors=True)


def _remove_work(folder: StudyFolder, identifier: str) -> None:
    for attempt in folder.work.glob(f"{identifier}.*"):
        shutil.rmtree(attempt, ignore_errors=True)
