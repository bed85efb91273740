"""Which cases of a prediction are finished, and what each was made from.

A prediction that was cut off goes on with the cases whose files are still those that were read. Without a
case's entry, or with another one, it is segmented anew.
"""

import json
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from neurograft.imaging.pictures import file_of
from neurograft.outputs import write_json


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


@dataclass(frozen=True)
class FinishedCases:
    """What finished cases were made from.

    Args:
        file: keeps it while a prediction runs.
    """

    file: Path

    def knows(self, case_id: str, made_from: dict[str, Any]) -> bool:
        """Whether a case was finished from just this."""
        return self._entries().get(case_id) == made_from

    def add(self, case_id: str, made_from: dict[str, Any]) -> None:
        """Remember a case, of which everything is written."""
        write_json(self.file, {**self._entries(), case_id: made_from})

    def forget(self) -> None:
        """Remove the file, once the prediction is complete."""
        self.file.unlink(missing_ok=True)

    def _entries(self) -> dict[str, Any]:
        try:
            entries: dict[str, Any] = json.loads(self.file.read_text("utf-8"))
        except FileNotFoundError:
            return {}
        return entries
