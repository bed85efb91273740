"""The figures of one case: a row for every label, in words that say what was empty or missing."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

from numpy.typing import NDArray

from neurograft.evaluation.overlap import EmptyPolicy, label_overlaps
from neurograft.evaluation.volumes import volume_difference_mm3

CaseStatus = Literal["ok", "reference-empty", "prediction-empty", "both-empty", "prediction-missing"]


@dataclass(frozen=True)
class LabelScore:
    """Figures of one label in one case; NaN for a figure that is undefined."""

    label: str
    dice: float
    reference_mm3: float
    prediction_mm3: float
    volume_difference_mm3: float
    """Prediction minus reference."""
    status: CaseStatus


def score_case(
    reference: NDArray[Any],
    prediction: NDArray[Any] | None,
    names: Sequence[str],
    voxel_volume_mm3: float,
    empty: EmptyPolicy = "skip",
    ignore: int | None = -1,
) -> list[LabelScore]:
    """Score every label of a case.

    Args:
        reference: class indices, 0 for background and n for the n-th of `names`.
        prediction: class indices of the same shape; ``None`` when there is no prediction, which is a
            failure: Dice 0 for every label, and no predicted volume.
        names: label names.
        voxel_volume_mm3: volume of one voxel.
        empty: Dice of a label absent from both.
        ignore: reference value of voxels without annotation, left out of every figure.

    Raises:
        ValueError: the shapes differ.
    """
    classes = range(1, len(names) + 1)
    overlaps = label_overlaps(reference, reference if prediction is None else prediction, classes, ignore)
    scores = []
    for name, overlap in zip(names, overlaps.values(), strict=True):
        reference_mm3 = overlap.reference_voxels * voxel_volume_mm3
        if prediction is None:
            undefined = float("nan")
            scores.append(LabelScore(name, 0.0, reference_mm3, undefined, undefined, "prediction-missing"))
            continue
        prediction_mm3 = overlap.prediction_voxels * voxel_volume_mm3
        difference = volume_difference_mm3(reference_mm3, prediction_mm3)
        scores.append(
            LabelScore(name, overlap.dice_under(empty), reference_mm3, prediction_mm3, difference, overlap.status)
        )
    return scores
