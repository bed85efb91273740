import math

import torch

from neurograft.phantoms.synthesis.draw import Lesion
from neurograft.phantoms.synthesis.lesions import lesion_mask

CENTRE = (15 * 900 + 15 * 30 + 15) / 27000
"""Of the middle voxel among 30 x 30 x 30."""


def mask(white: torch.Tensor, *lesions: Lesion, spacing: tuple[float, float, float] = (1.0, 1.0, 1.0)) -> torch.Tensor:
    return lesion_mask(white, lesions, spacing, torch.Generator().manual_seed(0))


def test_lesions_lie_in_white_matter_and_are_as_large_as_drawn() -> None:
    white = torch.zeros(40, 40, 40, dtype=torch.bool)
    white[5:35, 5:35, 5:35] = True
    found = mask(white, Lesion(CENTRE, (6.0, 4.0, 3.0)))
    assert not bool((found & ~white).any())
    expected = 4 / 3 * math.pi * 6 * 4 * 3
    assert 0.7 * expected < int(found.sum()) < 1.5 * expected


def test_radii_are_in_millimetres() -> None:
    white = torch.ones(30, 30, 30, dtype=torch.bool)
    found = mask(white, Lesion(CENTRE, (6.0, 3.0, 3.0)), spacing=(2.0, 1.0, 1.0))
    lengths = [len(torch.unique(torch.nonzero(found)[:, axis])) for axis in range(3)]
    assert all(5 <= length <= 9 for length in lengths)


def test_no_white_matter_no_lesion() -> None:
    assert not bool(mask(torch.zeros(6, 6, 6, dtype=torch.bool), Lesion(0.9, (2.0, 2.0, 2.0))).any())


def test_the_last_voxel_can_be_a_centre() -> None:
    white = torch.zeros(6, 6, 6, dtype=torch.bool)
    white[5, 5, 5] = True
    assert torch.equal(mask(white, Lesion(1.0, (2.0, 2.0, 2.0))), white)
