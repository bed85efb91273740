"""How far an engine's answers are from PyTorch's in single precision, on windows that never change.

The windows show the MNI152 template, prepared as the model prepares its images: a network answers
noise with one class throughout, which any engine gets right.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from neurograft.imaging.cropping import Box, crop, middle_box
from neurograft.imaging.grid import Grid, Shape
from neurograft.imaging.preparation import prepare_image
from neurograft.imaging.volume import Volume
from neurograft.inference.engines.interface import Precision
from neurograft.models import Bundle
from neurograft.networks import UnitNetwork
from neurograft.tasks import SegmentationTask

PLACES_MM = ((0.0, -20.0, 0.0), (-26.0, -20.0, -18.0), (26.0, -20.0, -18.0), (0.0, -20.0, -12.0))
"""Middles of the test windows in MNI space: the thalami, either hippocampus, the midbrain."""

CALIBRATION_PLACES_MM = ((0.0, 16.0, 4.0), (-34.0, -36.0, 22.0), (34.0, -52.0, 10.0), (14.0, 30.0, -8.0))
"""Middles of other windows, for what must be measured before it can be compared: before the thalami, in both parietal
lobes, in a frontal lobe."""

LARGE_VOXELS = 96**3
"""From this size on, one window shows most of a brain, and is enough."""

FEWEST_VOXELS = 64
"""A label of fewer voxels on the test windows has no say in the Dice."""

MOST_DIFFERENCE = {"fp32": 1e-3, "bf16": 1.0, "int8": 1.0}
"""Bound on the difference of any probability."""

LEAST_AGREEMENT = {"fp32": 0.9999, "bf16": 0.999, "int8": 0.999}
"""Share of voxels with the same class."""

LEAST_DICE = {"fp32": 0.999, "bf16": 0.99, "int8": 0.99}
"""Of the engine's mask of any label against PyTorch's."""


@dataclass(frozen=True)
class Parity:
    """An engine against PyTorch in single precision.

    Attributes:
        precision: the engine's.
        difference: largest of any probability.
        agreement: share of voxels with the same class.
        dice: lowest of any label that the windows show; ``None`` if they show none.
    """

    precision: Precision
    difference: float
    agreement: float
    dice: float | None

    @property
    def fault(self) -> str:
        """Which bound is broken, in words; empty if none is."""
        if not self.difference <= MOST_DIFFERENCE[self.precision]:
            return f"a probability is off by {self.difference:.2g}"
        if not self.agreement >= LEAST_AGREEMENT[self.precision]:
            return f"only {self.agreement:.2%} of voxels have the same class"
        if self.dice is None:
            # In single precision probabilities speak for themselves.
            return "" if self.precision == "fp32" else "the test windows show none of the labels to compare"
        if not self.dice >= LEAST_DICE[self.precision]:
            return f"a label's masks overlap with a Dice of only {self.dice:.4f}"
        return ""


def template_windows(
    bundle: Bundle,
    network: UnitNetwork,
    window: Shape,
    places_mm: Sequence[tuple[float, float, float]] = PLACES_MM,
) -> Tensor:
    """Windows of the template for a model: (N, C, *network.context.block(window)), float32.

    Without other places they are the test windows.

    All image channels show the template, each other one with its contrast inverted; a prior's channels
    hold random probabilities, always the same ones.
    """
    from nilearn.datasets import load_mni152_template  # slow, and 180 MiB that no later prediction needs

    block = network.context.block(window)
    recipe = bundle.info.recipe.preparation
    spacing = recipe.spacing_mm or bundle.info.spacing_mm
    plain = recipe.model_copy(update={"crop": "none", "crop_size": None, "spacing_mm": spacing})
    template = load_mni152_template(resolution=1)
    volume = Volume(
        np.asarray(template.dataobj, np.float32), Grid.from_affine(template.shape, np.asarray(template.affine))
    )
    places = places_mm[:1] if np.prod(block) >= LARGE_VOXELS else places_mm
    # Twice the window about its middle: what is resampled and normalised stays small for small voxels.
    reach_mm = max(extent * side for extent, side in zip(block, spacing, strict=True))
    images = len(bundle.info.channels)
    shown = []
    for place in places:
        near = _around(volume, place, reach_mm)
        channels = [near if number % 2 == 0 else _inverted(near) for number in range(images)]
        prepared = prepare_image(channels, plain).data
        box = middle_box((prepared.shape[1], prepared.shape[2], prepared.shape[3]), block)
        shown.append(np.stack([crop(channel, box, float(channel.min())) for channel in prepared]))
    windows = torch.from_numpy(np.stack(shown))
    priors = network.in_channels - images
    if priors:
        generator = torch.Generator().manual_seed(0)
        windows = torch.cat([windows, torch.rand((len(windows), priors, *block), generator=generator)], dim=1)
    return windows


def compare_answers(
    answers: Tensor, expected: Tensor, task: SegmentationTask, threshold: float, precision: Precision
) -> Parity:
    """Compare logits (N, K, D, H, W) with PyTorch's, as probabilities and as the classes decided from them."""
    ours, theirs = task.activate(answers.float().cpu()), task.activate(expected.float().cpu())
    own = torch.stack([task.decide(one, threshold) for one in ours])
    other = torch.stack([task.decide(one, threshold) for one in theirs])
    dice = []
    for number in range(1, len(task.labels) + 1):
        mine, its = own == number, other == number
        if int(its.sum()) >= FEWEST_VOXELS:
            dice.append(2 * int((mine & its).sum()) / int(mine.sum() + its.sum()))
    difference = float((ours - theirs).abs().max())
    return Parity(precision, difference, float((own == other).double().mean()), min(dice, default=None))


def _around(volume: Volume, place_mm: tuple[float, float, float], reach_mm: float) -> Volume:
    """The part of a volume of 1 mm voxels that lies within a distance of a place along each axis."""
    first, second, third = np.linalg.solve(volume.grid.affine, [*place_mm, 1.0])[:3].round().astype(int).tolist()
    middle = Box((first, second, third), (first + 1, second + 1, third + 1))
    box = middle.grown(int(np.ceil(reach_mm))).clipped(volume.grid.shape)
    return Volume(crop(volume.data, box), volume.grid.derived(box.size, box.to_volume()))


def _inverted(volume: Volume) -> Volume:
    return Volume(np.where(volume.data > 0, volume.data.max() - volume.data, 0), volume.grid)
