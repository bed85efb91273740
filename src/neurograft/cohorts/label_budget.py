"""A label budget: which slices of a case count as drawn.

What slices are chosen depends on the seed and the names of subject and case alone. So a case keeps
its slices whatever other cases are there, and with random slices a smaller number is a part of a
larger one.

Reference:
    Richter and Fetit 2022 (P3), label budgeting. The paper keeps slices off the margins (its code
    takes the middle 90 % of the axis) and fixes them before any transform. Its code draws them
    again after the elastic deformation, which is not followed here.
"""

import hashlib
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from neurograft.imaging.grid import Grid, Shape
from neurograft.imaging.labels import IGNORE
from neurograft.recipes.schema import LabelBudgetConfig

SLICE_AXES = {"sagittal": "RL", "coronal": "AP", "axial": "SI"}
"""Ways to cut slices, and the two directions across them."""


@dataclass(frozen=True)
class AnnotatedSlices:
    """Slices of a volume that count as annotated.

    Attributes:
        plane: ``sagittal``, ``coronal`` or ``axial``, the nearest for an oblique volume.
        axis: the array axis across the slices.
        slices: indices along that axis, rising; counted from 0 on the file's own grid.
    """

    plane: str
    axis: int
    slices: tuple[int, ...]

    def mask(self, shape: Shape) -> NDArray[np.bool_]:
        """True in the slices: (D, H, W)."""
        along = np.zeros(shape[self.axis], bool)
        along[list(self.slices)] = True
        return np.broadcast_to(along.reshape([-1 if axis == self.axis else 1 for axis in range(3)]), shape)


def array_axis(grid: Grid, plane: str) -> int:
    """The array axis across slices of a plane, the nearest one where the volume is oblique."""
    return next(axis for axis, letter in enumerate(grid.orientation) if letter in SLICE_AXES[plane])


def choose_slices(
    classes: NDArray[np.integer], grid: Grid, budget: LabelBudgetConfig, subject: str, case_id: str, seed: int
) -> AnnotatedSlices | None:
    """Choose the slices of a case.

    Args:
        classes: (D, H, W) on the file's own grid, `IGNORE` where nobody annotated.
        grid: the file's.
        budget: axis, number and manner.
        subject: decides a random axis.
        case_id: decides random slices.
        seed: the run's.

    Returns:
        The slices, or ``None`` where the budget sets no limit. There is at least one, unless no slice
        can be chosen at all: with ``within: labels`` and no label, or where nothing is annotated.
    """
    if budget.axis == "none":
        return None
    plane: str = budget.axis
    if plane == "random":
        plane = tuple(SLICE_AXES)[int(_generator(seed, "axis", subject).integers(3))]
    axis = array_axis(grid, plane)
    others = tuple(other for other in range(3) if other != axis)
    first, last = 0, classes.shape[axis] - 1
    if budget.within == "labels":
        shown = np.flatnonzero((classes > 0).any(axis=others))
        if not len(shown):
            return AnnotatedSlices(plane, axis, ())
        first, last = int(shown[0]), int(shown[-1])
    length = last - first + 1
    wanted = budget.slices or max(1, round(budget.share * length))
    # Half a margin that would leave nothing leaves the middle.
    cut = min(int(length * budget.margin / 2), (length - 1) // 2)
    candidates = np.arange(first + cut, last - cut + 1)
    annotated = (classes != IGNORE).any(axis=others)
    candidates = candidates[annotated[candidates]]
    if budget.selection == "even":
        count = min(wanted, len(candidates))
        places = ((np.arange(count) + 0.5) * len(candidates) / max(count, 1)).astype(int)
    else:
        places = _generator(seed, "slices", case_id).permutation(len(candidates))[:wanted]
    return AnnotatedSlices(plane, axis, tuple(sorted(candidates[places].tolist())))


def _generator(seed: int, what: str, name: str) -> np.random.Generator:
    """A generator for one name; a hash keeps neighbouring seeds and names unrelated."""
    digest = hashlib.sha256(f"{seed}/{what}/{name}".encode()).digest()
    return np.random.default_rng(int.from_bytes(digest[:8], "big"))
