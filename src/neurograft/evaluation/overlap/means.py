"""One figure for a case with several labels: the plain mean, and means that let small structures speak.

A label whose score is undefined, or which a weighted mean cannot weigh because the reference does
not show it, is left out; the result names it, since a mean over other labels is another mean.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from math import isfinite, isnan
from typing import Literal

VolumeExponent = Literal[1, 2]
"""Weights are 1 / V (inverse volume) or 1 / V^2 (inverse squared volume)."""


@dataclass(frozen=True)
class LabelMean:
    """A mean over labels, the labels in it, and those that are not."""

    value: float
    """NaN when no label was left."""
    labels_used: tuple[str, ...]
    labels_left_out: tuple[str, ...]


def mean_over_labels(scores: Mapping[str, float]) -> LabelMean:
    """Mean in which every label counts alike.

    Args:
        scores: a score per label, NaN where it is undefined; such labels are left out.

    Example:
        >>> mean_over_labels({"thalamus": 0.75, "caudate": 0.25, "lesion": float("nan")}).value
        0.5
    """
    return _weighted(scores, {label: 1.0 for label, score in scores.items() if not isnan(score)})


def volume_weighted_mean(
    scores: Mapping[str, float], reference_volumes_mm3: Mapping[str, float], exponent: VolumeExponent
) -> LabelMean:
    """Mean with weights 1 / V^exponent: sum of S / V^e over sum of 1 / V^e, so that small structures count more.

    Paper P5 gives its "weighted DSC" in words as penalised by the inverse of the volume; its printed
    averages follow the inverse squared volume. Whoever prints the figure names the exponent.

    Args:
        scores: a score per label, NaN where it is undefined; such labels are left out.
        reference_volumes_mm3: volume of each of these labels in the reference. A label with volume
            0 has no weight and is left out: what was predicted of it counts elsewhere. The unit
            does not matter.
        exponent: 1 for 1 / V, 2 for 1 / V^2.

    Raises:
        ValueError: another exponent, a label without a volume, or a volume that is negative or not finite.

    Reference:
        P5 (SPEC section 5, metrics); W. R. Crum, O. Camara and D. L. G. Hill,
        "Generalized overlap measures for evaluation and validation in medical image analysis", IEEE
        Transactions on Medical Imaging, 2006 (weights by inverse and inverse squared volume).

    Example:
        >>> volume_weighted_mean({"large": 0.9, "small": 0.6}, {"large": 2.0, "small": 1.0}, exponent=1).value
        0.7
    """
    if exponent not in (1, 2):
        raise ValueError(f"the exponent of the volume must be 1 or 2, got {exponent}")
    if without := [label for label in scores if label not in reference_volumes_mm3]:
        raise ValueError(f"labels without a reference volume: {without}")
    volumes = {label: reference_volumes_mm3[label] for label in scores}
    if wrong := {label: volume for label, volume in volumes.items() if volume < 0 or not isfinite(volume)}:
        raise ValueError(f"reference volumes must be finite and not negative, got {wrong}")
    usable = {label: volumes[label] for label, score in scores.items() if volumes[label] > 0 and not isnan(score)}
    smallest = min(usable.values(), default=1.0)
    return _weighted(scores, {label: (smallest / volume) ** exponent for label, volume in usable.items()})


def _weighted(scores: Mapping[str, float], weights: Mapping[str, float]) -> LabelMean:
    """Mean over the labels that have a weight; the others are left out."""
    total = sum(weights.values())
    value = sum(weight * scores[label] for label, weight in weights.items()) / total if weights else float("nan")
    return LabelMean(value, tuple(weights), tuple(label for label in scores if label not in weights))
