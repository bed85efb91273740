"""A T1-like look: the intensity of each structure relative to white matter, from a table chosen by hand."""

import re
from dataclasses import dataclass
from functools import cache
from importlib import resources
from typing import Literal, cast

from neurograft.imaging.sides import split_side

Part = Literal["brain", "fluid", "head", "air"]
"""``fluid`` is what surrounds the brain inside of the skull, and ``head`` what is neither."""


@dataclass(frozen=True)
class LookRow:
    """One row of the table.

    Attributes:
        name: of a structure, in lower case, without its side.
        values: numbers that FreeSurfer and the head models built on it give the structure.
        mean: intensity, with white matter at 1.
        part: where it is.
    """

    name: str
    values: tuple[int, ...]
    mean: float
    part: Part


@dataclass(frozen=True)
class Look:
    """The table, for looking things up."""

    rows: tuple[LookRow, ...]

    def of(self, name: str, value: int | None = None) -> LookRow | None:
        """The row of a structure.

        Args:
            name: as a label table writes it; the row of the same words is taken, or the longest whose words
                occur in it side by side, such as ``gyrus`` for "Left MFG middle frontal gyrus".
            value: a number of FreeSurfer's, which goes before the name.

        Returns:
            The row, or ``None`` where nothing fits.

        Example:
            >>> read_look().of("Right-Thalamus-Proper").mean, read_look().of("unknown")
            (0.84, None)
        """
        if value is not None:
            return next((row for row in self.rows if value in row.values), None)
        words = _words(name)
        fitting = [row for row in self.rows if _occurs(_words(row.name), words)]
        return max(fitting, key=lambda row: len(_words(row.name)), default=None)


@cache
def read_look() -> Look:
    """The table that comes with the package.

    The order of the tissues on T1-weighted images at 3 T is common knowledge (white matter, pallidum,
    brain stem, thalamus, putamen, caudate, cortex, fluid, bright to dark); the numbers are chosen by hand
    to stand in that order, and are no measurement.
    """
    text = resources.files("neurograft.phantoms.synthesis").joinpath("t1_look.tsv").read_text("utf-8")
    header, *lines = (line.split("\t") for line in text.splitlines())
    rows = (dict(zip(header, line, strict=True)) for line in lines)
    return Look(
        tuple(
            LookRow(row["name"], tuple(map(int, row["values"].split())), float(row["mean"]), cast(Part, row["part"]))
            for row in rows
        )
    )


def _words(name: str) -> list[str]:
    """Words without side, and without an ending that only some tables write."""
    bare, _ = split_side(name)
    return [re.sub(r"s$", "", word) for word in re.findall(r"[a-z0-9]+", bare)]


def _occurs(part: list[str], whole: list[str]) -> bool:
    return any(whole[start : start + len(part)] == part for start in range(len(whole) - len(part) + 1))
