"""Lesions in white matter: ellipsoids with uneven surfaces, in the image and not in the labels."""

import math

import torch
from torch import Tensor

from neurograft.phantoms.synthesis.draw import Lesion
from neurograft.recipes.schema import Triple

_UNEVENNESS = 0.35
"""How much nearer or farther than the ellipsoid the surface may lie, as part of the radius."""


def lesion_mask(white: Tensor, lesions: tuple[Lesion, ...], spacing_mm: Triple, generator: torch.Generator) -> Tensor:
    """Where lesions lie.

    Args:
        white: (d, h, w) bool, voxels of white matter; nothing lies outside of it.
        lesions: ellipsoids.
        spacing_mm: of the voxels.
        generator: of the unevenness; on the device of ``white``.

    Returns:
        (d, h, w) bool.
    """
    mask = torch.zeros_like(white)
    voxels = torch.nonzero(white)
    if not len(voxels):
        return mask
    for lesion in lesions:
        centre = voxels[min(int(lesion.place * len(voxels)), len(voxels) - 1)].tolist()
        box, squares = [], []
        for axis, radius in enumerate(lesion.radii_mm):
            side = spacing_mm[axis]
            reach = math.ceil(radius * (1 + _UNEVENNESS) / side)
            start, stop = max(0, centre[axis] - reach), min(white.shape[axis], centre[axis] + reach + 1)
            box.append(slice(start, stop))
            offsets = (torch.arange(start, stop, device=white.device) - centre[axis]) * side
            shape = [1, 1, 1]
            shape[axis] = -1
            squares.append((offsets / max(radius, side / 2)).square().reshape(shape))
        inside = (box[0], box[1], box[2])
        distance = (squares[0] + squares[1] + squares[2]).sqrt()
        uneven = torch.rand(distance.shape, generator=generator, device=white.device) - 0.5
        mask[inside] |= distance < 1 + 2 * _UNEVENNESS * uneven
    return mask & white
