"""Lesion detection as in P4: how many lesions of the truth a prediction covers at all, or well enough.

A lesion is detected when the share of its voxels that are in the prediction lies above a cut-off,
strictly; whichever predicted component they belong to does not matter. P4 uses cut-offs of 0 and
0.20, and leaves out lesions below 0 (none), 1 and 2 mL. What is predicted outside every lesion does
not lower this figure: a mask that covers the whole brain detects everything. `matching` counts the
false positives that belong beside it.

Reference:
    P4, section on evaluation (SPEC section 4, "Metrics").
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from neurograft.evaluation.lesions.components import (
    VOLUME_TOLERANCE,
    Connectivity,
    bounding_box,
    label_components,
    require_lesion_masks,
    voxel_volume_ml,
)
from neurograft.evaluation.lesions.pooling import pooled_figures, ratio

P4_OVERLAP_CUTOFFS = (0.0, 0.2)
P4_MINIMUM_VOLUMES_ML = (0.0, 1.0, 2.0)


@dataclass(frozen=True, eq=False)
class LesionTable:
    """The lesions of one case's truth, and how much of each the prediction covers.

    Args:
        connectivity: what makes two voxels one lesion.
        voxels: size of each lesion, shape (lesions,).
        volumes_ml: the same in mL.
        covered_share: share of each lesion's voxels that are in the prediction, 0 to 1.
        centroids_voxel: mean voxel index of each lesion, shape (lesions, 3).
    """

    connectivity: Connectivity
    voxels: NDArray[np.int64]
    volumes_ml: NDArray[np.float64]
    covered_share: NDArray[np.float64]
    centroids_voxel: NDArray[np.float64]

    def to_frame(self) -> pd.DataFrame:
        """A row a lesion.

        Columns ``lesion`` (from 1), ``voxels``, ``volume_ml``, ``covered_share``, and ``centroid_0`` to
        ``centroid_2``.
        """
        columns = {
            "lesion": np.arange(1, len(self.voxels) + 1),
            "voxels": self.voxels,
            "volume_ml": self.volumes_ml,
            "covered_share": self.covered_share,
        }
        centroids = {f"centroid_{axis}": self.centroids_voxel[:, axis] for axis in range(3)}
        return pd.DataFrame({**columns, **centroids})


def detect_lesions(
    reference: NDArray[Any],
    prediction: NDArray[Any] | None,
    spacing_mm: Sequence[float],
    connectivity: Connectivity = 26,
    slice_axis: int = 2,
) -> LesionTable:
    """Find the lesions of a truth and the share of each that a prediction covers.

    Args:
        reference: the truth, shape (D, H, W); any non-zero value is lesion.
        prediction: mask of the same shape; ``None`` where it is missing, which covers nothing.
        spacing_mm: voxel lengths along the three axes.
        connectivity: 26, 18 or 6 neighbours in 3D, or ``in-plane-8``.
        slice_axis: the axis across the slices, for ``in-plane-8``.

    Raises:
        ValueError: shapes differ or are not three-dimensional, or an argument is out of range.
    """
    voxel_ml = voxel_volume_ml(spacing_mm)
    require_lesion_masks(reference, prediction)
    box = bounding_box(reference)
    lesions = label_components(reference[box], connectivity, slice_axis)
    places = np.nonzero(lesions.numbers)
    number = lesions.numbers[places]
    covered = np.zeros(number.size) if prediction is None else prediction[box][places] != 0
    sums = [np.bincount(number, weights=place, minlength=lesions.count + 1)[1:] for place in places]
    first_voxel = [part.start for part in box]
    return LesionTable(
        connectivity=connectivity,
        voxels=lesions.voxels,
        volumes_ml=lesions.volumes_ml(voxel_ml),
        covered_share=np.bincount(number, weights=covered, minlength=lesions.count + 1)[1:] / lesions.voxels,
        centroids_voxel=np.stack(sums, axis=1) / lesions.voxels[:, None] + first_voxel,
    )


def detection_rates(
    tables: Sequence[LesionTable],
    cutoffs: Sequence[float] = P4_OVERLAP_CUTOFFS,
    minimum_volumes_ml: Sequence[float] = P4_MINIMUM_VOLUMES_ML,
    subjects: Sequence[str] | None = None,
    level: float = 0.95,
    draws: int = 10_000,
    seed: int = 0,
) -> pd.DataFrame:
    """Detection accuracy over the pooled lesions of many cases, for every pair of cut-offs.

    Args:
        tables: one a case, all of one connectivity.
        cutoffs: a lesion counts as detected when its covered share is above; each in [0, 1).
        minimum_volumes_ml: lesions of at least this volume count.
        subjects: whose case each table is; every case counts as one person when not given.
        level: coverage of the interval of the accuracy.
        draws: bootstrap resamples, over subjects.
        seed: of the bootstrap.

    Returns:
        Columns ``connectivity``, ``overlap_cutoff``, ``minimum_volume_ml``, ``n_cases`` (with such a
        lesion), ``n_cases_without_lesion``, ``n_subjects`` (of the former), ``n_lesions``,
        ``n_detected``, and ``accuracy`` with ``accuracy_low`` and ``accuracy_high``; NaN without a lesion.

    Raises:
        ValueError: connectivities differ, a cut-off is outside its range, or not one subject a table.
    """
    found = {table.connectivity for table in tables}
    if len(found) > 1:
        raise ValueError(f"lesions must have been separated by one connectivity, got {sorted(map(str, found))}")
    if not all(0 <= cutoff < 1 for cutoff in cutoffs):
        raise ValueError(f"overlap cut-offs must be at least 0 and below 1, got {list(cutoffs)}")
    if not all(volume >= 0 for volume in minimum_volumes_ml):
        raise ValueError(f"minimum volumes must not be negative, got {list(minimum_volumes_ml)}")
    owners = [str(case) for case in range(len(tables))] if subjects is None else list(subjects)
    rows: list[dict[str, Any]] = []
    for cutoff in cutoffs:
        for minimum_ml in minimum_volumes_ml:
            counts = np.array([_counts(table, cutoff, minimum_ml) for table in tables], dtype=np.int64).reshape(-1, 2)
            accuracy = pooled_figures(counts, owners, _accuracy, level, draws, seed)
            with_lesion = counts[:, 1] > 0
            rows.append(
                {
                    "connectivity": next(iter(found), None),
                    "overlap_cutoff": cutoff,
                    "minimum_volume_ml": minimum_ml,
                    "n_cases": int(with_lesion.sum()),
                    "n_cases_without_lesion": int((~with_lesion).sum()),
                    "n_subjects": len({owner for owner, has in zip(owners, with_lesion, strict=True) if has}),
                    "n_lesions": int(counts[:, 1].sum()),
                    "n_detected": int(counts[:, 0].sum()),
                    **accuracy,
                }
            )
    return pd.DataFrame(rows)


def _counts(table: LesionTable, cutoff: float, minimum_ml: float) -> tuple[int, int]:
    """Lesions of sufficient volume: those detected, and all."""
    large = table.volumes_ml >= minimum_ml * (1 - VOLUME_TOLERANCE)
    return int(np.count_nonzero(large & (table.covered_share > cutoff))), int(np.count_nonzero(large))


def _accuracy(counts: NDArray[np.float64]) -> dict[str, NDArray[np.float64]]:
    return {"accuracy": ratio(counts[..., 0], counts[..., 1])}
