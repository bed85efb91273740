"""Cells in this very process, one after the other: nothing to start, and easy to look into."""

from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from neurograft.studies.cells.cell import Cell
from neurograft.studies.cells.claims import LEASE_SECONDS
from neurograft.studies.cells.running import Outcome, run_cell


@dataclass
class InlineExecutor:
    """Runs each cell when its outcome is asked for.

    Attributes:
        root: the study's folder.
        lease_seconds: see `neurograft.studies.cells.claims`.
    """

    root: Path
    lease_seconds: float = LEASE_SECONDS
    _queue: deque[Cell] = field(default_factory=deque)

    @property
    def workers(self) -> int:
        """One."""
        return 1

    @property
    def capacity(self) -> int:
        """One: what is finished may put something more urgent in front."""
        return 1

    def submit(self, cell: Cell) -> None:
        """Let a cell wait for its turn."""
        self._queue.append(cell)

    def outcomes(self) -> Iterator[Outcome]:
        """Run the next cell."""
        if self._queue:
            yield run_cell(self.root, self._queue.popleft().to_dict(), self.lease_seconds)

    def close(self) -> None:
        """Forget what waits."""
        self._queue.clear()
