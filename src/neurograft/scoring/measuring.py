"""All that is measured of one case: nothing is read or written here."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from neurograft.evaluation.lesions.components import Connectivity
from neurograft.evaluation.lesions.detection import LesionTable, detect_lesions
from neurograft.evaluation.lesions.matching import LesionMatches, match_lesions
from neurograft.evaluation.overlap.confusion import side_swaps
from neurograft.evaluation.overlap.counts import LabelCounts, count_labels
from neurograft.imaging.labels import IGNORE
from neurograft.imaging.sides import pair_sides
from neurograft.scoring.biomarker_rows import biomarker_rows
from neurograft.scoring.groups import label_groups
from neurograft.scoring.options import ScoringOptions
from neurograft.scoring.rater_rows import rater_rows
from neurograft.scoring.reading import CaseArrays
from neurograft.scoring.score_rows import Row, missing_rows, score_rows

LESION_CONNECTIVITIES: tuple[Connectivity, ...] = (26, "in-plane-8")
"""P4's rule, read in three dimensions and literally (SPEC section 0)."""


@dataclass(frozen=True)
class CaseMeasures:
    """What one case gives to each table.

    Attributes:
        case: its name.
        subject: its person.
        affine: (4, 4) from voxels in RAS to mm.
        scores: a row a label, a group of labels and a mean over labels.
        counts: of all labels, or ``None`` without a prediction or with labels left out.
        swaps: sentences on sides that changed places.
        lesions: by label and connectivity.
        lesion_matches: by label.
        biomarkers: a row a segmentation and structure.
        raters: a row a pair of segmentations and structure.
    """

    case: str
    subject: str
    affine: NDArray[np.float64]
    scores: list[Row]
    counts: LabelCounts | None = None
    swaps: tuple[str, ...] = ()
    lesions: Mapping[tuple[str, Connectivity], LesionTable] = field(default_factory=dict)
    lesion_matches: Mapping[str, LesionMatches] = field(default_factory=dict)
    biomarkers: list[Row] = field(default_factory=list)
    raters: list[Row] = field(default_factory=list)


def measure_case(
    case: str,
    subject: str,
    arrays: CaseArrays,
    names: Sequence[str],
    unscored: frozenset[str],
    options: ScoringOptions,
    threads: int = 1,
) -> CaseMeasures:
    """Measure a case.

    Args:
        case: its name.
        subject: its person.
        arrays: its label maps and image.
        names: label names, the n-th for class n.
        unscored: labels that the reference does not annotate throughout.
        options: what to compute.
        threads: that share its labels.
    """
    labels = {index: name for index, name in enumerate(names, start=1) if name not in unscored}
    if not labels:
        return CaseMeasures(case, subject, arrays.grid.affine, [])
    groups = {
        name: members for name, members in label_groups(names, options.groups).items() if set(members) <= set(labels)
    }
    counts: LabelCounts | None = None
    swaps: tuple[str, ...] = ()
    if arrays.prediction is None:
        scores = missing_rows(arrays, labels, groups, options)
    else:
        counts = count_labels(arrays.reference, arrays.prediction, list(labels), ignore=IGNORE)
        scores = score_rows(arrays, arrays.prediction, counts, labels, groups, options, threads)
        swaps = _swaps(case, counts, names, labels)
    biomarkers = []
    if arrays.raters or (options.biomarkers and arrays.image is not None):
        biomarkers = biomarker_rows(arrays, labels, groups, options.contrast_wanted)
    return CaseMeasures(
        case,
        subject,
        arrays.grid.affine,
        scores,
        counts if len(labels) == len(names) else None,
        swaps,
        *_lesions(arrays, labels, options),
        biomarkers,
        rater_rows(arrays, labels, groups, options.policies.empty) if arrays.raters else [],
    )


def _swaps(case: str, counts: LabelCounts, names: Sequence[str], labels: Mapping[int, str]) -> tuple[str, ...]:
    pairs = [(left + 1, right + 1) for left, right in pair_sides(names)[0]]
    found = side_swaps(counts, [pair for pair in pairs if set(pair) <= set(labels)])
    return tuple(
        f"case {case}: {swap.words(labels[swap.left], labels[swap.right])}"
        for swap in found
        if swap.swapped or swap.partly
    )


def _lesions(
    arrays: CaseArrays, labels: Mapping[int, str], options: ScoringOptions
) -> tuple[dict[tuple[str, Connectivity], LesionTable], dict[str, LesionMatches]]:
    tables: dict[tuple[str, Connectivity], LesionTable] = {}
    matches: dict[str, LesionMatches] = {}
    for index, name in labels.items():
        if name not in options.lesions:
            continue
        reference = arrays.reference == index
        prediction: Any = None
        if arrays.prediction is not None:
            # Nobody looked there: what is predicted in such voxels is neither a hit nor a false alarm.
            prediction = (arrays.prediction == index) & (arrays.reference != IGNORE)
        for connectivity in LESION_CONNECTIVITIES:
            tables[name, connectivity] = detect_lesions(reference, prediction, arrays.grid.spacing_mm, connectivity)
        matches[name] = match_lesions(
            reference, prediction, arrays.grid.spacing_mm, options.lesion_matching, options.lesion_cutoff
        )
    return tables, matches
