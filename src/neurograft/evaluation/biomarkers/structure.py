"""Every biomarker of one structure in one case: volume, intensities, contrast ratios, and reasons for doubt."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from neurograft.evaluation.biomarkers.contrast import (
    ContrastForm,
    ReferenceStatistic,
    ratio_of_signals,
    reference_signal,
)
from neurograft.evaluation.biomarkers.intensity import (
    PERCENTILES,
    IntensityStatistics,
    intensity_statistics,
    region_intensities,
)
from neurograft.evaluation.biomarkers.quality import (
    LEAST_REFERENCE_VOXELS,
    MOST_OFF_IMAGE_SHARE,
    QualityFlag,
    reference_flags,
)


@dataclass(frozen=True)
class StructureBiomarkers:
    """What was measured in one structure; NaN for what is undefined.

    Args:
        volume_mm3: of the mask; 0 for an empty one.
        intensities: inside the mask.
        reference_voxels: size of the reference region, 0 without one.
        reference_signal: its mean or median, over finite intensities.
        contrast_ratio_max: of the largest intensity against the reference signal.
        contrast_ratio_median: of the median.
        contrast_ratio_mean: of the mean.
        contrast_form: which contrast the three are.
        reference_statistic: which signal they are set against.
        flags: reasons to doubt them.
    """

    volume_mm3: float
    intensities: IntensityStatistics
    reference_voxels: int
    reference_signal: float
    contrast_ratio_max: float
    contrast_ratio_median: float
    contrast_ratio_mean: float
    contrast_form: ContrastForm
    reference_statistic: ReferenceStatistic
    flags: tuple[QualityFlag, ...]

    def to_row(self) -> dict[str, float | str]:
        """One flat row for a table: numbers, then ``contrast_form``, ``reference_statistic`` and ``flags``.

        Intensities are named ``intensity_mean`` and so on, percentiles ``intensity_p5`` and so on; flags
        are joined by ";".
        """
        inside = self.intensities
        return {
            "volume_mm3": self.volume_mm3,
            "voxels": inside.voxels,
            "nonfinite_voxels": inside.nonfinite_voxels,
            "intensity_mean": inside.mean,
            "intensity_median": inside.median,
            "intensity_max": inside.max,
            "intensity_min": inside.min,
            "intensity_sd": inside.sd,
            **{f"intensity_p{percent:g}": value for percent, value in inside.percentiles.items()},
            "reference_voxels": self.reference_voxels,
            "reference_signal": self.reference_signal,
            "contrast_ratio_max": self.contrast_ratio_max,
            "contrast_ratio_median": self.contrast_ratio_median,
            "contrast_ratio_mean": self.contrast_ratio_mean,
            "contrast_form": self.contrast_form,
            "reference_statistic": self.reference_statistic,
            "flags": ";".join(self.flags),
        }


def measure_structure(
    image: NDArray[Any],
    mask: NDArray[Any],
    spacing_mm: Sequence[float],
    reference_region: NDArray[Any] | None = None,
    percentiles: Sequence[float] = PERCENTILES,
    reference_statistic: ReferenceStatistic = "mean",
    form: ContrastForm = "difference-ratio",
    contrast_wanted: bool = True,
    least_reference_voxels: int = LEAST_REFERENCE_VOXELS,
    most_off_image_share: float = MOST_OFF_IMAGE_SHARE,
) -> StructureBiomarkers:
    """Measure one structure of one case.

    Args:
        image: intensities as acquired, shape (D, H, W).
        mask: same shape, non-zero inside the structure.
        spacing_mm: voxel lengths, one an axis.
        reference_region: same shape, non-zero inside the region of comparison.
        percentiles: of the intensities inside the structure, in percent.
        reference_statistic: what the reference signal is.
        form: which contrast to take.
        contrast_wanted: whether a missing reference region is a flaw; without it, as for the
            susceptibility of a nucleus, nothing is flagged.
        least_reference_voxels: a smaller reference region is flagged.
        most_off_image_share: share of the reference region that may lack signal before it is flagged.

    Raises:
        ValueError: shapes differ, spacing does not fit, or an argument is out of range.
    """
    lengths = np.asarray(spacing_mm, dtype=float)
    if lengths.shape != (image.ndim,) or not (np.isfinite(lengths).all() and (lengths > 0).all()):
        raise ValueError(f"spacing_mm must hold one positive length an axis of shape {image.shape}, got {spacing_mm}")
    if reference_region is not None and reference_region.shape != image.shape:
        raise ValueError(
            f"image and reference region must have one shape, got {image.shape} and {reference_region.shape}"
        )
    inside = intensity_statistics(image, mask, percentiles)
    compared = None if reference_region is None else region_intensities(image, reference_region)
    signal = float("nan") if compared is None else reference_signal(compared, reference_statistic)
    flags = reference_flags(
        image, mask, reference_region, least_reference_voxels, most_off_image_share, reference_statistic
    )
    if not contrast_wanted:
        flags = tuple(flag for flag in flags if flag != "reference-region-missing")
    return StructureBiomarkers(
        volume_mm3=inside.voxels * float(lengths.prod()),
        intensities=inside,
        reference_voxels=0 if compared is None else compared.size,
        reference_signal=signal,
        contrast_ratio_max=ratio_of_signals(inside.max, signal, form),
        contrast_ratio_median=ratio_of_signals(inside.median, signal, form),
        contrast_ratio_mean=ratio_of_signals(inside.mean, signal, form),
        contrast_form=form,
        reference_statistic=reference_statistic,
        flags=flags,
    )
