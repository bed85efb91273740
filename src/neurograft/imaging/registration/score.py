"""Whether a registration can be believed: figures that fall when it failed, and a verdict."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import uniform_filter

from neurograft.imaging.registration.transform import SpatialTransform, warp
from neurograft.imaging.volume import Volume

LOWEST_OVERLAP = 0.9
LOWEST_LOCAL_CORRELATION = 0.3
_SIDE_VOXELS = 5


@dataclass(frozen=True)
class RegistrationScore:
    """How well a moved scan fits the fixed one.

    Attributes:
        overlap: Dice of what is not zero in either; only outlines count in it.
        local_correlation: mean over the fixed foreground of the squared correlation in cubes of five
            voxels: 1 where every neighbourhood agrees up to contrast, about 0.1 by chance.
        folded_share: share of the fixed foreground in which the map turns space inside out.
        largest_mm: the largest displacement there, beyond the affine map.
    """

    overlap: float
    local_correlation: float
    folded_share: float
    largest_mm: float

    @property
    def suspicious(self) -> str:
        """What is wrong, in words; empty where nothing is."""
        found = []
        if self.overlap < LOWEST_OVERLAP:
            found.append(f"outlines overlap by {self.overlap:.2f} only")
        if self.local_correlation < LOWEST_LOCAL_CORRELATION:
            found.append(f"local correlation is {self.local_correlation:.2f} only")
        if self.folded_share > 0:
            found.append(f"{self.folded_share:.2%} of the map is folded")
        return "; ".join(found)


def score_registration(fixed: Volume, moving: Volume, transform: SpatialTransform) -> RegistrationScore:
    """Judge a registration by its result.

    Args:
        fixed: working volume.
        moving: working volume.
        transform: fixed to moving.
    """
    moved = warp(moving, transform, fixed.grid)
    here, there = fixed.data > 0.05, moved > 0.05
    overlap = 2.0 * float((here & there).sum()) / max(float(here.sum() + there.sum()), 1.0)
    correlation = float(_local_correlation(fixed.data, moved)[here].mean()) if here.any() else 0.0
    folded, largest = 0.0, 0.0
    if transform.displacement is not None and transform.grid is not None:
        within = warp(Volume(here.astype(np.float32), fixed.grid), _STILL, transform.grid, nearest=True) > 0
        determinant = _jacobian(transform.displacement, transform.grid.spacing_mm)
        folded = float((determinant[within] <= 0).mean()) if within.any() else 0.0
        length = np.sqrt((transform.displacement**2).sum(axis=0))
        largest = float(length[within].max()) if within.any() else 0.0
    return RegistrationScore(overlap, correlation, folded, largest)


_STILL = SpatialTransform(np.eye(4))


def _local_correlation(one: NDArray[np.float32], other: NDArray[np.float32]) -> NDArray[np.float64]:
    """Squared correlation in a cube around each voxel."""

    def mean(values: NDArray[np.float64]) -> NDArray[np.float64]:
        return np.asarray(uniform_filter(values, _SIDE_VOXELS, mode="constant"))

    a, b = one.astype(np.float64), other.astype(np.float64)
    mean_a, mean_b = mean(a), mean(b)
    variance_a = np.maximum(mean(a * a) - mean_a**2, 0)
    variance_b = np.maximum(mean(b * b) - mean_b**2, 0)
    covariance = mean(a * b) - mean_a * mean_b
    product = variance_a * variance_b
    return np.where(product > 1e-12, covariance**2 / np.maximum(product, 1e-12), 0.0)


def _jacobian(displacement: NDArray[np.float32], spacing_mm: tuple[float, float, float]) -> NDArray[np.float64]:
    """Determinant of the map's derivative; only for grids along the axes of space, as working grids are."""
    matrix = np.empty((*displacement.shape[1:], 3, 3))
    for component in range(3):
        for axis, part in enumerate(np.gradient(displacement[component].astype(np.float64), *spacing_mm)):
            matrix[..., component, axis] = part + (component == axis)
    return np.asarray(np.linalg.det(matrix))
