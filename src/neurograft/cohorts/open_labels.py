"""Where nobody looked for a label: what a case's label states say of each voxel of its label map."""

import numpy as np
from numpy.typing import NDArray

from neurograft.cohorts.cohort import Case
from neurograft.cohorts.label_budget import SLICE_AXES, array_axis
from neurograft.errors import InputError
from neurograft.imaging.grid import Grid
from neurograft.imaging.labels import IGNORE, LabelTable

LABEL_AXIS = "label_axis"
"""Column of a cohort that says how the slices of a label map in state ``slices`` are cut."""


def require_known_extent(case: Case, labels: LabelTable) -> None:
    """Refuse a case of which nothing tells where its labels were looked for.

    Raises:
        InputError: no wanted label is annotated; or one is annotated in slices, and neither the label
            table has a value for voxels that were not annotated nor the case says how slices are cut.
    """
    states = {name: case.state_of(name) for name in labels.names}
    if labels.names and all(state == "none" for state in states.values()):
        raise InputError(
            f"{', '.join(labels.names)} is not annotated in case {case.id} (label_state none)",
            "Leave the case out, or ask for other labels with labels=[...]",
            case.label,
        )
    in_slices = [name for name, state in states.items() if state == "slices"]
    if in_slices and labels.ignore_value is None and label_plane(case) is None:
        raise InputError(
            f"{', '.join(in_slices)} is annotated in some slices only in case {case.id} (label_state slices), "
            "so its voxels elsewhere would pass for background",
            "Mark the voxels without annotation with a value called 'not annotated' in the label table; or, where "
            f"every slice without the label is such a slice, give the column {LABEL_AXIS}: {', '.join(SLICE_AXES)}",
            case.label,
        )


def label_plane(case: Case) -> str | None:
    """How the slices of a case's label map are cut, if the cohort says so.

    Raises:
        InputError: an unknown word.
    """
    plane = case.covariates.get(LABEL_AXIS, "")
    if not plane:
        return None
    if plane not in SLICE_AXES:
        raise InputError(
            f"{LABEL_AXIS} of case {case.id} is {plane!r}", f"Write one of {', '.join(SLICE_AXES)}", case.label
        )
    return plane


def open_labels(
    case: Case, classes: NDArray[np.int16], labels: LabelTable, grid: Grid
) -> tuple[NDArray[np.int16], list[NDArray[np.bool_]]]:
    """Take the label states of a case into account.

    - ``dense``: the label is known everywhere. Where the table has a value for voxels that were not
      annotated, such voxels are free of a dense label when another label of the case is not dense, for
      a label map can hold one value a voxel; when all labels are dense, they are open for all.
    - ``slices``: open in the voxels marked as not annotated. If the case says how slices are cut, also
      in every slice that does not show the label (that shows none, where one state stands for all).
    - ``none``: open everywhere; voxels drawn with it all the same do not count.

    Args:
        case: with its states.
        classes: (D, H, W), `IGNORE` where the label map says that nobody annotated.
        labels: the label table, in the order of the classes.
        grid: of the label map.

    Returns:
        The classes of what counts as drawn, without `IGNORE`; and for each label where it is open. Labels
        with one extent share one array.
    """
    states = [case.state_of(name) for name in labels.names]
    marked = classes == IGNORE
    known = np.where(marked, 0, classes).astype(np.int16)
    plane = label_plane(case) if "slices" in states else None
    nowhere, everywhere = np.zeros(classes.shape, bool), np.ones(classes.shape, bool)
    dense = marked if all(state == "dense" for state in states) else nowhere
    undrawn = marked
    if plane is not None and isinstance(case.label_state, str):
        undrawn = marked | _slices_without(known > 0, array_axis(grid, plane))
    masks = []
    for label, state in enumerate(states, start=1):
        if state == "none":
            known[known == label] = 0
            masks.append(everywhere)
        elif state == "dense":
            masks.append(dense)
        elif plane is None or isinstance(case.label_state, str):
            masks.append(undrawn)
        else:
            masks.append(marked | _slices_without(known == label, array_axis(grid, plane)))
    return known, masks


def _slices_without(drawn: NDArray[np.bool_], axis: int) -> NDArray[np.bool_]:
    others = tuple(other for other in range(3) if other != axis)
    return np.broadcast_to(~drawn.any(axis=others, keepdims=True), drawn.shape)
