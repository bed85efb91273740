"""Compare methods on the same subjects: a row a pair of methods, with tests, effects and a verdict."""

from collections.abc import Mapping
from itertools import combinations
from typing import Any, Literal

import numpy as np
import pandas as pd

from neurograft.evaluation.comparison.columns import COMPARISON_COLUMNS
from neurograft.evaluation.comparison.corrections import Correction, correct_p
from neurograft.evaluation.comparison.detectable import smallest_detectable_difference
from neurograft.evaluation.comparison.effects import (
    cohen_dz,
    hedges_g_paired,
    probability_of_superiority_paired,
    rank_biserial,
)
from neurograft.evaluation.comparison.mixed import mixed_difference
from neurograft.evaluation.comparison.pairing import (
    PairedValues,
    differences_by_seed,
    means_by_seed,
    paired_by_subject,
    shared_runs,
)
from neurograft.evaluation.comparison.tests import (
    independent_t_test,
    paired_t_test,
    sign_flip_test,
    wilcoxon_signed_rank,
)
from neurograft.evaluation.comparison.verdict import Finding, verdict
from neurograft.evaluation.intervals import subject_row_bootstrap

Family = Literal["measure", "table"]
"""What p is corrected over: the comparisons of one measure, or all in the table."""


def compare_methods(
    frame: pd.DataFrame,
    measure: str,
    label: str = "",
    reference: str | None = None,
    higher_is_better: bool | None = True,
    correction: Correction = "holm",
    level: float = 0.95,
    seed: int = 0,
    draws: int = 10_000,
    inner: bool = False,
) -> pd.DataFrame:
    """Compare methods by one measure of one label; its pairs are the family that p is corrected over.

    Args:
        frame: a row a value with ``subject``, ``case``, ``method``, ``value``, and ``fold`` and
            ``seed`` where trainings were repeated. Where it has the columns ``measure`` and ``label``,
            only the rows of this measure and label count.
        measure: its name.
        label: its name; "" for a table without labels.
        reference: the method that every other is compared with; all pairs when ``None``.
        higher_is_better: false for distances and errors, ``None`` for what is neither.
        correction: of the primary test's p.
        level: coverage of the intervals.
        seed: of the bootstrap and of drawn sign patterns; the same seed gives the same table.
        draws: bootstrap resamples.
        inner: compare what two methods have in common instead of refusing different subjects.

    Returns:
        A row a pair, in the order in which methods appear; its columns are those of
        `neurograft.evaluation.comparison.columns`.

    Raises:
        ValueError: fewer than two methods, an unknown reference, measure or label, or values that
            cannot be paired.
    """
    rows = _rows(frame, measure, label, reference, higher_is_better, level, seed, draws, inner)
    return pd.DataFrame(_judged(rows, correction, "measure"), columns=list(COMPARISON_COLUMNS))


def compare_measures(
    frame: pd.DataFrame,
    higher_is_better: Mapping[str, bool | None],
    reference: str | None = None,
    correction: Correction = "holm",
    family: Family = "measure",
    level: float = 0.95,
    seed: int = 0,
    draws: int = 10_000,
    inner: bool = False,
    same_runs: bool = False,
) -> pd.DataFrame:
    """Compare methods by every measure and label of a table, and correct p over all of them together.

    Args:
        frame: as in `compare_methods`, with a column ``measure``, and ``label`` where there are several.
        higher_is_better: by measure; the measures to compare, in this order.
        reference: as in `compare_methods`, as are the arguments not named here.
        correction: of the primary test's p.
        family: the comparisons of one measure (all labels and pairs), or of the whole table.
        level: coverage of the intervals.
        seed: of the bootstrap and of drawn sign patterns.
        draws: bootstrap resamples.
        inner: compare what two methods have in common.
        same_runs: of the trainings of a case, compare those that two methods have in common; for tables whose
            folds and seeds name the same people to learn from in every method.

    Raises:
        ValueError: as in `compare_methods`, or no measure.
    """
    if "measure" not in frame or not higher_is_better:
        raise ValueError("need a table with the column 'measure', and the measures to compare")
    by_measure = []
    for measure, direction in higher_is_better.items():
        of_measure = frame[frame["measure"] == measure]
        labels = list(dict.fromkeys(of_measure["label"].astype(str))) if "label" in frame else [""]
        rows = [
            row
            for label in labels or [""]
            for row in _rows(frame, measure, label, reference, direction, level, seed, draws, inner, same_runs)
        ]
        by_measure.append(rows)
    if family == "table":
        judged = _judged([row for rows in by_measure for row in rows], correction, family)
    else:
        judged = [row for rows in by_measure for row in _judged(rows, correction, family)]
    return pd.DataFrame(judged, columns=list(COMPARISON_COLUMNS))


def _rows(
    frame: pd.DataFrame,
    measure: str,
    label: str,
    reference: str | None,
    higher_is_better: bool | None,
    level: float,
    seed: int,
    draws: int,
    inner: bool,
    same_runs: bool = False,
) -> list[dict[str, Any]]:
    """A row a pair, without what depends on the other rows."""
    chosen = _chosen(frame, measure, label)
    methods = [str(method) for method in dict.fromkeys(chosen["method"])]
    if len(methods) < 2 or (reference is not None and reference not in methods):
        wanted = "at least two" if reference is None else f"{reference!r} and another"
        raise ValueError(f"a comparison needs {wanted} of the methods; the table has {', '.join(methods) or 'none'}")
    pairs = list(combinations(methods, 2))
    if reference is not None:
        pairs = [(method, reference) for method in methods if method != reference]
    direction = {True: "yes", False: "no", None: "neither"}[higher_is_better]
    rows = []
    for first, second in pairs:
        compared, left_out = shared_runs(chosen, first, second) if same_runs else (chosen, 0)
        names = {"measure": measure, "label": label, "first": first, "second": second, "higher_is_better": direction}
        figures = _figures(compared, paired_by_subject(compared, first, second, inner), level, seed, draws)
        rows.append(names | figures | {"values_left_out": left_out})
    return rows


def _chosen(frame: pd.DataFrame, measure: str, label: str) -> pd.DataFrame:
    chosen = frame
    for column, wanted in (("measure", measure), ("label", label)):
        if column not in frame:
            continue
        known = frame[column].astype(str)
        if wanted not in set(known):
            raise ValueError(f"no {column} {wanted!r} in the table; it has {', '.join(dict.fromkeys(known))}")
        chosen = chosen[chosen[column].astype(str) == wanted]
    if "method" not in chosen:
        raise ValueError(f"the table lacks the column 'method'; it has {', '.join(map(str, frame))}")
    return chosen.assign(method=chosen["method"].astype(str))


def _figures(frame: pd.DataFrame, pair: PairedValues, level: float, seed: int, draws: int) -> dict[str, Any]:
    differences = pair.differences
    low, high = subject_row_bootstrap(differences[:, None], lambda rows: rows[..., 0].mean(axis=1), level, draws, seed)
    student = paired_t_test(differences)
    ranks = wilcoxon_signed_rank(differences)
    flips = sign_flip_test(differences, seed=seed)
    dz = cohen_dz(pair.first, pair.second, level, draws, seed)
    g = hedges_g_paired(pair.first, pair.second, level, draws, seed)
    ranked = rank_biserial(pair.first, pair.second, level, draws, seed)
    superior = probability_of_superiority_paired(pair.first, pair.second, level, draws, seed)
    first_seeds, second_seeds = (means_by_seed(frame, name) for name in (pair.first_name, pair.second_name))
    # A sign needs a difference: seeds without one agree with nothing.
    by_seed = list(differences_by_seed(frame, pair.first_name, pair.second_name).values())
    mean = float(differences.mean()) if pair.n else np.nan
    mixed = mixed_difference(frame, pair.first_name, pair.second_name, level)
    notes = [student.note, ranks.note, flips.note]
    if pair.subjects_undefined:
        notes.append(f"{len(pair.subjects_undefined)} subjects have no case defined for both methods")
    # One subject has a difference, but nothing can be said from it: only its means are given.
    p_sign_flip = flips.p if pair.n > 1 else np.nan
    return {
        "n_subjects": pair.n,
        "n_cases": pair.cases,
        "mean_first": float(pair.first.mean()) if pair.n else np.nan,
        "mean_second": float(pair.second.mean()) if pair.n else np.nan,
        "difference": mean,
        "sd_difference": float(differences.std(ddof=1)) if pair.n > 1 else np.nan,
        "level": level,
        "low": low,
        "high": high,
        "p_t": student.p,
        "p_wilcoxon": ranks.p if pair.n > 1 else np.nan,
        "wilcoxon_variant": ranks.variant,
        "p_sign_flip": p_sign_flip,
        "sign_flip_variant": flips.variant,
        "d_z": dz.value,
        "d_z_low": dz.low,
        "d_z_high": dz.high,
        "hedges_g": g.value,
        "hedges_g_low": g.low,
        "hedges_g_high": g.high,
        "rank_biserial": ranked.value,
        "rank_biserial_low": ranked.low,
        "rank_biserial_high": ranked.high,
        "superiority": superior.value,
        "superiority_low": superior.low,
        "superiority_high": superior.high,
        "seeds_first": len(first_seeds),
        "seeds_second": len(second_seeds),
        "p_seeds": independent_t_test(first_seeds, second_seeds).p,
        "seeds": len(by_seed),
        "seeds_agreeing": sum(value * mean > 0 for value in by_seed),
        "mixed_difference": mixed.difference,
        "mixed_low": mixed.low,
        "mixed_high": mixed.high,
        "mixed_p": mixed.p,
        "mixed_note": mixed.note,
        "undefined_first": pair.undefined_first,
        "undefined_second": pair.undefined_second,
        "subjects_dropped": len(pair.subjects_dropped),
        "cases_dropped": pair.cases_dropped,
        "note": "; ".join(dict.fromkeys(note for note in notes if note)),
    }


def _judged(rows: list[dict[str, Any]], correction: Correction, family: Family) -> list[dict[str, Any]]:
    """The rows of one family with their corrected p, what they could have shown, and their verdicts."""
    corrected = correct_p([row["p_sign_flip"] for row in rows], correction)
    judged = []
    for row, p in zip(rows, corrected.p, strict=True):
        alpha = (1 - row["level"]) / (1 if correction == "none" else max(corrected.family_size, 1))
        detectable = smallest_detectable_difference(row["sd_difference"], row["n_subjects"], alpha=alpha)
        whole = row | {
            "p_corrected": float(p),
            "correction": correction,
            "family": family,
            "family_size": corrected.family_size,
            "smallest_detectable_difference": detectable,
            "detectable_alpha": alpha,
        }
        judged.append(whole | {"verdict": verdict(_finding(whole, correction))})
    return judged


def _finding(row: dict[str, Any], correction: Correction) -> Finding:
    left_out = [
        f"{row[key]} {'value' if row[key] == 1 else 'values'} of {row[method]} undefined, and left out for both"
        for key, method in (("undefined_first", "first"), ("undefined_second", "second"))
        if row[key]
    ]
    if row["cases_dropped"]:
        left_out.append(f"cases that only one of them has, {row['cases_dropped']} in all, were dropped")
    if row["values_left_out"]:
        left_out.append(f"values of trainings that only one of them has, {row['values_left_out']} in all, were dropped")
    return Finding(
        measure=row["measure"],
        label=row["label"],
        first=row["first"],
        second=row["second"],
        higher_is_better={"yes": True, "no": False, "neither": None}[row["higher_is_better"]],
        n_subjects=row["n_subjects"],
        difference=row["difference"],
        low=row["low"],
        high=row["high"],
        p=row["p_corrected"],
        correction=correction,
        family_size=row["family_size"],
        level=row["level"],
        smallest_detectable=row["smallest_detectable_difference"],
        seeds=row["seeds"],
        seeds_agreeing=row["seeds_agreeing"],
        training_low=row["mixed_low"],
        training_high=row["mixed_high"],
        left_out="; ".join(left_out),
    )
