"""P2's models trained fold by fold, their probabilities averaged, and everybody scored against both raters."""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from neurograft.cohorts import Cohort, fingerprint_cohort, k_folds, require_disjoint
from neurograft.demos.nuclei import ARMS, RATERS, SCRATCH, NucleiArm, NucleiPlan, NucleiScans
from neurograft.inference.run import PredictionRequest, predict_cohort
from neurograft.models import Bundle, open_bundle
from neurograft.scoring.options import ScoringOptions
from neurograft.scoring.run import Evaluation, score_files
from neurograft.training.request import TrainingRequest
from neurograft.training.run import train_model

Progress = Callable[[int, int, str], None]

SPLIT_SEED = 2022
SECOND_RATER = "rater 2"
"""The second rater, scored as if a model: what people reach."""


@dataclass(frozen=True, eq=False)
class NucleiResult:
    """What came of a plan.

    Attributes:
        evaluations: of each method against each rater. Methods are those of `ARMS`, and the second rater
            against the first.
        models: a row a model: ``method``, ``fold`` (-1 for a source), what was copied, steps and seconds.
        curves: a row a validation: ``method``, ``fold``, ``step``, ``dice`` of the held-out fold.
    """

    evaluations: Mapping[tuple[str, str], Evaluation]
    models: pd.DataFrame
    curves: pd.DataFrame


def run_nuclei(plan: NucleiPlan, scans: NucleiScans, out: Path, progress: Progress | None = None) -> NucleiResult:
    """Train, average, predict and score; what is finished in `out` is kept.

    Raises:
        InputError: somebody is learnt from and tested.
    """
    tested = fingerprint_cohort(scans.test)
    require_disjoint(fingerprint_cohort(scans.pool), tested, "the folds", "the test subjects")
    require_disjoint(fingerprint_cohort(scans.source), tested, "the source cohort", "the test subjects")
    total = len(ARMS) * plan.folds + sum(arm.transfers for arm in ARMS)
    done = 0
    folds = k_folds(scans.pool.subjects, plan.folds, SPLIT_SEED)
    models: list[dict[str, Any]] = []
    curves: list[pd.DataFrame] = []
    evaluations: dict[tuple[str, str], Evaluation] = {}
    for arm in ARMS:
        source: Bundle | None = None
        if arm.transfers:
            _tell(progress, done, total, f"source of {arm.name}")
            folder = out / f"{arm.folder}-source"
            _train_once(TrainingRequest(scans.source, plan.source_recipe(arm), folder, seed=0))
            source = open_bundle(folder)
            models.append(_record(arm, -1, folder))
            done += 1
        folders = []
        for fold, (_, held) in enumerate(folds):
            _tell(progress, done, total, f"{arm.name}, fold {fold + 1} of {plan.folds}")
            folder = out / f"{arm.folder}-fold{fold + 1}"
            strategy = "reset_head" if arm.transfers else "scratch"
            recipe = plan.target_recipe(arm)
            _train_once(
                TrainingRequest(scans.pool, recipe, folder, strategy, source, seed=fold, validation_subjects=held)
            )
            models.append(_record(arm, fold, folder))
            curves.append(_validations(folder).assign(method=arm.name, fold=fold))
            folders.append(folder)
            done += 1
        masks = out / f"{arm.folder}-masks"
        if not (masks / "prediction.json").is_file():
            predict_cohort(PredictionRequest([open_bundle(folder) for folder in folders], scans.test, masks))
        evaluations |= {(arm.name, rater): _scored(scans, rater, masks) for rater in RATERS}
    evaluations[SECOND_RATER, RATERS[0]] = _scored(scans, RATERS[0], scans.drawings[RATERS[1]])
    _tell(progress, done, total, "")
    return NucleiResult(evaluations, pd.DataFrame(models), pd.concat(curves, ignore_index=True))


def drawn_by(scans: NucleiScans, rater: str) -> Cohort:
    """The test people with a rater's label maps."""
    folder = scans.drawings[rater]
    cases = tuple(replace(case, label=folder / case.label.name) for case in scans.test.cases if case.label is not None)
    return replace(scans.test, cases=cases)


def _scored(scans: NucleiScans, rater: str, masks: Path) -> Evaluation:
    reference = drawn_by(scans, rater)
    # A folder of drawings has no table of its own; its values are the cohort's.
    labels = reference.labels if masks in scans.drawings.values() else None
    return score_files(reference, masks, labels, ScoringOptions(biomarkers=True))


def steps_to_twin(curves: pd.DataFrame) -> pd.DataFrame:
    """How soon each fold's model is as good, on its held-out people, as its twin from scratch ever gets.

    Args:
        curves: of `NucleiResult`.

    Returns:
        A row a method: ``folds`` that get there, and the mean ``steps`` of these (NaN for none).
    """
    best = curves[curves["method"] == SCRATCH].groupby("fold")["dice"].max()
    rows = []
    for method, of_method in curves.groupby("method", sort=False):
        reached = of_method[of_method["dice"].to_numpy() >= best.loc[of_method["fold"]].to_numpy()]
        first = reached.groupby("fold")["step"].min()
        rows.append({"method": method, "folds": len(first), "steps": float(first.mean()) if len(first) else np.nan})
    return pd.DataFrame(rows)


def _validations(folder: Path) -> pd.DataFrame:
    metrics = pd.read_csv(folder / "metrics.csv")
    found = metrics[["step", "validation/dice"]].dropna().rename(columns={"validation/dice": "dice"})
    return found.reset_index(drop=True)


def _record(arm: NucleiArm, fold: int, folder: Path) -> dict[str, Any]:
    info = open_bundle(folder).info
    record = json.loads((folder / "run.json").read_text("utf-8"))
    figures = {key: record[key] for key in ("training_subjects", "steps", "seconds", "compute", "peak_memory_mib")}
    return {"method": arm.name, "fold": fold, **figures, **{f"tensors_{key}": n for key, n in info.loading.items()}}


def _train_once(request: TrainingRequest) -> None:
    if not (request.out / "run.json").is_file():
        train_model(request)


def _tell(progress: Progress | None, done: int, total: int, name: str) -> None:
    if progress is not None:
        progress(done, total, name)
