"""Normalise a made patch as its whole volume would have been: by the numbers of voxels of each tissue there.

Preparation normalises whole volumes. A patch knows too little of its volume for that: one deep in the
brain shows no cortex and no air. But the label map has counted the tissues, and the draw says how bright
each is, so mean, spread and percentiles of the volume are known without making it.
"""

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from neurograft.phantoms.synthesis.draw import SynthesisDraw
from neurograft.phantoms.synthesis.tissues import Tissues
from neurograft.phantoms.synthesis.volumes import TissueVoxels
from neurograft.recipes.schema import PreparationConfig

_NODES = 11
"""Quantiles that stand for the spread inside a tissue."""
_FLAT = 1e-6
"""A spread below this share of the largest value is no contrast."""


@dataclass(frozen=True, eq=False)
class Normalisation:
    """Subtract, divide, and clip to [0, 1] where percentiles are asked for; (C,) each."""

    shift: Tensor
    scale: Tensor
    clips: bool = False

    def __call__(self, image: Tensor) -> Tensor:
        """Normalise (C, d, h, w), in place."""
        shift, scale = (part.to(image)[:, None, None, None] for part in (self.shift, self.scale))
        image.sub_(shift).div_(scale)
        return image.clamp_(0, 1) if self.clips else image


def of_tissues(
    draw: SynthesisDraw, tissues: Tissues, volume: TissueVoxels, preparation: PreparationConfig
) -> Normalisation:
    """From the draw and the whole volume's voxels of each class.

    Args:
        draw: of the patch.
        tissues: the classes.
        volume: the voxels of each class in the prepared volume.
        preparation: how images are normalised.
    """
    probabilities = (torch.arange(_NODES, dtype=torch.float64) + 0.5) / _NODES
    nodes = math.sqrt(2) * torch.erfinv(2 * probabilities - 1)
    std = torch.hypot(draw.std, draw.mean * draw.bias_log_std)
    values = (draw.mean[..., None] + std[..., None] * nodes).clamp(min=0)
    if draw.gamma:
        values = values.pow(torch.tensor(draw.gamma, dtype=torch.float64)[:, None, None])
    noise = torch.tensor(draw.noise_std or (0.0,) * len(values), dtype=torch.float64)
    seen = volume.within(draw.strip_border_mm)
    if draw.zero_air:
        seen = torch.where(tissues.is_air, 0.0, seen)
    weights = (seen[:, None] / _NODES).expand(-1, _NODES).flatten()
    values = values.flatten(1)
    if preparation.normalisation != "zscore_nonzero":
        # All that is not seen counts as one voxel of 0 with the weight of many.
        values = torch.cat([values, torch.zeros(len(values), 1, dtype=torch.float64)], 1)
        weights = torch.cat([weights, (volume.whole.sum() - seen.sum()).clamp(min=0)[None]])
    return _from_values(values, weights, noise, preparation)


def of_image(image: Tensor, preparation: PreparationConfig) -> Normalisation:
    """From the voxels of a whole made volume (C, d, h, w)."""
    values = image.flatten(1).double()
    if preparation.normalisation != "zscore_nonzero":
        return _from_values(values, torch.ones(values.shape[1]), torch.zeros(len(values)), preparation)
    each = [
        _from_values(row[None], (row != 0).double(), torch.zeros(1, dtype=torch.float64), preparation) for row in values
    ]
    return Normalisation(torch.cat([one.shift for one in each]), torch.cat([one.scale for one in each]))


def _from_values(values: Tensor, weights: Tensor, noise: Tensor, preparation: PreparationConfig) -> Normalisation:
    """From (C, n) values with (n,) weights, and the spread of noise (C,) that is not in them."""
    total = weights.sum()
    if preparation.normalisation == "none" or total == 0:
        return Normalisation(torch.zeros(len(values)), torch.ones(len(values)))
    if preparation.normalisation == "percentile":
        low, high = (_quantile(values, weights, percent / 100) for percent in preparation.percentiles)
        spread = high - low
        flat = spread <= _FLAT * torch.maximum(low.abs(), high.abs())
        return Normalisation(low, torch.where(flat, math.inf, spread), clips=True)
    mean = (values * weights).sum(1) / total
    variance = ((values - mean[:, None]).square() * weights).sum(1) / total + noise.square()
    deviation = variance.sqrt()
    flat = deviation <= _FLAT * values.abs().amax(1)
    return Normalisation(mean, torch.where(flat, math.inf, deviation))


def _quantile(values: Tensor, weights: Tensor, share: float) -> Tensor:
    """(C,) the value below which a share of the weight lies, between neighbours by a straight line."""
    found = []
    for row in values:
        ordered, order = row.sort()
        weight = weights[order]
        middles = (weight.cumsum(0) - weight / 2) / weight.sum()
        above = int(torch.searchsorted(middles, share).clamp(1, len(ordered) - 1)) if len(ordered) > 1 else 0
        if above == 0:
            found.append(ordered[0])
            continue
        step = middles[above] - middles[above - 1]
        part = ((share - middles[above - 1]) / step).clamp(0, 1) if step > 0 else 1.0
        found.append(ordered[above - 1] + (ordered[above] - ordered[above - 1]) * part)
    return torch.stack(found)
