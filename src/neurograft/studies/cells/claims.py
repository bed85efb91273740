"""Claims: who works on a cell, so that no two do, and so that a dead worker's cell is taken over.

A cell under way has a folder ``work/<cell>.<attempt>`` with a file ``claim.json``, whose time of change
moves on for as long as its worker lives. A worker of this machine that is gone is known by its process;
one of another machine by a claim that stood still for the length of the lease. Its folder is then renamed,
which takes it from under a worker that lives after all and lets the new one continue what is there.
"""

import json
import os
import platform
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import psutil

CLAIM = "claim.json"
BEAT_SECONDS = 2.0
LEASE_SECONDS = 60.0
_POLL_SECONDS = 0.1


class ClaimLostError(Exception):
    """Somebody else has taken this cell over."""


@contextmanager
def claimed(work: Path, identifier: str, finished: Path, lease_seconds: float = LEASE_SECONDS) -> Iterator[Path | None]:
    """Hold a cell's working folder for the length of the block.

    Args:
        work: folder of the cells under way.
        identifier: of the cell.
        finished: what exists once the cell is done; a worker who waits for another stops at that.
        lease_seconds: how long a claim of another machine must stand still to be taken over.

    Yields:
        The working folder, with what an earlier attempt left in it, or ``None`` when somebody else has
        finished the cell meanwhile.
    """
    folder = _take(work, identifier, finished, lease_seconds)
    if folder is None:
        yield None
        return
    stop = threading.Event()
    beat = threading.Thread(target=_beat, args=(folder / CLAIM, stop), daemon=True)
    beat.start()
    try:
        yield folder
    finally:
        stop.set()
        beat.join()


def holder_of(folder: Path) -> dict[str, object] | None:
    """Who holds a working folder: host, process and its start; ``None`` where there is no claim."""
    try:
        content = json.loads((folder / CLAIM).read_text("utf-8"))
    except (OSError, ValueError):
        return None
    return content if isinstance(content, dict) else None


def require_claim(folder: Path) -> None:
    """Refuse to go on with a cell that somebody has taken over.

    Raises:
        ClaimLostError: the folder is another's by now.
    """
    holder = holder_of(folder)
    mine = _me()
    if holder is None or {key: holder.get(key) for key in mine} != mine:
        raise ClaimLostError(f"{folder} has been taken over by {holder or 'somebody'}")


def give_up(folder: Path) -> None:
    """Leave a cell, with all that its folder holds, to whoever tries it next."""
    with suppress(OSError):
        (folder / CLAIM).unlink()


def is_gone(holder: dict[str, object]) -> bool:
    """Whether a holder on this machine has ended; false for other machines, of which nothing is known."""
    pid = holder.get("pid")
    if holder.get("host") != platform.node() or not isinstance(pid, int):
        return False
    try:
        return round(psutil.Process(pid).create_time(), 1) != holder.get("started")
    except psutil.NoSuchProcess:
        return True
    except psutil.AccessDenied:
        return False


def _take(work: Path, identifier: str, finished: Path, lease_seconds: float) -> Path | None:
    """Make or take over the working folder; wait for a holder that lives."""
    work.mkdir(parents=True, exist_ok=True)
    mine = _me()
    seen: tuple[object, float] | None = None
    while not finished.exists():
        attempts = _attempts(work, identifier)
        try:
            if not attempts:
                folder = work / f"{identifier}.0"
                folder.mkdir()
                _write_claim(folder, mine)
                return folder
            folder = attempts[-1]
            holder = holder_of(folder)
            if holder is not None and {key: holder.get(key) for key in mine} == mine:
                _write_claim(folder, mine)
                return folder
            # A folder without a claim belongs to somebody who is about to write it, who died just before, or who
            # gave the cell up.
            mark = (folder.name, (folder / CLAIM).stat().st_mtime_ns if holder is not None else None)
        except OSError:
            continue  # it was renamed or finished a moment ago
        if seen is None or seen[0] != mark:
            seen = (mark, time.monotonic())
        still_seconds = time.monotonic() - seen[1]
        patience = lease_seconds if holder is not None else min(lease_seconds, 2 * BEAT_SECONDS)
        if (holder is not None and is_gone(holder)) or still_seconds >= patience:
            taken = _take_over(folder, work / f"{identifier}.{_attempt(folder) + 1}", mine)
            if taken is not None:
                return taken
            continue
        time.sleep(_POLL_SECONDS)
    return None


def _take_over(folder: Path, renamed: Path, mine: dict[str, object]) -> Path | None:
    """Rename a dead worker's folder; of two who try, one succeeds."""
    try:
        os.rename(folder, renamed)
        _write_claim(renamed, mine)
    except OSError:
        return None
    # Locks inside belong to the dead worker, perhaps of another machine, which they would wait for.
    for lock in renamed.rglob(".*.lock"):
        lock.unlink(missing_ok=True)
    return renamed


def _write_claim(folder: Path, mine: dict[str, object]) -> None:
    """Write a claim into a folder that is there.

    Raises:
        FileNotFoundError: it has been taken over meanwhile. It must not come into being again: two workers
            would then hold the cell.
    """
    temporary = folder / f".{os.getpid()}.{threading.get_ident()}.{CLAIM}"
    temporary.write_text(json.dumps(mine | {"since": time.time()}) + "\n", "utf-8")
    os.replace(temporary, folder / CLAIM)


def _attempts(work: Path, identifier: str) -> list[Path]:
    return sorted((path for path in work.glob(f"{identifier}.*") if path.suffix[1:].isdigit()), key=_attempt)


def _attempt(folder: Path) -> int:
    return int(folder.suffix[1:])


def _beat(claim: Path, stop: threading.Event) -> None:
    while not stop.wait(BEAT_SECONDS):
        try:
            os.utime(claim)
        except FileNotFoundError:
            return  # renamed: the cell has been taken over
        except OSError:
            continue  # a network's folder that does not answer for a moment


def _me() -> dict[str, object]:
    own = psutil.Process()
    return {"host": platform.node(), "pid": os.getpid(), "started": round(own.create_time(), 1)}
