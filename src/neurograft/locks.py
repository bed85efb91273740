"""One writer at a time: a lock file that a dead process cannot hold."""

import errno
import json
import os
import platform
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil

from neurograft.errors import InputError


@contextmanager
def exclusive(lock: Path, what: Path) -> Iterator[None]:
    """Hold a lock file for the length of the block.

    A lock left by a process of this machine that is gone (killed, or before a restart) is taken
    over. One from another machine cannot be checked, so its user is asked.

    Args:
        lock: the file; it must not exist before, and is removed after.
        what: what is locked, for the message.

    Raises:
        InputError: another process holds the lock, or no file can be made there.
    """
    mine = json.dumps({"host": platform.node(), **_this_process()})
    while not _create(lock, mine, what):
        holder = _holder(lock)
        if holder is None:
            continue
        if holder.get("host") != platform.node() or _is_alive(holder):
            raise InputError(
                f"process {holder.get('pid')} on {holder.get('host')} is writing here",
                f"Wait for it, or choose another --out; if it is gone, delete {lock}",
                what,
            )
        # Renamed before it is removed: of two that find it stale, one takes it.
        stale = lock.with_name(f"{lock.name}.{os.getpid()}")
        try:
            os.rename(lock, stale)
        except FileNotFoundError:
            continue
        stale.unlink()
    try:
        yield
    finally:
        lock.unlink(missing_ok=True)


def _create(lock: Path, text: str, what: Path) -> bool:
    try:
        descriptor = os.open(lock, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o644)
    except FileExistsError:
        return False
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise
        raise InputError(f"the output cannot be made: {error.strerror}", "Choose another --out", what) from error
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        file.write(text)
    return True


def _holder(lock: Path) -> dict[str, object] | None:
    """Who holds the lock; nobody if it has just gone, and nobody alive if it cannot be read."""
    try:
        content = json.loads(lock.read_text("utf-8"))
    except FileNotFoundError:
        return None
    except ValueError:
        return {"host": platform.node()}
    return content if isinstance(content, dict) else {"host": platform.node()}


def _this_process() -> dict[str, object]:
    return {"pid": os.getpid(), "started": round(psutil.Process().create_time(), 1)}


def _is_alive(holder: dict[str, object]) -> bool:
    pid = holder.get("pid")
    if not isinstance(pid, int):
        return False
    try:
        # The number alone may have been given to another process since.
        return round(psutil.Process(pid).create_time(), 1) == holder.get("started")
    except psutil.NoSuchProcess:
        return False
    except psutil.AccessDenied:
        return True
