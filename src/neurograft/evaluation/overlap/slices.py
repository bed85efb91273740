"""Dice and mean IoU slice by slice, as paper P4 scores its segmentations.

P4 scores every axial slice and averages over the slices of the test set. It does not say what a
slice without the structure counts, nor whether background is a class; both are options here, and
the policy's words belong beside the figure. The score of the whole volume (`counts`) belongs there
too: it weighs slices by what they show, and the two can differ widely.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from neurograft.evaluation.overlap.positions import (
    memory_order,
    occupied_box,
    position_lookup,
    require_distinct,
    require_label_maps,
    slabs,
)

SlicePolicy = Literal["skip", "perfect", "reference-slices", "shared-slices"]
"""Which slices count where a label is absent; `SLICE_POLICY_WORDS` says what each means."""

SLICE_POLICY_WORDS: dict[SlicePolicy, str] = {
    "skip": "slices without the label in both are left out, in one score 0",
    "perfect": "slices without the label in both score 1, in one score 0",
    "reference-slices": "only slices whose reference shows the label",
    "shared-slices": "only slices in which reference and prediction both show the label",
}

Figures = NDArray[np.float64]
Counts = NDArray[np.int64]


@dataclass(frozen=True)
class SliceMean:
    """A mean over slices, with the slices in it and those left out."""

    value: float
    """NaN when no slice was left."""
    slices_counted: int
    slices_left_out: int


@dataclass(frozen=True, eq=False)
class SliceScores:
    """Scores of the S slices of a case, in order; NaN where the policy leaves a slice out."""

    values: tuple[int, ...]
    """The n labels."""
    policy: SlicePolicy
    background: bool
    """Whether background is a class of the mean IoU."""
    dice: Figures
    """(S, n), a column per label."""
    iou: Figures
    """(S, n), likewise."""
    mean_iou: Figures
    """(S,), mean of the IoU of a slice's labels."""

    def mean_dice_of(self, value: int) -> SliceMean:
        """Mean Dice of one label over the slices of this case.

        Raises:
            ValueError: the value was not scored.
        """
        return pooled_dice([self], value)

    def mean_iou_of(self, value: int) -> SliceMean:
        """Mean IoU of one label over the slices of this case.

        Raises:
            ValueError: the value was not scored.
        """
        return _mean_over([self.iou[:, self.column_of(value)]])

    def column_of(self, value: int) -> int:
        """Column of a label in `dice` and `iou`.

        Raises:
            ValueError: the value was not scored.
        """
        if value not in self.values:
            raise ValueError(f"label value {value} was not scored; scored were {list(self.values)}")
        return self.values.index(value)

    @property
    def mean_of_mean_iou(self) -> SliceMean:
        """Mean IoU of the labels, averaged over the slices of this case."""
        return pooled_mean_iou([self])


def slice_scores(
    reference: NDArray[Any],
    prediction: NDArray[Any],
    values: Sequence[int],
    axis: int = 2,
    policy: SlicePolicy = "skip",
    background: bool = False,
    ignore: int | None = None,
) -> SliceScores:
    """Score every slice of a case.

    The mean IoU of a slice is over the labels that the policy counts in it: those that either side
    shows (``skip``), all (``perfect``), those of the reference, or those of both.

    Args:
        reference: integer label map.
        prediction: integer label map of the same shape.
        values: distinct label values; others count as background.
        axis: the axis across the slices; the default is axial in an array whose third axis runs from
            foot to head.
        policy: which slices count where a label is absent.
        background: whether everything that is none of `values` is one more class of the mean IoU. A
            slice in which no label counts is left out all the same.
        ignore: where the reference has this value, voxels are left out on both sides (not annotated);
            a slice of nothing else is left out under every policy.

    Raises:
        ValueError: the shapes differ, an array holds no integers, no value or one given twice, an
            axis or policy that does not exist.

    Reference:
        P4, section 2.4.4 (SPEC sections 0 and 4).
    """
    require_label_maps(reference, prediction)
    values = tuple(map(int, values))
    require_distinct(values)
    if not values:
        raise ValueError("slices can be scored for at least one label value, got none")
    if not -reference.ndim <= axis < reference.ndim:
        raise ValueError(f"axis {axis} does not exist in an array with {reference.ndim} axes")
    if policy not in SLICE_POLICY_WORDS:
        raise ValueError(f"a slice policy is one of {list(SLICE_POLICY_WORDS)}, got {policy!r}")
    in_reference, in_prediction, in_both = _count(reference, prediction, values, axis % reference.ndim, ignore)
    dice = _ratio(2 * in_both, in_reference + in_prediction, in_reference, in_prediction, policy)
    iou = _ratio(in_both, in_reference + in_prediction - in_both, in_reference, in_prediction, policy)
    # Where nobody looked, even two empty masks do not agree.
    unseen = in_reference.sum(axis=1) == 0
    dice[unseen], iou[unseen] = np.nan, np.nan
    counted = ~np.isnan(iou[:, 1:])
    classes = iou if background else iou[:, 1:]
    # Whether a slice counts is decided by its labels alone: background is in nearly every slice.
    mean_iou = np.full(len(iou), np.nan)
    some = counted.any(axis=1)
    mean_iou[some] = np.nanmean(classes[some], axis=1)
    return SliceScores(values, policy, background, dice[:, 1:], iou[:, 1:], mean_iou)


def pooled_dice(cases: Iterable[SliceScores], value: int) -> SliceMean:
    """Mean Dice of a label over all slices of all cases, each slice counting alike.

    Raises:
        ValueError: a case in which the value was not scored, or no case.
    """
    return _mean_over([case.dice[:, case.column_of(value)] for case in cases])


def pooled_mean_iou(cases: Iterable[SliceScores]) -> SliceMean:
    """Mean IoU averaged over all slices of all cases, each slice counting alike.

    Raises:
        ValueError: no case.
    """
    return _mean_over([case.mean_iou for case in cases])


def _count(
    reference: NDArray[Any], prediction: NDArray[Any], values: Sequence[int], axis: int, ignore: int | None
) -> tuple[Counts, Counts, Counts]:
    """Voxels of each slice and class in the reference, the prediction and both, each (S, 1 + n)."""
    positions = position_lookup(values)
    classes, slices = len(values) + 1, reference.shape[axis]
    counts = np.zeros((3, slices * classes), dtype=np.int64)
    box = occupied_box(reference, prediction)
    order = memory_order(reference)
    inner_reference, inner_prediction = (labels[box].transpose(order) for labels in (reference, prediction))
    across = order.index(axis)
    numbers = np.arange(slices, dtype=np.int64)[box[axis]] * classes
    numbers = numbers.reshape([-1 if place == across else 1 for place in range(reference.ndim)])
    for slab in slabs(inner_reference.shape):
        keys = numbers[slab] if across == 0 else numbers
        truth, guess = positions(inner_reference[slab]), positions(inner_prediction[slab])
        hit = truth == guess
        truth += keys
        guess += keys
        if ignore is not None:
            annotated = inner_reference[slab] != ignore
            truth, guess, hit = truth[annotated], guess[annotated], hit[annotated]
        for row, found in enumerate((truth.ravel(), guess.ravel(), truth[hit])):
            counts[row] += np.bincount(found, minlength=slices * classes)
    by_slice = counts.reshape(3, slices, classes)
    if ignore != 0:
        # Voxels outside the box are 0 on both sides.
        zero = int(positions(np.zeros(1, dtype=np.int64))[0])
        outside = np.full(slices, reference.size // max(slices, 1), dtype=np.int64)
        outside[box[axis]] -= inner_reference.size // max(inner_reference.shape[across], 1)
        by_slice[:, :, zero] += outside
    return by_slice[0], by_slice[1], by_slice[2]


def _ratio(part: Counts, whole: Counts, in_reference: Counts, in_prediction: Counts, policy: SlicePolicy) -> Figures:
    """Part over whole where the policy counts a slice, NaN elsewhere."""
    figures = np.divide(part, whole, out=np.full(part.shape, np.nan), where=whole > 0)
    if policy == "perfect":
        figures[whole == 0] = 1.0
    elif policy == "reference-slices":
        figures[in_reference == 0] = np.nan
    elif policy == "shared-slices":
        figures[(in_reference == 0) | (in_prediction == 0)] = np.nan
    return figures


def _mean_over(columns: Sequence[Figures]) -> SliceMean:
    if not columns:
        raise ValueError("a mean over slices needs at least one case")
    every = np.concatenate(columns)
    defined = every[~np.isnan(every)]
    value = float(defined.mean()) if defined.size else float("nan")
    return SliceMean(value, int(defined.size), int(every.size - defined.size))
