"""Hand out cells in the order of what they wait for, and keep the ledger."""

import logging
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field

from neurograft.studies.cells.cell import Cell
from neurograft.studies.cells.running import Outcome
from neurograft.studies.executors.base import Executor
from neurograft.studies.folder import StudyFolder
from neurograft.studies.kept_models import ModelKeeper, put_back, to_train_again
from neurograft.studies.protocol.schema import KeepModels

logger = logging.getLogger(__name__)

Progress = Callable[[int, int, str], None]


@dataclass
class ScheduleResult:
    """How a schedule ended.

    Attributes:
        done: cells finished now.
        kept: cells that were finished before.
        failed: identifier -> error, those included that waited for a failed one.
    """

    done: int = 0
    kept: int = 0
    failed: dict[str, str] = field(default_factory=dict)


def run_cells(
    cells: Sequence[Cell],
    folder: StudyFolder,
    executor: Executor,
    progress: Progress | None = None,
    keep_models: KeepModels = "all",
) -> ScheduleResult:
    """Run all cells that have no result yet.

    Cells that failed in an earlier run are tried again. One that fails does not stop the others; those
    that wait for it are recorded as failed with it.

    Args:
        cells: each after those that it waits for.
        folder: of the study.
        executor: runs them.
        progress: called with cells finished, cells in all, and the title of the last one.
        keep_models: whose weights stay when no cell waits for them any more.
    """
    result = ScheduleResult()
    there = folder.finished()
    by_id = {cell.id: cell for cell in cells}
    for identifier in to_train_again(folder, by_id, there):
        put_back(folder, identifier)
        there.discard(identifier)
    keeper = ModelKeeper(folder, by_id, there, keep_models)
    waits: dict[str, int] = {}
    followers: dict[str, list[str]] = {}
    ready: deque[str] = deque()
    for identifier, cell in by_id.items():
        if identifier in there:
            result.kept += 1
            continue
        folder.failure(identifier).unlink(missing_ok=True)
        missing = [other for other in cell.after if other not in there]
        waits[identifier] = len(missing)
        for other in missing:
            followers.setdefault(other, []).append(identifier)
        if not missing:
            ready.append(identifier)
    folder.clear_work(there)
    folder.note("run", cells=len(cells), kept=result.kept, workers=executor.workers)
    running: set[str] = set()
    while ready or running:
        while ready and len(running) < executor.capacity:
            identifier = ready.popleft()
            running.add(identifier)
            folder.note("start", cell=identifier)
            executor.submit(by_id[identifier])
        for outcome in executor.outcomes():
            running.discard(outcome.cell)
            cell = by_id[outcome.cell]
            _note(folder, cell, outcome)
            if outcome.status == "failed":
                _fail(cell, outcome, by_id, followers, folder, result)
            else:
                result.done += 1
                keeper.finished(cell)
                freed = []
                for other in followers.pop(outcome.cell, ()):
                    waits[other] -= 1
                    if waits[other] == 0:
                        freed.append(other)
                # What was waited for is finished first, so that models are used soon after they are made.
                ready.extendleft(reversed(freed))
            if progress is not None:
                progress(result.done + result.kept + len(result.failed), len(by_id), cell.title)
    folder.note("end", done=result.done, failed=len(result.failed))
    return result


def _note(folder: StudyFolder, cell: Cell, outcome: Outcome) -> None:
    facts = {"cell": cell.id, "kind": cell.kind, "seconds": round(outcome.seconds, 3), "host": outcome.host}
    folder.note(outcome.status, **facts, **({"error": outcome.error} if outcome.error else {}))


def _fail(
    cell: Cell,
    outcome: Outcome,
    by_id: dict[str, Cell],
    followers: dict[str, list[str]],
    folder: StudyFolder,
    result: ScheduleResult,
) -> None:
    """Record a failure, and with it all cells that wait for this one."""
    logger.error("%s failed: %s", cell.title, outcome.error)
    result.failed[cell.id] = outcome.error
    if not folder.failure(cell.id).is_file():
        folder.record_failure(cell, {"error": outcome.error, "input": False, "traceback": "", "host": outcome.host})
    for identifier in _all_after(cell.id, followers):
        if identifier in result.failed:
            continue
        waiting = by_id[identifier]
        reason = f"it waits for {cell.title!r}, which failed"
        result.failed[identifier] = reason
        folder.record_failure(waiting, {"error": reason, "input": False, "traceback": "", "host": ""})


def _all_after(identifier: str, followers: dict[str, list[str]]) -> Iterable[str]:
    waiting = deque(followers.pop(identifier, ()))
    while waiting:
        following = waiting.popleft()
        yield following
        waiting.extend(followers.get(following, ()))
