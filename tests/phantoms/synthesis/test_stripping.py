import math

import numpy as np
import pytest
import torch
from torch import Tensor

from neurograft.phantoms.synthesis import SynthesisDraw
from neurograft.phantoms.synthesis.stripping import brain_slope, inside_border, stripped_view

UNIT = (1.0, 1.0, 1.0)


def slab(thickness: int = 30) -> Tensor:
    """Brain from voxel 20 on."""
    brain = torch.zeros(60, 40, 40, dtype=torch.bool)
    brain[20 : 20 + thickness] = True
    return brain


def view(brain: Tensor, border: float | None, spacing: tuple[float, float, float] = UNIT) -> Tensor:
    nothing = torch.zeros(1, 1, dtype=torch.float64)
    return stripped_view(brain, SynthesisDraw(nothing, nothing, 0, strip_border_mm=border), spacing)


@pytest.mark.parametrize("border", [-1.0, 0.0, 1.0, 3.0])
def test_a_flat_border_lies_where_it_is_asked_for(border: float) -> None:
    kept = view(slab(), border)[:, 20, 20]
    first = int(torch.nonzero(kept)[0])
    assert abs(first - (20 - border)) <= 0.5


def test_borders_are_in_millimetres() -> None:
    kept = view(slab(), 3.0, (0.5, 1.0, 1.0))[:, 20, 20]
    assert abs(int(torch.nonzero(kept)[0]) - (20 - 6)) <= 1


def test_without_a_border_all_is_kept() -> None:
    assert bool(view(slab(), None).all())


def test_narrow_folds_are_full_and_wide_ones_are_not() -> None:
    brain = slab()
    brain[20:30, 18:21] = False
    assert bool(view(brain, 0.0)[22:30, 19, 20].all())
    brain[20:45, 8:32] = False
    assert not bool(view(brain, 0.0)[25:40, 20, 20].any())


def test_an_uneven_border_has_its_spread() -> None:
    nothing = torch.zeros(1, 1, dtype=torch.float64)
    brain = torch.zeros(60, 96, 96, dtype=torch.bool)
    brain[20:] = True
    # At 60 points or so along each of two axes the mean is sure enough.
    points = torch.randn((9, 12, 12), generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    kept = stripped_view(brain, SynthesisDraw(nothing, nothing, 0, strip_border_mm=0.0, strip_wobble=points), UNIT)
    heights = kept.float().sum(0)
    assert 0.4 < float(heights.std()) < 1.5
    assert abs(float(heights.mean()) - 40) < 0.5


def test_what_lies_within_a_border_is_what_a_stripped_brain_keeps() -> None:
    places = np.indices((40, 40, 40)) - 19.5
    ball = torch.from_numpy((places**2).sum(0) < 12**2)
    slope = brain_slope(ball, UNIT)
    for border in (-1.0, 0.0, 2.0):
        inside = inside_border(slope, border)
        assert torch.equal(inside, view(ball, border))
        radius = (3 * int(inside.sum()) / (4 * math.pi)) ** (1 / 3)
        # A round border shrinks a little under a blur.
        assert abs(radius - (12 + border)) < 0.8
