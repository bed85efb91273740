"""What a check of a cohort found: a row per case, and the problems."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Literal

from neurograft.cohorts.cohort import LabelState

Severity = Literal["error", "warning", "note"]
"""``error`` stops training; ``warning`` may spoil it; ``note`` is worth knowing."""


@dataclass(frozen=True)
class Problem:
    """One finding.

    Attributes:
        severity: how bad it is.
        case: the case's id, or ``None`` for the cohort as a whole.
        file: the file at fault, where there is one.
        text: what was expected and what was found.
        mend: what to do about it.
    """

    severity: Severity
    case: str | None
    file: Path | None
    text: str
    mend: str


@dataclass(frozen=True)
class CaseRow:
    """One case as it was found; what could not be read stays ``None``.

    Attributes:
        id: the case.
        subject: its subject.
        session: its session.
        shape: voxels along the axes of the file.
        spacing_mm: voxel size along the axes of the file.
        orientation: where the file's axes point, e.g. ``RAS``.
        labels: names of the labels present.
        volume_mm3: volume of each label of the table; empty without a label map.
        label_state: as the cohort states it.
    """

    id: str
    subject: str
    session: str | None
    shape: tuple[int, int, int] | None = None
    spacing_mm: tuple[float, float, float] | None = None
    orientation: str | None = None
    labels: tuple[str, ...] = ()
    volume_mm3: Mapping[str, float] = field(default_factory=dict)
    label_state: LabelState | Mapping[str, LabelState] = "none"


@dataclass(frozen=True)
class CohortReport:
    """All rows, in the order of the cohort, and all problems, the worst first."""

    name: str
    rows: tuple[CaseRow, ...]
    problems: tuple[Problem, ...]

    @property
    def stops_training(self) -> bool:
        """Whether any problem is an error."""
        return any(problem.severity == "error" for problem in self.problems)

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON data."""
        problems = [
            {**asdict(problem), "file": None if problem.file is None else str(problem.file)}
            for problem in self.problems
        ]
        rows = [asdict(row) for row in self.rows]
        return {"name": self.name, "stops_training": self.stops_training, "rows": rows, "problems": problems}
