"""How large the structures were that a model has learnt from, so that a prediction can be held against it."""

import statistics
from collections.abc import Mapping, Sequence

from pydantic import BaseModel, ConfigDict


class VolumeRange(BaseModel):
    """Volumes of a label among the training cases, in cubic millimetres.

    Attributes:
        label: its name.
        cases: how many were measured.
        absent: in how many of them the label does not occur; those count as 0.
        mean_mm3, smallest_mm3, largest_mm3: over all measured cases.
    """

    model_config = ConfigDict(extra="forbid")

    label: str
    cases: int
    absent: int
    mean_mm3: float
    smallest_mm3: float
    largest_mm3: float


def volume_ranges(names: Sequence[str], cases: Sequence[Mapping[str, float]]) -> list[VolumeRange]:
    """The range of each label.

    Args:
        names: of the labels.
        cases: volumes by label, mm3, of each case whose label map is annotated everywhere.

    Example:
        >>> volume_ranges(["a"], [{"a": 4.0}, {"a": 6.0}])[0].mean_mm3
        5.0
    """
    if not cases:
        return []
    found = []
    for name in names:
        volumes = [case.get(name, 0.0) for case in cases]
        found.append(
            VolumeRange(
                label=name,
                cases=len(volumes),
                absent=sum(volume == 0 for volume in volumes),
                mean_mm3=round(statistics.fmean(volumes), 3),
                smallest_mm3=round(min(volumes), 3),
                largest_mm3=round(max(volumes), 3),
            )
        )
    return found
