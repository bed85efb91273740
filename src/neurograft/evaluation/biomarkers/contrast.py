"""Contrast ratio of a structure against a reference region, the biomarker of neuromelanin MRI."""

from typing import Any, Literal, get_args

import numpy as np
from numpy.typing import NDArray

from neurograft.evaluation.biomarkers.intensity import finite_intensities, region_intensities

StructureStatistic = Literal["median", "max", "mean"]
ReferenceStatistic = Literal["mean", "median"]

ContrastForm = Literal["difference-ratio", "quotient"]
"""(S - R) / R, or S / R."""


def contrast_ratio(
    image: NDArray[Any],
    structure_mask: NDArray[Any],
    reference_mask: NDArray[Any],
    statistic: StructureStatistic = "median",
    reference_statistic: ReferenceStatistic = "mean",
    form: ContrastForm = "difference-ratio",
) -> float:
    """Contrast ratio CR = (S_structure - S_reference) / S_reference, or the quotient S_structure / S_reference.

    P1 names the maximum and the median of the locus coeruleus against a pontine region but prints no
    formula; the difference ratio is the standard one. The quotient is larger by 1 in every case, which
    leaves differences, correlations and intraclass correlations as they are.

    Args:
        image: intensities as acquired, any shape; a ratio of z-scored intensities means nothing.
        structure_mask: same shape, non-zero inside the structure.
        reference_mask: same shape, non-zero inside the reference region.
        statistic: of the finite intensities inside the structure.
        reference_statistic: of the finite intensities inside the reference region.
        form: ``difference-ratio`` or ``quotient``.

    Returns:
        The ratio; NaN where it is undefined: a region without a finite intensity, or a reference
        signal that is not positive.

    Raises:
        ValueError: the shapes differ, or a statistic or form is unknown.

    Reference:
        P1, section on the contrast ratio (SPEC section 1).
    """
    if not image.shape == structure_mask.shape == reference_mask.shape:
        shapes = f"{image.shape}, {structure_mask.shape} and {reference_mask.shape}"
        raise ValueError(f"image, structure and reference region must have one shape, got {shapes}")
    structure = region_signal(region_intensities(image, structure_mask), statistic)
    reference = reference_signal(region_intensities(image, reference_mask), reference_statistic)
    return ratio_of_signals(structure, reference, form)


def ratio_of_signals(structure: float, reference: float, form: ContrastForm = "difference-ratio") -> float:
    """Contrast of two signals; NaN unless the reference signal is positive.

    A reference of zero or below comes from a map without a natural zero or an image that was
    normalised; the quotient would exist, but its sign and size would say nothing of contrast.

    Raises:
        ValueError: an unknown form.
    """
    if form not in get_args(ContrastForm):
        raise ValueError(f"form must be one of {get_args(ContrastForm)}, got {form!r}")
    if not reference > 0:
        return float("nan")
    return (structure - reference) / reference if form == "difference-ratio" else structure / reference


def reference_signal(inside: NDArray[np.float64], statistic: ReferenceStatistic = "mean") -> float:
    """Signal of the reference region, which is a mean or a median and never an extreme.

    Raises:
        ValueError: an unknown statistic.
    """
    if statistic not in get_args(ReferenceStatistic):
        raise ValueError(f"reference statistic must be one of {get_args(ReferenceStatistic)}, got {statistic!r}")
    return region_signal(inside, statistic)


def region_signal(inside: NDArray[np.float64], statistic: StructureStatistic) -> float:
    """One statistic of a region's finite intensities; NaN where there is none.

    Raises:
        ValueError: an unknown statistic.
    """
    if statistic not in get_args(StructureStatistic):
        raise ValueError(f"statistic must be one of {get_args(StructureStatistic)}, got {statistic!r}")
    finite = finite_intensities(inside)
    if not finite.size:
        return float("nan")
    if statistic == "max":
        return float(finite.max())
    return float(np.median(finite) if statistic == "median" else finite.mean())
