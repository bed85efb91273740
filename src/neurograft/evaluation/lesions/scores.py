"""Lesion-wise sensitivity, precision, F1 and false positives per scan, overall and by lesion size.

===========================  ====================================================================
``sensitivity``              Found lesions of the truth by all of them; NaN when there is none.
``precision``                True predicted lesions by all predicted ones; NaN when there is none.
``f1``                       Harmonic mean of the two. 0 when only one side has lesions (all were
                             missed, or all invented), NaN when neither has.
``f1_by_counts``             2 TP / (2 TP + FN + FP) with TP the found lesions of the truth: another
                             definition in use. The two are equal under ``one-to-one``, where found
                             and true lesions come in pairs; elsewhere they differ when lesions are
                             split or merged. 0 and NaN as above.
``false_positives_per_scan`` Predicted lesions that are not true, by the number of scans, those
                             without a lesion included.
===========================  ====================================================================

Counts are pooled over scans before a ratio is taken, so a scan weighs by its lesions. A lesion of
the truth falls into a size bin by its own volume and a predicted one by its own.
"""

from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from neurograft.evaluation.lesions.components import VOLUME_TOLERANCE
from neurograft.evaluation.lesions.matching import LesionMatches
from neurograft.evaluation.lesions.pooling import pooled_figures, ratio

SIZE_EDGES_ML = (0.0, 0.01, 0.1, 1.0, float("inf"))
ALL_SIZES = "all"

_COUNTS = ("n_reference", "n_found", "n_split", "n_predicted", "n_true", "n_merged")


def lesion_scores(
    matches: Sequence[LesionMatches],
    size_edges_ml: Sequence[float] = SIZE_EDGES_ML,
    subjects: Sequence[str] | None = None,
    level: float = 0.95,
    draws: int = 10_000,
    seed: int = 0,
) -> pd.DataFrame:
    """Score the lesions of one or many scans.

    Args:
        matches: one a scan, all made with one policy, cut-off and connectivity.
        size_edges_ml: rising limits of the size bins; a bin holds its lower end and not its upper.
        subjects: whose scan each is; every scan counts as one person when not given.
        level: coverage of the intervals.
        draws: bootstrap resamples, over subjects.
        seed: of the bootstrap.

    Returns:
        A row for all sizes and a row a bin: ``size``, ``low_ml``, ``high_ml``, ``policy``,
        ``overlap_cutoff``, ``connectivity``, ``n_scans``, ``n_subjects``, ``n_reference``, ``n_found``,
        ``n_missed``, ``n_split`` (lesions of the truth that share voxels with several predicted ones),
        ``n_predicted``, ``n_true``, ``n_false``, ``n_merged`` (predicted lesions over several of the
        truth), and the figures above, each with ``_low`` and ``_high``.

    Raises:
        ValueError: no scan, scans matched in different ways, edges that do not rise, or not one subject a scan.
    """
    if not matches:
        raise ValueError("there must be at least one scan to score")
    ways = {(one.policy, one.overlap_cutoff, one.connectivity) for one in matches}
    if len(ways) > 1:
        raise ValueError(
            f"all scans must be matched by one policy, cut-off and connectivity, got {sorted(ways, key=str)}"
        )
    edges = list(size_edges_ml)
    if len(edges) < 2 or not all(low < high for low, high in pairwise(edges)):
        raise ValueError(f"size edges must rise and be at least two, got {edges}")
    owners = [str(scan) for scan in range(len(matches))] if subjects is None else list(subjects)
    policy, cutoff, connectivity = ways.pop()
    rows: list[dict[str, Any]] = []
    for low, high in [(0.0, float("inf")), *pairwise(edges)]:
        counts = np.array([[*_counts(one, low, high), 1] for one in matches], dtype=np.int64)
        figures = pooled_figures(counts, owners, _figures, level, draws, seed)
        totals = dict(zip(_COUNTS, counts.sum(axis=0).tolist(), strict=False))
        rows.append(
            {
                "size": _size_words(low, high) if rows else ALL_SIZES,
                "low_ml": low,
                "high_ml": high,
                "policy": policy,
                "overlap_cutoff": cutoff,
                "connectivity": connectivity,
                "n_scans": len(matches),
                "n_subjects": len(set(owners)),
                "n_reference": totals["n_reference"],
                "n_found": totals["n_found"],
                "n_missed": totals["n_reference"] - totals["n_found"],
                "n_split": totals["n_split"],
                "n_predicted": totals["n_predicted"],
                "n_true": totals["n_true"],
                "n_false": totals["n_predicted"] - totals["n_true"],
                "n_merged": totals["n_merged"],
                **figures,
            }
        )
    return pd.DataFrame(rows)


def _counts(one: LesionMatches, low_ml: float, high_ml: float) -> tuple[int, ...]:
    """Counts of the lesions in a size bin, in the order of `_COUNTS`."""
    true = _within(one.reference_volumes_ml, low_ml, high_ml)
    predicted = _within(one.prediction_volumes_ml, low_ml, high_ml)
    chosen = (
        true,
        true & one.reference_found,
        true & (one.reference_partners > 1),
        predicted,
        predicted & one.prediction_true,
        predicted & (one.prediction_partners > 1),
    )
    return tuple(int(np.count_nonzero(which)) for which in chosen)


def _within(volumes_ml: NDArray[np.float64], low_ml: float, high_ml: float) -> NDArray[np.bool_]:
    """Whether each volume lies in [low, high), a volume that is an end but for rounding taken as that end."""
    return (volumes_ml >= low_ml * (1 - VOLUME_TOLERANCE)) & (volumes_ml < high_ml * (1 - VOLUME_TOLERANCE))


def _figures(counts: NDArray[np.float64]) -> dict[str, NDArray[np.float64]]:
    reference, found, _, predicted, true, _, scans = np.moveaxis(counts, -1, 0)
    sensitivity, precision = ratio(found, reference), ratio(true, predicted)
    anything = reference + predicted > 0
    harmonic = ratio(2 * sensitivity * precision, sensitivity + precision)
    return {
        "sensitivity": sensitivity,
        "precision": precision,
        # Where one side has no lesion, or none was matched, the harmonic mean has no value of its own: the limit is 0.
        "f1": np.where(anything, np.nan_to_num(harmonic, nan=0.0), np.nan),
        "f1_by_counts": ratio(2 * found, found + reference + predicted - true),
        "false_positives_per_scan": ratio(predicted - true, scans),
    }


def _size_words(low_ml: float, high_ml: float) -> str:
    return f"at least {low_ml:g} mL" if np.isinf(high_ml) else f"{low_ml:g} to below {high_ml:g} mL"
