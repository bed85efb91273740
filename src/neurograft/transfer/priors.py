"""Weights that read a prior beside something else: their columns of the prior move by the names of its frames."""

from collections.abc import Callable, Sequence
from typing import Literal

from torch import Tensor

Copied = tuple[Literal["copied", "adapted", "transplanted", "reset", "skipped"], str]


def copy_beside_prior(
    tensor: Tensor,
    source: Tensor,
    names: Sequence[str],
    source_names: Sequence[str],
    each: tuple[int, int],
    copy_rest: Callable[[Tensor, Tensor], Copied],
) -> Copied:
    """Copy a weight whose last columns are a prior's, in place.

    Columns of a frame that the source did not read are set to 0, so that the new network starts as
    the source was, whatever the prior says.

    Args:
        tensor: (F, R + P, ...), the target's.
        source: likewise.
        names: of the target's frames.
        source_names: of the source's.
        each: columns of a frame, in the target and in the source.
        copy_rest: copies the other columns.

    Returns:
        What was done, and why.
    """
    rest = tensor.shape[1] - len(names) * each[0]
    source_rest = source.shape[1] - len(source_names) * each[1]
    if (
        source_rest < 0
        or each[0] != each[1]
        or source.shape[:1] + source.shape[2:] != tensor.shape[:1] + tensor.shape[2:]
    ):
        return "reset", "shapes differ beyond the prior"
    action, why = copy_rest(tensor[:, :rest], source[:, :source_rest])
    if action == "reset" or list(names) == list(source_names) == []:
        return action, why
    columns = tensor[:, rest:].unflatten(1, (-1, each[0])) if names else tensor[:, rest:]
    for number, name in enumerate(names):
        if name in source_names:
            first = source_rest + source_names.index(name) * each[1]
            columns[:, number].copy_(source[:, first : first + each[1]])
        else:
            columns[:, number].zero_()
    if list(names) == list(source_names):
        return action, why
    fresh = [name for name in names if name not in source_names]
    said = "frames of the prior by name" + (f"; 0 for {', '.join(fresh)}" if fresh else "")
    return "adapted", f"{why}; {said}" if why else said
