"""Predict on many scans: masks on the scans' own grids, a table of volumes, nothing half-written."""

import logging
import shutil
from collections.abc import Callable
from typing import Any

import pandas as pd

import neurograft
from neurograft.cohorts import CohortFingerprint
from neurograft.errors import InputError
from neurograft.inference.ages import AgeReader
from neurograft.inference.case_steps import CaseSteps
from neurograft.inference.engines.interface import describe
from neurograft.inference.files import write_descriptions
from neurograft.inference.oracle import require_references
from neurograft.inference.pipeline import pipelined
from neurograft.inference.region_files import region_summary
from neurograft.inference.regions import Region
from neurograft.inference.request import PredictionRequest
from neurograft.inference.segmenting import Segmenter
from neurograft.inference.trust_table import TrustTable
from neurograft.models import Bundle
from neurograft.outputs import check_free, staged_directory, write_json, write_table

__all__ = ["PredictionRequest", "predict_cohort"]

logger = logging.getLogger(__name__)


def predict_cohort(request: PredictionRequest, progress: Callable[[int, int], None] | None = None) -> pd.DataFrame:
    """Segment every case and write the results.

    An interrupted prediction continues with the cases that it had not finished.

    Args:
        request: models, scans and output.
        progress: called with cases done and in all.

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
    locator = (
        None
        if request.locator is None
        else Segmenter([request.locator], request.device, None, request.engines, len(request.scans.cases))
    )
    scans = request.scans
    segmenter = Segmenter(
        request.bundles, request.device, locator, request.engines, len(scans.cases), request.memory_mib
    )
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
    known = [
        CohortFingerprint.from_dict(entry) for bundle in request.learners for entry in bundle.info.training_subjects
    ]
    rows: list[dict[str, Any]] = []
    biomarkers: list[dict[str, Any]] = []
    regions: list[Region] = []
    with staged_directory(request.out, _identity(request), request.overwrite) as folder:
        write_descriptions(folder, scans, segmenter.labels)
        ages = AgeReader(folder / "ages.tsv", request.bundles, segmenter.runners.networks)
        trust = TrustTable(folder / "trust.tsv", request.bundles[0])
        steps = CaseSteps(scans, request, segmenter, known, folder, ages, trust)
        try:
            written = pipelined(scans.cases, steps.read, steps.segment, steps.write)
            for number, (volumes, measured, region) in enumerate(written, start=1):
                rows += volumes
                biomarkers += measured
                regions.append(region)
                if progress is not None:
                    progress(number, len(scans.cases))
        except InputError:
            # The mend may be another list of scans, which must not find this attempt in its way.
            if not any(folder.rglob("*_dseg.nii.gz")):
                shutil.rmtree(folder)
            raise
        ages.write_regions({case.id: region for case, region in zip(scans.cases, regions, strict=True)})
        ages.write_errors(folder / "age_errors.tsv")
        frame = pd.DataFrame(rows)
        write_table(folder / "volumes.tsv", frame)
        write_table(folder / "biomarkers.tsv", pd.DataFrame(biomarkers))
        models = [_identity_of(bundle) for bundle in request.bundles]
        write_json(
            folder / "prediction.json",
            {
                "models": models,
                "cases": len(scans.cases),
                "engines": [describe(chosen.engine) for _, chosen in sorted(segmenter.runners.chosen.items())],
                "region": region_summary(request.inference, regions, _identity_of(request.locator)),
                "neurograft": neurograft.__version__,
            },
        )
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
