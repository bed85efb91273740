"""Label tables: the names behind the integers of a label map.

A table orders its labels; label number k of it (counted from 1) is class k of a network, and
class 0 is background. The integers in files may be any, with gaps.
"""

import csv
import difflib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from neurograft.errors import InputError
from neurograft.imaging.sides import pair_sides
from neurograft.outputs import write_text

IGNORE = -1
"""Class of voxels that nobody annotated; losses leave them out."""

_LOOKUP_RANGE = 1 << 20
"""Label maps whose values lie within this range are read by a table, others by searching."""

NOT_ANNOTATED = ("not annotated", "ignore")
"""Names, in any case, of the value that marks voxels without annotation; the second is nnU-Net's."""


@dataclass(frozen=True)
class Label:
    """A structure: its name and the value that stands for it, or several after a merger.

    The first value is the one that is written.
    """

    name: str
    values: tuple[int, ...]


@dataclass(frozen=True)
class LabelTable:
    """Labels in the order of a network's classes; background is 0 and never listed.

    Args:
        labels: at least none; names and values are unique.
        ignore_value: value in label maps of voxels that were not annotated.
        other_values: values that may occur in label maps but belong to no label here, because
            a selection left them out. They count as background.

    Raises:
        InputError: a name or value used twice, or a label with value 0.
    """

    labels: tuple[Label, ...]
    ignore_value: int | None = None
    other_values: tuple[int, ...] = ()

    def __post_init__(self) -> None:
        seen: dict[int, str] = {}
        for label in self.labels:
            if not label.values:
                raise InputError(f"label {label.name!r} has no value", "Give it one")
            for value in label.values:
                if value == 0:
                    raise InputError(f"label {label.name!r} has value 0, which is background", "Give it another value")
                if value in seen:
                    raise InputError(
                        f"value {value} stands for both {seen[value]!r} and {label.name!r}", "Give each its own value"
                    )
                seen[value] = label.name
        repeated = {name for name in self.names if self.names.count(name) > 1}
        if repeated:
            raise InputError(f"label names occur twice: {', '.join(sorted(repeated))}", "Rename or merge them")
        if self.ignore_value in seen:
            raise InputError(
                f"value {self.ignore_value} marks voxels to ignore, and label {seen[self.ignore_value]!r}",
                "Choose another value to ignore",
            )

    def __len__(self) -> int:
        return len(self.labels)

    @property
    def names(self) -> list[str]:
        """Names in the order of the classes 1, 2, ..."""
        return [label.name for label in self.labels]

    @property
    def values(self) -> list[int]:
        """All values of all labels."""
        return [value for label in self.labels for value in label.values]

    @classmethod
    def from_names(cls, names: Mapping[int, str], ignore_value: int | None = None) -> "LabelTable":
        """Make a table from ``{value: name}``; value 0 is dropped, equal names are merged.

        A value with one of the names `NOT_ANNOTATED` is no label but the ignore value.

        Raises:
            InputError: two values to ignore.
        """
        merged: dict[str, list[int]] = {}
        for value, name in names.items():
            if name.strip().casefold() in NOT_ANNOTATED:
                if ignore_value not in (None, value):
                    raise InputError(
                        f"values {ignore_value} and {value} both mark voxels that were not annotated", "Keep one"
                    )
                ignore_value = value
        if ignore_value == 0:
            raise InputError(
                "value 0 marks voxels that were not annotated, but it is background",
                "Give them another value in the label maps and in the table",
            )
        for value, name in names.items():
            if value != 0 and value != ignore_value:
                merged.setdefault(name, []).append(value)
        return cls(tuple(Label(name, tuple(values)) for name, values in merged.items()), ignore_value)

    @classmethod
    def from_tsv(cls, path: Path | str, ignore_value: int | None = None) -> "LabelTable":
        """Read a BIDS label table (``dseg.tsv``): columns `index` and `name`, others ignored.

        Rows of one name are one label with several values. A row called ``not annotated`` (or
        ``ignore``) names the value of voxels that nobody annotated.

        Raises:
            InputError: unreadable, a column missing, an index that is no integer or occurs twice,
                or two values to ignore.
        """
        path = Path(path)
        try:
            with path.open(encoding="utf-8-sig", newline="") as file:
                reader = csv.DictReader(file, delimiter="\t")
                columns = [column.strip() for column in reader.fieldnames or []]
                reader.fieldnames = columns
                rows = list(reader)
        except FileNotFoundError as error:
            raise InputError("the label table does not exist", "Check the path", path) from error
        except (OSError, UnicodeDecodeError, csv.Error) as error:
            raise InputError(f"the label table cannot be read ({error})", "Give a tab-separated text", path) from error
        for column in ("index", "name"):
            if column not in columns:
                raise InputError(
                    f"column {column!r} is missing; found {', '.join(columns) or 'none'}",
                    "Give a tab-separated table with the columns index and name",
                    path,
                )
        names: dict[int, str] = {}
        for row in rows:
            text, name = (row["index"] or "").strip(), (row["name"] or "").strip()
            if not text and not name:
                continue
            try:
                value = int(text)
            except ValueError as error:
                raise InputError(f"index {text!r} is no integer", "Correct the table", path) from error
            if not name:
                raise InputError(f"index {value} has no name", "Name it", path)
            if value in names:
                raise InputError(f"index {value} occurs twice", "Give each label its own index", path)
            names[value] = name
        try:
            return cls.from_names(names, ignore_value)
        except InputError as error:
            raise InputError(error.problem, error.mend, path) from error

    def to_tsv(self, path: Path | str) -> None:
        """Write the table as BIDS does, a row per value; the ignore value's row comes last."""
        rows = [f"{value}\t{label.name}" for label in self.labels for value in label.values]
        if self.ignore_value is not None:
            rows.append(f"{self.ignore_value}\t{NOT_ANNOTATED[0]}")
        write_text(Path(path), "\n".join(["index\tname", *rows]) + "\n")

    def select(self, wanted: Sequence[str] | Mapping[str, Sequence[str]]) -> "LabelTable":
        """Keep some labels, in the order given, or merge several under new names.

        Args:
            wanted: names to keep, or a mapping from each new name to the names merged under it.

        Raises:
            InputError: a name that the table does not have, or one used twice.

        Example:
            >>> table = LabelTable.from_names({17: "Left-Hippocampus", 53: "Right-Hippocampus"})
            >>> table.select({"Hippocampus": ["Left-Hippocampus", "Right-Hippocampus"]}).values
            [17, 53]
        """
        groups = wanted if isinstance(wanted, Mapping) else {name: (name,) for name in wanted}
        by_name = {label.name: label for label in self.labels}
        for name in (name for names in groups.values() for name in names):
            if name not in by_name:
                near = difflib.get_close_matches(name, by_name, n=1, cutoff=0.5)
                meant = f"Did you mean {near[0]!r}? " if near else ""
                raise InputError(f"no label {name!r}", f"{meant}The labels are: {', '.join(by_name) or 'none'}")
        chosen = tuple(
            Label(new, tuple(value for name in names for value in by_name[name].values))
            for new, names in groups.items()
        )
        kept = {value for label in chosen for value in label.values}
        others = {*self.other_values, *(value for value in self.values if value not in kept)}
        return LabelTable(chosen, self.ignore_value, tuple(sorted(others)))

    def to_classes(self, data: np.ndarray) -> np.ndarray:
        """Turn a label map's values into classes.

        Returns:
            int16 array: 0 for background and for every value that is no label here, 1, 2, ...
            in the order of the table, `IGNORE` for the ignore value.
        """
        meaning = {value: number for number, label in enumerate(self.labels, 1) for value in label.values}
        if self.ignore_value is not None:
            meaning[self.ignore_value] = IGNORE
        if not meaning:
            return np.zeros(data.shape, np.int16)
        if data.size and data.dtype.kind in "iu" and int(data.max()) - int(data.min()) < _LOOKUP_RANGE:
            lowest = int(data.min())
            lookup = np.zeros(int(data.max()) - lowest + 1, np.int16)
            for value, number in meaning.items():
                if 0 <= value - lowest < len(lookup):
                    lookup[value - lowest] = number
            # In 64 bits: the values of a narrow type can be farther apart than it can count.
            return lookup[np.subtract(data, lowest, dtype=np.int64) if lowest else data]
        known = np.array(sorted(meaning), np.int64)
        classes = np.array([meaning[value] for value in known.tolist()], np.int16)
        place = np.minimum(np.searchsorted(known, data), len(known) - 1)
        return np.where(known[place] == data, classes[place], np.int16(0))

    def to_values(self, classes: np.ndarray) -> np.ndarray:
        """Turn classes into the values to write, int32; `IGNORE` becomes the ignore value or 0."""
        values = [0, *(label.values[0] for label in self.labels), self.ignore_value or 0]
        # Index -1, which is IGNORE, is the last entry.
        return np.array(values, np.int32)[classes]

    def unknown_values(self, data: np.ndarray) -> list[int]:
        """Values in a label map that the table does not know, sorted."""
        known = {0, *self.values, *self.other_values, self.ignore_value}
        return [value for value in np.unique(data).tolist() if value not in known]

    def mirror_pairs(self) -> list[tuple[int, int]]:
        """Classes that a left-right flip swaps: pairs whose names differ only in the side."""
        return [(left + 1, right + 1) for left, right in pair_sides(self.names)[0]]

    def unpaired_sides(self) -> list[str]:
        """Names that have a side but no partner, so that a left-right flip would mislabel them."""
        return pair_sides(self.names)[1]

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON data."""
        return {
            "labels": [{"name": label.name, "values": list(label.values)} for label in self.labels],
            "ignore_value": self.ignore_value,
            "other_values": list(self.other_values),
        }

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> "LabelTable":
        """The inverse of `to_dict`."""
        labels: Iterable[Mapping[str, Any]] = data["labels"]
        return cls(
            tuple(Label(label["name"], tuple(label["values"])) for label in labels),
            data.get("ignore_value"),
            tuple(data.get("other_values", ())),
        )
