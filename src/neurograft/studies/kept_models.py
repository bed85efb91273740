"""The weights of a study's models on the disk: which may go, and which must come back."""

import logging
import shutil
from collections import Counter
from collections.abc import Collection, Mapping

from neurograft.models.bundle import WEIGHTS
from neurograft.studies.cells.cell import Cell
from neurograft.studies.cells.training import MODEL
from neurograft.studies.folder import StudyFolder
from neurograft.studies.protocol.schema import KeepModels

logger = logging.getLogger(__name__)


class ModelKeeper:
    """Drops the weights of finished models as soon as no cell waits for them.

    Args:
        folder: of the study.
        cells: the planned ones, by identifier.
        finished: those that have their result when the run begins.
        keep: ``all``; ``sources``, the models that other trainings start from; or ``none``.
    """

    def __init__(
        self, folder: StudyFolder, cells: Mapping[str, Cell], finished: Collection[str], keep: KeepModels
    ) -> None:
        self.folder, self.cells = folder, cells
        self.waiting: Counter[str] = Counter()
        self.spared: set[str] = set()
        self.drops = keep != "all"
        for name, cell in cells.items() if self.drops else ():
            if name not in finished:
                self.waiting.update(cell.after)
            if keep == "sources" and cell.kind == "train":
                self.spared.update(cell.after)
        for name in finished if self.drops else ():
            # What a run that was killed had no time for.
            self._consider(name)

    def finished(self, cell: Cell) -> None:
        """Take note that a cell has its result."""
        if not self.drops:
            return
        self.waiting.subtract(cell.after)
        for name in (cell.id, *cell.after):
            self._consider(name)

    def _consider(self, name: str) -> None:
        cell = self.cells.get(name)
        if cell is not None and cell.kind == "train" and not self.waiting[name] and name not in self.spared:
            # What the model is, how its training went and what was scored of it stay.
            (self.folder.cell(name) / MODEL / WEIGHTS).unlink(missing_ok=True)


def to_train_again(folder: StudyFolder, cells: Mapping[str, Cell], finished: Collection[str]) -> set[str]:
    """Finished trainings whose weights are gone, and which a missing cell starts from, however indirectly.

    Args:
        folder: of the study.
        cells: the planned ones, each after those that it waits for.
        finished: those that have their result.
    """
    again: set[str] = set()
    for name, cell in reversed(list(cells.items())):
        if name in finished and name not in again:
            continue
        again |= {
            other
            for other in cell.after
            if other in finished and cells[other].kind == "train" and not _has_weights(folder, other)
        }
    return again


def put_back(folder: StudyFolder, identifier: str) -> None:
    """Make a finished cell a missing one."""
    final = folder.cell(identifier)
    # In one move, out of sight: a kill must not leave half of a cell that counts as finished.
    aside = folder.work / f"{identifier}.again"
    folder.work.mkdir(parents=True, exist_ok=True)
    shutil.rmtree(aside, ignore_errors=True)
    final.rename(aside)
    shutil.rmtree(aside, ignore_errors=True)
    logger.info("model %s was dropped, and is trained again: a new cell starts from it", identifier)


def _has_weights(folder: StudyFolder, identifier: str) -> bool:
    return (folder.cell(identifier) / MODEL / WEIGHTS).is_file()
