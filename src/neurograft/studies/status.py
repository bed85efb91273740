"""How a study stands, as any machine that sees its folder can tell, while it runs."""

import time
from dataclasses import dataclass
from pathlib import Path

from neurograft.studies.cells.claims import BEAT_SECONDS, CLAIM, holder_of, is_gone
from neurograft.studies.folder import StudyFolder

_ALIVE_SECONDS = 5 * BEAT_SECONDS


@dataclass(frozen=True)
class RunningCell:
    """A cell under way.

    Attributes:
        title: what it is.
        host: where.
        seconds: since its worker began.
    """

    title: str
    host: str
    seconds: float


@dataclass(frozen=True)
class FailedCell:
    """A cell that failed, or that waits for one.

    Attributes:
        title: what it is.
        error: why.
    """

    title: str
    error: str


@dataclass(frozen=True)
class StudyStatus:
    """How a study stands.

    Attributes:
        cells: in all.
        done: finished.
        failed: those that failed, and those that wait for one of them.
        running: under way, with a worker that lives.
        stalled: begun, and left by a worker that is gone.
        seconds_left: expected at the pace of the last run; ``None`` before anything has finished.
        workers: of the last run.
    """

    cells: int
    done: int
    failed: tuple[FailedCell, ...]
    running: tuple[RunningCell, ...]
    stalled: int
    seconds_left: float | None
    workers: int

    @property
    def waiting(self) -> int:
        """Cells that nobody has begun."""
        return self.cells - self.done - len(self.failed) - len(self.running) - self.stalled


def study_status(root: Path) -> StudyStatus:
    """Read how a study stands; nothing is written.

    Raises:
        InputError: there is no study.
    """
    folder = StudyFolder(root)
    cells = {cell.id: cell for cell in folder.cells()}
    done = folder.finished() & set(cells)
    known = {name: failure for name, failure in folder.failed().items() if name in cells and name not in done}
    left_out = done | set(known)
    running, stalled = [], 0
    for work in sorted(folder.work.glob("*.*")) if folder.work.is_dir() else ():
        identifier = work.name.partition(".")[0]
        if identifier not in cells or identifier in left_out:
            continue
        holder = holder_of(work)
        try:
            beat = (work / CLAIM).stat().st_mtime
        except OSError:
            continue  # finished a moment ago
        if holder is None or is_gone(holder) or time.time() - beat > _ALIVE_SECONDS:
            stalled += 1
            continue
        since = float(str(holder.get("since", beat)))
        running.append(RunningCell(cells[identifier].title, str(holder.get("host")), max(0.0, time.time() - since)))
    seconds: dict[str, list[float]] = {}
    workers = 1
    for event in folder.read_lines(folder.ledger):
        if event["event"] == "run":
            workers = int(event["workers"])
        elif event["event"] == "done":
            seconds.setdefault(event["kind"], []).append(float(event["seconds"]))
    return StudyStatus(
        cells=len(cells),
        done=len(done),
        failed=tuple(FailedCell(str(failure["title"]), str(failure["error"])) for failure in known.values()),
        running=tuple(running),
        stalled=stalled,
        seconds_left=_seconds_left([cells[one].kind for one in cells if one not in left_out], seconds, workers),
        workers=workers,
    )


def _seconds_left(kinds: list[str], seconds: dict[str, list[float]], workers: int) -> float | None:
    """Mean time of each kind's finished cells, for those that are left, over all workers."""
    if not seconds:
        return None
    overall = [value for values in seconds.values() for value in values]
    means = {kind: sum(values) / len(values) for kind, values in seconds.items()}
    return sum(means.get(kind, sum(overall) / len(overall)) for kind in kinds) / max(workers, 1)
