"""Run a demonstration: make or find the scans, compare strategies, write pages and tables."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

import neurograft
from neurograft.demos.ages import age_experiments, learn_ages
from neurograft.demos.ages_page import age_summary, age_table, write_ages
from neurograft.demos.built_in import built_in_hippocampus, built_in_ladder, built_in_target, built_in_words
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
from neurograft.demos.nuclei import NUCLEI_PLAN, nuclei_scans
from neurograft.demos.nuclei_page import NAME as NUCLEI_NAME
from neurograft.demos.nuclei_page import TITLE as NUCLEI_TITLE
from neurograft.demos.nuclei_page import write_nuclei
from neurograft.demos.nuclei_runs import run_nuclei
from neurograft.demos.nuclei_tables import dice_table, nuclei_scores
from neurograft.demos.page import write_experiment
from neurograft.demos.sources import FULL_SOURCES, SMALL_SOURCES
from neurograft.demos.sources_data import sources_scans
from neurograft.demos.sources_page import NAME as SOURCES_NAME
from neurograft.demos.sources_page import TITLE as SOURCES_TITLE
from neurograft.demos.sources_page import write_sources
from neurograft.demos.sources_runs import run_sources
from neurograft.demos.sources_tables import sources_summary, sources_table
from neurograft.demos.subcortical import FULL, SMALL, Ladder, ladder_cells
from neurograft.demos.subcortical_data import subcortical_scans
from neurograft.demos.subcortical_page import LadderWords, subcortical_words, write_ladder
from neurograft.demos.subcortical_runs import LadderResult, run_ladder, run_model_ladder
from neurograft.demos.subcortical_tables import ladder_summary, ladder_table
from neurograft.errors import InputError
from neurograft.models import open_bundle
from neurograft.outputs import check_free, staged_directory, write_json
from neurograft.studies.comparison import run_comparison
from neurograft.transfer.encoder_weights import read_checkpoint

DATASETS = (
    "phantom", "msd-hippocampus", "label-budget", "neuromelanin", "midbrain-qsm", "ages", "sources", "subcortical",
    "built-in", "built-in-hippocampus",
)  # fmt: skip
BUILT_IN = "builtin:subcortical"
WITH_FULL = ("sources", "subcortical")
"""Those that have a full size."""
OF_A_MODEL = ("built-in", "built-in-hippocampus")
"""Those that look at a finished model."""
OF_A_FOLDER = ("sources", "subcortical", "built-in")
"""Those whose scans must be at hand."""

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
    imagenet: Path | None = None,
    model: str = BUILT_IN,
    people: Sequence[int] | None = None,
    budget: str | None = None,
) -> Mapping[str, Outcome]:
    """Run a demonstration from scans to pages.

    Args:
        dataset: one of `DATASETS`.
        out: directory for everything; each experiment writes ``<name>.html``,
            ``<name>-summary.tsv``, ``<name>-scores.tsv``, ``<name>-runs.tsv`` and ``<name>.md``.
        data_root: folder that holds ``msd-hippocampus``, which is downloaded without it, and for ages
            ``miccai2012-train``, which is left out without it; for sources and subcortical ``miccai2012-train``
            and ``brain-label-maps``; for built-in ``miccai2012-train``.
        overwrite: replace an earlier demonstration.
        command: what the user typed, for the page.
        progress: called with models done, models in all, and the next one's name.
        full: of sources and subcortical, networks and budgets near the papers', which take days on two cores.
        imagenet: for sources, a file with the weights of a ResNet-50 trained on ImageNet, in torchvision's form.
        model: for built-in and built-in-hippocampus, the model that is looked at: a name or a folder.
        people: for these two, how many are learnt from, as `built_in_ladder` takes them.
        budget: of each of their models.

    Returns:
        What each experiment found, by its name.

    Raises:
        InputError: unknown data set, output exists, scans not found.
    """
    if dataset not in DATASETS:
        raise InputError(f"unknown data set {dataset!r}", f"Data sets: {', '.join(DATASETS)}")
    if full and dataset not in WITH_FULL:
        raise InputError(f"{dataset} has no full version", "Leave --full out")
    if imagenet is not None and dataset != "sources":
        raise InputError(f"{dataset} has no use for ImageNet's weights", "Leave --imagenet out")
    if model != BUILT_IN and dataset not in OF_A_MODEL:
        raise InputError(f"{dataset} has no use for a model", "Leave --model out")
    for option, given in (("--people", people), ("--budget", budget)):
        if given is not None and dataset not in OF_A_MODEL:
            raise InputError(f"{dataset} has no use for {option}", f"Leave {option} out")
    if dataset in OF_A_FOLDER:
        _given(data_root)
    check_free(out, overwrite)
    identity = {"demo": dataset, "neurograft": neurograft.__version__, **({"full": True} if full else {})}
    if imagenet is not None:
        # What cannot be read is said now, and not after the sources.
        identity["imagenet"] = len(read_checkpoint(imagenet))
    if dataset in OF_A_MODEL:
        identity["model"] = open_bundle(model).info.weights_sha256
        identity |= {"people": people, "budget": budget}
    # What cannot be run is said before a folder is begun under these settings.
    if dataset == "built-in":
        ladder = built_in_ladder(model, people, budget)
        ladder_cells(ladder, built_in_target(_given(data_root)).subjects)
    elif dataset == "built-in-hippocampus":
        crops = built_in_hippocampus(open_hippocampus(data_root), open_bundle(model), model, people, budget)
    outcomes: dict[str, Outcome] = {}
    with staged_directory(out, identity, overwrite) as folder:
        if dataset == "ages":
            outcomes |= _ages(folder, data_root, command, progress)
        elif dataset == "midbrain-qsm":
            outcomes |= _nuclei(folder, command, progress)
        elif dataset == "sources":
            outcomes |= _sources(folder, _given(data_root), command, progress, full, imagenet)
        elif dataset == "built-in":
            outcomes |= _built_in(ladder, folder, _given(data_root), model, command, progress)
        elif dataset == "built-in-hippocampus":
            for experiment in crops:
                outcomes |= _experiment_outcome(experiment, folder, command, progress)
        elif dataset == "subcortical":
            outcomes |= _subcortical(folder, _given(data_root), command, progress, full)
        else:
            for experiment in _experiments(dataset, folder, data_root):
                outcomes |= _experiment_outcome(experiment, folder, command, progress)
        write_json(folder / "answers.json", {name: list(found.answer) for name, found in outcomes.items()})
    return outcomes


def _given(data_root: Path | None) -> Path:
    """The folder of scans that cannot be downloaded."""
    if data_root is None:
        raise InputError("these scans cannot be downloaded", "Give the folder above them as --data-root")
    return data_root


def _ages(folder: Path, data_root: Path | None, command: str, progress: Progress | None) -> dict[str, Outcome]:
    outcomes = {}
    for experiment in age_experiments(folder / "phantoms", data_root):
        ages = learn_ages(experiment, folder / "models" / experiment.name, progress)
        answer = write_ages(experiment, ages, folder, command)
        table = age_table(age_summary(ages))
        rows = tuple(tuple(cell.text for cell in row) for row in table.rows)
        outcomes[experiment.name] = Outcome(experiment.title, tuple(answer), table.headings, rows)
    return outcomes


def _nuclei(folder: Path, command: str, progress: Progress | None) -> dict[str, Outcome]:
    scans = nuclei_scans(NUCLEI_PLAN, folder / "phantoms")
    result = run_nuclei(NUCLEI_PLAN, scans, folder / "models", progress)
    answer = write_nuclei(NUCLEI_PLAN, scans, result, folder, command)
    table = dice_table(nuclei_scores(result))
    rows = tuple(tuple(cell.text for cell in row) for row in table.rows)
    return {NUCLEI_NAME: Outcome(NUCLEI_TITLE, tuple(answer), table.headings, rows)}


def _sources(
    folder: Path,
    data_root: Path,
    command: str,
    progress: Progress | None,
    full: bool,
    imagenet: Path | None,
) -> dict[str, Outcome]:
    plan = FULL_SOURCES if full else SMALL_SOURCES
    scans = sources_scans(plan, folder / "scans", data_root)
    result = run_sources(plan, scans, folder / "models", imagenet, progress)
    answer = write_sources(plan, scans, result, folder, command)
    table = sources_table(sources_summary(result))
    rows = tuple(tuple(cell.text for cell in row) for row in table.rows)
    return {SOURCES_NAME: Outcome(SOURCES_TITLE, tuple(answer), table.headings, rows)}


def _subcortical(
    folder: Path, data_root: Path, command: str, progress: Progress | None, full: bool
) -> dict[str, Outcome]:
    ladder = FULL if full else SMALL
    scans = subcortical_scans(folder / "scans", data_root, ladder.images_each)
    result = run_ladder(ladder, scans, folder / "models", progress)
    return _ladder_outcome(subcortical_words(ladder), result, scans.registration_seconds, folder, command)


def _ladder_outcome(
    words: LadderWords, result: LadderResult, seconds: tuple[float, ...], folder: Path, command: str
) -> dict[str, Outcome]:
    answer = write_ladder(words, result, seconds, folder, command)
    table = ladder_table(ladder_summary(result))
    rows = tuple(tuple(cell.text for cell in row) for row in table.rows)
    return {words.name: Outcome(words.title, tuple(answer), table.headings, rows)}


def _built_in(
    ladder: Ladder, folder: Path, data_root: Path, model: str, command: str, progress: Progress | None
) -> dict[str, Outcome]:
    target = built_in_target(data_root)
    result = run_model_ladder(ladder, open_bundle(model), target, folder / "models", progress)
    return _ladder_outcome(built_in_words(ladder, model), result, (), folder, command)


def _experiment_outcome(
    experiment: Experiment, folder: Path, command: str, progress: Progress | None
) -> dict[str, Outcome]:
    result = run_comparison(experiment.comparison, folder / "models" / experiment.name, progress)
    report = write_experiment(experiment, result, folder, command)
    columns, rows = summary_rows(report.summary)
    return {experiment.name: Outcome(report.title, report.answer, columns, tuple(rows))}


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
