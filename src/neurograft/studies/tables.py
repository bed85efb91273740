"""From the finished cells of a study to its tables."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd

from neurograft.evaluation.agreement.row import agreement_row
from neurograft.evaluation.comparison.columns import COMPARISON_COLUMNS
from neurograft.evaluation.comparison.compare import compare_measures
from neurograft.evaluation.intervals import subject_bootstrap
from neurograft.evaluation.measures import MEASURES
from neurograft.scoring.score_rows import GROUP, LABEL, MEAN
from neurograft.studies.cells.scoring import PAIRED, SCORES
from neurograft.studies.folder import StudyFolder
from neurograft.studies.protocol.methods import methods_of
from neurograft.studies.protocol.schema import Protocol

NO_LABELS = "0"
"""Size of the rows of a source that is used as it is."""
READING_COLUMNS = (
    "experiment", "method", "strategy", "source", "variant", "size", "people", "test", "draw", "fold", "seed", "split",
)  # fmt: skip
TEXT_COLUMNS = ("subject", "case", "session", "label", "quantity", "kind", "status")
SUMMARY_COLUMNS = (
    "experiment", "size", "method", "measure", "label", "mean", "sd", "low", "high", "n_subjects", "n_cases",
    "n_undefined", "n_empty", "runs", "run_low", "run_high", "validation_mean",
)  # fmt: skip


def gather_scores(folder: StudyFolder) -> pd.DataFrame:
    """The scores of every finished scoring cell, a row a case and label, with what it is about.

    Returns:
        Columns `READING_COLUMNS` and those of ``per_case.tsv``; empty when nothing is scored yet.
    """
    return _gather(folder, SCORES)


def gather_paired(folder: StudyFolder) -> pd.DataFrame:
    """The quantities of every finished scoring cell in reference and prediction."""
    return _gather(folder, PAIRED)


def gather_runs(folder: StudyFolder) -> pd.DataFrame:
    """A row for each finished training: what it was, where it ran, for how long, with how much memory."""
    rows = []
    for cell in folder.cells():
        if cell.kind != "train" or not folder.is_finished(cell.id):
            continue
        result = folder.result(cell.id)
        keys = (
            "people",
            "steps",
            "training_seconds",
            "peak_memory_mib",
            "kept",
            "compute",
            "host",
            "machine",
            "attempt",
        )
        rows.append({"cell": cell.id, "title": cell.title, **{key: result[key] for key in keys}})
    return pd.DataFrame(rows)


def headline_label(scores: pd.DataFrame) -> str:
    """The label that sentences are about: the mean over labels, or the only one."""
    labels = list(dict.fromkeys(scores["label"]))
    return MEAN if MEAN in labels else str(labels[0])


def sizes_of(frame: pd.DataFrame) -> list[str]:
    """Sizes in rising order, ``all`` last, without that of the unadapted source."""
    found = {str(size) for size in frame["size"]} - {NO_LABELS}
    return sorted(found, key=lambda size: (not size.isdigit(), int(size) if size.isdigit() else 0))


def summarise_study(protocol: Protocol, scores: pd.DataFrame) -> pd.DataFrame:
    """A row an experiment, size, method, measure and label.

    A case's figure is its mean over trainings (draws, folds, seeds); mean, SD and interval are over test
    people and say how other people would fare. The lowest and highest mean of a single training stand
    beside them.

    Returns:
        Columns `SUMMARY_COLUMNS`.
    """
    rows = []
    tested, held = scores[scores["split"] == "test"], scores[scores["split"] == "validation"]
    keys = ["experiment", "size", "method", "label"]
    validation = dict(list(held.groupby(keys, sort=False)))
    for key, group in tested.groupby(keys, sort=False):
        for measure in protocol.scoring.measures:
            if measure not in group or group[measure].isna().all():
                continue
            cases = group.groupby(["subject", "case"])[measure].mean()
            by_subject = {str(name): values.tolist() for name, values in cases.groupby("subject")}
            low, high = subject_bootstrap(by_subject, level=protocol.comparison.level, draws=protocol.comparison.draws)
            by_run = group.groupby(["draw", "seed", "fold"], dropna=False)[measure].mean()
            own = validation.get(key)
            rows.append(
                {
                    **dict(zip(keys, key, strict=True)),
                    "measure": measure,
                    "mean": float(cases.mean()),
                    "sd": float(cases.std(ddof=1)) if cases.notna().sum() > 1 else np.nan,
                    "low": low,
                    "high": high,
                    "n_subjects": sum(bool(np.isfinite(values).any()) for values in map(np.array, by_subject.values())),
                    "n_cases": int(cases.notna().sum()),
                    "n_undefined": int(group[measure].isna().sum()),
                    "n_empty": int((group["status"] == "prediction-empty").sum()),
                    "runs": len(by_run),
                    "run_low": float(by_run.min()),
                    "run_high": float(by_run.max()),
                    "validation_mean": np.nan if own is None else float(own[measure].mean()),
                }
            )
    return pd.DataFrame(rows, columns=list(SUMMARY_COLUMNS))


def compare_study(protocol: Protocol, scores: pd.DataFrame) -> pd.DataFrame:
    """Compare the methods within each experiment and size, on each label and their mean.

    The comparisons of one measure within an experiment and size are the family over which p is
    corrected. The unadapted source stands in every size. Two methods are compared on the trainings that both
    have, should some have failed.

    Returns:
        Columns experiment, size, and those of `neurograft.evaluation.comparison.columns`.
    """
    tables = []
    for experiment in dict.fromkeys(scores["experiment"]):
        own = scores[scores["experiment"] == experiment]
        for size in sizes_of(own):
            frame = measured(comparable(own, size), protocol.scoring.measures)
            methods = set(frame["method"])
            reference = reference_of(protocol, str(experiment))
            if len(methods) < 2 or (reference is not None and reference not in methods):
                continue
            table = compare_measures(
                frame,
                {name: direction_of(name) for name in protocol.scoring.measures if name in set(frame["measure"])},
                reference,
                protocol.comparison.correction,
                level=protocol.comparison.level,
                draws=protocol.comparison.draws,
                inner=True,
                same_runs=True,
            )
            tables.append(table.assign(experiment=experiment, size=size))
    columns = ["experiment", "size", *COMPARISON_COLUMNS]
    return pd.concat(tables, ignore_index=True)[columns] if tables else pd.DataFrame(columns=columns)


def reference_of(protocol: Protocol, experiment: str) -> str | None:
    """The method that all others of an experiment are compared with; ``None`` where all pairs are compared.

    An experiment that is planned without the protocol's reference compares all pairs.
    """
    reference = protocol.comparison.reference
    planned = {method.name for one in protocol.experiments if one.name == experiment for method in methods_of(one)}
    return reference if reference in planned else None


def comparable(scores: pd.DataFrame, size: str, split: str = "test") -> pd.DataFrame:
    """Rows of one experiment that stand side by side at a size: its methods, and the unadapted source.

    Folds and draws are numbered so that trainings on the same people are paired. A source that is used as it is
    has neither: its value stands beside each training of its seed that is tested on the same people.
    """
    chosen = scores[(scores["split"] == split) & scores["kind"].isin((LABEL, GROUP, "mean"))]
    at_size = chosen[chosen["size"] == size]
    runs = at_size[["test", "seed", "draw", "fold"]].drop_duplicates()
    as_is = chosen[chosen["size"] == NO_LABELS].drop(columns=["draw", "fold"]).merge(runs, on=["test", "seed"])
    frame = pd.concat([as_is, at_size], ignore_index=True) if len(as_is) else at_size
    several_draws = at_size["draw"].nunique() > 1 and at_size.groupby("seed")["draw"].nunique().max() > 1
    seed = frame["seed"].astype(str)
    return frame.assign(
        seed=seed + "." + frame["draw"].astype(str) if several_draws else seed,
        fold=frame["fold"].map(lambda fold: "" if pd.isna(fold) else str(int(fold))),
    )


def measured(frame: pd.DataFrame, measures: Sequence[str], more: Sequence[str] = ()) -> pd.DataFrame:
    """A wide table of scores as one row a value, with the columns measure and value, and more of it."""
    keys = ["subject", "case", "method", "label", "fold", "seed", *more]
    parts = [
        frame[[*keys, name]].rename(columns={name: "value"}).assign(measure=name)
        for name in measures
        if name in frame and frame[name].notna().any()
    ]
    return pd.concat(parts, ignore_index=True) if parts else pd.DataFrame(columns=[*keys, "value", "measure"])


def direction_of(measure: str) -> bool | None:
    """Whether higher is better, as `compare_measures` wants it."""
    return {"higher": True, "lower": False}.get(MEASURES[measure].better)


def agreement_study(paired: pd.DataFrame) -> pd.DataFrame:
    """ICC(2,1) of each quantity between prediction and reference: its mean over trainings, and their range.

    Returns:
        Columns experiment, size, method, quantity, label, icc_2_1, lowest, highest, runs, runs_undefined,
        n_subjects, n_left_out (of all trainings together).
    """
    rows = []
    tested = paired[paired["split"] == "test"] if not paired.empty else paired
    keys = ["experiment", "size", "method", "quantity", "label"]
    for key, group in tested.groupby(keys, sort=False) if not tested.empty else ():
        found = []
        for _, run in group.groupby(["draw", "seed", "fold"], dropna=False):
            row = agreement_row(str(key[3]), str(key[4]), run["prediction"], run["reference"], run["subject"].tolist())
            found.append(row)
        values = np.array([float(row["icc_2_1"]) for row in found])
        defined = values[np.isfinite(values)]
        rows.append(
            {
                **dict(zip(keys, key, strict=True)),
                "icc_2_1": float(defined.mean()) if len(defined) else np.nan,
                "lowest": float(defined.min()) if len(defined) else np.nan,
                "highest": float(defined.max()) if len(defined) else np.nan,
                "runs": len(values),
                "runs_undefined": int(len(values) - len(defined)),
                "n_subjects": int(group["subject"].nunique()),
                "n_left_out": int(group[["reference", "prediction"]].isna().any(axis=1).sum()),
            }
        )
    return pd.DataFrame(rows)


def study_costs(folder: StudyFolder, runs: pd.DataFrame) -> pd.DataFrame:
    """Time and memory of the trainings of each experiment, size and method.

    Returns:
        Columns experiment, size, method, trainings, seconds (mean), seconds_in_all, peak_memory_mib (largest).
    """
    if runs.empty:
        return pd.DataFrame()
    by_cell = {str(row["cell"]): row for row in runs.to_dict("records")}
    found: dict[tuple[str, str, str], dict[str, Any]] = {}
    for reading in folder.read_lines(folder.readings):
        key = (reading["experiment"], reading["size"], reading["method"])
        found.setdefault(key, {}).update({cell: by_cell[cell] for cell in reading["trained"] if cell in by_cell})
    return pd.DataFrame(
        [
            {
                **dict(zip(("experiment", "size", "method"), key, strict=True)),
                "trainings": len(own),
                "seconds": float(np.mean([run["training_seconds"] for run in own.values()])),
                "seconds_in_all": float(sum(run["training_seconds"] for run in own.values())),
                "peak_memory_mib": float(max(run["peak_memory_mib"] for run in own.values())),
            }
            for key, own in found.items()
            if own
        ]
    )


def _gather(folder: StudyFolder, name: str) -> pd.DataFrame:
    tables: dict[str, pd.DataFrame] = {}
    parts = []
    for reading in folder.read_lines(folder.readings):
        cell = reading["cell"]
        if cell not in tables:
            file = folder.cell(cell) / name
            if not file.is_file():
                continue
            # A subject may be called 007, and a label 17 or None.
            tables[cell] = pd.read_csv(file, sep="\t", converters=dict.fromkeys(TEXT_COLUMNS, str))
        parts.append(tables[cell].assign(**{column: reading[column] for column in READING_COLUMNS}))
    if not parts:
        return pd.DataFrame()
    whole = pd.concat(parts, ignore_index=True)
    first = list(READING_COLUMNS)
    return whole[[*first, *(column for column in whole if column not in first)]]
