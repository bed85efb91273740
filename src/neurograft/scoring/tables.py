"""From measured cases to the tables of an evaluation."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from neurograft.evaluation.lesions.detection import P4_MINIMUM_VOLUMES_ML, P4_OVERLAP_CUTOFFS, detection_rates
from neurograft.evaluation.lesions.scores import SIZE_EDGES_ML, lesion_scores
from neurograft.evaluation.measures import MEASURES
from neurograft.evaluation.overlap.confusion import confusion_shares
from neurograft.evaluation.overlap.counts import LabelCounts
from neurograft.evaluation.summary import summarise
from neurograft.inference.region_files import ORACLE_WORDS
from neurograft.scoring.agreement import agreement_table, paired_quantities, rater_tables
from neurograft.scoring.measuring import CaseMeasures
from neurograft.scoring.options import ScoringOptions

_CASE_COLUMNS = ("case", "subject", "label", "kind", "status")


@dataclass(frozen=True, eq=False)
class EvaluationTables:
    """Every table of an evaluation; one that was not asked for, or has no row, is ``None``.

    Attributes:
        per_case: a row a case and label, group or mean over labels; with a column ``oracle`` where a
            prediction was made around the true structure.
        summary: a row a label and measure.
        paired: a row a case, label and quantity with its value in reference and prediction.
        agreement: a row a label and quantity.
        confusion: share of each reference label given to each predicted one, all cases pooled.
        swaps: sentences on sides that changed places.
        lesions: a row a lesion.
        lesion_detection: P4's accuracies.
        lesion_scores: sensitivity, precision and the like by size.
        biomarkers: a row a case, segmentation and structure.
        raters: Dice of everyone against everyone.
        rater_agreement: agreement of everyone with everyone on each quantity.
    """

    per_case: pd.DataFrame
    summary: pd.DataFrame
    paired: pd.DataFrame
    agreement: pd.DataFrame
    confusion: pd.DataFrame | None
    swaps: tuple[str, ...]
    lesions: pd.DataFrame | None = None
    lesion_detection: pd.DataFrame | None = None
    lesion_scores: pd.DataFrame | None = None
    biomarkers: pd.DataFrame | None = None
    raters: pd.DataFrame | None = None
    rater_agreement: pd.DataFrame | None = None


def make_tables(
    measured: Sequence[CaseMeasures],
    names: Sequence[str],
    options: ScoringOptions,
    oracle: frozenset[str] = frozenset(),
) -> EvaluationTables:
    """Put the rows of all cases together, summarise and test them.

    Args:
        measured: the cases.
        names: label names.
        options: by which they were measured.
        oracle: cases predicted around the true structure; every table that holds one says so.
    """
    per_case = pd.DataFrame([_whose(case) | row for case in measured for row in case.scores])
    order = [*_CASE_COLUMNS, *(name for name in MEASURES if name in per_case)]
    per_case = _flagged(per_case[order], oracle)
    biomarkers = pd.DataFrame([_whose(case) | row for case in measured for row in case.biomarkers])
    paired = paired_quantities(per_case, biomarkers)
    summary = summarise(per_case, options.policies, options.level, options.draws, options.seed)
    agreement = agreement_table(paired, options.level)
    if oracle:
        summary["policy"] += f"; {ORACLE_WORDS}"
        agreement["note"] = [f"{note}; {ORACLE_WORDS}".removeprefix("; ") for note in agreement["note"]]
    raters, rater_agreement = rater_tables(
        pd.DataFrame([_whose(case) | row for case in measured for row in case.raters]), biomarkers, options
    )
    return EvaluationTables(
        per_case,
        summary,
        _flagged(paired, oracle),
        agreement,
        _confusion(measured, names),
        tuple(sentence for case in measured for sentence in case.swaps),
        *_lesion_tables(measured, options),
        _or_none(_flagged(biomarkers, oracle)),
        raters,
        rater_agreement,
    )


def _whose(case: CaseMeasures) -> dict[str, str]:
    return {"case": case.case, "subject": case.subject}


def _flagged(rows: pd.DataFrame, oracle: frozenset[str]) -> pd.DataFrame:
    """Rows of cases with the flag of an oracle, where any has one."""
    if not oracle or rows.empty:
        return rows
    return rows.assign(oracle=np.where(rows["case"].isin(oracle), "yes", "no"))


def _or_none(frame: pd.DataFrame) -> pd.DataFrame | None:
    return None if frame.empty else frame


def _confusion(measured: Sequence[CaseMeasures], names: Sequence[str]) -> pd.DataFrame | None:
    counts: list[LabelCounts] = [case.counts for case in measured if case.counts is not None]
    if not counts:
        return None
    total = sum(counts[1:], start=counts[0])
    return confusion_shares(total, dict(enumerate(names, start=1))).reset_index()


def _lesion_tables(
    measured: Sequence[CaseMeasures], options: ScoringOptions
) -> tuple[pd.DataFrame | None, pd.DataFrame | None, pd.DataFrame | None]:
    """A row a lesion; P4's detection; lesion-wise scores."""
    with_lesions = [case for case in measured if case.lesions]
    if not with_lesions:
        return None, None, None
    rule = (options.level, options.draws, options.seed)
    each, detection, scores = [], [], []
    for label, connectivity in dict.fromkeys(key for case in with_lesions for key in case.lesions):
        cases = [case for case in with_lesions if (label, connectivity) in case.lesions]
        tables = [case.lesions[label, connectivity] for case in cases]
        owners = [case.subject for case in cases]
        each += [
            _placed(table.to_frame(), case.affine).assign(**_whose(case), label=label, connectivity=connectivity)
            for case, table in zip(cases, tables, strict=True)
            if len(table.voxels)
        ]
        detection.append(
            detection_rates(tables, P4_OVERLAP_CUTOFFS, P4_MINIMUM_VOLUMES_ML, owners, *rule).assign(label=label)
        )
    for label in dict.fromkeys(name for case in with_lesions for name in case.lesion_matches):
        cases = [case for case in with_lesions if label in case.lesion_matches]
        matches = [case.lesion_matches[label] for case in cases]
        owners = [case.subject for case in cases]
        scores.append(lesion_scores(matches, SIZE_EDGES_ML, owners, *rule).assign(label=label))
    front = ["case", "subject", "label", "connectivity"]
    lesions = pd.concat(each, ignore_index=True) if each else pd.DataFrame(columns=front)
    return (
        _with_first(lesions, front),
        _with_first(pd.concat(detection, ignore_index=True), ["label"]),
        _with_first(pd.concat(scores, ignore_index=True), ["label"]),
    )


def _placed(lesions: pd.DataFrame, affine: NDArray[np.float64]) -> pd.DataFrame:
    """Lesions with their centroids in mm of the scanner's frame in the place of voxel indices."""
    voxels = ["centroid_0", "centroid_1", "centroid_2"]
    mm = lesions[voxels].to_numpy(float) @ affine[:3, :3].T + affine[:3, 3]
    places = dict(zip(("x_mm", "y_mm", "z_mm"), mm.T, strict=True))
    return lesions.drop(columns=voxels).assign(**places)


def _with_first(frame: pd.DataFrame, first: Sequence[str]) -> pd.DataFrame:
    return frame[[*first, *(name for name in frame.columns if name not in first)]].replace({None: np.nan})
