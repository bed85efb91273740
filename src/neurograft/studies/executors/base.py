"""What the scheduler asks of an executor."""

from collections.abc import Iterator
from typing import Protocol

from neurograft.studies.cells.cell import Cell
from neurograft.studies.cells.running import Outcome

MOST_ATTEMPTS = 3
"""Workers that may vanish while they run one cell before it counts as failed."""


class Executor(Protocol):
    """Runs cells somewhere else and says how they ended."""

    @property
    def capacity(self) -> int:
        """Cells that are worth handing over at a time: those that run, and a few that wait their turn."""
        ...

    @property
    def workers(self) -> int:
        """Cells that run side by side."""
        ...

    def submit(self, cell: Cell) -> None:
        """Hand a cell over."""
        ...

    def outcomes(self) -> Iterator[Outcome]:
        """Wait until one cell or more have ended, and give them; nothing when none was handed over."""
        ...

    def close(self) -> None:
        """End all workers."""
        ...


def vanished(cell: Cell, attempts: int) -> Outcome:
    """The outcome of a cell whose workers were killed again and again."""
    return Outcome(
        cell.id,
        "failed",
        error=f"its worker vanished {attempts} times: killed from outside, or for want of memory "
        "(raise compute.memory_mib, so that fewer cells run side by side)",
    )
