"""Fewer labels out of a head that knows more: probabilities of its rows, added up.

A softmax with a row for white matter says where white matter is. Leave the row out, and what was white matter must
be one of the rows that stay, whichever is the least unlikely. So the head keeps its rows, and their probabilities are
added up: those of several labels to the label that they are parts of, and those of labels that nobody asked for to
the background.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True)
class Folding:
    """Which rows of a softmax make up each label; all others, its own background too, are background.

    Args:
        rows: names of the head's rows.
        parts: label -> names of its rows, one at least; no row is of two labels.
    """

    rows: tuple[str, ...]
    parts: Mapping[str, Sequence[str]]

    def __post_init__(self) -> None:
        named = [row for parts in self.parts.values() for row in parts]
        if len(set(named)) < len(named) or not set(named) <= set(self.rows):
            raise ValueError("a row of the head belongs to one label at most, and must exist")

    def fold(self, probabilities: Tensor) -> Tensor:
        """(N, rows, ...) to (N, 1 + labels, ...), background first."""
        label_of = {row: number for number, parts in enumerate(self.parts.values(), start=1) for row in parts}
        places = [label_of.get(row, 0) for row in self.rows]
        size = (len(probabilities), 1 + len(self.parts), *probabilities.shape[2:])
        folded = probabilities.new_zeros(size)
        return folded.index_add_(1, torch.tensor(places, device=probabilities.device), probabilities)
