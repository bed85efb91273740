"""Several evaluations of the same subjects, side by side: read them, and compare methods."""

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

import neurograft
from neurograft.errors import InputError
from neurograft.evaluation.comparison.compare import Family, compare_measures
from neurograft.evaluation.comparison.corrections import Correction
from neurograft.evaluation.measures import MEASURES
from neurograft.inference.region_files import ORACLE_WORDS
from neurograft.outputs import write_json, write_table

logger = logging.getLogger(__name__)

IDENTITY = ("case", "subject", "label", "kind")

_DIRECTION: dict[str, bool | None] = {"higher": True, "lower": False, "nearer-zero": None, "none": None}


@dataclass(frozen=True)
class MethodComparison:
    """Scores of several methods on the same subjects, and what tells them apart.

    Attributes:
        scores: a row a method, run, case, label and measure: ``method``, ``seed`` (where methods have
            several runs), ``subject``, ``case``, ``label``, ``measure``, ``value``.
        comparison: a row a pair of methods, label and measure.
        runs: the folders of each method.
        correction: of p for the number of comparisons.
        family: what p was corrected over.
        level: coverage of the intervals.
        seed: of bootstrap and permutations.
    """

    scores: pd.DataFrame
    comparison: pd.DataFrame
    runs: Mapping[str, tuple[Path, ...]]
    correction: Correction
    family: Family
    level: float
    seed: int


def compare_evaluations(
    runs: Sequence[tuple[str, Path]],
    measures: Sequence[str],
    labels: Sequence[str] = (),
    reference: str | None = None,
    correction: Correction = "holm",
    family: Family = "table",
    common: bool = False,
    level: float = 0.95,
    seed: int = 0,
) -> MethodComparison:
    """Compare the evaluations in some folders.

    Args:
        runs: name of a method and folder written by ``neurograft evaluate``; a name that comes several
            times is a method with several runs (seeds or folds) on the same subjects.
        measures: columns of ``per_case.tsv``.
        labels: labels, groups or means to compare; all single labels, and their mean, when empty.
        reference: the method with which every other is compared; all pairs when ``None``.
        correction: of p for the number of comparisons.
        family: what p is corrected over.
        common: compare on the cases that all have, instead of refusing different ones.
        level: coverage of the intervals.
        seed: of bootstrap and permutations.

    Raises:
        InputError: fewer than two methods, a folder that is no evaluation, different cases, or a
            measure, label or reference that is not there.
    """
    names = list(dict.fromkeys(name for name, _ in runs))
    if len(names) < 2:
        raise InputError("a comparison needs two methods at least", "Name the runs, as in full=DIR scratch=DIR")
    if reference is not None and reference not in names:
        raise InputError(f"there is no method {reference!r}", f"Methods: {', '.join(names)}")
    folders: dict[str, list[Path]] = {name: [] for name in names}
    frames = []
    for name, folder in runs:
        scores = _read_scores(folder, measures, labels)
        frames.append(scores.assign(method=name, seed=len(folders[name])))
        folders[name].append(folder)
    scores = pd.concat(frames, ignore_index=True)
    scores = scores.melt(
        ["method", "seed", "subject", "case", "label"], list(measures), var_name="measure", value_name="value"
    )
    if all(len(several) == 1 for several in folders.values()):
        scores = scores.drop(columns="seed")
    _require_same_cases(scores, names, common)
    try:
        comparison = compare_measures(
            scores,
            {measure: _DIRECTION[MEASURES[measure].better] for measure in measures},
            reference,
            correction,
            family,
            level,
            seed,
            inner=common,
        )
    except ValueError as error:
        raise InputError(str(error), "Evaluate all methods on the same cases", runs[0][1]) from error
    runs_of = {name: tuple(several) for name, several in folders.items()}
    return MethodComparison(scores, comparison, runs_of, correction, family, level, seed)


def write_comparison(compared: MethodComparison, folder: Path) -> None:
    """Write ``comparison.tsv``, ``scores.tsv`` and ``comparison.json``.

    Args:
        compared: what was found.
        folder: exists; files of the same names are replaced.
    """
    write_table(folder / "comparison.tsv", compared.comparison)
    write_table(folder / "scores.tsv", compared.scores)
    write_json(folder / "comparison.json", comparison_summary(compared))


def comparison_summary(compared: MethodComparison) -> dict[str, Any]:
    """Plain JSON data: the runs, the settings and the rows of the comparison, undefined figures as null."""
    rows = compared.comparison.astype(object).where(compared.comparison.notna(), None).to_dict("records")
    return {
        "neurograft": neurograft.__version__,
        "methods": {name: [str(folder) for folder in folders] for name, folders in compared.runs.items()},
        "correction": compared.correction,
        "family": compared.family,
        "level": compared.level,
        "seed": compared.seed,
        "comparison": rows,
    }


def _read_scores(folder: Path, measures: Sequence[str], labels: Sequence[str]) -> pd.DataFrame:
    """The wanted measures of the wanted labels of one evaluation."""
    file = folder / "per_case.tsv"
    if not file.is_file():
        raise InputError("holds no per_case.tsv", "Give a folder written by neurograft evaluate", folder)
    try:
        table = pd.read_csv(file, sep="\t", dtype=dict.fromkeys(IDENTITY, str), keep_default_na=False, na_values=[""])
    except (ValueError, UnicodeDecodeError) as error:
        raise InputError(f"cannot be read as a table ({error})", "Evaluate again", file) from error
    absent = [name for name in (*IDENTITY, *measures) if name not in table]
    if absent:
        there = ", ".join(name for name in MEASURES if name in table)
        raise InputError(f"has no column {', '.join(absent)}", f"Measures in it: {there}", file)
    known = list(dict.fromkeys(table["label"]))
    unknown = [label for label in labels if label not in known]
    if unknown:
        raise InputError(f"has no label {', '.join(unknown)}", f"Labels, groups and means: {', '.join(known)}", file)
    if "oracle" in table and (table["oracle"] == "yes").any():
        logger.warning("%s: %s", folder, ORACLE_WORDS)
    wanted = table["label"].isin(labels) if labels else (table["kind"] == "label") | (table["label"] == "mean")
    return table.loc[wanted, [*IDENTITY, *measures]]


def _require_same_cases(scores: pd.DataFrame, names: Sequence[str], common: bool) -> None:
    """Refuse methods that were scored on different cases, and any that share none."""
    cases = {name: set(scores.loc[scores["method"] == name, "case"]) for name in names}
    shared = set.intersection(*cases.values())
    if not shared:
        raise InputError("the methods have no case in common", "Evaluate all methods on the same cases")
    for name, own in cases.items():
        if own != shared and not common:
            extra = sorted(own - shared)
            raise InputError(
                f"{len(extra)} cases of {name} are not in all evaluations: {', '.join(extra[:5])}",
                "Evaluate all methods on the same cases, or compare those in common with --common",
            )
