"""Which labels of a source model the labels of a cohort can start from, as a table that the user may edit."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from neurograft.cohorts.structure_names import NUMBERINGS, StructureName, number_in, structure_name, structure_of_number
from neurograft.errors import InputError
from neurograft.imaging.labels import LabelTable
from neurograft.outputs import write_table

JOINED_BY = " + "
"""Between the names of source labels that a label starts from together."""


@dataclass(frozen=True)
class LabelMatch:
    """What a label starts from.

    Attributes:
        target: its name in the cohort.
        sources: names in the source, several where their outputs are merged; empty for a random start.
        how: why these, in a few words.
    """

    target: str
    sources: tuple[str, ...]
    how: str

    @property
    def text(self) -> str:
        """The sources as ``--label-from`` and the table have them."""
        return JOINED_BY.join(self.sources)


def match_labels(target: LabelTable, source: Sequence[str]) -> tuple[LabelMatch, ...]:
    """Find for each label of a cohort the label of a source that it can start from.

    In this order: the same name; the same structure under another name; both sides for a label without
    a side, and the one without a side for a label with one; for a label that has no name but a number, the
    structure of that number in FreeSurfer's or Neuromorphometrics's table, whichever knows more of the
    cohort's numbers; the structure that the name says it is a part of.

    Args:
        target: the cohort's labels.
        source: names of the source's labels.

    Example:
        >>> table = LabelTable.from_names({1: "Left-Hippocampus"})
        >>> match_labels(table, ["left hippocampus"])[0].how
        'same structure'
    """
    known = [(name, structure_name(name)) for name in source]
    numbering = _numbering(target, known)
    return tuple(_match(label.name, label.values[0], known, numbering) for label in target.labels)


def write_label_matches(path: Path, matches: Sequence[LabelMatch], overwrite: bool = False) -> None:
    """Write the matches as a table with the columns target, source and how.

    Raises:
        InputError: the file exists, unless it may be replaced.
    """
    if path.exists() and not overwrite:
        raise InputError("the output exists", "Choose another --out, or pass --overwrite to replace it", path)
    rows = [{"target": match.target, "source": match.text, "how": match.how} for match in matches]
    write_table(path, pd.DataFrame(rows, columns=["target", "source", "how"]))


def read_label_matches(path: Path) -> dict[str, str]:
    """Read an edited table: what each target label starts from, "" for nothing.

    Raises:
        InputError: unreadable, a column missing, or a target that occurs twice or has no name.
    """
    try:
        frame = pd.read_csv(path, sep="\t", dtype=str, keep_default_na=False)
    except (OSError, UnicodeDecodeError, pd.errors.ParserError, pd.errors.EmptyDataError) as error:
        raise InputError(
            f"cannot be read ({error})", "Give the table that neurograft model match wrote", path
        ) from error
    absent = [column for column in ("target", "source") if column not in frame.columns]
    if absent:
        raise InputError(
            f"column {' and '.join(absent)} is missing; found {', '.join(map(str, frame.columns)) or 'none'}",
            "Give a tab-separated table with the columns target and source",
            path,
        )
    targets = [text.strip() for text in frame["target"]]
    if "" in targets or len(set(targets)) < len(targets):
        raise InputError("a target has no name, or occurs twice", "Give each label one row", path)
    return dict(zip(targets, (text.strip() for text in frame["source"]), strict=True))


def _match(name: str, value: int, known: Sequence[tuple[str, StructureName]], numbering: str | None) -> LabelMatch:
    if any(name == other for other, _ in known):
        return LabelMatch(name, (name,), "same name")
    wanted, why = structure_name(name), "same structure"
    if number_in(name) is not None:
        found = structure_of_number(value, numbering) if numbering else None
        if found is None:
            return LabelMatch(name, (), "none")
        wanted, why = found, f"number {value} of {numbering}"
    sources, how = _of_structure(wanted, known)
    if sources:
        return LabelMatch(name, sources, why if not how else f"{why}, {how}")
    wholes = {StructureName(other.words, wanted.side) for _, other in known}
    for whole in sorted(wholes, key=lambda other: -len(other.words)):
        if wanted.is_part_of(whole):
            sources, how = _of_structure(whole, known)
            return LabelMatch(name, sources, f"part of {' '.join(whole.words)}" + (f", {how}" if how else ""))
    return LabelMatch(name, (), "none")


def _of_structure(wanted: StructureName, known: Sequence[tuple[str, StructureName]]) -> tuple[tuple[str, ...], str]:
    """Source labels of a structure, and what was done about its sides."""
    by_side = {other.side: name for name, other in known if other.words == wanted.words}
    if wanted.side in by_side:
        return (by_side[wanted.side],), ""
    if wanted.side is None and "left" in by_side and "right" in by_side:
        return (by_side["left"], by_side["right"]), "both sides"
    if None in by_side:
        return (by_side[None],), "of no side"
    return (), ""


def _numbering(target: LabelTable, known: Sequence[tuple[str, StructureName]]) -> str | None:
    """The table that knows most of the numbers that stand in the place of names; the first of equals."""
    numbers = [label.values[0] for label in target.labels if number_in(label.name) is not None]
    if not numbers:
        return None

    def hits(numbering: str) -> int:
        found = (structure_of_number(number, numbering) for number in numbers)
        return sum(structure is not None and bool(_of_structure(structure, known)[0]) for structure in found)

    best = max(NUMBERINGS, key=hits)
    return best if hits(best) else None
