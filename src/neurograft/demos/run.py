"""Run a demonstration: make or find the scans, compare strategies, write pages and tables."""

from collections.abc import Callable, Mapping
from pathlib import Path

import pandas as pd

import neurograft
from neurograft.demos.experiment import Experiment
from neurograft.demos.hippocampus import (
    domain_experiment,
    open_hippocampus,
    scratch_experiment,
    structure_experiment,
)
from neurograft.demos.label_budget import budget_experiment
from neurograft.demos.midbrain import midbrain_experiment
from neurograft.demos.page import write_experiment
from neurograft.errors import InputError
from neurograft.outputs import check_free, staged_directory, write_json
from neurograft.reports import ComparisonReport
from neurograft.studies.comparison import run_comparison

DATASETS = ("phantom", "msd-hippocampus", "label-budget")

Progress = Callable[[int, int, str], None]


def run_demo(
    dataset: str, out: Path, data_root: Path | None, overwrite: bool, command: str, progress: Progress | None = None
) -> Mapping[str, ComparisonReport]:
    """Run a demonstration from scans to pages.

    Args:
        dataset: one of `DATASETS`.
        out: directory for everything; each experiment writes ``<name>.html``,
            ``<name>-summary.tsv``, ``<name>-scores.tsv``, ``<name>-runs.tsv`` and ``<name>.md``.
        data_root: folder that holds ``msd-hippocampus``; without it the scans are downloaded.
        overwrite: replace an earlier demonstration.
        command: what the user typed, for the page.
        progress: called with models done, models in all, and the next one's name.

    Returns:
        What each experiment found, by its name.

    Raises:
        InputError: unknown data set, output exists, scans not found.
    """
    if dataset not in DATASETS:
        raise InputError(f"unknown data set {dataset!r}", f"Data sets: {', '.join(DATASETS)}")
    check_free(out, overwrite)
    identity = {"demo": dataset, "neurograft": neurograft.__version__}
    reports = {}
    with staged_directory(out, identity, overwrite) as folder:
        for experiment in _experiments(dataset, folder, data_root):
            result = run_comparison(experiment.comparison, folder / "models" / experiment.name, progress)
            report = write_experiment(experiment, result, folder, command)
            reports[experiment.name] = report
        write_json(folder / "answers.json", {name: list(report.answer) for name, report in reports.items()})
    return reports


def _experiments(dataset: str, folder: Path, data_root: Path | None) -> list[Experiment]:
    if dataset == "phantom":
        return [midbrain_experiment(folder / "phantoms")]
    cohort = open_hippocampus(data_root)
    if dataset == "label-budget":
        return [budget_experiment(cohort)]
    return [structure_experiment(cohort), scratch_experiment(cohort), domain_experiment(cohort)]


def summary_rows(summary: pd.DataFrame) -> tuple[tuple[str, ...], list[tuple[object, ...]]]:
    """The summary's columns and rows as a terminal shows them."""
    rows: list[tuple[object, ...]] = []
    for row in summary.to_dict("records"):
        difference = row["difference_to_scratch"]
        against = (
            ""
            if pd.isna(difference)
            else (f"{difference:+.3f} ({row['difference_low']:+.3f} to {row['difference_high']:+.3f})")
        )
        rows.append(
            (
                row["strategy"],
                row["training_subjects"],
                row["label"],
                f"{row['mean_dice']:.3f} ± {row['sd_dice']:.3f}",
                row["n_subjects"],
                against,
                round(row["seconds"], 1),
            )
        )
    return ("strategy", "people", "label", "Dice, mean ± SD", "n", "against scratch (95 %)", "seconds"), rows
