"""Writing results so that a kill, a full disk or a second run never costs the user anything.

A directory of results grows under a hidden name beside its final one and is renamed when it is
complete; a file likewise. What already exists is refused unless overwriting was asked for, and
a directory is only ever replaced when neurograft made every file in it.
"""

import errno
import json
import os
import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import platformdirs

from neurograft.errors import InputError
from neurograft.locks import exclusive

if TYPE_CHECKING:
    import pandas as pd

MARKER = ".neurograft.json"
"""File in every directory made here: the request that made it and, when it is complete, the names of its files."""

_TEMPORARY = re.compile(r"\.\d+\.partial\..+")


@contextmanager
def atomic_file(path: Path) -> Iterator[Path]:
    """Yield a temporary path beside `path`; move it into place if the block succeeds.

    The temporary name ends as `path` does, so that writers which go by the suffix still work.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{os.getpid()}.partial.{path.name}")
    try:
        yield temporary
        os.replace(temporary, path)
    except OSError as error:
        # A full disk is reported without a name when it shows in a write.
        if error.errno is not None and error.filename is None:
            error.filename = str(path)
        raise
    finally:
        temporary.unlink(missing_ok=True)


def write_text(path: Path, text: str) -> None:
    """Write a text file in one move."""
    with atomic_file(path) as temporary:
        temporary.write_text(text, "utf-8")


def write_json(path: Path, value: Any) -> None:
    """Write a JSON file in one move, indented, with a final newline."""
    write_text(path, json.dumps(value, indent=2, ensure_ascii=False) + "\n")


def write_table(path: Path, table: "pd.DataFrame") -> None:
    """Write a table without its index in one move: by commas for ``.csv``, by tabs for anything else."""
    with atomic_file(path) as temporary:
        table.to_csv(temporary, sep="," if path.suffix == ".csv" else "\t", index=False)


@contextmanager
def staged_directory(final: Path, fingerprint: dict[str, Any], overwrite: bool = False) -> Iterator[Path]:
    """Yield a working directory that becomes `final` if the block succeeds.

    If an earlier attempt with the same fingerprint was cut off, its working directory is given
    again with what it holds, so that the block can resume.

    Args:
        final: where the results shall lie.
        fingerprint: plain JSON data that decides the results.
        overwrite: replace an earlier result, or an unfinished one with another fingerprint.

    Raises:
        InputError: `final` exists and may not be replaced, an unfinished run with other settings
            is in the way, another process is at it, or no directory can be made there.
    """
    final = final.resolve()
    check_free(final, overwrite)
    working = final.with_name(f".{final.name}.partial")
    fingerprint = json.loads(json.dumps(fingerprint))
    try:
        final.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise  # another place is no better mend than space in this one
        raise InputError(f"the output cannot be made: {error.strerror}", "Choose another --out", final) from error
    with exclusive(working.with_name(f"{working.name}.lock"), final):
        yield from _staged(working, final, fingerprint, overwrite)


def _staged(working: Path, final: Path, fingerprint: dict[str, Any], overwrite: bool) -> Iterator[Path]:
    if working.exists():
        _clear_working(working, final, fingerprint, overwrite)
    try:
        working.mkdir(exist_ok=True)
        write_json(working / MARKER, {"request": fingerprint})
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise  # another place is no better mend than space in this one
        raise InputError(f"the output cannot be made: {error.strerror}", "Choose another --out", final) from error
    try:
        yield working
    except InputError:
        # What is refused before anything was made leaves nothing behind.
        if not _files_in(working):
            shutil.rmtree(working, ignore_errors=True)
        raise
    write_json(working / MARKER, {"request": fingerprint, "files": _files_in(working)})
    # Somebody may have put files there in the meantime.
    check_free(final, overwrite)
    discarded = final.with_name(f".{final.name}.discarded")
    if (discarded / MARKER).is_file():
        shutil.rmtree(discarded)
    replaced = final.exists()
    if replaced:
        # Moved first and deleted last, so that a kill never leaves half of the old result in the way.
        os.replace(final, discarded)
    os.replace(working, final)
    if replaced:
        shutil.rmtree(discarded)


def check_free(final: Path, overwrite: bool = False) -> None:
    """Refuse an output directory that exists, unless it is empty or may be overwritten."""
    if not final.exists():
        return
    if not final.is_dir():
        raise InputError("the output must be a directory, but a file has this name", "Choose another --out", final)
    if os.path.ismount(final):
        raise InputError("the output is a mount point, which cannot be replaced", "Choose a directory in it", final)
    if not any(final.iterdir()):
        return
    if not overwrite:
        raise InputError("the output exists", "Choose another --out, or pass --overwrite to replace it", final)
    known = _read_marker(final).get("files")
    foreign = sorted(set(_files_in(final)) - set(known if isinstance(known, list) else ()))
    if known is None or foreign:
        names = f": {', '.join(foreign[:3])}{', ...' if len(foreign) > 3 else ''}" if foreign else ""
        raise InputError(
            f"the output holds files that neurograft did not make{names}",
            "Choose another --out; this one is not replaced",
            final,
        )


def _clear_working(working: Path, final: Path, fingerprint: dict[str, Any], overwrite: bool) -> None:
    """Make an earlier working directory usable, or refuse."""
    found = _read_marker(working).get("request")
    entries = list(working.iterdir()) if working.is_dir() else [working]
    if found is None and not all(_TEMPORARY.fullmatch(entry.name) for entry in entries):
        raise InputError(
            f"{working} is needed to work in, and holds files that neurograft did not make",
            "Move them, or choose another --out",
            final,
        )
    if found is not None and found != fingerprint:
        if not overwrite:
            raise InputError(
                f"an unfinished run with other settings lies in {working}{_difference(found, fingerprint)}",
                "Repeat the earlier command to resume it, or pass --overwrite to discard it",
                final,
            )
        shutil.rmtree(working)
        return
    # A kill in the middle of a write leaves its temporary file, which nobody will finish.
    for entry in list(working.rglob(".*.partial.*")):
        if _TEMPORARY.fullmatch(entry.name) and entry.is_file():
            entry.unlink()


def _files_in(folder: Path) -> list[str]:
    """Files below a folder, relative to it, without its marker."""
    files = (path.relative_to(folder).as_posix() for path in folder.rglob("*") if not path.is_dir())
    return sorted(name for name in files if name != MARKER)


def _read_marker(folder: Path) -> dict[str, Any]:
    """The request that made a directory and, once that is complete, its files; empty where there is none."""
    try:
        content = json.loads((folder / MARKER).read_text("utf-8"))
    except (OSError, ValueError):
        return {}
    return content if isinstance(content, dict) else {}


def _difference(found: Any, wanted: dict[str, Any]) -> str:
    if not isinstance(found, dict):
        return ""
    keys = sorted(key for key in {*found, *wanted} if found.get(key) != wanted.get(key))
    return f" (different: {', '.join(keys)})"


def cache_folder() -> Path:
    """Where measurements and downloads are kept; the variable ``NEUROGRAFT_CACHE`` overrides it."""
    return Path(os.environ.get("NEUROGRAFT_CACHE") or platformdirs.user_cache_dir("neurograft"))
