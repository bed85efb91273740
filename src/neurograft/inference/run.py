"""Predict on many scans: masks on the scans' own grids, a table of volumes, nothing half-written."""

import logging
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

import neurograft
from neurograft.cohorts import CohortFingerprint
from neurograft.errors import InputError
from neurograft.inference.ages import AgeReader
from neurograft.inference.case_steps import CaseResult, CaseSteps
from neurograft.inference.engines.interface import describe
from neurograft.inference.files import write_descriptions
from neurograft.inference.finished import FinishedCases
from neurograft.inference.oracle import require_references
from neurograft.inference.pipeline import pipelined
from neurograft.inference.region_files import region_summary
from neurograft.inference.request import PredictionRequest
from neurograft.inference.segmenting import Segmenter
from neurograft.inference.trust_table import TrustTable
from neurograft.models import Bundle
from neurograft.outputs import check_free, staged_directory, write_json, write_table

__all__ = ["PredictionRequest", "SegmentedCases", "open_segmenter", "predict_cohort", "segment_cases"]

logger = logging.getLogger(__name__)

FINISHED = "finished.jsonl"
"""What a prediction keeps while it runs: which cases are finished, and from what."""

Progress = Callable[[int, int], None]


@dataclass(frozen=True, eq=False)
class SegmentedCases:
    """What segmenting gave beside the files.

    Attributes:
        results: rows and region of each case, in the order of the cases.
        engines: what ran each model; empty where nothing was left to run.
    """

    results: list[CaseResult]
    engines: list[str]


SegmentCases = Callable[[PredictionRequest, Segmenter, Path, Progress | None], SegmentedCases]
"""Segments the cases of a request, and writes masks and what goes with them into a folder."""


def open_segmenter(request: PredictionRequest, scans: int) -> Segmenter:
    """The models of a request, ready for so many scans.

    Raises:
        InputError: models that do not agree.
    """
    locator = (
        None if request.locator is None else Segmenter([request.locator], request.device, None, request.engines, scans)
    )
    return Segmenter(request.bundles, request.device, locator, request.engines, scans, request.memory_mib)


def segment_cases(
    request: PredictionRequest, segmenter: Segmenter, folder: Path, progress: Progress | None = None
) -> SegmentedCases:
    """Segment the cases one after the other; those that an interrupted attempt has finished are not repeated."""
    scans = request.scans
    known = [
        CohortFingerprint.from_dict(entry) for bundle in request.learners for entry in bundle.info.training_subjects
    ]
    ages = AgeReader(folder / "ages.tsv", request.bundles, segmenter.runners.networks)
    trust = TrustTable(folder / "trust.tsv", request.bundles[0])
    steps = CaseSteps(scans, request, segmenter, known, folder, ages, trust, FinishedCases(folder / FINISHED))
    results = []
    for number, result in enumerate(pipelined(scans.cases, steps.read, steps.segment, steps.write), start=1):
        results.append(result)
        if progress is not None:
            progress(number, len(scans.cases))
    engines = [describe(chosen.engine) for _, chosen in sorted(segmenter.runners.chosen.items())]
    return SegmentedCases(results, engines)


def predict_cohort(
    request: PredictionRequest, progress: Progress | None = None, segment: SegmentCases = segment_cases
) -> pd.DataFrame:
    """Segment every case and write the results.

    An interrupted prediction continues with the cases that it had not finished.

    Args:
        request: models, scans and output.
        progress: called with cases done and in all.
        segment: segments the cases; in this process unless another way is given.

    Returns:
        A row a case and label: case, subject, session, label, index, voxels, volume_mm3, mask,
        seen_in_training, region, oracle. The same is written as ``volumes.tsv``; intensities, and
        contrast ratios where the scans have a reference region, as ``biomarkers.tsv``; what speaks against a
        mask, a row a case, as ``trust.tsv``. Models that have learnt an age
        write ``ages.tsv`` (case, subject, age, windows, sd_over_windows, reference, region, oracle), and
        beside the mean-age baseline ``age_errors.tsv`` where two scans or more come with their age.

    Raises:
        InputError: models that do not agree, scans that do not suit them, unreadable files, or an
            oracle asked for without reference labels.
    """
    check_free(request.out, request.overwrite)
    scans = request.scans
    segmenter = open_segmenter(request, len(scans.cases))
    if not scans.cases:
        raise InputError("no scan to predict on", "Check --input and --subjects", scans.source)
    missing = set(segmenter.channels) - set(scans.channels)
    # Names of which none is known can only differ in wording; where some are, order would mix channels up.
    by_position = len(missing) == len(segmenter.channels) == len(scans.channels)
    if missing and not by_position:
        raise InputError(
            f"the model needs the channels {', '.join(segmenter.channels)}; "
            f"here are {', '.join(scans.channels) or 'none'}",
            "Name the image columns as the model's channels",
            scans.source,
        )
    if missing and len(scans.channels) > 1:
        pairs = ", ".join(f"{own} = {other}" for own, other in zip(segmenter.channels, scans.channels, strict=True))
        logger.warning("channels by position: %s", pairs)
    if request.inference.region == "oracle":
        require_references(scans)
    with staged_directory(request.out, _identity(request), request.overwrite) as folder:
        write_descriptions(folder, scans, segmenter.labels)
        try:
            found = segment(request, segmenter, folder, progress)
        except InputError:
            # The mend may be another list of scans, which must not find this attempt in its way.
            if not any(folder.rglob("*_dseg.nii.gz")):
                shutil.rmtree(folder)
            raise
        regions = [region for _, _, region in found.results]
        ages = AgeReader(folder / "ages.tsv", request.bundles, segmenter.runners.networks)
        ages.write_regions({case.id: region for case, region in zip(scans.cases, regions, strict=True)})
        ages.write_errors(folder / "age_errors.tsv")
        frame = pd.DataFrame([row for volumes, _, _ in found.results for row in volumes])
        write_table(folder / "volumes.tsv", frame)
        write_table(folder / "biomarkers.tsv", pd.DataFrame([row for _, rows, _ in found.results for row in rows]))
        models = [_identity_of(bundle) for bundle in request.bundles]
        write_json(
            folder / "prediction.json",
            {
                "models": models,
                "cases": len(scans.cases),
                "engines": found.engines,
                "region": region_summary(request.inference, regions, _identity_of(request.locator)),
                "neurograft": neurograft.__version__,
            },
        )
        FinishedCases(folder / FINISHED).forget()
    return frame


def _identity(request: PredictionRequest) -> dict[str, Any]:
    return {
        "models": [bundle.info.weights_sha256 for bundle in request.bundles],
        "recipes": [bundle.info.recipe.model_dump(mode="json") for bundle in request.bundles],
        "cases": {case.id: [str(path) for path in case.images.values()] for case in request.scans.cases},
        "references": {
            case.id: str(case.label) for case in request.scans.cases if request.inference.region == "oracle"
        },
        "locator": _identity_of(request.locator),
        "probabilities": request.keep_probabilities,
        "overlays": request.overlays,
        "engine": [request.engines.engine, request.engines.precision],
        "neurograft": neurograft.__version__,
    }


def _identity_of(bundle: Bundle | None) -> dict[str, str] | None:
    return None if bundle is None else {"name": bundle.info.name, "weights_sha256": bundle.info.weights_sha256}
