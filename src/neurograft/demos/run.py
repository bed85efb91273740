"""Run a demonstration: make or find the scans, compare strategies, write pages and tables."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

import neurograft
from neurograft.demos.ages import age_experiments, learn_ages
from neurograft.demos.ages_page import age_summary, age_table, write_ages
from neurograft.demos.experiment import Experiment
from neurograft.demos.hippocampus import (
    domain_experiment,
    open_hippocampus,
    scratch_experiment,
    structure_experiment,
)
from neurograft.demos.label_budget import budget_experiment
from neurograft.demos.midbrain import midbrain_experiment
from neurograft.demos.neuromelanin import neuromelanin_experiments
from neurograft.demos.page import write_experiment
from neurograft.demos.subcortical import FULL, SMALL
from neurograft.demos.subcortical_data import subcortical_scans
from neurograft.demos.subcortical_page import NAME, TITLE, write_subcortical
from neurograft.demos.subcortical_runs import run_ladder
from neurograft.demos.subcortical_tables import ladder_summary, ladder_table
from neurograft.errors import InputError
from neurograft.outputs import check_free, staged_directory, write_json
from neurograft.studies.comparison import run_comparison

DATASETS = ("phantom", "msd-hippocampus", "label-budget", "neuromelanin", "ages", "subcortical")

Progress = Callable[[int, int, str], None]


@dataclass(frozen=True)
class Outcome:
    """What a terminal shows of an experiment: its title, its answer in sentences, and a table."""

    title: str
    answer: tuple[str, ...]
    columns: tuple[str, ...]
    rows: tuple[tuple[object, ...], ...]


def run_demo(
    dataset: str,
    out: Path,
    data_root: Path | None,
    overwrite: bool,
    command: str,
    progress: Progress | None = None,
    full: bool = False,
) -> Mapping[str, Outcome]:
    """Run a demonstration from scans to pages.

    Args:
        dataset: one of `DATASETS`.
        out: directory for everything; each experiment writes ``<name>.html``,
            ``<name>-summary.tsv``, ``<name>-scores.tsv``, ``<name>-runs.tsv`` and ``<name>.md``.
        data_root: folder that holds ``msd-hippocampus``, which is downloaded without it, and for ages
            ``miccai2012-train``, which is left out without it; for subcortical ``miccai2012-train`` and
            ``brain-label-maps``.
        overwrite: replace an earlier demonstration.
        command: what the user typed, for the page.
        progress: called with models done, models in all, and the next one's name.
        full: of subcortical, all that the paper ran, which takes days on two cores.

    Returns:
        What each experiment found, by its name.

    Raises:
        InputError: unknown data set, output exists, scans not found.
    """
    if dataset not in DATASETS:
        raise InputError(f"unknown data set {dataset!r}", f"Data sets: {', '.join(DATASETS)}")
    if full and dataset != "subcortical":
        raise InputError(f"{dataset} has no full version", "Leave --full out")
    check_free(out, overwrite)
    identity = {"demo": dataset, "neurograft": neurograft.__version__, **({"full": True} if full else {})}
    outcomes: dict[str, Outcome] = {}
    with staged_directory(out, identity, overwrite) as folder:
        if dataset == "ages":
            outcomes |= _ages(folder, data_root, command, progress)
        elif dataset == "subcortical":
            outcomes |= _subcortical(folder, data_root, command, progress, full)
        else:
            for experiment in _experiments(dataset, folder, data_root):
                result = run_comparison(experiment.comparison, folder / "models" / experiment.name, progress)
                report = write_experiment(experiment, result, folder, command)
                columns, rows = summary_rows(report.summary)
                outcomes[experiment.name] = Outcome(report.title, report.answer, columns, tuple(rows))
        write_json(folder / "answers.json", {name: list(found.answer) for name, found in outcomes.items()})
    return outcomes


def _ages(folder: Path, data_root: Path | None, command: str, progress: Progress | None) -> dict[str, Outcome]:
    outcomes = {}
    for experiment in age_experiments(folder / "phantoms", data_root):
        ages = learn_ages(experiment, folder / "models" / experiment.name, progress)
        answer = write_ages(experiment, ages, folder, command)
        table = age_table(age_summary(ages))
        rows = tuple(tuple(cell.text for cell in row) for row in table.rows)
        outcomes[experiment.name] = Outcome(experiment.title, tuple(answer), table.headings, rows)
    return outcomes


def _subcortical(
    folder: Path, data_root: Path | None, command: str, progress: Progress | None, full: bool
) -> dict[str, Outcome]:
    if data_root is None:
        raise InputError("these scans cannot be downloaded", "Give the folder above them as --data-root")
    ladder = FULL if full else SMALL
    scans = subcortical_scans(folder / "scans", data_root, ladder.images_each)
    result = run_ladder(ladder, scans, folder / "models", progress)
    answer = write_subcortical(ladder, scans, result, folder, command)
    table = ladder_table(ladder_summary(result))
    rows = tuple(tuple(cell.text for cell in row) for row in table.rows)
    return {NAME: Outcome(TITLE, tuple(answer), table.headings, rows)}


def _experiments(dataset: str, folder: Path, data_root: Path | None) -> list[Experiment]:
    if dataset == "phantom":
        return [midbrain_experiment(folder / "phantoms")]
    if dataset == "neuromelanin":
        return neuromelanin_experiments(folder / "phantoms")
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
