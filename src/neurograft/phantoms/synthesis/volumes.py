"""How many voxels of each tissue a whole volume shows, with its head and without."""

from dataclasses import dataclass

import torch
from torch import Tensor

from neurograft.phantoms.synthesis.stripping import brain_slope, inside_border
from neurograft.phantoms.synthesis.tissues import Tissues
from neurograft.recipes.schema import Triple

_BORDERS_MM = (-1.0, 0.0, 1.0, 2.0, 3.0)
_STEP = 2
"""Stripped brains are counted on every second voxel along each axis: shares hardly feel it."""


@dataclass(frozen=True, eq=False)
class TissueVoxels:
    """Counts of a volume.

    Attributes:
        whole: (K,) float64 voxels of each class.
        stripped: (B, K) float64 voxels of each class that a stripped brain keeps, by border.
    """

    whole: Tensor
    stripped: Tensor

    def within(self, border_mm: float | None) -> Tensor:
        """(K,) voxels within a border, ``None`` for the whole head; by a straight line between those counted."""
        if border_mm is None:
            return self.whole
        place = min(max(border_mm - _BORDERS_MM[0], 0.0), len(_BORDERS_MM) - 1.0)
        below = min(int(place), len(_BORDERS_MM) - 2)
        return torch.lerp(self.stripped[below], self.stripped[below + 1], place - below)


@dataclass(frozen=True, eq=False)
class GenerationMap:
    """A whole volume to make images from.

    Attributes:
        classes: (D, H, W) int16 intensity classes.
        voxels: how many of each it has.
    """

    classes: Tensor
    voxels: TissueVoxels


def count_tissues(classes: Tensor, tissues: Tissues, spacing_mm: Triple) -> TissueVoxels:
    """Count a volume's voxels.

    Args:
        classes: (D, H, W) integers.
        tissues: the classes.
        spacing_mm: of the voxels.
    """
    kinds = len(tissues)
    whole = torch.bincount(classes.flatten().long(), minlength=kinds).double()
    coarse = classes[::_STEP, ::_STEP, ::_STEP].long()
    first, second, third = spacing_mm
    slope = brain_slope(tissues.in_brain[coarse], (_STEP * first, _STEP * second, _STEP * third))
    stripped = [torch.bincount(coarse[inside_border(slope, border)], minlength=kinds) for border in _BORDERS_MM]
    return TissueVoxels(whole, torch.stack(stripped).double() * (classes.numel() / coarse.numel()))
