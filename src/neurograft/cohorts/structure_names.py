"""What structures are called: their usual names, and their numbers in two widely used tables.

Numbers are those of FreeSurfer's colour table and of Neuromorphometrics's; where a structure has
two sides, the left number comes first.
"""

import csv
import re
from dataclasses import dataclass
from functools import cache
from importlib import resources

from neurograft.imaging.sides import Side, split_side

NUMBERINGS = ("freesurfer", "neuromorphometrics")

_ADJECTIVES = {
    "hippocampal": "hippocampus",
    "thalamic": "thalamus",
    "amygdalar": "amygdala",
    "amygdaloid": "amygdala",
    "pallidal": "pallidum",
    "putaminal": "putamen",
    "ventricular": "ventricle",
}


@dataclass(frozen=True)
class StructureName:
    """A structure apart from how it was written: its words, and its side if it has one."""

    words: tuple[str, ...]
    side: Side | None

    def is_part_of(self, whole: "StructureName") -> bool:
        """Whether the name says a part of another structure: all of its words and more, on the same side."""
        said = {_ADJECTIVES.get(word, word) for word in self.words}
        return set(whole.words) < said and self.side == whole.side


@dataclass(frozen=True)
class _Row:
    structure: str
    numbers: dict[str, tuple[int, ...]]


def structure_name(name: str) -> StructureName:
    """Read a label's name.

    Example:
        >>> structure_name("Left-Thalamus-Proper") == structure_name("thalamus_L")
        True
    """
    structure, side = split_side(name)
    words = " ".join(word for word in structure.split() if word != "*")
    return StructureName(tuple(_synonyms().get(words, words).split()), side)


def structure_of_number(number: int, numbering: str) -> StructureName | None:
    """The structure that a number stands for in a table, ``freesurfer`` or ``neuromorphometrics``.

    Example:
        >>> structure_of_number(53, "freesurfer")
        StructureName(words=('hippocampus',), side='right')
    """
    sides: tuple[Side, Side] = ("left", "right")
    for row in _table().values():
        numbers = row.numbers[numbering]
        if number in numbers:
            return StructureName(
                tuple(row.structure.split()), sides[numbers.index(number)] if len(numbers) > 1 else None
            )
    return None


def number_in(name: str) -> int | None:
    """The number of a label whose name says nothing else, such as ``label-17``."""
    found = re.fullmatch(r"(?:label|class|structure|roi)?[-_ ]*(\d+)", name.strip().casefold())
    return int(found.group(1)) if found else None


@cache
def _table() -> dict[str, _Row]:
    text = resources.files("neurograft.cohorts").joinpath("structure_names.tsv").read_text("utf-8")
    rows = csv.DictReader(text.splitlines(), delimiter="\t")
    return {
        row["structure"]: _Row(
            row["structure"], {table: tuple(map(int, (row[table] or "").split())) for table in NUMBERINGS}
        )
        for row in rows
    }


@cache
def _synonyms() -> dict[str, str]:
    text = resources.files("neurograft.cohorts").joinpath("structure_names.tsv").read_text("utf-8")
    rows = csv.DictReader(text.splitlines(), delimiter="\t")
    return {other: row["structure"] for row in rows for other in row["other_names"].split(";") if other}
