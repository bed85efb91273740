"""What a study will cost, before it runs: its cells, what they share, and the time by a short probe."""

import json
import logging
import tempfile
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from neurograft.cohorts import Cohort
from neurograft.inference.run import PredictionRequest, predict_cohort
from neurograft.models import open_bundle
from neurograft.recipes.budget import parse_budget
from neurograft.recipes.schema import Recipe
from neurograft.studies.cells.cell import Cell
from neurograft.studies.cohorts import verified
from neurograft.studies.folder import StudyFolder
from neurograft.studies.kept_models import to_train_again
from neurograft.studies.protocol.expansion import Plan
from neurograft.training.request import TrainingRequest
from neurograft.training.run import train_model

logger = logging.getLogger(__name__)

PROBE_STEPS = 4
_OVERHEAD_SECONDS = 0.5
"""Of a cell beside its work: claiming, opening the cohort, writing tables."""


@dataclass(frozen=True)
class ProbedRecipe:
    """What a recipe costs on this machine.

    Attributes:
        step_seconds: of a training step.
        case_seconds: to prepare a case.
        prediction_seconds: to segment a case.
        peak_memory_mib: of the probe.
    """

    step_seconds: float
    case_seconds: float
    prediction_seconds: float
    peak_memory_mib: float


@dataclass(frozen=True)
class StudyEstimate:
    """What a study will do.

    Attributes:
        cells: missing and in all, by kind.
        uses: how often the results of shared cells are used beyond the first time.
        workers: side by side.
        seconds: of all missing cells on one worker; ``None`` without a probe.
        peak_memory_mib: of the largest probe.
        by_experiment: rows experiment, size, method, trainings.
        shared: titles of cells that several wait for, and how many these are.
    """

    cells: dict[str, tuple[int, int]]
    workers: int
    seconds: float | None
    peak_memory_mib: float | None
    by_experiment: tuple[tuple[str, str, str, int], ...]
    shared: tuple[tuple[str, int], ...]

    def rows(self) -> tuple[tuple[str, ...], list[tuple[object, ...]]]:
        """The trainings as a terminal shows them."""
        return ("experiment", "people", "method", "trainings"), [tuple(row) for row in self.by_experiment]

    def sentences(self) -> list[str]:
        """What matters, in words."""
        kinds = ", ".join(
            f"{total} of kind {kind}" + (f" ({missing} missing)" if missing < total else "")
            for kind, (missing, total) in self.cells.items()
        )
        said = [f"{sum(total for _, total in self.cells.values())} cells: {kinds}."]
        for title, count in sorted(self.shared, key=lambda item: -item[1])[:8]:
            said.append(f"Done once for {count} cells: {title}.")
        if self.seconds is not None:
            hours = self.seconds / self.workers / 3600
            time = (
                f"{hours * 60:.0f} minutes"
                if hours < 2
                else f"{hours:.1f} hours"
                if hours < 48
                else f"{hours / 24:.1f} days"
            )
            said.append(f"About {time} with {self.workers} side by side, by a probe of {PROBE_STEPS} steps a recipe.")
        if self.peak_memory_mib is not None:
            said.append(f"The probes took up to {self.peak_memory_mib:.0f} MiB of memory.")
        return said

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON data."""
        return asdict(self)


def estimate_study(
    plan: Plan, placed: Mapping[str, Mapping[str, Any]], folder: StudyFolder, workers: int, probe: bool = True
) -> StudyEstimate:
    """Count the cells of a study, and try each of its recipes for a few steps.

    Args:
        plan: the study's, drafted or kept.
        placed: where its cohorts lie, as its description says.
        folder: of the study.
        workers: cells side by side.
        probe: whether to measure; else there is no time in the estimate.
    """
    there = folder.finished()
    there -= to_train_again(folder, plan.cells, there)
    kinds = Counter(cell.kind for cell in plan.cells.values())
    missing = Counter(cell.kind for identifier, cell in plan.cells.items() if identifier not in there)
    waits = Counter(other for cell in plan.cells.values() for other in cell.after)
    readings = Counter(
        (row["experiment"], row["size"], row["method"])
        for row in plan.readings
        if row["split"] == "test"
        for _ in row["trained"]
    )
    shared = tuple(
        (plan.cells[identifier].title, count)
        for identifier, count in waits.items()
        if (count > 1 and plan.cells[identifier].kind != "train") or plan.cells[identifier].title.startswith("source ")
    )
    seconds, memory = (None, None)
    left = [cell for identifier, cell in plan.cells.items() if identifier not in there]
    if probe and left:
        seconds, memory = _time(left, plan, placed, folder)
    return StudyEstimate(
        {kind: (missing[kind], count) for kind, count in kinds.items()},
        workers,
        seconds,
        memory,
        tuple((experiment, size, method, count) for (experiment, size, method), count in readings.items()),
        shared,
    )


def _time(
    left: Sequence[Cell], plan: Plan, placed: Mapping[str, Mapping[str, Any]], folder: StudyFolder
) -> tuple[float, float]:
    """Seconds of some cells one after the other, and the largest memory of a probe."""
    probed: dict[str, ProbedRecipe] = {}
    total = 0.0
    for cell in left:
        total += _OVERHEAD_SECONDS
        trained = cell if cell.kind == "train" else None
        if cell.kind == "score":
            trained = plan.cells[cell.spec["models"][0]]
        if trained is None:
            continue
        recipe = Recipe.model_validate(folder.block(trained.spec["recipe"]))
        key = _cost_key(recipe)
        if key not in probed:
            logger.info("probing the recipe of %s", trained.title)
            name, people = trained.spec["cohort"], folder.block(trained.spec["people"])
            probed[key] = _probe(verified(folder, placed[name], name, people), recipe)
        cost = probed[key]
        count = len(folder.block(cell.spec["people"]))
        if cell.kind == "score":
            total += count * cost.prediction_seconds * len(cell.spec["models"])
        elif cell.spec["strategy"] != "none":
            if "beside" in cell.spec:
                count += len(folder.block(cell.spec["beside"]["people"]))
            total += _training_seconds(recipe, count, cost.step_seconds) + count * cost.case_seconds
    return total, max((cost.peak_memory_mib for cost in probed.values()), default=0.0)


def _probe(cohort: Cohort, recipe: Recipe) -> ProbedRecipe:
    one = cohort.of_subjects(cohort.subjects[:1])
    validation = recipe.validation.model_copy(update={"hold_out": 0, "keep": "last", "early_stopping_patience": None})
    schedule = recipe.optimiser.model_copy(update={"schedule": "constant"})
    short = recipe.model_copy(update={"budget": f"{PROBE_STEPS}steps", "validation": validation, "optimiser": schedule})
    with tempfile.TemporaryDirectory() as place:
        info = train_model(TrainingRequest(one, short, Path(place) / "probe", seed=0))
        record = json.loads((Path(place) / "probe" / "run.json").read_text("utf-8"))
        start = time.perf_counter()
        predict_cohort(PredictionRequest([open_bundle(Path(place) / "probe")], one, Path(place) / "masks"))
        prediction = (time.perf_counter() - start) / len(one.cases)
    cases = max(info.training["cases"], 1)
    return ProbedRecipe(
        record["seconds"] / PROBE_STEPS, record["preparation_seconds"] / cases, prediction, record["peak_memory_mib"]
    )


def _cost_key(recipe: Recipe) -> str:
    """What decides the cost of a step and of a prediction."""
    parts = ("network", "sampling", "preparation", "inference", "augmentation", "compute")
    return json.dumps({part: recipe.model_dump(mode="json")[part] for part in parts}, sort_keys=True)


def _training_seconds(recipe: Recipe, people: int, step_seconds: float) -> float:
    budget = parse_budget(recipe.budget)
    if budget.unit == "seconds":
        return budget.amount
    if budget.unit == "steps":
        return budget.amount * step_seconds
    per_epoch = people * recipe.sampling.patches_per_subject / recipe.sampling.batch_size
    return budget.amount * max(1.0, per_epoch) * step_seconds


__all__ = ["PROBE_STEPS", "StudyEstimate", "estimate_study"]
