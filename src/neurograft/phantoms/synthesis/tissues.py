"""What is known of each intensity class before anything is drawn: its look, its part of the head, its other side."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from neurograft.errors import InputError
from neurograft.imaging.intensity_classes import IntensityClass, IntensityClasses
from neurograft.imaging.sides import split_side
from neurograft.phantoms.synthesis.look import Look, LookRow, Part, read_look

AIR = 0
"""The class of value 0 and of all that lies outside of the label map."""
_AIR_MEAN = 0.03


@dataclass(frozen=True, eq=False)
class Tissues:
    """The intensity classes of a cohort, class 0 included; K is their number.

    Attributes:
        t1_mean: (K,) float64 mean of the T1-like look; NaN where the look has no row.
        in_brain: (K,) bool, what a stripped brain keeps.
        is_white: (K,) bool, where lesions may lie.
        is_air: (K,) bool.
        pair: (K,) int64, the same number for both sides of a structure.
    """

    t1_mean: Tensor
    in_brain: Tensor
    is_white: Tensor
    is_air: Tensor
    pair: Tensor

    def __len__(self) -> int:
        return len(self.t1_mean)

    @classmethod
    def of(cls, classes: IntensityClasses, means: Mapping[str, float] | None = None) -> "Tissues":
        """Look classes up by their structure's name, or by their number where they are a part without a name.

        A class with a name that the look does not know counts as brain, one without a name as head.

        Args:
            classes: of a cohort.
            means: by structure, in place of the look's.

        Raises:
            InputError: ``means`` has a structure that no class belongs to.
        """
        look = read_look()
        rows = [_row(each, look) for each in classes.classes]
        parts: list[Part] = ["air", *(_part(each, row) for each, row in zip(classes.classes, rows, strict=True))]
        first: dict[tuple[str, int], int] = {}
        pair = [AIR]
        for number, (each, row) in enumerate(zip(classes.classes, rows, strict=True), start=1):
            # Only what has a side has another one; any other class is its own pair.
            alone = 0 if split_side(each.structure)[1] else number
            pair.append(first.setdefault((_name(each, row), alone), number))
        return cls(
            t1_mean=torch.tensor([_AIR_MEAN, *_means(classes, rows, means or {})], dtype=torch.float64),
            in_brain=torch.tensor([part == "brain" for part in parts]),
            is_white=torch.tensor([False, *(row is not None and row.name.endswith("white matter") for row in rows)]),
            is_air=torch.tensor([part == "air" for part in parts]),
            pair=torch.tensor(pair),
        )


def _row(each: IntensityClass, look: Look) -> LookRow | None:
    return look.of(each.structure) if each.is_whole else look.of(each.structure, each.values[0])


def _part(each: IntensityClass, row: LookRow | None) -> Part:
    if row is not None:
        return row.part
    return "brain" if each.structure else "head"


def _name(each: IntensityClass, row: LookRow | None) -> str:
    """What a class is, whatever its side: a part by the look's word for it, else its structure's name."""
    if row is not None and not each.is_whole:
        return row.name
    return split_side(each.structure)[0].replace("*", "").strip()


def _means(classes: IntensityClasses, rows: Sequence[LookRow | None], given: Mapping[str, float]) -> list[float]:
    """The given mean of each class, else the look's, else NaN."""
    names = [_name(each, row) for each, row in zip(classes.classes, rows, strict=True)]
    wanted = {split_side(name)[0].replace("*", "").strip(): mean for name, mean in given.items()}
    unknown = sorted(set(wanted).difference(names))
    if unknown:
        raise InputError(
            f"synthesis.means has {unknown[0]!r}, which no intensity class is",
            f"Structures here: {', '.join(sorted(set(names) - {''}))}",
        )
    return [wanted.get(name, math.nan if row is None else row.mean) for name, row in zip(names, rows, strict=True)]
