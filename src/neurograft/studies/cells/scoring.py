"""The cell that predicts on people whom its models have not seen, and scores that."""

import shutil
import time
from typing import Any

import torch

from neurograft.hardware import describe_machine, peak_memory_mib
from neurograft.inference.run import PredictionRequest, predict_cohort
from neurograft.models import open_bundle
from neurograft.outputs import write_table
from neurograft.scoring.options import ScoringOptions
from neurograft.scoring.run import score_files
from neurograft.studies.cells.kinds import CellContext
from neurograft.studies.cells.training import MODEL, people_of

MASKS = "masks"
SCORES = "scores.tsv"
"""``per_case.tsv`` of the evaluation."""
PAIRED = "paired.tsv"
"""Quantities in reference and prediction, for agreement."""


def score_cell(context: CellContext) -> dict[str, Any]:
    """Predict with a model, or the mean of several, and score the masks.

    Returns:
        Seconds, policies, machine, for ``result.json``.
    """
    spec = context.cell.spec
    torch.set_num_threads(spec["threads"])
    cohort = people_of(context.folder, spec)
    masks = context.output / MASKS
    start = time.monotonic()
    if not masks.is_dir():
        bundles = [open_bundle(context.of(model) / MODEL) for model in spec["models"]]
        predict_cohort(PredictionRequest(bundles, cohort, masks, device=spec["device"], overwrite=True))
    seconds = time.monotonic() - start
    labels = spec["labels"]
    scored = score_files(cohort.select_labels(labels), masks, options=_options(spec["scoring"]))
    write_table(context.output / SCORES, scored.tables.per_case)
    if not scored.tables.paired.empty:
        write_table(context.output / PAIRED, scored.tables.paired)
    if not spec["keep_masks"]:
        shutil.rmtree(masks)
    return {
        "cases": len(cohort.cases),
        "prediction_seconds": round(seconds, 3),
        "policy": scored.options.policies.words(),
        "peak_memory_mib": round(peak_memory_mib()),
        "machine": describe_machine(),
    }


def _options(scoring: dict[str, Any]) -> ScoringOptions:
    surfaces = tuple(name for name in ("voxel", "element") if any(name in measure for measure in scoring["measures"]))
    sliced = any(measure.endswith("_slices") for measure in scoring["measures"])
    return ScoringOptions(
        surfaces=surfaces,  # type: ignore[arg-type]
        tolerance_mm=scoring["tolerance_mm"],
        groups={name: tuple(parts) for name, parts in scoring["groups"].items()},
        slices="skip" if sliced else None,
        biomarkers=scoring["biomarkers"],
        draws=1,
    )
