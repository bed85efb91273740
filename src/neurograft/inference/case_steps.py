"""What is done to a case of a prediction: its files are read, it is segmented, its results are written."""

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from neurograft.cohorts import Case, Cohort, CohortFingerprint, fingerprint_image, shared_with, subject_hash
from neurograft.cohorts.priors import case_prior
from neurograft.errors import InputError
from neurograft.evaluation.biomarkers.structures import measure_structures
from neurograft.imaging.files import read_image, read_label_map, write_image, write_label_map
from neurograft.imaging.prior import Prior
from neurograft.imaging.volume import Volume
from neurograft.inference.ages import AgeReader
from neurograft.inference.evidence import Evidence
from neurograft.inference.files import mask_path, overlay_path, probability_paths
from neurograft.inference.finished import FinishedCases, file_states
from neurograft.inference.oracle import centred_labels, read_truth
from neurograft.inference.overlay import write_overlay
from neurograft.inference.region_files import read_region, region_columns, region_path, write_region
from neurograft.inference.regions import WHOLE, Region, Truth
from neurograft.inference.request import PredictionRequest
from neurograft.inference.segmenting import Segmenter
from neurograft.inference.trust_table import TrustTable
from neurograft.models import Bundle

logger = logging.getLogger(__name__)

SPACING_TOLERANCE = 0.1
"""Relative difference in voxel size from the training images above which the user is told."""

CaseResult = tuple[list[dict[str, Any]], list[dict[str, Any]], Region]
"""Rows of volumes, rows of biomarkers, and the region that was looked at."""


@dataclass(frozen=True, eq=False)
class CaseInput:
    """A case's files in memory.

    Attributes:
        case: whose.
        names: channels.
        volumes: their images, in the same order.
        made_from: states of the files that decide the mask, and of what else may differ between two attempts.
        mask, truth, prior: where the case has them and the models want them.
        finished: its classes as label values and its region, where an interrupted prediction has left both.
    """

    case: Case
    names: list[str]
    volumes: list[Volume]
    made_from: dict[str, Any]
    mask: Volume | None = None
    truth: Truth | None = None
    prior: Prior | None = None
    finished: tuple[NDArray[Any], Region] | None = None


@dataclass(frozen=True, eq=False)
class CaseOutput:
    """A case's results before they are written.

    Attributes:
        given: what it was made from.
        values: label values on the files' grid.
        probabilities: (labels, *shape), if they were asked for.
        region: that was looked at.
        evidence: how certain the models were.
    """

    given: CaseInput
    values: NDArray[Any]
    probabilities: NDArray[np.float32] | None
    region: Region
    evidence: Evidence | None = None


@dataclass(frozen=True, eq=False)
class CaseSteps:
    """The three steps, which may run in three threads on three cases.

    Args:
        scans: all cases.
        request: what was asked for.
        segmenter: the models.
        known: people whom the models have learnt from.
        folder: for the results.
        ages: table of ages.
        trust: table of signs against masks.
        done: what an interrupted prediction has finished.
    """

    scans: Cohort
    request: PredictionRequest
    segmenter: Segmenter
    known: Sequence[CohortFingerprint]
    folder: Path
    ages: AgeReader
    trust: TrustTable
    done: FinishedCases

    def read(self, case: Case) -> CaseInput:
        """Read what a case has, or its finished mask."""
        request, segmenter = self.request, self.segmenter
        names = list(segmenter.channels if set(segmenter.channels) <= set(case.images) else case.images)
        whole, oracle = request.inference.region == "whole", request.inference.region == "oracle"
        inputs = [*(case.images[name] for name in names), *([case.label] if oracle and case.label else [])]
        inputs += [path for path in (case.prior, case.mask) if path]
        made_from = {"files": file_states(inputs), "memory_mib": request.memory_mib}
        volumes = [read_image(case.images[name]) for name in names]
        target = self.folder / mask_path(self.scans, case)
        wanted = [target, *(self._maps(case) if request.keep_probabilities else [])]
        if request.overlays:
            wanted.append(overlay_path(target))
        if not whole:
            wanted.append(region_path(target))
        # A scan that was replaced since an interrupted prediction is segmented anew.
        known = self.done.knows(case.id, made_from) and self.ages.knows(case) and self.trust.knows(case)
        if known and all(path.is_file() for path in wanted):
            region = WHOLE if whole else read_region(target)
            return CaseInput(case, names, volumes, made_from, finished=(read_label_map(target).data, region))
        _warn_of_spacing(case, volumes[0].grid.spacing_mm, request.learners)
        mask = read_label_map(case.mask) if case.mask else None
        recipe = request.bundles[0].info.recipe
        truth = None
        if oracle:
            truth = read_truth(case, centred_labels(self.scans.labels, recipe, segmenter.labels.names))
        return CaseInput(case, names, volumes, made_from, mask, truth, case_prior(case, recipe.preparation))

    def segment(self, given: CaseInput) -> CaseOutput:
        """Segment a case, unless it is finished, and write its age."""
        if given.finished is not None:
            values, region = given.finished
            return CaseOutput(given, values, None, region)
        with self.ages.reading(given.case):
            found = self.segmenter.segment(
                given.volumes, given.mask, self.request.keep_probabilities, None, given.truth, given.prior
            )
        values = self.segmenter.labels.to_values(found.classes)
        return CaseOutput(given, values, found.probabilities, found.region, found.evidence)

    def write(self, output: CaseOutput) -> CaseResult:
        """Write a case's mask, what goes with it, and last that it is finished; give its rows of the tables."""
        given, values, region = output.given, output.values, output.region
        case, grid = given.case, given.volumes[0].grid
        if given.finished is None:
            target = self.folder / mask_path(self.scans, case)
            if output.probabilities is not None:
                for path, probability in zip(self._maps(case), output.probabilities, strict=True):
                    write_image(path, probability, grid)
            if self.request.inference.region != "whole":
                write_region(target, region)
            self.trust.add(case, values, grid, output.evidence)
            if self.request.overlays:
                write_overlay(overlay_path(target), given.volumes[0], values, self.segmenter.labels, case.id)
            write_label_map(target, values, grid)
            self.done.add(case.id, given.made_from)
        if region.reason:
            logger.warning("%s, region %s: %s", case.id, region.words, region.reason)
        own = CohortFingerprint(self.scans.name, {subject_hash(case.subject): (fingerprint_image(given.volumes[0]),)})
        seen = any(shared_with(own, cohort) for cohort in self.known)
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
                "mask": mask_path(self.scans, case).as_posix(),
                "seen_in_training": "yes" if seen else "no",
                **region_columns(region),
            }
            for label in self.segmenter.labels.labels
        ]
        channels = dict(zip(given.names, given.volumes, strict=True))
        measured = _biomarkers(case, channels, values, self.segmenter)
        return rows, [whose | row | region_columns(region) for row in measured], region

    def _maps(self, case: Case) -> list[Path]:
        return [self.folder / path for path in probability_paths(self.scans, case, self.segmenter.labels.names)]


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
