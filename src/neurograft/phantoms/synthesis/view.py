"""What of a patch lies in the field of view: all but one end of it, or only a small box, as in tight crops."""

from dataclasses import dataclass

import torch
from torch import Tensor

from neurograft.recipes.schema import Range, Size, Triple


@dataclass(frozen=True)
class View:
    """A box of voxels that are seen.

    Args:
        start, stop: its first voxels along the array axes, and the first ones beyond it.
        is_all: there is nothing else: the scan is no larger than the box. Otherwise the scan goes on as it did, and
            only ends at one side of the patch.
    """

    start: Size
    stop: Size
    is_all: bool = False

    @property
    def box(self) -> tuple[slice, slice, slice]:
        """Of a patch (d, h, w)."""
        first, second, third = (slice(low, high) for low, high in zip(self.start, self.stop, strict=True))
        return first, second, third

    def mask(self, shape: torch.Size, device: torch.device) -> Tensor:
        """(d, h, w) bool."""
        inside = torch.zeros(shape, dtype=torch.bool, device=device)
        inside[self.box] = True
        return inside


def cut_off_view(size: Size, axis: int, share: float, at_start: bool) -> View:
    """A view that lacks a share of a patch at one end of one axis; a voxel at least is left."""
    unseen = min(round(size[axis] * share), size[axis] - 1)
    low = [unseen if each == axis and at_start else 0 for each in range(3)]
    high = [length - (unseen if each == axis and not at_start else 0) for each, length in enumerate(size)]
    return View((low[0], low[1], low[2]), (high[0], high[1], high[2]))


def tight_view(size: Size, spacing_mm: Triple, side_mm: Range, shares: Tensor) -> View:
    """A small box somewhere in a patch.

    Args:
        size: voxels of the patch.
        spacing_mm: of its voxels.
        side_mm: shortest and longest side; the patch limits it.
        shares: (2, 3) from 0 to 1, of the lengths of the sides and of the places of their starts.
    """
    start, stop = [], []
    for length, side, of_length, of_place in zip(size, spacing_mm, *shares.tolist(), strict=True):
        voxels = min(max(1, round((side_mm[0] + (side_mm[1] - side_mm[0]) * of_length) / side)), length)
        first = min(int((length - voxels + 1) * of_place), length - voxels)
        start.append(first)
        stop.append(first + voxels)
    return View((start[0], start[1], start[2]), (stop[0], stop[1], stop[2]), is_all=True)
