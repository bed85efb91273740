"""Which labels a prediction takes for which, and whether it takes left for right.

A network applied to scans of another kind can find a structure and yet call it by the name of the
other side: paper P5 saw that without adaptation. The Dice of both sides is then near 0, though
nothing is wrong with the outline, and exchanging two names would mend it.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from neurograft.evaluation.overlap.counts import LabelCounts, Overlap

BACKGROUND = "background"
"""Column of everything that is none of the counted labels."""


def confusion_shares(counts: LabelCounts, names: Mapping[int, str]) -> pd.DataFrame:
    """Share of each reference label that the prediction gives to each label.

    Args:
        counts: of one case, or summed over several.
        names: name of every counted value.

    Returns:
        A row per reference label (the index), a column per predicted label and `BACKGROUND` as the
        last. Rows sum to 1; a label that the reference does not show has a row of NaN.

    Raises:
        ValueError: a value without a name, a name twice, or a label of the name `BACKGROUND`.
    """
    if nameless := [value for value in counts.values if value not in names]:
        raise ValueError(f"label values without a name: {nameless}")
    labels = [names[value] for value in counts.values]
    columns = [*labels, BACKGROUND]
    if len(set(columns)) != len(columns):
        raise ValueError(f"names of labels must be distinct, and none may be {BACKGROUND!r}: {labels}")
    voxels = np.roll(counts.matrix[1:], -1, axis=1)
    total = voxels.sum(axis=1, keepdims=True)
    shares = np.divide(voxels, total, out=np.full(voxels.shape, np.nan), where=total > 0)
    return pd.DataFrame(shares, index=pd.Index(labels, name="reference"), columns=pd.Index(columns, name="prediction"))


@dataclass(frozen=True)
class SideSwap:
    """What a prediction made of the two sides of a structure."""

    left: int
    """Label value of the left side."""
    right: int
    share_left_as_right: float
    """Share of the reference's left voxels that the prediction calls right; NaN without such voxels."""
    share_right_as_left: float
    wrong_side_voxels: int
    """Voxels of either side that the prediction gives to the other."""
    mean_dice: float
    """Mean Dice of the two sides; a side absent from both label maps is left out."""
    mean_dice_exchanged: float
    """The same, had the prediction's two labels been exchanged."""
    swapped: bool
    """Exchanging the prediction's two labels would raise the mean Dice."""
    partly: bool
    """Not swapped as a whole, but at least the threshold's share of a side is called by the other."""

    def words(self, left_name: str, right_name: str) -> str:
        """One sentence to report, empty when there is nothing to say."""
        if not (self.swapped or self.partly):
            return ""
        shares = [
            f"{share:.0%} of {one} is labelled {other}"
            for share, one, other in (
                (self.share_left_as_right, left_name, right_name),
                (self.share_right_as_left, right_name, left_name),
            )
            if share > 0
        ]
        found = f"{' and '.join(shares)} ({self.wrong_side_voxels} voxels)"
        if self.partly:
            return f"{left_name} and {right_name} are partly swapped: {found}."
        return (
            f"{left_name} and {right_name} are swapped: {found}; exchanging the two labels of the prediction "
            f"would raise their mean Dice from {self.mean_dice:.3f} to {self.mean_dice_exchanged:.3f}."
        )


def side_swaps(counts: LabelCounts, pairs: Sequence[tuple[int, int]], threshold: float = 0.05) -> list[SideSwap]:
    """Find structures whose left and right sides the prediction confuses.

    Args:
        counts: of one case; both values of every pair are counted.
        pairs: left and right label value of each structure.
        threshold: share of a side, above 0 and at most 1, from which on confusion is called partial.
            Where the two sides touch, as in the thalamus, a little is mere disagreement on the midline.

    Returns:
        A `SideSwap` per pair, in the order given.

    Raises:
        ValueError: a value that was not counted, a pair of one value, or a threshold out of range.
    """
    if not 0 < threshold <= 1:
        raise ValueError(f"the threshold is a share above 0 and at most 1, got {threshold}")
    return [_side_swap(counts, left, right, threshold) for left, right in pairs]


def _side_swap(counts: LabelCounts, left: int, right: int, threshold: float) -> SideSwap:
    if left == right:
        raise ValueError(f"the two sides of a pair need two label values, got {left} twice")
    sides = [counts.row_of(left), counts.row_of(right)]
    in_reference, in_prediction = counts.matrix[sides].sum(axis=1), counts.matrix[:, sides].sum(axis=0)
    block = counts.matrix[np.ix_(sides, sides)]
    as_right, as_left = int(block[0, 1]), int(block[1, 0])
    share_left = as_right / int(in_reference[0]) if in_reference[0] else float("nan")
    share_right = as_left / int(in_reference[1]) if in_reference[1] else float("nan")
    mean_dice = _mean_dice(in_reference, in_prediction, np.diag(block))
    exchanged = _mean_dice(in_reference, in_prediction[::-1], np.array([as_right, as_left]))
    swapped = exchanged > mean_dice
    return SideSwap(
        left=left,
        right=right,
        share_left_as_right=share_left,
        share_right_as_left=share_right,
        wrong_side_voxels=as_right + as_left,
        mean_dice=mean_dice,
        mean_dice_exchanged=exchanged,
        swapped=swapped,
        partly=not swapped and (share_left >= threshold or share_right >= threshold),
    )


def _mean_dice(in_reference: np.ndarray, in_prediction: np.ndarray, in_both: np.ndarray) -> float:
    """Mean Dice of two labels, leaving out one that is empty in both."""
    overlaps = [Overlap(*map(int, voxels)) for voxels in zip(in_reference, in_prediction, in_both, strict=True)]
    defined = [overlap.dice for overlap in overlaps if overlap.status != "both-empty"]
    return sum(defined) / len(defined) if defined else float("nan")
