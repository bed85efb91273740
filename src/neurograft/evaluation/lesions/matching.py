"""Which lesion of the truth belongs to which lesion of a prediction, when they do not pair off.

A prediction may break one lesion into several (split) or run several into one (merged). What then
counts as found is a choice with a name:

========================  =====================================================================
``any-overlap`` (default) A lesion of the truth is found when some one predicted lesion holds more
                          than the cut-off of its volume; a predicted lesion is true when some one
                          lesion of the truth holds more than the cut-off of the predicted one's
                          volume. One may serve many: a predicted lesion over three true ones finds
                          all three and is true once, and three fragments of one true lesion are
                          three true predictions of one found lesion.
``total-overlap``         The same with all lesions of the other side taken together, so that a
                          lesion covered in two halves is found. On the side of the truth this is
                          the detection rule of P4.
``one-to-one``            Pairs with an IoU above the cut-off, each lesion in one pair at most, such
                          that the sum of their IoU is largest. Fragments and merged lesions beyond
                          the best pair count as false positives and misses.
========================  =====================================================================

With a cut-off of 0 the first two agree. Split and merged lesions are counted from any shared voxel,
whatever the policy and the cut-off.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal, get_args

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import linear_sum_assignment
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from neurograft.evaluation.lesions.components import (
    Components,
    Connectivity,
    bounding_box,
    label_components,
    require_lesion_masks,
    voxel_volume_ml,
)

MatchPolicy = Literal["any-overlap", "total-overlap", "one-to-one"]

MATCH_WORDS: dict[MatchPolicy, str] = {
    "any-overlap": "found or true when one lesion of the other side covers more than the cut-off; one may serve many",
    "total-overlap": "found or true when the other side as a whole covers more than the cut-off; one may serve many",
    "one-to-one": "found or true when paired one to one with an IoU above the cut-off, best sum of IoU",
}


@dataclass(frozen=True, eq=False)
class LesionMatches:
    """The lesions of both sides of one case, and what became of each.

    Args:
        policy: what counts as a match.
        overlap_cutoff: the share, or IoU for ``one-to-one``, that must be exceeded.
        connectivity: what makes two voxels one lesion.
        reference_volumes_ml: volume of each lesion of the truth, shape (reference lesions,).
        reference_found: whether each was found.
        reference_partners: with how many predicted lesions each shares a voxel.
        prediction_volumes_ml: volume of each predicted lesion, shape (predicted lesions,).
        prediction_true: whether each is true.
        prediction_partners: with how many lesions of the truth each shares a voxel.
    """

    policy: MatchPolicy
    overlap_cutoff: float
    connectivity: Connectivity
    reference_volumes_ml: NDArray[np.float64]
    reference_found: NDArray[np.bool_]
    reference_partners: NDArray[np.int64]
    prediction_volumes_ml: NDArray[np.float64]
    prediction_true: NDArray[np.bool_]
    prediction_partners: NDArray[np.int64]


@dataclass(frozen=True)
class _Contacts:
    """Pairs of lesions that share voxels, as indices from 0, and how many voxels they share."""

    reference: NDArray[np.int64]
    prediction: NDArray[np.int64]
    voxels: NDArray[np.int64]


def match_lesions(
    reference: NDArray[Any],
    prediction: NDArray[Any] | None,
    spacing_mm: Sequence[float],
    policy: MatchPolicy = "any-overlap",
    overlap_cutoff: float = 0.0,
    connectivity: Connectivity = 26,
    slice_axis: int = 2,
) -> LesionMatches:
    """Match the lesions of a truth with those of a prediction.

    Args:
        reference: the truth, shape (D, H, W); any non-zero value is lesion.
        prediction: mask of the same shape; ``None`` where it is missing, which is no lesion found.
        spacing_mm: voxel lengths along the three axes.
        policy: what counts as a match.
        overlap_cutoff: to be exceeded strictly, in [0, 1).
        connectivity: 26, 18 or 6 neighbours in 3D, or ``in-plane-8``, on both sides.
        slice_axis: the axis across the slices, for ``in-plane-8``.

    Raises:
        ValueError: shapes differ or are not three-dimensional, or an argument is out of range.
    """
    voxel_ml = voxel_volume_ml(spacing_mm)
    require_lesion_masks(reference, prediction)
    if policy not in get_args(MatchPolicy):
        raise ValueError(f"policy must be one of {get_args(MatchPolicy)}, got {policy!r}")
    if not 0 <= overlap_cutoff < 1:
        raise ValueError(f"overlap_cutoff must be at least 0 and below 1, got {overlap_cutoff}")
    masks = (reference,) if prediction is None else (reference, prediction)
    box = bounding_box(*masks)
    true = label_components(reference[box], connectivity, slice_axis)
    predicted = label_components(
        np.zeros(true.numbers.shape, dtype=bool) if prediction is None else prediction[box], connectivity, slice_axis
    )
    contacts = _contacts(true, predicted)
    found, confirmed = _matched(contacts, true.voxels, predicted.voxels, policy, overlap_cutoff)
    return LesionMatches(
        policy=policy,
        overlap_cutoff=overlap_cutoff,
        connectivity=connectivity,
        reference_volumes_ml=true.volumes_ml(voxel_ml),
        reference_found=found,
        reference_partners=np.bincount(contacts.reference, minlength=true.count),
        prediction_volumes_ml=predicted.volumes_ml(voxel_ml),
        prediction_true=confirmed,
        prediction_partners=np.bincount(contacts.prediction, minlength=predicted.count),
    )


def _contacts(true: Components, predicted: Components) -> _Contacts:
    shared = (true.numbers > 0) & (predicted.numbers > 0)
    # A pair of numbers as one number, so that pairs can be counted by sorting the shared voxels alone.
    pairs = (
        (true.numbers[shared].astype(np.int64) - 1) * predicted.count + predicted.numbers[shared].astype(np.int64) - 1
    )
    distinct, voxels = np.unique(pairs, return_counts=True)
    return _Contacts(distinct // max(predicted.count, 1), distinct % max(predicted.count, 1), voxels)


def _matched(
    contacts: _Contacts,
    true_voxels: NDArray[np.int64],
    predicted_voxels: NDArray[np.int64],
    policy: MatchPolicy,
    cutoff: float,
) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """Which lesions of the truth are found, and which predicted ones are true."""
    found, confirmed = np.zeros(len(true_voxels), dtype=bool), np.zeros(len(predicted_voxels), dtype=bool)
    if policy == "total-overlap":
        found = np.bincount(contacts.reference, contacts.voxels, len(true_voxels)) / true_voxels > cutoff
        confirmed = np.bincount(contacts.prediction, contacts.voxels, len(predicted_voxels)) / predicted_voxels > cutoff
    elif policy == "any-overlap":
        found[contacts.reference[contacts.voxels / true_voxels[contacts.reference] > cutoff]] = True
        confirmed[contacts.prediction[contacts.voxels / predicted_voxels[contacts.prediction] > cutoff]] = True
    else:
        union = true_voxels[contacts.reference] + predicted_voxels[contacts.prediction] - contacts.voxels
        iou = contacts.voxels / union
        allowed = iou > cutoff
        chosen = _best_pairs(contacts.reference[allowed], contacts.prediction[allowed], iou[allowed])
        found[contacts.reference[allowed][chosen]] = True
        confirmed[contacts.prediction[allowed][chosen]] = True
    return found, confirmed


def _best_pairs(
    reference: NDArray[np.int64], prediction: NDArray[np.int64], iou: NDArray[np.float64]
) -> NDArray[np.int64]:
    """Indices of the pairs that use no lesion twice and have the largest sum of IoU.

    Lesions that touch no common other cannot compete, so each cluster of contacts is solved alone:
    thousands of lesions make many small problems and never one large matrix.
    """
    if not iou.size:
        return np.zeros(0, dtype=np.int64)
    rows, columns = reference.max() + 1, prediction.max() + 1
    graph = coo_array((np.ones(iou.size), (reference, prediction + rows)), shape=(rows + columns,) * 2)
    cluster = connected_components(graph, directed=False)[1][reference]
    order = np.argsort(cluster, kind="stable")
    chosen: list[int] = []
    for members in np.split(order, np.flatnonzero(np.diff(cluster[order])) + 1):
        if len(members) == 1:
            chosen.append(int(members[0]))
            continue
        row_of, row = np.unique(reference[members], return_inverse=True)
        column_of, column = np.unique(prediction[members], return_inverse=True)
        gain = np.zeros((len(row_of), len(column_of)))
        pair = np.full(gain.shape, -1)
        gain[row, column], pair[row, column] = iou[members], members
        chosen += [int(index) for index in pair[linear_sum_assignment(gain, maximize=True)] if index >= 0]
    return np.array(sorted(chosen), dtype=np.int64)
