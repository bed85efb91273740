"""Intensities inside a structure: mean, median, extremes, spread and percentiles.

On a susceptibility map these are the susceptibility of a nucleus in ppm; on other images they are in
the image's own units. Voxels without a finite intensity are left out and counted, so that one hole
of a map does not take away the whole figure, nor go unseen.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

PERCENTILES = (5.0, 25.0, 75.0, 95.0)


@dataclass(frozen=True)
class IntensityStatistics:
    """Statistics of the finite intensities inside a mask; NaN where there is none.

    Args:
        voxels: voxels of the mask.
        nonfinite_voxels: those left out of every statistic because their intensity is NaN or infinite.
        mean: of the intensities.
        median: of the intensities.
        max: the largest.
        min: the smallest.
        sd: standard deviation with n - 1 in the denominator; NaN for fewer than two voxels.
        percentiles: value at each percentage, interpolated linearly between ranks.
    """

    voxels: int
    nonfinite_voxels: int
    mean: float
    median: float
    max: float
    min: float
    sd: float
    percentiles: Mapping[float, float]


def intensity_statistics(
    image: NDArray[Any], mask: NDArray[Any], percentiles: Sequence[float] = PERCENTILES
) -> IntensityStatistics:
    """Statistics of an image inside a mask.

    Args:
        image: intensities, any shape.
        mask: same shape; any non-zero value is inside.
        percentiles: percentages between 0 and 100.

    Raises:
        ValueError: the shapes differ, or a percentage is out of range.

    Example:
        >>> import numpy as np
        >>> intensity_statistics(np.array([1.0, 2.0, 6.0, 99.0]), np.array([1, 1, 1, 0]), [50]).mean
        3.0
    """
    if not all(0 <= percent <= 100 for percent in percentiles):
        raise ValueError(f"percentiles must lie between 0 and 100, got {list(percentiles)}")
    inside = region_intensities(image, mask)
    return summarise_intensities(inside, percentiles)


def region_intensities(image: NDArray[Any], mask: NDArray[Any]) -> NDArray[np.float64]:
    """Intensities inside a mask, in array order, those without a finite value included.

    Raises:
        ValueError: the shapes differ.
    """
    if image.shape != mask.shape:
        raise ValueError(f"image and mask must have one shape, got {image.shape} and {mask.shape}")
    return image[mask != 0].astype(np.float64)


def finite_intensities(inside: NDArray[np.float64]) -> NDArray[np.float64]:
    """The intensities that are neither NaN nor infinite."""
    return inside[np.isfinite(inside)]


def summarise_intensities(
    inside: NDArray[np.float64], percentiles: Sequence[float] = PERCENTILES
) -> IntensityStatistics:
    """Statistics of the intensities of a region, as `region_intensities` gives them."""
    finite = finite_intensities(inside)
    if not finite.size:
        nan = float("nan")
        nothing = dict.fromkeys(map(float, percentiles), nan)
        return IntensityStatistics(inside.size, inside.size, nan, nan, nan, nan, nan, nothing)
    values = np.percentile(finite, list(percentiles)).tolist()
    return IntensityStatistics(
        voxels=inside.size,
        nonfinite_voxels=inside.size - finite.size,
        mean=float(finite.mean()),
        median=float(np.median(finite)),
        max=float(finite.max()),
        min=float(finite.min()),
        sd=float(finite.std(ddof=1)) if finite.size > 1 else float("nan"),
        percentiles=dict(zip(map(float, percentiles), values, strict=True)),
    )
