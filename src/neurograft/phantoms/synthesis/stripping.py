"""A brain without its head, as brain extraction leaves it: folds filled, a border near the brain's, and uneven.

Blurred by a Gaussian, a flat border becomes a slope, on which each level lies at a distance of its own.
Two blurs thus grow the brain until its folds are full, and shrink it again to wherever the border is to
be; as matrix products they take a fraction of a morphological closing's time.
"""

import math

import torch
from torch import Tensor

from neurograft.phantoms.synthesis.acquisition import along_axes, gaussian_matrix
from neurograft.phantoms.synthesis.draw import STRIP_WOBBLE_SPACING_MM, SynthesisDraw
from neurograft.phantoms.synthesis.fields import smooth_field
from neurograft.recipes.schema import Triple

_GROWN_MM = 3.0
"""Half of the widest gap between folds that counts as brain."""
_SIGMA_MM = 2.0


def stripped_view(brain: Tensor, draw: SynthesisDraw, spacing_mm: Triple) -> Tensor:
    """What brain extraction keeps.

    Args:
        brain: (d, h, w) bool.
        draw: with ``strip_border_mm``; everything is kept without.
        spacing_mm: of the voxels.

    Returns:
        (d, h, w) bool.
    """
    if draw.strip_border_mm is None:
        return torch.ones_like(brain)
    slope = brain_slope(brain, spacing_mm)
    border = torch.full_like(slope, draw.strip_border_mm)
    if draw.strip_wobble is not None:
        depth, height, width = brain.shape
        points = draw.strip_wobble.to(slope)
        border += smooth_field(points, (depth, height, width), spacing_mm, STRIP_WOBBLE_SPACING_MM)
    return slope > _level(border - _GROWN_MM)


def brain_slope(brain: Tensor, spacing_mm: Triple) -> Tensor:
    """(d, h, w) float32 that falls from 1 to 0 across the border of the grown brain."""
    matrices = [
        gaussian_matrix(length, torch.arange(length, dtype=torch.float64), _SIGMA_MM / side).float().to(brain.device)
        for length, side in zip(brain.shape, spacing_mm, strict=True)
    ]
    grown = along_axes(brain.float()[None], *matrices) > _level(torch.tensor(_GROWN_MM, device=brain.device))
    return along_axes(grown.float(), *matrices)[0]


def inside_border(slope: Tensor, border_mm: float) -> Tensor:
    """(d, h, w) bool: what lies within an even border so far outside of the brain, of a `brain_slope`."""
    return slope > _level(torch.tensor(border_mm - _GROWN_MM, device=slope.device))


def _level(distance_mm: Tensor) -> Tensor:
    """The value of a blurred flat border so far outside of it."""
    return 0.5 * torch.erfc(distance_mm / (_SIGMA_MM * math.sqrt(2)))
