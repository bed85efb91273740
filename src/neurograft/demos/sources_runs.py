"""P4's sources trained once, every target trained from each of them, predicted and scored."""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pandas as pd

from neurograft.demos.sources import FULL_WIDTH, IMAGENET, SourceModel, SourcesPlan, SourceTarget, source_models
from neurograft.demos.sources_data import SourcesScans
from neurograft.inference.run import PredictionRequest, predict_cohort
from neurograft.models import Bundle, open_bundle
from neurograft.scoring.options import ScoringOptions
from neurograft.scoring.run import score_files
from neurograft.training.request import TrainingRequest
from neurograft.training.run import train_model

Progress = Callable[[int, int, str], None]

KEY = ["source", "target", "people", "draw", "part"]


@dataclass(frozen=True, eq=False)
class SourcesResult:
    """What came of a plan.

    Attributes:
        scores: rows of ``per_case.tsv`` (labels and means) with `KEY`.
        models: a row a model: `KEY`, steps, seconds, memory; of a source ``target`` is "source".
        loading: a row a source, target and tensor: what was copied and why not.
        detection: P4's accuracies of lesions, with `KEY`.
        lesions: sensitivity, precision and F1 of lesions, with `KEY`.
        masks: folder of the predictions of each source and target.
    """

    scores: pd.DataFrame
    models: pd.DataFrame
    loading: pd.DataFrame
    detection: pd.DataFrame
    lesions: pd.DataFrame
    masks: Mapping[tuple[str, SourceTarget], Path]


def run_sources(
    plan: SourcesPlan, scans: SourcesScans, out: Path, imagenet: Path | None = None, progress: Progress | None = None
) -> SourcesResult:
    """Train sources and targets, predict and score; what is finished in `out` is kept.

    Args:
        plan: how much.
        scans: whose.
        out: a working folder of this plan alone.
        imagenet: a file with a ResNet-50's weights.
        progress: called with models done, models in all, and the next one's name.
    """
    width = plan.source_recipe(source_models(FULL_WIDTH, False)[0]).network.stem_channels
    models = source_models(width, imagenet is not None)
    targets = plan.targets()
    total = sum(model.task is not None for model in models) + len(models) * len(targets)
    done = 0
    tables: dict[str, list[pd.DataFrame]] = {name: [] for name in ("scores", "loading", "detection", "lesions")}
    records: list[dict[str, Any]] = []
    masks = {}
    for model in models:
        source: Bundle | None = None
        if model.task is not None:
            _tell(progress, done, total, f"source {model.name}")
            folder = out / f"source-{model.folder}"
            _train_once(_source_request(plan, scans, model, folder))
            source = open_bundle(folder)
            records.append(
                {"source": model.name, "target": "source", "people": 0, "draw": 0, "part": 0, **_record(folder)}
            )
            done += 1
        for target in targets:
            _tell(progress, done, total, f"{target.name} from {model.name}")
            key: dict[str, Any] = {
                "source": model.name,
                "target": target.kind,
                "people": target.people,
                "draw": target.draw,
                "part": target.part,
            }
            folder = out / f"{target.folder}-from-{model.folder}"
            _train_once(_target_request(plan, scans, model, target, source, imagenet, folder))
            records.append({**key, **_record(folder)})
            tables["loading"].append(pd.read_csv(folder / "loading.tsv", sep="\t").fillna("").assign(**key))
            predictions = folder.with_name(f"{folder.name}-masks")
            for name, table in _scored(plan, scans, target, model, folder, predictions).items():
                tables[name].append(table.assign(**key))
            masks[model.name, target] = predictions
            done += 1
    _tell(progress, done, total, "")
    joined = {name: pd.concat(frames, ignore_index=True) for name, frames in tables.items()}
    return SourcesResult(models=pd.DataFrame(records), masks=masks, **joined)


def _source_request(plan: SourcesPlan, scans: SourcesScans, model: SourceModel, folder: Path) -> TrainingRequest:
    cohort = scans.brains if model.domain == "MRI" else scans.pictures
    return TrainingRequest(cohort, plan.source_recipe(model), folder, seed=0)


def _target_request(
    plan: SourcesPlan,
    scans: SourcesScans,
    model: SourceModel,
    target: SourceTarget,
    source: Bundle | None,
    imagenet: Path | None,
    folder: Path,
) -> TrainingRequest:
    """Sources on brains have seen the anatomy's learners, with other labels; nobody tested is among them."""
    request = TrainingRequest(
        scans.learners(target), plan.target_recipe(target, model), folder, seed=target.draw, allow_shared_subjects=True
    )
    if source is not None:
        return replace(request, strategy="encoder_only", source=source)
    return replace(request, encoder_weights=imagenet) if model.name == IMAGENET else request


def _scored(
    plan: SourcesPlan, scans: SourcesScans, target: SourceTarget, model: SourceModel, folder: Path, masks: Path
) -> dict[str, pd.DataFrame]:
    tested = scans.tested(target)
    if not (masks / "prediction.json").is_file():
        predict_cohort(PredictionRequest([open_bundle(folder)], tested, masks))
    lesions = ("lesion",) if target.kind == "lesions" else ()
    reference = tested.select_labels(plan.target_recipe(target, model).labels)
    tables = score_files(reference, masks, options=ScoringOptions(slices="skip", lesions=lesions)).tables
    scores = tables.per_case[tables.per_case["kind"].isin(["label", "mean"])]
    found = {"scores": scores}
    if tables.lesion_detection is not None and tables.lesion_scores is not None:
        found |= {"detection": tables.lesion_detection, "lesions": tables.lesion_scores}
    return found


def _record(folder: Path) -> dict[str, Any]:
    record = json.loads((folder / "run.json").read_text("utf-8"))
    return {key: record[key] for key in ("steps", "seconds", "preparation_seconds", "compute", "peak_memory_mib")}


def _train_once(request: TrainingRequest) -> None:
    if not (request.out / "run.json").is_file():
        train_model(request)


def _tell(progress: Progress | None, done: int, total: int, name: str) -> None:
    if progress is not None:
        progress(done, total, name)
