"""Parts of a list of cases as cells: run anywhere, kept until the whole is there, never done twice."""

import json
import math
import shutil
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from neurograft.errors import InputError
from neurograft.inference.finished import file_states
from neurograft.locks import exclusive
from neurograft.outputs import write_json
from neurograft.studies.cells.cell import Cell
from neurograft.studies.executors.base import Executor
from neurograft.studies.folder import StudyFolder
from neurograft.studies.scheduling import run_cells

Item = TypeVar("Item")

MOST_CASES = 64
"""In a part: what a worker that vanishes may lose, and what the start of a part is shared by."""
PARTS = 32
"""Into so many parts a shorter list is divided, so that workers end at about the same time."""
MARK = {"what": "neurograft parts"}


def divided(items: Sequence[Item]) -> list[Sequence[Item]]:
    """Parts of a list, which depend on nothing but its length: another number of workers finds them again.

    Example:
        >>> [len(part) for part in divided(range(70))][:3]
        [3, 3, 3]
    """
    size = min(MOST_CASES, max(1, math.ceil(len(items) / PARTS)))
    return [items[start : start + size] for start in range(0, len(items), size)]


def readable_file_states(paths: Iterable[Path | None]) -> dict[str, list[int]]:
    """Size and time of change of files, by which a part knows that its scans are the same.

    Raises:
        InputError: a file cannot be looked at.
    """
    found = {}
    for path, state in file_states(path for path in paths if path is not None).items():
        if state is None:
            raise InputError("cannot be read", "Restore the file", Path(path))
        found[path] = state
    return found


@dataclass(frozen=True)
class Spread:
    """Where the parts of one command lie, and what runs them.

    Attributes:
        root: a folder that all workers see; cells are kept in it as in a study's.
        executor: starts what runs the cells of a folder.
    """

    root: Path
    executor: Callable[[Path], Executor]

    @classmethod
    def beside(cls, out: Path, executor: Callable[[Path], Executor]) -> "Spread":
        """The parts of what will be written to ``out``."""
        final = out.resolve()
        return cls(final.with_name(f".{final.name}.parts"), executor)

    def run(
        self, kind: str, request: Any, parts: Sequence[Any], progress: Callable[[int, int], None] | None = None
    ) -> list[Path]:
        """Run the parts that are missing.

        Args:
            kind: of cell.
            request: plain data that all parts need.
            parts: plain data of each.
            progress: called with parts finished and in all.

        Returns:
            The folder of each finished part, in their order.

        Raises:
            InputError: a part met something that its user can mend, or another process is at it.
            RuntimeError: a part failed in another way.
        """
        folder = StudyFolder(self.root)
        self._require_own()
        self.root.mkdir(parents=True, exist_ok=True)
        with exclusive(folder.lock, self.root):
            write_json(self.root / "parts.json", MARK)
            common = folder.keep_block(request)
            cells = [
                Cell(kind, {"request": common, "part": folder.keep_block(part)}, (), f"part {number} of {len(parts)}")
                for number, part in enumerate(parts, start=1)
            ]

            def tell(done: int, total: int, title: str) -> None:
                if progress is not None:
                    progress(done, total)

            running = self.executor(self.root)
            try:
                result = run_cells(cells, folder, running, tell)
            finally:
                running.close()
            if result.failed:
                _raise(folder, cells, result.failed)
        return [folder.cell(cell.id) for cell in cells]

    def clear(self) -> None:
        """Remove the parts, once the whole is where it belongs."""
        if self.root.exists():
            self._require_own()
            shutil.rmtree(self.root)

    def _require_own(self) -> None:
        # A kill, or another process that begins, leaves a lock before there is a mark.
        lock = StudyFolder(self.root).lock.name
        if not self.root.exists() or all(entry.name == lock for entry in self.root.iterdir()):
            return
        try:
            ours = json.loads((self.root / "parts.json").read_text("utf-8")) == MARK
        except (OSError, ValueError):
            ours = False
        if not ours:
            raise InputError(
                "the folder is needed to work in, and holds files that neurograft did not make",
                "Move them, or choose another --out",
                self.root,
            )


def _raise(folder: StudyFolder, cells: Sequence[Cell], failed: dict[str, str]) -> None:
    known = folder.failed()
    first = next(cell for cell in cells if cell.id in failed)
    told = f"{len(failed)} of {len(cells)} parts failed; {first.title}: {failed[first.id]}"
    if all(known.get(name, {}).get("input") for name in failed):
        raise InputError(told, "Mend that and repeat the command, which keeps what is finished", folder.root)
    raise RuntimeError(told)
