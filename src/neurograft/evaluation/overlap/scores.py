"""Figures of one label, or one group of labels, from its voxel counts.

With R the reference, P the prediction, # a number of voxels and V a volume:

| figure | definition | R empty | P empty | both empty |
|---|---|---|---|---|
| Dice | 2 #(R and P) / (#R + #P) | 0 | 0 | policy |
| IoU | #(R and P) / #(R or P) | 0 | 0 | policy |
| sensitivity | #(R and P) / #R | NaN | 0 | NaN |
| precision | #(R and P) / #P | 0 | NaN | NaN |
| volume difference | V(P) - V(R) | V(P) | -V(R) | 0 |
| relative volume difference | (V(P) - V(R)) / V(R) | NaN | -1 | NaN |
| volume similarity | 1 - abs(#P - #R) / (#P + #R) | 0 | 0 | policy |

Under the policy ``skip`` a figure of two empty masks is NaN, under ``perfect`` it is 1. Specificity is
not among them: it counts the background, so that a wider field of view raises it.

Reference:
    A. A. Taha and A. Hanbury, "Metrics for evaluating 3D medical image segmentation: analysis,
    selection, and tool", BMC Medical Imaging, 2015 (volumetric similarity).
"""

from dataclasses import dataclass

from neurograft.evaluation.overlap.counts import Overlap, OverlapStatus
from neurograft.evaluation.policies import EmptyPolicy


@dataclass(frozen=True)
class OverlapScores:
    """Every overlap figure of a label in a case; NaN for one that is undefined."""

    status: OverlapStatus
    dice: float
    iou: float
    sensitivity: float
    precision: float
    reference_mm3: float
    prediction_mm3: float
    volume_difference_mm3: float
    """Prediction minus reference."""
    relative_volume_difference: float
    """Prediction minus reference, as a share of the reference."""
    volume_similarity: float


def overlap_scores(overlap: Overlap, voxel_volume_mm3: float, empty: EmptyPolicy = "skip") -> OverlapScores:
    """All figures at once.

    Args:
        overlap: voxel counts of a label or of a group.
        voxel_volume_mm3: volume of one voxel.
        empty: Dice, IoU and volume similarity of two empty masks.

    Raises:
        ValueError: the volume of a voxel is not positive.
    """
    difference_mm3 = volume_difference_mm3(overlap, voxel_volume_mm3)
    return OverlapScores(
        status=overlap.status,
        dice=dice(overlap, empty),
        iou=iou(overlap, empty),
        sensitivity=sensitivity(overlap),
        precision=precision(overlap),
        reference_mm3=overlap.reference_voxels * voxel_volume_mm3,
        prediction_mm3=overlap.prediction_voxels * voxel_volume_mm3,
        volume_difference_mm3=difference_mm3,
        relative_volume_difference=relative_volume_difference(overlap),
        volume_similarity=volume_similarity(overlap, empty),
    )


def dice(overlap: Overlap, empty: EmptyPolicy = "skip") -> float:
    """Dice score, twice the intersection over the sum of both.

    Example:
        >>> dice(Overlap(reference_voxels=3, prediction_voxels=1, intersection_voxels=1))
        0.5
    """
    return overlap.dice_under(empty)


def iou(overlap: Overlap, empty: EmptyPolicy = "skip") -> float:
    """Intersection over union, also called the Jaccard index."""
    union = overlap.reference_voxels + overlap.prediction_voxels - overlap.intersection_voxels
    if union == 0:
        return _of_two_empty_masks(empty)
    return overlap.intersection_voxels / union


def sensitivity(overlap: Overlap) -> float:
    """Share of the reference that the prediction found, also called recall; NaN for an empty reference."""
    return _share(overlap.intersection_voxels, overlap.reference_voxels)


def precision(overlap: Overlap) -> float:
    """Share of the prediction that is right; NaN for an empty prediction."""
    return _share(overlap.intersection_voxels, overlap.prediction_voxels)


def volume_difference_mm3(overlap: Overlap, voxel_volume_mm3: float) -> float:
    """Predicted minus reference volume: positive when the prediction is too large.

    Raises:
        ValueError: the volume of a voxel is not positive.
    """
    if not voxel_volume_mm3 > 0:
        raise ValueError(f"the volume of a voxel must be positive, got {voxel_volume_mm3} mm3")
    return (overlap.prediction_voxels - overlap.reference_voxels) * voxel_volume_mm3


def relative_volume_difference(overlap: Overlap) -> float:
    """Volume difference as a signed share of the reference's volume; NaN for an empty reference."""
    return _share(overlap.prediction_voxels - overlap.reference_voxels, overlap.reference_voxels)


def volume_similarity(overlap: Overlap, empty: EmptyPolicy = "skip") -> float:
    """How alike the two volumes are, 1 for equal ones, wherever the masks lie: no measure of overlap.

    Reference:
        Taha and Hanbury 2015 (see the module).
    """
    total = overlap.reference_voxels + overlap.prediction_voxels
    if total == 0:
        return _of_two_empty_masks(empty)
    return 1 - abs(overlap.prediction_voxels - overlap.reference_voxels) / total


def _of_two_empty_masks(empty: EmptyPolicy) -> float:
    return float("nan") if empty == "skip" else 1.0


def _share(part: int, whole: int) -> float:
    return part / whole if whole else float("nan")
