"""Scans of the sub-cortical demonstration: made T1-like images with an atlas, and real ones with the same atlas."""

import logging
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pandas as pd

from neurograft.cohorts import Cohort, open_cohort
from neurograft.cohorts.atlas import ApplyRequest, BuildRequest, apply_atlas, build_atlas, open_atlas
from neurograft.cohorts.atlas.apply import AppliedCase
from neurograft.errors import InputError
from neurograft.imaging.files import write_label_map
from neurograft.imaging.prior import read_prior
from neurograft.imaging.volume import Volume
from neurograft.inference.prior_region import prior_foreground
from neurograft.phantoms.pseudo_image import pseudo_t1
from neurograft.recipes import load_recipe
from neurograft.reports.registration_overlay import write_registration_overlay
from neurograft.training.synthetic_cohort import write_synthetic_cohort

logger = logging.getLogger(__name__)

STRUCTURES: Mapping[str, str] = {
    f"{side} {name}": f"{side.lower()} {theirs}"
    for name, theirs in {
        "Thalamus Proper": "thalamus",
        "Caudate": "caudate",
        "Putamen": "putamen",
        "Pallidum": "pallidum",
        "Hippocampus": "hippocampus",
        "Amygdala": "amygdala",
        "Accumbens Area": "accumbens area",
    }.items()
    for side in ("Left", "Right")
}
"""P5's fourteen structures: names in the real scans, and in the label maps that images are made from."""

T1_LIKE = (
    "synthesis.look=t1",
    "synthesis.strip_probability=1",
    "synthesis.strip_border_mm=[-0.5,0.5]",
    "synthesis.zero_air_probability=1",
    "synthesis.low_resolution_probability=0.1",
    "synthesis.low_resolution_mm=[1.2,2]",
    "synthesis.lesion_probability=0",
    "synthesis.ringing_probability=0",
    "synthesis.ghost_probability=0",
    "synthesis.partial_view_probability=0",
    "augmentation.rotation_degrees=[6,6,6]",
    "augmentation.scale=[0.92,1.08]",
)
"""What differs from the recipe synthetic-brain: one contrast, skull-stripped, whole, hardly turned."""

CHANNEL = "T1w"
ATLAS_PEOPLE = 8
"""Label maps that the atlas is built from; images are made of the others."""
SOURCE_SEED = 2026


@dataclass(frozen=True)
class SubcorticalScans:
    """The two cohorts, each with a prior and a region of interest that come from the atlas alone.

    Attributes:
        source: made images.
        target: real ones.
        registration_seconds: of each real scan; empty where registrations were remembered.
    """

    source: Cohort
    target: Cohort
    registration_seconds: tuple[float, ...]


def subcortical_scans(folder: Path, data_root: Path, images_each: int) -> SubcorticalScans:
    """Make the source, build the atlas, bring it to every scan; what is there already is kept.

    Args:
        folder: for everything that is made.
        data_root: holds ``brain-label-maps`` and ``miccai2012-train``.
        images_each: images of each label map of the source.

    Raises:
        InputError: a data set is missing.
    """
    for name in ("brain-label-maps", "miccai2012-train"):
        if not (data_root / name).is_dir():
            raise InputError(f"holds no folder {name}", "Give the folder above both data sets", data_root)
    maps = open_cohort(data_root / "brain-label-maps")
    atlas_people, source_people = maps.subjects[:ATLAS_PEOPLE], maps.subjects[ATLAS_PEOPLE:]
    merged = {name: (theirs,) for name, theirs in STRUCTURES.items()}
    atlas = folder / "atlas"
    if not atlas.is_dir():
        values = {value: label.name for label in maps.labels.labels for value in label.values}

        def made(label_map: Volume) -> Volume:
            return pseudo_t1(label_map, values)

        build_atlas(BuildRequest(maps.of_subjects(atlas_people).select_labels(merged), atlas, made_image=made))
    written = folder / "source"
    if not written.is_dir():
        recipe = load_recipe("synthetic-brain", T1_LIKE).model_copy(update={"labels": merged})
        write_synthetic_cohort(maps.of_subjects(source_people), recipe, written, images_each, SOURCE_SEED)
    target = open_cohort(data_root / "miccai2012-train").select_labels(list(STRUCTURES))
    source, _ = _with_atlas(open_cohort(written, name="made T1-like images"), atlas, folder / "source-atlas")
    target, seconds = _with_atlas(target, atlas, folder / "target-atlas")
    return SubcorticalScans(source, target, seconds)


def _with_atlas(cohort: Cohort, atlas: Path, folder: Path) -> tuple[Cohort, tuple[float, ...]]:
    """The cohort with priors, and masks of where they give any structure a chance."""
    if not folder.is_dir():
        apply_atlas(ApplyRequest(open_atlas(atlas), cohort, folder, draw=_draw))
    registered = pd.read_csv(folder / "registrations.tsv", sep="\t", dtype={"case": str, "subject": str})
    seconds = tuple(float(value) for value in registered["seconds"] if value > 0)
    masks = folder / "masks"
    masks.mkdir(exist_ok=True)
    cases = []
    for case in cohort.cases:
        prior, mask = folder / "priors" / f"{case.id}.nii.gz", masks / f"{case.id}.nii.gz"
        if not mask.is_file():
            found = read_prior(prior)
            write_label_map(mask, prior_foreground(found.frames).astype(np.int32), found.grid)
        (image,) = case.images.values()
        cases.append(replace(case, images={CHANNEL: image}, prior=prior, mask=mask))
    return replace(cohort, channels=(CHANNEL,), cases=tuple(cases)), seconds


def _draw(path: Path, applied: AppliedCase) -> None:
    found = applied.registered
    write_registration_overlay(
        path, applied.scan, applied.frames, applied.reference, found.transform, found.score, applied.case.id
    )
