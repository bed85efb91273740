"""Which values of a label map share one tissue's intensities, where images are made from label maps.

These classes are finer than the labels that a network learns: what is no label still looks like
something. Class 0 is value 0, the air around the head; classes 1, 2, ... follow in the order given.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from neurograft.errors import InputError
from neurograft.imaging.labels import LabelTable


@dataclass(frozen=True)
class IntensityClass:
    """Values of a label map that look alike.

    Attributes:
        structure: the label that the first value belongs to; empty for a value without a name.
        values: at least one; the first stands for the class.
        is_whole: whether the first value is the structure's own, and not a part that belongs to it but
            looks different, such as a lesion in white matter.
    """

    structure: str
    values: tuple[int, ...]
    is_whole: bool = True


@dataclass(frozen=True)
class IntensityClasses:
    """The classes 1, 2, ... of a cohort of label maps.

    Raises:
        InputError: a value in two classes, or 0 in any.
    """

    classes: tuple[IntensityClass, ...]

    def __post_init__(self) -> None:
        values = [value for each in self.classes for value in each.values]
        twice = sorted({value for value in values if values.count(value) > 1})
        if twice or 0 in values:
            what = f"value {twice[0]} is in two intensity classes" if twice else "value 0 is in an intensity class"
            raise InputError(what, "Give each value one intensity class, and leave out 0, the air around the head")

    def __len__(self) -> int:
        return len(self.classes)

    @classmethod
    def of_labels(cls, labels: LabelTable) -> "IntensityClasses":
        """A class for every value that a label table knows."""
        named = [
            IntensityClass(label.name, (value,), is_whole=value == label.values[0])
            for label in labels.labels
            for value in label.values
        ]
        return cls((*named, *(IntensityClass("", (value,), False) for value in labels.other_values)))

    @cached_property
    def table(self) -> LabelTable:
        """The classes in the form that brings a label map onto the grid of a prepared image."""
        return LabelTable.from_names(
            {value: f"class {number}" for number, each in enumerate(self.classes, 1) for value in each.values}
        )

    def to_classes(self, data: np.ndarray) -> np.ndarray:
        """Turn a label map's values into classes, int16; a value of no class becomes 0."""
        return self.table.to_classes(data)

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON data."""
        return {
            "classes": [
                {"structure": each.structure, "values": list(each.values), "is_whole": each.is_whole}
                for each in self.classes
            ]
        }

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> "IntensityClasses":
        """The inverse of `to_dict`."""
        classes: Iterable[Mapping[str, Any]] = data["classes"]
        return cls(
            tuple(IntensityClass(each["structure"], tuple(each["values"]), each["is_whole"]) for each in classes)
        )
