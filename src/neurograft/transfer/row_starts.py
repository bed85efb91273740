"""From which rows of the source's head each row of a new head starts."""

from collections.abc import Mapping, Sequence

from torch import Tensor

from neurograft.errors import InputError
from neurograft.imaging.sides import split_side

JOINED_BY = "+"
"""Between the names of labels whose rows are merged."""

Start = tuple[str, ...]
"""Names of source rows; none for a random start."""


def row_starts(outputs: Sequence[str], source: Sequence[str], label_from: Mapping[str, str]) -> dict[str, Start]:
    """What each row starts from: the row of its own name unless told otherwise.

    Args:
        outputs: names of the new head's rows.
        source: of the source's.
        label_from: new row -> a source row, several joined by ``+``, the name of a structure without its
            side, which is both sides merged, or "" for a random start.

    Raises:
        InputError: a name that the target or the source does not have.

    Example:
        >>> row_starts(["hippocampus"], ["left hippocampus", "right hippocampus"], {"hippocampus": "hippocampus"})
        {'hippocampus': ('left hippocampus', 'right hippocampus')}
    """
    for name in label_from:
        if name not in outputs:
            raise InputError(f"the target has no label {name!r}", f"Target labels: {', '.join(outputs)}")
    named = {name: _named(text, source) for name, text in label_from.items()}
    return {name: named.get(name, (name,) if name in source else ()) for name in outputs}


def merged_row(source: Tensor, outputs: Sequence[str], start: Start, background: str) -> Tensor:
    """The row of several labels together.

    In a softmax the log-odds of the labels against the background add up: where one of them is far above
    it and the others are about even with it, so is the sum. In a sigmoid, whose rows know nothing of each
    other, they are averaged. Either is a place to start learning from, not the union's probability.

    Args:
        source: the head's tensor, a row an output first.
        outputs: the names of its rows.
        start: names of one row or more.
        background: name of a softmax's own row.
    """
    rows = source[[list(outputs).index(name) for name in start]]
    if len(start) == 1:
        return rows[0]
    if background not in outputs:
        return rows.mean(0)
    return rows.sum(0) - (len(start) - 1) * source[list(outputs).index(background)]


def _named(text: str, source: Sequence[str]) -> Start:
    if not text:
        return ()
    if text in source:
        return (text,)
    parts = [part.strip() for part in text.split(JOINED_BY)]
    if len(parts) > 1:
        return tuple(dict.fromkeys(name for part in parts for name in _named(part, source)))
    wanted = split_side(text)[0]
    sides = [name for name in source if split_side(name)[1] and split_side(name)[0].replace("* ", "") == wanted]
    if not sides:
        raise InputError(f"the source has no label {text!r}", f"Source labels: {', '.join(source)}")
    return tuple(sides)
