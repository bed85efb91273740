"""The folder of a study: what lies where, and what of it is finished, failed or under way.

Any machine that sees the folder can tell how the study stands: the folders of finished cells are the
truth, and everything else (ledger, claims) can be lost without losing a result.
"""

import json
import os
import shutil
from collections.abc import Iterable, Iterator, Mapping, Set
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import lru_cache
from pathlib import Path
from typing import Any

from neurograft.errors import InputError
from neurograft.outputs import atomic_file, write_json
from neurograft.studies.cells.cell import Cell, content_hash

RESULT = "result.json"
"""In a finished cell: when, where and how long, and what its kind has to say."""


@dataclass(frozen=True)
class StudyFolder:
    """Paths of a study, and what they hold.

    Attributes:
        root: the folder.
    """

    root: Path

    @property
    def lock(self) -> Path:
        """Held by the process that runs the study."""
        return self.root / ".study.lock"

    @property
    def description(self) -> Path:
        """The protocol as it was resolved, and where its cohorts lie."""
        return self.root / "study.json"

    @property
    def plan(self) -> Path:
        """The cells, a line each."""
        return self.root / "plan.jsonl"

    @property
    def readings(self) -> Path:
        """What each scoring cell is about: experiment, method, size, and so on; a line each."""
        return self.root / "readings.jsonl"

    @property
    def ledger(self) -> Path:
        """What happened, a line an event."""
        return self.root / "ledger.jsonl"

    @property
    def work(self) -> Path:
        """Cells under way."""
        return self.root / "work"

    def cell(self, identifier: str) -> Path:
        """The folder of a finished cell."""
        return self.root / "cells" / identifier[:2] / identifier

    def failure(self, identifier: str) -> Path:
        """What is known of a cell that failed."""
        return self.root / "failed" / f"{identifier}.json"

    def is_finished(self, identifier: str) -> bool:
        """Whether a cell has its result."""
        return (self.cell(identifier) / RESULT).is_file()

    def finished(self) -> set[str]:
        """All cells that have their result."""
        cells = self.root / "cells"
        if not cells.is_dir():
            return set()
        return {entry.name for part in os.scandir(cells) if part.is_dir() for entry in os.scandir(part.path)}

    def clear_work(self, finished: Set[str]) -> None:
        """Remove what workers that were killed have left of cells that are finished."""
        for left in self.work.glob("*.*") if self.work.is_dir() else ():
            if left.name.partition(".")[0] in finished:
                shutil.rmtree(left, ignore_errors=True)

    def failed(self) -> dict[str, dict[str, Any]]:
        """Cells that failed, with what is known of each."""
        found = {}
        for path in sorted((self.root / "failed").glob("[!.]*.json")):
            try:
                found[path.stem] = json.loads(path.read_text("utf-8"))
            except (OSError, ValueError):
                continue  # tried again by now
        return found

    def result(self, identifier: str) -> dict[str, Any]:
        """What a finished cell has to say.

        Raises:
            InputError: it is not finished, or damaged.
        """
        file = self.cell(identifier) / RESULT
        try:
            content = json.loads(file.read_text("utf-8"))
        except (OSError, ValueError) as error:
            raise InputError(f"cell {identifier} has no result ({error})", "Run the study again", file) from error
        return dict(content)

    def record_failure(self, cell: Cell, failure: Mapping[str, Any]) -> None:
        """Keep a failed cell's error for whoever asks."""
        write_json(self.failure(cell.id), {"title": cell.title, "kind": cell.kind, **failure})

    def keep_block(self, content: Any) -> str:
        """Keep plain data that several cells share, and return the hash that names it."""
        name = content_hash(content)
        file = self.root / "blocks" / f"{name}.json"
        if not file.is_file():
            write_json(file, content)
        return name

    def block(self, name: str) -> Any:
        """Data that `keep_block` kept."""
        return _read_block(self.root / "blocks" / f"{name}.json")

    def write_lines(self, file: Path, rows: Iterable[Mapping[str, Any]]) -> None:
        """Write plain data, a line a row, in one move."""
        with atomic_file(file) as temporary, temporary.open("w", encoding="utf-8") as stream:
            for row in rows:
                stream.write(json.dumps(row, separators=(",", ":"), ensure_ascii=False) + "\n")

    def read_lines(self, file: Path) -> Iterator[dict[str, Any]]:
        """Rows that `write_lines` wrote, or `note` appended; a line that a kill cut off is left out."""
        if not file.is_file():
            return
        with file.open(encoding="utf-8") as stream:
            for line in stream:
                try:
                    yield json.loads(line)
                except ValueError:
                    continue

    def cells(self) -> list[Cell]:
        """The planned cells, those that others wait for first.

        Raises:
            InputError: there is no study here.
        """
        if not self.plan.is_file():
            raise InputError("no study here", "Give the folder that study run was given as --out", self.root)
        return [Cell.from_dict(row) for row in self.read_lines(self.plan)]

    def note(self, event: str, **facts: Any) -> None:
        """Append an event to the ledger."""
        row = {"time": datetime.now(UTC).isoformat(timespec="milliseconds"), "event": event, **facts}
        line = json.dumps(row, separators=(",", ":"), ensure_ascii=False) + "\n"
        with self.ledger.open("a", encoding="utf-8") as stream:
            stream.write(line)


@lru_cache(maxsize=256)
def _read_block(file: Path) -> Any:
    try:
        return json.loads(file.read_text("utf-8"))
    except (OSError, ValueError) as error:
        raise InputError(f"cannot be read: {error}", "Run the study again; it writes it anew", file) from error
