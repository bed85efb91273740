"""Smooth random fields over a patch, from their control points."""

import torch
from torch import Tensor

from neurograft.recipes.schema import Size, Triple

# At a control point a cubic B-spline has the weights 1/6, 4/6, 1/6 along each axis; independent
# coefficients of standard deviation 1 thus give a value of (1/2)^(3/2) there.
_SPLINE_STD = 0.5**1.5


def smooth_field(points: Tensor, size: Size, spacing_mm: Triple, distance_mm: float) -> Tensor:
    """A cubic B-spline through a patch.

    Args:
        points: (..., n0, n1, n2) independent normal numbers; the first stands one distance before the patch.
        size: voxels (d, h, w).
        spacing_mm: of the voxels.
        distance_mm: between control points.

    Returns:
        (..., d, h, w) of the points' device and precision, at a control point with the points' spread.

    Reference:
        Rueckert et al. 1999, IEEE TMI 18:712, section II-B.
    """
    depth, height, width = (
        _spline_weights(length, count, distance_mm / side).to(points)
        for length, count, side in zip(size, points.shape[-3:], spacing_mm, strict=True)
    )
    # Axis by axis as matrix products: far cheaper than 64 neighbours for each voxel.
    field = height @ (points @ width.T)
    flat = field.reshape(*points.shape[:-2], -1)
    return (depth @ flat).reshape(*points.shape[:-3], *size) / _SPLINE_STD


def _spline_weights(length: int, count: int, spacing_voxels: float) -> Tensor:
    """(length, count) weight of each control point at each voxel."""
    position = torch.arange(length, dtype=torch.float64) / spacing_voxels
    interval = position.floor().long()
    t = position - interval
    basis = torch.stack(((1 - t) ** 3, 3 * t**3 - 6 * t**2 + 4, -3 * t**3 + 3 * t**2 + 3 * t + 1, t**3), dim=1)
    weights = torch.zeros(length, count, dtype=torch.float64)
    return weights.scatter_(1, interval[:, None] + torch.arange(4), basis / 6)
