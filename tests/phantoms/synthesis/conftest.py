"""Small worlds to make images from."""

import numpy as np
import pytest
import torch
from torch import Tensor

from neurograft.imaging.intensity_classes import IntensityClass, IntensityClasses


@pytest.fixture(scope="session")
def classes() -> IntensityClasses:
    """1, 2: white matter of either side; 3, 4: thalamus; 5: skull; 6: a lesion without a name of its own."""
    return IntensityClasses(
        (
            IntensityClass("left cerebral white matter", (2,)),
            IntensityClass("right cerebral white matter", (41,)),
            IntensityClass("left thalamus", (10,)),
            IntensityClass("right thalamus", (49,)),
            IntensityClass("", (515,), is_whole=False),
            IntensityClass("left cerebral white matter", (25,), is_whole=False),
        )
    )


@pytest.fixture(scope="session")
def head() -> Tensor:
    """(40, 44, 36): two halves of a brain with a core each, in a skull, in air."""
    places = np.indices((40, 44, 36)) - np.array([19.5, 21.5, 17.5])[:, None, None, None]
    radius = np.sqrt((places**2).sum(0))
    right = places[0] > 0
    volume = np.zeros((40, 44, 36), np.int16)
    volume[radius < 16] = 5
    brain = radius < 13
    volume[brain] = np.where(right, 2, 1)[brain]
    core = np.abs(np.abs(places[0]) - 6) + np.abs(places[1]) + np.abs(places[2]) < 4
    volume[core] = np.where(right, 4, 3)[core]
    return torch.from_numpy(volume)
