"""Distances from each of two surfaces to the other, and the figures made of them.

Literature and software use one name for several figures. Here each has its own:

- `hd_percentile_mm` with ``max`` is the larger of the two directed percentiles, with ``pooled`` the
  percentile of both directed sets taken together;
- `assd_pooled_mm` is the mean over all points of both surfaces, `assd_mean_mm` the mean of the two
  directed means. They differ where one surface is larger than the other.

Points of a voxel boundary weigh the same, and a percentile interpolates linearly between neighbours in
rank. Surface elements weigh their area, and a percentile is the smallest distance within which that
share of the area lies.

Reference:
    D. P. Huttenlocher et al., "Comparing images using the Hausdorff distance", IEEE Transactions on
    Pattern Analysis and Machine Intelligence 15(9), 1993.
    A. A. Taha and A. Hanbury, "Metrics for evaluating 3D medical image segmentation", BMC Medical
    Imaging 15:29, 2015.
    S. Nikolov et al., "Clinically applicable segmentation of head and neck anatomy for radiotherapy",
    Journal of Medical Internet Research 23(7), 2021 (surface Dice).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import KDTree

from neurograft.evaluation.surfaces.boundary import boundary_points
from neurograft.evaluation.surfaces.elements import surface_elements

SurfaceDefinition = Literal["voxel", "element"]
"""What a surface is: boundary voxels (`boundary`) or patches with an area (`elements`)."""

PercentileDefinition = Literal["max", "pooled"]
"""Larger of the two directed percentiles, or percentile of both directed sets taken together."""

_LEAF_POINTS = 32
_UNDEFINED = float("nan")


@dataclass(frozen=True, eq=False)
class SurfaceDistances:
    """Distance of every point of either surface to the nearest point of the other.

    Where one surface is empty the distances of the other's points are NaN, and so is every figure but
    the surface Dice, which is 0. Where both are, all are NaN.
    """

    reference_to_prediction_mm: NDArray[np.float64]
    """One distance a point of the reference surface."""
    prediction_to_reference_mm: NDArray[np.float64]
    reference_areas_mm2: NDArray[np.float64] | None = None
    """Weights of the points; ``None`` where every point weighs the same."""
    prediction_areas_mm2: NDArray[np.float64] | None = None

    @property
    def hausdorff_mm(self) -> float:
        """Greatest distance from a point of one surface to the other surface."""
        if self._has_empty:
            return _UNDEFINED
        return float(max(self.reference_to_prediction_mm.max(), self.prediction_to_reference_mm.max()))

    def hd_percentile_mm(self, percent: float, how: PercentileDefinition) -> float:
        """Percentile of the distances in place of the greatest.

        Args:
            percent: from 0 to 100.
            how: ``max`` or ``pooled``, see the module.

        Raises:
            ValueError: no such percentile or definition.
        """
        if not 0 <= percent <= 100:
            raise ValueError(f"percent must lie between 0 and 100, got {percent}")
        if how not in ("max", "pooled"):
            raise ValueError(f"how must be 'max' or 'pooled', got {how!r}")
        if self._has_empty:
            return _UNDEFINED
        if how == "pooled":
            return _percentile(*self._pooled, percent)
        return max(
            _percentile(self.reference_to_prediction_mm, self.reference_areas_mm2, percent),
            _percentile(self.prediction_to_reference_mm, self.prediction_areas_mm2, percent),
        )

    @property
    def directed_means_mm(self) -> tuple[float, float]:
        """Mean distance from the reference surface to the prediction's, and back."""
        if self._has_empty:
            return _UNDEFINED, _UNDEFINED
        return (
            float(np.average(self.reference_to_prediction_mm, weights=self.reference_areas_mm2)),
            float(np.average(self.prediction_to_reference_mm, weights=self.prediction_areas_mm2)),
        )

    @property
    def assd_mean_mm(self) -> float:
        """Average symmetric surface distance as the mean of the two directed means."""
        return sum(self.directed_means_mm) / 2

    @property
    def assd_pooled_mm(self) -> float:
        """Average symmetric surface distance as the mean over all points, or all area, of both surfaces."""
        if self._has_empty:
            return _UNDEFINED
        distances, areas = self._pooled
        return float(np.average(distances, weights=areas))

    def surface_dice(self, tolerance_mm: float) -> float:
        """Share of both surfaces that lies within a tolerance of the other; the tolerance itself is within.

        Raises:
            ValueError: the tolerance is negative or not a number.
        """
        if not tolerance_mm >= 0:
            raise ValueError(f"tolerance_mm must be 0 or more, got {tolerance_mm}")
        distances, areas = self._pooled
        if not distances.size:
            return _UNDEFINED
        return float(np.average(distances <= tolerance_mm, weights=areas))

    @property
    def _has_empty(self) -> bool:
        return not (self.reference_to_prediction_mm.size and self.prediction_to_reference_mm.size)

    @property
    def _pooled(self) -> tuple[NDArray[np.float64], NDArray[np.float64] | None]:
        distances = np.concatenate((self.reference_to_prediction_mm, self.prediction_to_reference_mm))
        if self.reference_areas_mm2 is None or self.prediction_areas_mm2 is None:
            return distances, None
        return distances, np.concatenate((self.reference_areas_mm2, self.prediction_areas_mm2))


def surface_distances(
    reference: NDArray[Any],
    prediction: NDArray[Any],
    spacing_mm: Sequence[float],
    definition: SurfaceDefinition = "voxel",
) -> SurfaceDistances:
    """Distances between the surfaces of two masks.

    Args:
        reference: mask; any non-zero value counts as inside. Three axes for ``element``, any number
            for ``voxel``.
        prediction: mask of the same shape.
        spacing_mm: voxel size along every axis.
        definition: ``voxel`` or ``element``.

    Raises:
        ValueError: shapes differ, the spacing does not fit, or there is no such definition.
    """
    if reference.shape != prediction.shape:
        raise ValueError(f"reference and prediction must have one shape, got {reference.shape} and {prediction.shape}")
    require_spacing(spacing_mm, reference.ndim)
    if definition == "voxel":
        reference_points, prediction_points = boundary_points(reference), boundary_points(prediction)
        reference_areas = prediction_areas = None
    elif definition == "element":
        reference_points, reference_areas = surface_elements(reference, spacing_mm)
        prediction_points, prediction_areas = surface_elements(prediction, spacing_mm)
    else:
        raise ValueError(f"definition must be 'voxel' or 'element', got {definition!r}")
    return SurfaceDistances(
        nearest_distances_mm(reference_points, prediction_points, spacing_mm),
        nearest_distances_mm(prediction_points, reference_points, spacing_mm),
        reference_areas,
        prediction_areas,
    )


def nearest_distances_mm(
    points: NDArray[np.int64], targets: NDArray[np.int64], spacing_mm: Sequence[float]
) -> NDArray[np.float64]:
    """Distance of every point to the nearest target; NaN where there is no target.

    Args:
        points: grid indices, shape ``(points, axes)``.
        targets: likewise.
        spacing_mm: of the grid.
    """
    if not len(targets) or not len(points):
        return np.full(len(points), _UNDEFINED)
    spacing = np.asarray(spacing_mm, dtype=np.float64)
    # A surface is small beside its volume, so a search tree over its points beats a distance map.
    tree = KDTree(targets * spacing, leafsize=_LEAF_POINTS, compact_nodes=False, balanced_tree=False)
    nearest = tree.query(points * spacing)[1]
    # Taken anew from whole grid steps: 0.7 mm is then 0.7 mm wherever it lies, and within a tolerance of 0.7.
    steps_mm = (points - targets[nearest]) * spacing
    return np.asarray(np.sqrt(np.square(steps_mm).sum(axis=1)))


def require_spacing(spacing_mm: Sequence[float], axes: int) -> None:
    """Refuse a spacing that is not one positive number for each axis.

    Raises:
        ValueError: it is not.
    """
    if len(spacing_mm) != axes or not all(np.isfinite(step) and step > 0 for step in spacing_mm):
        raise ValueError(f"spacing_mm must be {axes} positive numbers, one an axis, got {list(spacing_mm)}")


def _percentile(distances: NDArray[np.float64], areas: NDArray[np.float64] | None, percent: float) -> float:
    if areas is None:
        return float(np.percentile(distances, percent))
    order = np.argsort(distances, kind="stable")
    share_within = np.cumsum(areas[order]) / areas.sum()
    # A share that is reached but for rounding is reached: else the order of the two surfaces would decide.
    reached = percent / 100 * (1 - 1e-9)
    rank = min(int(np.searchsorted(share_within, reached)), len(order) - 1)
    return float(distances[order[rank]])
