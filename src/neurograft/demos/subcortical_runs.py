"""The sub-cortical ladder run: every model trained, its people predicted and scored, and the seconds of one scan."""

import json
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from neurograft.cohorts import Cohort, fingerprint_cohort, require_disjoint
from neurograft.cohorts.priors import case_prior
from neurograft.demos.subcortical import (
    Cell,
    Ladder,
    Progress,
    cell_request,
    ladder_cells,
    model_request,
    source_request,
)
from neurograft.demos.subcortical_data import SubcorticalScans
from neurograft.imaging.files import read_image, read_label_map
from neurograft.inference.postprocessing import filter_components
from neurograft.inference.run import PredictionRequest, predict_cohort
from neurograft.inference.segmenting import Segmenter
from neurograft.models import Bundle, open_bundle
from neurograft.scoring.run import score_files
from neurograft.training.request import TrainingRequest
from neurograft.training.run import train_model

TIMED_SCANS = 2


@dataclass(frozen=True, eq=False)
class LadderResult:
    """What came of a ladder.

    Attributes:
        scores: rows of ``per_case.tsv`` (labels and means) with ``network``, ``way``, ``people``, ``run``, ``seed``.
        models: a row a model: the same, with steps, seconds, memory and ``swaps``, the number of pairs of
            sides that changed places in a scan.
        seconds: a row a network: seconds a scan in the network and in post-processing.
    """

    scores: pd.DataFrame
    models: pd.DataFrame
    seconds: pd.DataFrame


def run_ladder(ladder: Ladder, scans: SubcorticalScans, out: Path, progress: Progress | None = None) -> LadderResult:
    """Train, predict and score every model; what is finished in `out` is kept.

    Raises:
        InputError: somebody is learnt from and tested.
    """
    cells = ladder_cells(ladder, scans.target.subjects)
    sources = list(dict.fromkeys((cell.network.name, cell.standardised, cell.seed) for cell in cells))
    total, done = len(cells) + len(sources), 0
    found, models, seconds = [], [], []
    bundles: dict[tuple[str, bool, int], Bundle] = {}
    for cell in cells:
        key = (cell.network.name, cell.standardised, cell.seed)
        if key not in bundles:
            name = f"{cell.network.name} source{' standardised' * cell.standardised} seed{cell.seed}"
            _tell(progress, done, total, name)
            folder = out / name.replace(" ", "-")
            _train_once(source_request(cell, scans.source, folder))
            bundles[key] = open_bundle(folder)
            models.append({**_whose(cell), "way": "source", "people": 0, **_record(folder), "swaps": 0})
            done += 1
            if cell.seed == ladder.seeds[0] and not cell.standardised:
                seconds.append({"network": cell.network.name, **seconds_a_scan(bundles[key], scans.target)})
        _tell(progress, done, total, cell.words)
        request = cell_request(cell, scans.source, scans.target, bundles[key], out / cell.folder)
        scores, model = scored_cell(cell, request, scans.target)
        found.append(scores)
        models.append(model)
        done += 1
    _tell(progress, done, total, "")
    return LadderResult(pd.concat(found, ignore_index=True), pd.DataFrame(models), pd.DataFrame(seconds))


def run_model_ladder(
    ladder: Ladder, model: Bundle, target: Cohort, out: Path, progress: Progress | None = None
) -> LadderResult:
    """The same from a finished model, which takes the place of a source that is trained first.

    Args:
        ladder: how much, with one network.
        model: what is adapted.
        target: the real scans.
        out: what is finished there is kept.
        progress: called with models done, models in all, and the next one's name.

    Raises:
        InputError: somebody is learnt from and tested.
    """
    cells = ladder_cells(ladder, target.subjects)
    found, models = [], []
    for number, cell in enumerate(cells):
        _tell(progress, number, len(cells), cell.words)
        scores, row = scored_cell(cell, model_request(cell, target, model, out / cell.folder), target)
        found.append(scores)
        models.append(row)
    _tell(progress, len(cells), len(cells), "")
    seconds = [{"network": cells[0].network.name, **seconds_a_scan(model, target)}]
    return LadderResult(pd.concat(found, ignore_index=True), pd.DataFrame(models), pd.DataFrame(seconds))


def scored_cell(cell: Cell, request: TrainingRequest, target: Cohort) -> tuple[pd.DataFrame, dict[str, Any]]:
    """Train a cell's model, predict and score: rows of `LadderResult.scores`, and one of its `models`."""
    tested = target.of_subjects(cell.tested)
    if cell.learners:
        learners = fingerprint_cohort(target.of_subjects(cell.learners))
        require_disjoint(learners, fingerprint_cohort(tested), "the learners", "the test subjects")
    _train_once(request)
    predictions = request.out.with_name(f"{request.out.name}-predictions")
    if not (predictions / "prediction.json").is_file():
        predict_cohort(PredictionRequest([open_bundle(request.out)], tested, predictions))
    scored = score_files(tested, predictions)
    per_case = scored.tables.per_case
    scores = per_case[per_case["kind"].isin(["label", "mean"])].assign(**_whose(cell))
    return scores, {**_whose(cell), **_record(request.out), "swaps": len(scored.tables.swaps)}


def seconds_a_scan(bundle: Bundle, target: Cohort) -> dict[str, float]:
    """Seconds that a scan takes in the network, with preparation, and in post-processing; the mean of some scans."""
    segmenter = Segmenter([bundle])
    recipe = bundle.info.recipe
    whole, after = 0.0, 0.0
    cases = target.cases[:TIMED_SCANS]
    for case in cases:
        volumes = [read_image(path) for path in case.images.values()]
        mask = read_label_map(case.mask) if case.mask else None
        prior = case_prior(case, recipe.preparation)
        start = time.monotonic()
        found = segmenter.segment(volumes, mask, prior=prior)
        whole += time.monotonic() - start
        start = time.monotonic()
        # On what is filtered already: the filter's time hardly depends on what it drops.
        filter_components(found.classes, recipe.postprocessing, volumes[0].grid.voxel_volume_mm3)
        after += time.monotonic() - start
    return {"network_seconds": (whole - after) / len(cases), "postprocessing_seconds": after / len(cases)}


def _whose(cell: Cell) -> dict[str, Any]:
    return {
        "network": cell.network.name,
        "way": cell.way,
        "people": cell.people,
        "run": cell.run,
        "seed": cell.seed,
    }


def _record(folder: Path) -> dict[str, Any]:
    record = json.loads((folder / "run.json").read_text("utf-8"))
    return {key: record[key] for key in ("steps", "seconds", "compute", "peak_memory_mib")}


def _train_once(request: TrainingRequest) -> None:
    if not (request.out / "run.json").is_file():
        train_model(request)


def _tell(progress: Progress | None, done: int, total: int, name: str) -> None:
    if progress is not None:
        progress(done, total, name)
