"""Which cases of a prediction are finished, and what each was made from.

A prediction that was cut off goes on with the cases whose files are still those that were read. Without a
case's entry, or with another one, it is segmented anew.
"""

import json
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from neurograft.imaging.pictures import file_of


def file_states(paths: Iterable[Path]) -> dict[str, list[int] | None]:
    """Size and time of change of files; ``None`` for one that cannot be looked at, which reading it says better."""
    found: dict[str, list[int] | None] = {}
    for path in paths:
        try:
            status = file_of(path).stat()
        except OSError:
            found[str(path)] = None
        else:
            found[str(path)] = [status.st_size, status.st_mtime_ns]
    return found


class FinishedCases:
    """What finished cases were made from: a line a case, appended, so that a hundred thousand cost no more than ten.

    Args:
        file: keeps it while a prediction runs; read once.
    """

    def __init__(self, file: Path) -> None:
        self._file = file
        self._entries = dict(_lines(file))

    def knows(self, case_id: str, made_from: dict[str, Any]) -> bool:
        """Whether a case was finished from just this."""
        return self._entries.get(case_id) == made_from

    def add(self, case_id: str, made_from: dict[str, Any]) -> None:
        """Remember a case, of which everything is written."""
        self._entries[case_id] = made_from
        with self._file.open("a", encoding="utf-8") as stream:
            # Begun with a line's end: what a kill cut off stays a line of its own.
            stream.write("\n" + json.dumps([case_id, made_from]))

    def forget(self) -> None:
        """Remove the file, once the prediction is complete."""
        self._file.unlink(missing_ok=True)


def _lines(file: Path) -> Iterator[tuple[str, dict[str, Any]]]:
    """The entries of the file, but for a line that was cut off."""
    if not file.is_file():
        return
    for line in file.read_text("utf-8").splitlines():
        try:
            case_id, made_from = json.loads(line)
        except (ValueError, TypeError):
            continue
        yield case_id, made_from
