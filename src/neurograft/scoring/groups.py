"""Labels that are also scored as one: both sides of a structure, all of them, and what the user names."""

from collections.abc import Mapping, Sequence

from neurograft.errors import InputError
from neurograft.imaging.sides import pair_sides, without_side

ALL_LABELS = "all labels"


def label_groups(names: Sequence[str], extra: Mapping[str, Sequence[str]]) -> dict[str, tuple[int, ...]]:
    """Class indices of each group of labels; the n-th name is class n.

    Args:
        names: label names.
        extra: further groups by name.

    Raises:
        InputError: a group without members or with an unknown one, or of a name that is taken.

    Example:
        >>> label_groups(["Left-Putamen", "Right-Putamen", "Brain-Stem"], {})
        {'both Putamen': (1, 2), 'all labels': (1, 2, 3)}
    """
    index = {name: number for number, name in enumerate(names, start=1)}
    groups: dict[str, tuple[int, ...]] = {
        f"both {without_side(names[left])}": (left + 1, right + 1) for left, right in pair_sides(names)[0]
    }
    if len(names) > 2 or (len(names) == 2 and not groups):
        groups[ALL_LABELS] = tuple(index.values())
    for name, members in extra.items():
        unknown = [member for member in members if member not in index]
        if unknown or not members:
            raise InputError(
                f"group {name!r} holds {', '.join(unknown) or 'nothing'}, which is no label here",
                f"Labels: {', '.join(names)}",
            )
        if name in index or name in groups:
            raise InputError(f"group {name!r} has the name of a label or of another group", "Give it another name")
        groups[name] = tuple(index[member] for member in members)
    return groups
