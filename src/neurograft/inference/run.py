"""Predict on many scans: masks on the scans' own grids, a table of volumes, nothing half-written."""

import logging
import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

import neurograft
from neurograft.cohorts import Case, Cohort, CohortFingerprint, fingerprint_image, shared_with, subject_hash
from neurograft.errors import InputError
from neurograft.evaluation.biomarkers.structures import measure_structures
from neurograft.imaging.files import read_image, read_label_map, write_image, write_label_map
from neurograft.imaging.volume import Volume
from neurograft.inference.ages import AgeReader
from neurograft.inference.files import mask_path, probability_path, write_descriptions
from neurograft.inference.oracle import centred_labels, read_truth, require_references
from neurograft.inference.region_files import read_region, region_columns, region_path, region_summary, write_region
from neurograft.inference.regions import WHOLE, Region
from neurograft.inference.segmenting import Segmenter
from neurograft.models import Bundle
from neurograft.outputs import check_free, staged_directory, write_json, write_table
from neurograft.recipes.schema import InferenceConfig

logger = logging.getLogger(__name__)

SPACING_TOLERANCE = 0.1
"""Relative difference in voxel size from the training images above which the user is told."""


@dataclass(frozen=True)
class PredictionRequest:
    """What to predict.

    Attributes:
        bundles: one model, or several that are averaged.
        scans: the cases; labels are not looked at, unless ``inference.region`` is oracle.
        out: the folder for masks and ``volumes.tsv``.
        keep_probabilities: write a probability map per label too.
        overwrite: replace an earlier result.
        device: where the networks run.
        locator: a model that finds the region for ``inference.region: predicted``; ``None`` lets
            the models find it themselves.
    """

    bundles: Sequence[Bundle]
    scans: Cohort
    out: Path
    keep_probabilities: bool = False
    overwrite: bool = False
    device: str = "cpu"
    locator: Bundle | None = None

    @property
    def inference(self) -> InferenceConfig:
        """How the first model, which decides for all, looks at images."""
        return self.bundles[0].info.recipe.inference

    @property
    def learners(self) -> list[Bundle]:
        """All that have a say in the result, the locator included."""
        return [*self.bundles, *([] if self.locator is None else [self.locator])]


def predict_cohort(request: PredictionRequest, progress: Callable[[int, int], None] | None = None) -> pd.DataFrame:
    """Segment every case and write the results.

    An interrupted prediction continues with the cases that it had not finished.

    Args:
        request: models, scans and output.
        progress: called with cases done and in all.

    Returns:
        A row a case and label: case, subject, session, label, index, voxels, volume_mm3, mask,
        seen_in_training, region, oracle. The same is written as ``volumes.tsv``; intensities, and
        contrast ratios where the scans have a reference region, as ``biomarkers.tsv``. Models that have learnt an age
        write ``ages.tsv`` (case, subject, age, windows, sd_over_windows, reference, region, oracle), and
        beside the mean-age baseline ``age_errors.tsv`` where two scans or more come with their age.

    Raises:
        InputError: models that do not agree, scans that do not suit them, unreadable files, or an
            oracle asked for without reference labels.
    """
    check_free(request.out, request.overwrite)
    locator = None if request.locator is None else Segmenter([request.locator], request.device)
    segmenter = Segmenter(request.bundles, request.device, locator)
    scans = request.scans
    if not scans.cases:
        raise InputError("no scan to predict on", "Check --input and --subjects", scans.source)
    missing = set(segmenter.channels) - set(scans.channels)
    # Names of which none is known can only differ in wording; where some are, order would mix channels up.
    by_position = len(missing) == len(segmenter.channels) == len(scans.channels)
    if missing and not by_position:
        raise InputError(
            f"the model needs the channels {', '.join(segmenter.channels)}; here are {', '.join(scans.channels)}",
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
        ages = AgeReader(folder / "ages.tsv", request.bundles, segmenter.networks)
        for number, case in enumerate(scans.cases, start=1):
            try:
                volumes, measured, region = _predict_case(case, request, segmenter, known, folder, ages)
                rows += volumes
                biomarkers += measured
                regions.append(region)
            except InputError:
                # The mend may be another list of scans, which must not find this attempt in its way.
                if not any(folder.rglob("*_dseg.nii.gz")):
                    shutil.rmtree(folder)
                raise
            if progress is not None:
                progress(number, len(scans.cases))
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
                "region": region_summary(request.inference, regions, _identity_of(request.locator)),
                "neurograft": neurograft.__version__,
            },
        )
    return frame


def _predict_case(
    case: Case,
    request: PredictionRequest,
    segmenter: Segmenter,
    known: list[CohortFingerprint],
    folder: Path,
    ages: AgeReader,
) -> tuple[list[dict[str, Any]], list[dict[str, Any]], Region]:
    """Segment a case, write its mask and its age, and give its rows of volumes and of biomarkers, and its region."""
    names = list(segmenter.channels if set(segmenter.channels) <= set(case.images) else case.images)
    volumes = [read_image(case.images[name]) for name in names]
    grid = volumes[0].grid
    target = folder / mask_path(request.scans, case)
    maps = [folder / probability_path(request.scans, case, name) for name in segmenter.labels.names]
    wanted = [target, *(maps if request.keep_probabilities else [])]
    whole, oracle = request.inference.region == "whole", request.inference.region == "oracle"
    if not whole:
        wanted.append(region_path(target))
    inputs = [*(case.images[name] for name in names), *([case.label] if oracle and case.label else [])]
    changed = max(path.stat().st_mtime_ns for path in inputs)
    # A scan that was replaced since an interrupted prediction is segmented anew.
    if ages.knows(case) and all(path.is_file() and path.stat().st_mtime_ns >= changed for path in wanted):
        values = read_label_map(target).data
        region = WHOLE if whole else read_region(target)
    else:
        _warn_of_spacing(case, grid.spacing_mm, request.learners)
        mask = read_label_map(case.mask) if case.mask else None
        truth = None
        if oracle:
            recipe = request.bundles[0].info.recipe
            truth = read_truth(case, centred_labels(request.scans.labels, recipe, segmenter.labels.names))
        with ages.reading(case):
            segmentation = segmenter.segment(volumes, mask, request.keep_probabilities, None, truth)
        values = segmenter.labels.to_values(segmentation.classes)
        region = segmentation.region
        if segmentation.probabilities is not None:
            for path, probability in zip(maps, segmentation.probabilities, strict=True):
                write_image(path, probability, grid)
        if not whole:
            write_region(target, region)
        write_label_map(target, values, grid)
    if region.reason:
        logger.warning("%s, region %s: %s", case.id, region.words, region.reason)
    own = CohortFingerprint(request.scans.name, {subject_hash(case.subject): (fingerprint_image(volumes[0]),)})
    seen = any(shared_with(own, cohort) for cohort in known)
    if seen:
        logger.warning("%s was among the training subjects: a score on it says nothing about new scans", case.id)
    whose = {"case": case.id, "subject": case.subject, "session": case.session}
    rows = [
        {
            **whose,
            "label": label.name,
            "index": label.values[0],
            "voxels": (count := int(np.count_nonzero(values == label.values[0]))),
            "volume_mm3": round(count * grid.voxel_volume_mm3, 4),
            "mask": mask_path(request.scans, case).as_posix(),
            "seen_in_training": "yes" if seen else "no",
            **region_columns(region),
        }
        for label in segmenter.labels.labels
    ]
    measured = _biomarkers(case, dict(zip(names, volumes, strict=True)), values, segmenter)
    return rows, [whose | row | region_columns(region) for row in measured], region


def _biomarkers(
    case: Case, channels: dict[str, Volume], values: NDArray[Any], segmenter: Segmenter
) -> list[dict[str, Any]]:
    """A row a channel and label: intensities inside the mask, and contrast ratios with a reference region."""
    structures = {label.name: (label.values[0],) for label in segmenter.labels.labels}
    region = None
    if case.reference_region is not None:
        volume = read_label_map(case.reference_region)
        grid = next(iter(channels.values())).grid
        if not volume.grid.same_as(grid):
            raise InputError(
                f"the reference region does not lie on the image's grid: {volume.grid.difference(grid)}",
                "Resample it onto the image",
                case.reference_region,
            )
        region = volume.data > 0
    return [
        {"channel": channel, "label": name, **measured.to_row()}
        for channel, volume in channels.items()
        for name, measured in measure_structures(
            volume.data, values, structures, volume.grid.spacing_mm, region, contrast_wanted=region is not None
        ).items()
    ]


def _warn_of_spacing(case: Case, spacing_mm: tuple[float, float, float], bundles: Sequence[Bundle]) -> None:
    for bundle in bundles:
        if bundle.info.recipe.preparation.spacing_mm is not None:
            continue
        # The scan's axes may run in another order than the prepared training images'.
        pairs = zip(sorted(spacing_mm), sorted(bundle.info.spacing_mm), strict=True)
        if any(abs(here / there - 1) > SPACING_TOLERANCE for here, there in pairs):
            logger.warning(
                "%s has voxels of %s mm, the training images had %s mm, and the model does not resample",
                case.id,
                " x ".join(f"{value:.2f}" for value in spacing_mm),
                " x ".join(f"{value:.2f}" for value in bundle.info.spacing_mm),
            )


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
        "neurograft": neurograft.__version__,
    }


def _identity_of(bundle: Bundle | None) -> dict[str, str] | None:
    return None if bundle is None else {"name": bundle.info.name, "weights_sha256": bundle.info.weights_sha256}
