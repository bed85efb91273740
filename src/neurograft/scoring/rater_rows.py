"""Everyone against everyone in one case: reference, prediction and other raters."""

from collections.abc import Mapping, Sequence
from itertools import combinations
from typing import Any

from neurograft.evaluation.overlap.counts import count_labels
from neurograft.evaluation.policies import EmptyPolicy
from neurograft.imaging.labels import IGNORE
from neurograft.scoring.biomarker_rows import delineations
from neurograft.scoring.reading import CaseArrays


def rater_rows(
    arrays: CaseArrays, labels: Mapping[int, str], groups: Mapping[str, Sequence[int]], empty: EmptyPolicy
) -> list[dict[str, Any]]:
    """Dice of every pair of segmentations: a row a pair and structure, with ``first`` and ``second``.

    Voxels that the reference does not annotate are left out of every pair, so that the same voxels count.
    """
    everyone = dict(delineations(arrays))
    annotated = arrays.reference != IGNORE
    rows = []
    for first, second in combinations(everyone, 2):
        counts = count_labels(everyone[first] * annotated, everyone[second] * annotated, list(labels))
        overlaps = {name: counts.overlap(index) for index, name in labels.items()}
        overlaps |= {name: counts.group(members) for name, members in groups.items()}
        rows += [
            {"first": first, "second": second, "label": name, "dice": overlap.dice_under(empty)}
            for name, overlap in overlaps.items()
        ]
    return rows
