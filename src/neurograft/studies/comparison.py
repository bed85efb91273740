"""Strategies side by side: same source, same people, same budget, same test, several seeds."""

import json
import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pandas as pd

from neurograft.cohorts import Cohort, fingerprint_cohort, nested_subsets, require_disjoint
from neurograft.errors import InputError
from neurograft.inference.run import PredictionRequest, predict_cohort
from neurograft.models import Bundle, open_bundle
from neurograft.recipes import load_recipe
from neurograft.recipes.schema import Recipe
from neurograft.scoring.run import score_files
from neurograft.studies.people import EVERYONE, people_words
from neurograft.training.ranks import require_one_process
from neurograft.training.request import TrainingRequest
from neurograft.training.run import train_model

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Arm:
    """One row of a comparison.

    Attributes:
        strategy: as for adapt.
        people: labelled people drawn from the pool; 0 for the unadapted source; `EVERYONE` for
            all people with target labels outside the test set.
        overrides: recipe keys (``section.key``) that differ in this arm.
        variant: what tells arms of one strategy apart; it stands in the strategy's place in tables.
    """

    strategy: str
    people: int | str
    overrides: Mapping[str, Any] = field(default_factory=dict)
    variant: str = ""

    @property
    def method(self) -> str:
        """What the arm is called in tables, beside its number of people."""
        return self.variant or self.strategy

    @property
    def name(self) -> str:
        """For folders and legends."""
        return f"{self.method}, {people_words(self.people)}"

    @property
    def folder(self) -> str:
        """The name as a folder."""
        return "".join(c if c.isalnum() or c in "-." else "-" for c in f"{self.method}-{self.people}").strip("-")


@dataclass(frozen=True)
class Comparison:
    """What is compared.

    Attributes:
        source: people and labels that the source model learns from, or a finished model; None where every arm
            starts from random weights.
        source_recipe: how; of no account for a finished model.
        pool: people with target labels, of whom each arm gets some.
        test: people who are in neither; only ever predicted and scored.
        everyone: people of `EVERYONE` arms.
        recipe: of all arms.
        arms: the rows.
        seeds: each decides a source model, a draw of people, and the arms' weights and patches.
        label_from: target label -> source label whose output it starts from.
    """

    source: Cohort | Bundle | None
    source_recipe: Recipe
    pool: Cohort
    test: Cohort
    recipe: Recipe
    arms: tuple[Arm, ...]
    seeds: tuple[int, ...]
    everyone: Cohort | None = None
    label_from: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class ComparisonResult:
    """What came of it.

    Attributes:
        scores: a row a strategy, people, seed, case and label.
        runs: a row a model: what it was, seconds, steps, memory.
        folders: (method, people, seed) -> folder with ``model``, ``metrics.csv``; its
            predictions lie beside it.
        policy: for empty masks and missing predictions, in words.
    """

    scores: pd.DataFrame
    runs: pd.DataFrame
    folders: Mapping[tuple[str, str, int], Path]
    policy: str


def run_comparison(
    comparison: Comparison, out: Path, progress: Callable[[int, int, str], None] | None = None
) -> ComparisonResult:
    """Train, predict and score every arm for every seed; what is finished in `out` is kept.

    Args:
        comparison: what to compare.
        out: a working folder whose content belongs to this comparison alone.
        progress: called with models done, models in all, and the next one's name.

    Raises:
        InputError: a person in the test set and elsewhere, or no test person.
    """
    if not comparison.test.cases:
        raise InputError("there is no test subject", "Leave some out of training", comparison.test.source)
    test = fingerprint_cohort(comparison.test)
    learners = (
        (comparison.source, "the source cohort"),
        (comparison.pool, "the target cohort"),
        (comparison.everyone, "everyone"),
    )
    for cohort, what in learners:
        # A finished model's people are held against those whom it learns from, and predicts, where that is done.
        if isinstance(cohort, Cohort):
            require_disjoint(fingerprint_cohort(cohort), test, what, "the test subjects")
    total = len(comparison.seeds) * (len(comparison.arms) + isinstance(comparison.source, Cohort))
    done = 0
    scores, runs, folders, policy = [], [], {}, ""
    for seed in comparison.seeds:
        source = comparison.source if isinstance(comparison.source, Bundle) else None
        if isinstance(comparison.source, Cohort):
            _tell(progress, done, total, f"source model, seed {seed}")
            source_folder = out / f"source-seed{seed}"
            _train_once(TrainingRequest(comparison.source, comparison.source_recipe, source_folder, seed=seed))
            source = open_bundle(source_folder)
            runs.append(_run_row("source", len(comparison.source.subjects), seed, source_folder))
            done += 1
        for arm in comparison.arms:
            _tell(progress, done, total, f"{arm.name}, seed {seed}")
            folder = out / f"{arm.folder}-seed{seed}"
            _train_once(_request(comparison, arm, source, folder, seed))
            predictions = out / f"{arm.folder}-seed{seed}-predictions"
            if not (predictions / "prediction.json").is_file():
                predict_cohort(PredictionRequest([open_bundle(folder)], comparison.test, predictions))
            scored = score_files(comparison.test.select_labels(comparison.recipe.labels), predictions)
            policy = scored.options.policies.words()
            per_case = scored.tables.per_case
            scores.append(
                per_case[per_case["kind"] == "label"].assign(strategy=arm.method, people=str(arm.people), seed=seed)
            )
            runs.append(_run_row(arm.method, arm.people, seed, folder))
            folders[arm.method, str(arm.people), seed] = folder
            done += 1
    _tell(progress, done, total, "")
    return ComparisonResult(pd.concat(scores, ignore_index=True), pd.DataFrame(runs), folders, policy)


def _request(comparison: Comparison, arm: Arm, source: Bundle | None, folder: Path, seed: int) -> TrainingRequest:
    recipe = comparison.recipe
    for key, value in arm.overrides.items():
        section, _, name = key.partition(".")
        changed = getattr(recipe, section).model_copy(update={name: value}) if name else value
        recipe = recipe.model_copy(update={section: changed})
    if arm.people == EVERYONE:
        if comparison.everyone is None:
            raise InputError("an arm wants everyone's labels, but the comparison names nobody", "Set everyone")
        people = comparison.everyone
    else:
        # An unadapted source learns from nobody, but its labels come from somewhere: the pool.
        count = int(arm.people) or 1
        people = comparison.pool.of_subjects(nested_subsets(comparison.pool.subjects, [count], seed)[count])
    return TrainingRequest(
        people,
        recipe,
        folder,
        arm.strategy,
        None if arm.strategy == "scratch" else source,
        comparison.label_from if arm.strategy != "scratch" else {},
        seed,
    )


def _train_once(request: TrainingRequest) -> None:
    require_one_process(request.recipe.compute, "a comparison")
    if not (request.out / "run.json").is_file():
        train_model(request)
    elif load_recipe(request.out / "recipe.yaml") != request.recipe:
        raise InputError(
            "holds a model of another recipe, from an earlier attempt", "Delete it, and repeat the command", request.out
        )


def _run_row(strategy: str, people: int | str, seed: int, folder: Path) -> dict[str, Any]:
    record = json.loads((folder / "run.json").read_text("utf-8"))
    return {
        "strategy": strategy,
        "people": str(people),
        "seed": seed,
        **{key: record[key] for key in ("steps", "seconds", "cases", "kept", "compute", "peak_memory_mib")},
    }


def _tell(progress: Callable[[int, int, str], None] | None, done: int, total: int, name: str) -> None:
    if progress is not None:
        progress(done, total, name)
