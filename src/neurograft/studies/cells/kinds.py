"""The kinds of cells, and what each of them does."""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any

from neurograft.errors import InputError
from neurograft.studies.cells.cell import Cell
from neurograft.studies.folder import StudyFolder


@dataclass(frozen=True)
class CellContext:
    """What the work of a cell is given.

    Attributes:
        folder: the study's.
        cell: what to do.
        output: folder to write into; holds what an earlier attempt at this cell left.
    """

    folder: StudyFolder
    cell: Cell
    output: Path

    def of(self, identifier: str) -> Path:
        """The folder of a finished cell that this one comes after."""
        return self.folder.cell(identifier)


Work = Callable[[CellContext], Mapping[str, Any]]
"""Does a cell's work in its output folder, and returns plain facts for its ``result.json``."""

KINDS = {
    "guard": "neurograft.studies.cells.guarding:guard_cell",
    "train": "neurograft.studies.cells.training:train_cell",
    "score": "neurograft.studies.cells.scoring:score_cell",
    "predict-part": "neurograft.studies.parts.prediction:predict_part",
    "measure-part": "neurograft.studies.parts.measuring:measure_part",
    "empty": "neurograft.studies.cells.kinds:empty_cell",
}
"""Kind -> module and function, imported when a cell of the kind is run."""


def work_of(kind: str) -> Work:
    """The function that does the work of a kind of cell.

    Raises:
        InputError: an unknown kind.
    """
    if kind not in KINDS:
        raise InputError(f"there is no cell of kind {kind!r}", f"Kinds: {', '.join(KINDS)}")
    module, _, name = KINDS[kind].partition(":")
    work: Work = getattr(import_module(module), name)
    return work


def empty_cell(context: CellContext) -> dict[str, Any]:
    """Wait for as long as the specification says, or fail as it says: for measuring what cells cost by themselves."""
    spec = context.cell.spec
    if spec.get("fail"):
        raise RuntimeError(str(spec["fail"]))
    time.sleep(float(spec.get("seconds", 0.0)))
    return {"value": spec.get("value")}
