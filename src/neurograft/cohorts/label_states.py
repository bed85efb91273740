"""Reading the ``label_state`` of a case: one word for all labels, or one per label name."""

import difflib
from collections.abc import Sequence
from pathlib import Path

from neurograft.cohorts.cohort import LABEL_STATES, LabelState
from neurograft.errors import InputError


def parse_label_state(
    text: str, label_names: Sequence[str], has_label: bool, file: Path, place: str
) -> LabelState | dict[str, LabelState]:
    """Read a cell such as ``dense``, ``slices``, ``none`` or ``SNpc=dense;LC=none``.

    Args:
        text: the cell; empty means ``dense`` where there is a label map and ``none`` elsewhere.
        label_names: names of the label table.
        has_label: whether the case has a label map.
        file: the table, for the message.
        place: the row, for the message.

    Returns:
        One state, or a state per name; names that the cell leaves out are ``dense``.

    Raises:
        InputError: an unknown state or label name, or a state that needs a label map where there is none.
    """
    if not text:
        return "dense" if has_label else "none"
    states: dict[str, LabelState] = {}
    if "=" in text:
        for part in filter(None, (part.strip() for part in text.split(";"))):
            name, _, state = (piece.strip() for piece in part.partition("="))
            states[_known_name(name, label_names, file, place)] = _known_state(state, file, place)
        found = list(states.values())
    else:
        found = [_known_state(text, file, place)]
    if not has_label and any(state != "none" for state in found):
        raise InputError(
            f"{place}: label_state is {text!r}, but there is no label map",
            "Give the label map's path in column 'label', or set the state to none",
            file,
        )
    return {name: states.get(name, "dense") for name in label_names} if states else found[0]


def _known_state(state: str, file: Path, place: str) -> LabelState:
    if state not in LABEL_STATES:
        raise InputError(
            f"{place}: unknown label_state {state!r}",
            f"Write {', '.join(LABEL_STATES)}, or one per label as in 'name=dense;name=none'",
            file,
        )
    return state


def _known_name(name: str, label_names: Sequence[str], file: Path, place: str) -> str:
    if name not in label_names:
        near = difflib.get_close_matches(name, label_names, n=1)
        hint = f"Did you mean {near[0]!r}? " if near else ""
        raise InputError(
            f"{place}: label_state names the label {name!r}, which the label table does not have",
            f"{hint}Labels: {', '.join(label_names) or 'none'}",
            file,
        )
    return name
