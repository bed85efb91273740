"""Contrast ratio of a structure against a reference region, the biomarker of neuromelanin MRI."""

from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

StructureStatistic = Literal["median", "max", "mean"]
ReferenceStatistic = Literal["mean", "median"]


def contrast_ratio(
    image: NDArray[Any],
    structure_mask: NDArray[Any],
    reference_mask: NDArray[Any],
    statistic: StructureStatistic = "median",
    reference_statistic: ReferenceStatistic = "mean",
) -> float:
    """Contrast ratio CR = (S_structure - S_reference) / S_reference.

    P1 names the maximum and the median of the locus coeruleus against a pontine region but prints no
    formula; this is the standard one. The plain quotient differs from it by the constant 1.

    Args:
        image: intensities as acquired, any shape; a ratio of z-scored intensities means nothing.
        structure_mask: same shape, non-zero inside the structure.
        reference_mask: same shape, non-zero inside the reference region.
        statistic: of the intensities inside the structure.
        reference_statistic: of the intensities inside the reference region.

    Returns:
        The ratio; NaN where it is undefined: an empty mask, or a reference intensity of zero.

    Raises:
        ValueError: the shapes differ.

    Reference:
        P1, section on the contrast ratio (SPEC section 1).
    """
    if not image.shape == structure_mask.shape == reference_mask.shape:
        shapes = f"{image.shape}, {structure_mask.shape} and {reference_mask.shape}"
        raise ValueError(f"image, structure and reference region must have one shape, got {shapes}")
    in_structure = image[structure_mask.astype(bool)].astype(np.float64)
    in_reference = image[reference_mask.astype(bool)].astype(np.float64)
    if in_structure.size == 0 or in_reference.size == 0:
        return float("nan")
    reference_signal = _statistic(in_reference, reference_statistic)
    if reference_signal == 0:
        return float("nan")
    return (_statistic(in_structure, statistic) - reference_signal) / reference_signal


def _statistic(intensities: NDArray[np.float64], name: StructureStatistic) -> float:
    if name == "max":
        return float(intensities.max())
    return float(np.median(intensities) if name == "median" else intensities.mean())
