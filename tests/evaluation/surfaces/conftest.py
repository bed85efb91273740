"""Pairs of masks on which the surface figures are compared with other implementations."""

from typing import Any, NamedTuple

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy import ndimage


class MaskPair(NamedTuple):
    """Reference, prediction and spacing."""

    reference: NDArray[np.bool_]
    prediction: NDArray[np.bool_]
    spacing_mm: tuple[float, float, float]


def _blob(generator: np.random.Generator, shape: tuple[int, ...], share: float) -> NDArray[np.bool_]:
    noise = ndimage.gaussian_filter(generator.standard_normal(shape), 1.5)
    return np.asarray(noise > np.quantile(noise, 1 - share))


def _pairs() -> dict[str, MaskPair]:
    generator = np.random.default_rng(7)
    inner = np.zeros((12, 11, 10), dtype=bool)
    inner[3:9, 4:8, 2:7] = True
    corner, opposite = np.zeros((9, 8, 7), dtype=bool), np.zeros((9, 8, 7), dtype=bool)
    corner[:3, :4, :2] = True
    opposite[5:, 6:, 3:] = True
    one, other = np.zeros((6, 7, 8), dtype=bool), np.zeros((6, 7, 8), dtype=bool)
    one[1, 2, 3] = other[2, 4, 5] = True
    blob = _blob(generator, (17, 15, 13), 0.2)
    plane = _blob(generator, (20, 18, 1), 0.3)
    return {
        "noise": MaskPair(generator.random((8, 7, 6)) < 0.4, generator.random((8, 7, 6)) < 0.3, (1.0, 1.0, 1.0)),
        "noise, anisotropic": MaskPair(
            generator.random((9, 5, 7)) < 0.2, generator.random((9, 5, 7)) < 0.7, (0.43, 2.5, 1.1)
        ),
        "blobs": MaskPair(blob, _blob(generator, (17, 15, 13), 0.2), (1.0, 1.0, 1.0)),
        "blob against itself moved": MaskPair(blob, np.roll(blob, (1, -2, 1), (0, 1, 2)), (0.5, 0.75, 3.0)),
        "box against itself": MaskPair(inner, inner, (1.3, 1.0, 0.7)),
        "box in box": MaskPair(inner, ndimage.binary_erosion(inner), (1.0, 1.5, 2.0)),
        "at opposite borders": MaskPair(corner, opposite, (0.9, 1.7, 3.1)),
        "whole image": MaskPair(np.ones((5, 4, 6), dtype=bool), generator.random((5, 4, 6)) < 0.8, (1.0, 2.0, 0.5)),
        "single voxels": MaskPair(one, other, (1.0, 2.0, 0.5)),
        "single voxel against blob": MaskPair(
            blob, np.roll(np.eye(1, blob.size, dtype=bool), 5).reshape(blob.shape), (1.0, 1.0, 2.0)
        ),
        "one slice": MaskPair(plane, np.roll(plane, 2, 0), (0.8, 0.8, 5.0)),
    }


PAIRS = _pairs()


@pytest.fixture(params=list(PAIRS))
def pair(request: Any) -> MaskPair:
    """One pair after the other."""
    chosen: MaskPair = PAIRS[request.param]
    return chosen
