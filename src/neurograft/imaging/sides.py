"""Tell left from right in the names of structures."""

import re
from collections.abc import Sequence
from typing import Literal

Side = Literal["left", "right"]

_SIDES: dict[str, Side] = {"left": "left", "l": "left", "lh": "left", "right": "right", "r": "right", "rh": "right"}
# Left and Right are also found inside CamelCase; the short forms only between separators, since
# "LCx" and "RNp" are names of structures and no sides.
_TOKEN = re.compile(
    r"(?:[Ll]eft|[Rr]ight|LEFT|RIGHT)(?![a-z])"  # a side on its own or at the start of a CamelCase word
    r"|[^\W_]+?(?=(?:Left|Right)(?![a-z]))"  # what stands before a side in CamelCase
    r"|[^\W_]+"
)


def split_side(name: str) -> tuple[str, Side | None]:
    """Part a structure's name into what it is and on which side.

    Returns:
        The name with the side replaced by "*", in lower case, and the side; ``None`` where the
        name has no side, or both.

    Example:
        >>> split_side("Left-Hippocampus"), split_side("rh_cortex"), split_side("Brain Stem")
        (('* hippocampus', 'left'), ('* cortex', 'right'), ('brain stem', None))
    """
    tokens = [token.lower() for token in _TOKEN.findall(name)]
    sides = {_SIDES[token] for token in tokens if token in _SIDES}
    if len(sides) != 1:
        return " ".join(tokens), None
    return " ".join("*" if token in _SIDES else token for token in tokens), sides.pop()


def without_side(name: str) -> str:
    """A structure's name without its side, otherwise as it was written.

    Example:
        >>> without_side("Left-Hippocampus"), without_side("thalamus_rh"), without_side("Brain Stem")
        ('Hippocampus', 'thalamus', 'Brain Stem')
    """
    kept, end = [], 0
    for token in _TOKEN.finditer(name):
        if token.group().lower() in _SIDES:
            kept.append(name[end : token.start()])
            end = token.end()
    return re.sub(r"([-_. ])[-_. ]+", r"\1", "".join([*kept, name[end:]])).strip("-_. ") or name


def pair_sides(names: Sequence[str]) -> tuple[list[tuple[int, int]], list[str]]:
    """Match names that differ only in their side.

    Returns:
        Pairs of indices into `names`, left before right, and the names that have a side but
        not exactly one partner.
    """
    found: dict[str, dict[Side, list[int]]] = {}
    for index, name in enumerate(names):
        structure, side = split_side(name)
        if side is not None:
            found.setdefault(structure, {"left": [], "right": []})[side].append(index)
    pairs: list[tuple[int, int]] = []
    alone: list[int] = []
    for sides in found.values():
        if len(sides["left"]) == len(sides["right"]) == 1:
            pairs.append((sides["left"][0], sides["right"][0]))
        else:
            alone += sides["left"] + sides["right"]
    return pairs, [names[index] for index in sorted(alone)]
