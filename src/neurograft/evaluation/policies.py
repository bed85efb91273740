"""What happens where a measure has no natural value: each choice has a name, a default, and words to print.

A mean over cases says nothing before one knows what became of the cases in which a structure is
absent, a prediction is missing, or two grids differ. Every such choice is named here; `Policies`
holds one of each, and `Policies.words` is what stands beside a mean.
"""

from dataclasses import asdict, dataclass, fields
from typing import Literal, get_args

EmptyPolicy = Literal["skip", "perfect"]
"""A label absent from reference and prediction: undefined (NaN, left out of the mean), or full agreement."""

DistancePolicy = Literal["leave-out", "diagonal"]
"""Distances of a label absent from one of the two: undefined and left out, or the image's diagonal in mm."""

MissingPolicy = Literal["error", "score-zero"]
"""A reference without a prediction: a reason to stop, or a failure that counts in the means."""

ExtraPolicy = Literal["report", "error"]
"""A prediction without a reference: named and not scored, or a reason to stop."""

GridPolicy = Literal["refuse", "resample"]
"""A prediction on another grid than its reference: a reason to stop, or resampled by nearest neighbour."""

EMPTY_WORDS: dict[EmptyPolicy, str] = {
    "skip": "label absent from both: left out",
    "perfect": "label absent from both: overlap 1, distance 0",
}
DISTANCE_WORDS: dict[DistancePolicy, str] = {
    "leave-out": "absent from one: Dice 0, distances undefined, left out of their mean and counted",
    "diagonal": "absent from one: Dice 0, distances set to the diagonal of the image",
}
MISSING_WORDS: dict[MissingPolicy, str] = {
    "error": "prediction missing: not accepted",
    "score-zero": "prediction missing: overlap 0, distances as where the label is absent from one, volume undefined",
}
EXTRA_WORDS: dict[ExtraPolicy, str] = {
    "report": "prediction without reference: reported, not scored",
    "error": "prediction without reference: not accepted",
}
GRID_WORDS: dict[GridPolicy, str] = {
    "refuse": "different grids: not accepted",
    "resample": "different grids: prediction resampled to its reference by nearest neighbour",
}

_CHOICES: dict[str, tuple[str, ...]] = {
    "empty": get_args(EmptyPolicy),
    "distance": get_args(DistancePolicy),
    "missing": get_args(MissingPolicy),
    "extra": get_args(ExtraPolicy),
    "grids": get_args(GridPolicy),
}


@dataclass(frozen=True)
class Policies:
    """One choice for each case that has no natural value.

    Raises:
        ValueError: a choice that does not exist; the message lists those that do.

    Example:
        >>> Policies().to_dict()["missing"]
        'error'
    """

    empty: EmptyPolicy = "skip"
    distance: DistancePolicy = "leave-out"
    missing: MissingPolicy = "error"
    extra: ExtraPolicy = "report"
    grids: GridPolicy = "refuse"

    def __post_init__(self) -> None:
        for field in fields(self):
            chosen = getattr(self, field.name)
            if chosen not in _CHOICES[field.name]:
                raise ValueError(f"policy {field.name!r} must be one of {_CHOICES[field.name]}, got {chosen!r}")

    def words(self) -> str:
        """All choices in plain words, to stand beside a mean."""
        return "; ".join(
            (
                EMPTY_WORDS[self.empty],
                DISTANCE_WORDS[self.distance],
                MISSING_WORDS[self.missing],
                EXTRA_WORDS[self.extra],
                GRID_WORDS[self.grids],
            )
        )

    def to_dict(self) -> dict[str, str]:
        """Names of the choices, for a file."""
        return asdict(self)
