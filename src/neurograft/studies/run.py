"""Run a study from its protocol: plan the cells, run those that are missing, say how it stands."""

import json
import logging
import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import neurograft
from neurograft.errors import InputError
from neurograft.locks import exclusive
from neurograft.models import open_bundle
from neurograft.models.builtin import PREFIX
from neurograft.outputs import write_json
from neurograft.studies.cells.training import model_digest
from neurograft.studies.cohorts import DIGESTS, describe_cohorts, place_cohorts
from neurograft.studies.executors.base import Executor
from neurograft.studies.folder import StudyFolder
from neurograft.studies.protocol.expansion import Expansion, Plan
from neurograft.studies.protocol.schema import Protocol
from neurograft.studies.scheduling import Progress, ScheduleResult, run_cells

logger = logging.getLogger(__name__)

_TEMPORARY = re.compile(r"\.\d+\.partial\..+|\.study\.lock\.\d+")

MARK = "neurograft study"
"""What ``study.json`` begins with, by which a folder is known as a study's."""


@dataclass(frozen=True)
class Places:
    """Where a study finds what it does not make.

    Attributes:
        data_root: where relative paths of the protocol begin.
        cohorts: paths that a user gives for cohorts, by name.
    """

    data_root: Path | None = None
    cohorts: Mapping[str, Path] | None = None


@dataclass(frozen=True)
class Draft:
    """A study as it would be, of which its folder does not know yet.

    Attributes:
        plan: its cells.
        description: what ``study.json`` will say: protocol, cohorts, models.
    """

    plan: Plan
    description: Mapping[str, Any]

    def keep(self, out: Path) -> None:
        """Make it the study of a folder, in the place of an earlier plan."""
        folder = StudyFolder(out)
        folder.write_lines(folder.plan, (cell.to_dict() for cell in self.plan.cells.values()))
        folder.write_lines(folder.readings, self.plan.readings)
        write_json(folder.description, self.description)


def plan_study(
    protocol: Protocol,
    out: Path,
    places: Places,
    progress: Callable[[int, int], None] | None = None,
) -> Plan:
    """Draft a study and keep it in its folder; for arguments and errors see `draft_study`."""
    draft = draft_study(protocol, out, places, progress)
    draft.keep(out)
    return draft.plan


def draft_study(
    protocol: Protocol,
    out: Path,
    places: Places,
    progress: Callable[[int, int], None] | None = None,
) -> Draft:
    """Find the cohorts, make the phantoms, and expand the protocol into cells; nothing is trained.

    A study that is in the folder stays as it is.

    Args:
        protocol: what to study.
        out: the study's folder; made if need be.
        places: where cohorts lie.
        progress: called with files read and in all.

    Raises:
        InputError: cohorts that are not there or have too few people, recipes that do not exist, or
            another study in the folder.
    """
    folder = StudyFolder(out)
    _require_own(folder, protocol)
    out.mkdir(parents=True, exist_ok=True)
    placed = place_cohorts(protocol.cohorts, folder, places.data_root, places.cohorts or {})
    models, weights = {}, {}
    for name, source in protocol.sources.items():
        if source.model is not None:
            # What is built in lies nowhere under the data.
            named = source.model.is_absolute() or str(source.model).startswith(PREFIX)
            bundle = open_bundle(source.model if named else (places.data_root or Path()) / source.model)
            models[name], weights[name] = str(bundle.path.resolve()), model_digest(bundle)
    cohorts = describe_cohorts(placed, folder, progress)
    plan = Expansion(protocol, cohorts, placed, weights, folder).plan()
    description = {
        "what": MARK,
        "neurograft": neurograft.__version__,
        "protocol": protocol.model_dump(mode="json"),
        "cohorts": placed,
        "models": models,
    }
    return Draft(plan, description)


def run_study(
    plan: Plan,
    out: Path,
    executor: Callable[[], Executor],
    progress: Progress | None = None,
) -> ScheduleResult:
    """Run the cells of a planned study that have no result yet.

    Args:
        plan: what `plan_study` gave.
        out: the study's folder.
        executor: starts what runs the cells.
        progress: called with cells finished, in all, and the last one's title.

    Raises:
        InputError: another process runs this study, or has planned it anew.
    """
    folder = StudyFolder(out)
    with held(folder):
        if {cell.id for cell in folder.cells()} != set(plan.cells):
            raise InputError("another process has planned this study anew meanwhile", "Repeat the command", out)
        running = executor()
        try:
            keep = protocol_of(folder).keep_models
            return run_cells(tuple(plan.cells.values()), folder, running, progress, keep)
        finally:
            running.close()


@contextmanager
def held(folder: StudyFolder) -> Iterator[None]:
    """Be the only process that plans or runs a study."""
    folder.root.mkdir(parents=True, exist_ok=True)
    with exclusive(folder.lock, folder.root):
        yield


def described(folder: StudyFolder) -> dict[str, Any]:
    """What is known of a study: protocol, cohorts, models.

    Raises:
        InputError: there is none.
    """
    try:
        content = json.loads(folder.description.read_text("utf-8"))
    except (OSError, ValueError) as error:
        raise InputError("no study here", "Give the folder that study run was given as --out", folder.root) from error
    if content.get("what") != MARK:
        raise InputError("this is no study's description", "Give the folder of a study", folder.description)
    return dict(content)


def protocol_of(folder: StudyFolder) -> Protocol:
    """The protocol of a study as it was resolved."""
    return Protocol.model_validate(described(folder)["protocol"])


def _require_own(folder: StudyFolder, protocol: Protocol) -> None:
    """Refuse a folder that holds something else; a changed protocol of the same title is a study that grows."""
    if not folder.root.exists() or not any(folder.root.iterdir()):
        return
    if not folder.description.is_file():
        # What planning writes before the description, which comes last, and temporary files of a kill.
        known = {"blocks", "cohorts", DIGESTS, folder.lock.name, folder.plan.name, folder.readings.name}
        names = {entry.name for entry in folder.root.iterdir()} if folder.root.is_dir() else {""}
        if all(name in known or _TEMPORARY.fullmatch(name) for name in names):
            return
        raise InputError("the folder holds files that are no study's", "Choose another --out", folder.root)
    before = described(folder)["protocol"]["title"]
    if before != protocol.title:
        raise InputError(f"the folder holds another study, {before!r}", "Choose another --out", folder.root)
