"""A probabilistic atlas from labelled people: each brought to a reference, and averaged there."""

import logging
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

import neurograft
from neurograft.cohorts.atlas.atlas import CARD, LABELS, MAPS, REFERENCE
from neurograft.cohorts.cohort import Case, Cohort
from neurograft.cohorts.fingerprints import fingerprint_cohort
from neurograft.errors import InputError
from neurograft.imaging.cropping import Box, nonzero_box
from neurograft.imaging.files import read_image, read_label_map, write_image
from neurograft.imaging.frames import write_probabilities
from neurograft.imaging.grid import Grid
from neurograft.imaging.labels import LabelTable
from neurograft.imaging.registration import (
    NONLINEAR,
    RegistrationSettings,
    SpatialTransform,
    register,
    warp,
    warp_classes,
)
from neurograft.imaging.registration.working_images import upright_grid, working_volume
from neurograft.imaging.template import mni152
from neurograft.imaging.volume import Volume
from neurograft.outputs import staged_directory, write_json, write_table, write_text

logger = logging.getLogger(__name__)

_BEYOND_MM = 5.0
"""Kept around the labels' box under the affine map, besides the largest displacement."""


@dataclass(frozen=True)
class BuildRequest:
    """What to build.

    Attributes:
        cohort: labelled people; the atlas has its labels, in their order.
        out: the folder for the atlas.
        reference: image of the space to build in; the MNI152 template by default.
        channel: which channel is registered; the first by default.
        made_image: makes an image from a label map, for a cohort without images.
        settings: of the registration.
        overwrite: replace an earlier atlas.
    """

    cohort: Cohort
    out: Path
    reference: Path | None = None
    channel: str | None = None
    made_image: Callable[[Volume], Volume] | None = None
    settings: RegistrationSettings = NONLINEAR
    overwrite: bool = False


def build_atlas(request: BuildRequest, progress: Callable[[int, int], None] | None = None) -> pd.DataFrame:
    """Build an atlas and write its folder: maps, reference image, label table, card, scores.

    The reference image is the mean of the people's scans after registration: its contrast is that
    of the scans, so that others of the kind fit it better than they fit the template.

    Returns:
        A row a case: case, subject, and the figures of `RegistrationScore`.

    Raises:
        InputError: nobody is labelled, one label is nowhere, or a file cannot be used.
    """
    cohort = request.cohort.labelled()
    if not cohort.cases or not len(cohort.labels):
        raise InputError("no case has a label map, so there is no atlas to build", "Label some", cohort.source)
    fixed = mni152(1) if request.reference is None else read_image(request.reference)
    people = fingerprint_cohort(cohort)
    identity = {
        "people": people.to_dict(),
        "labels": cohort.labels.to_dict(),
        "reference": None if request.reference is None else str(request.reference.absolute()),
        "channel": request.channel,
        "settings": asdict(request.settings),
        "neurograft": neurograft.__version__,
    }
    with staged_directory(request.out, identity, request.overwrite) as folder:
        maps = np.zeros((len(cohort.labels), *fixed.grid.shape), np.float32)
        mean_grid = upright_grid(fixed.grid, request.settings.spacing_mm)
        mean = np.zeros(mean_grid.shape, np.float32)
        rows = []
        for number, case in enumerate(cohort.cases, start=1):
            image, label_map = _read(case, request)
            found = register(fixed, image, request.settings)
            classes = cohort.labels.to_classes(label_map.data)
            where = _reach(classes, label_map.grid, found.transform, fixed.grid)
            maps += warp_classes(classes, label_map.grid, len(maps), found.transform, fixed.grid, where)
            mean += warp(working_volume(image, request.settings.spacing_mm), found.transform, mean_grid)
            suspicious = found.score.suspicious
            if suspicious:
                logger.warning("case %s may be registered wrongly: %s", case.id, suspicious)
            rows.append({"case": case.id, "subject": case.subject, **asdict(found.score), "suspicious": suspicious})
            if progress is not None:
                progress(number, len(cohort))
        maps /= len(cohort)
        absent = [name for name, part in zip(cohort.labels.names, maps, strict=True) if not part.any()]
        if absent:
            raise InputError(
                f"no case shows {', '.join(absent)}", "Choose labels that are there with --label", cohort.source
            )
        write_probabilities(folder / MAPS, maps, fixed.grid)
        write_image(folder / REFERENCE, mean / len(cohort), mean_grid)
        numbered = LabelTable.from_names(dict(enumerate(cohort.labels.names, start=1)))
        numbered.to_tsv(folder / LABELS)
        frame = pd.DataFrame(rows)
        write_table(folder / "registrations.tsv", frame)
        write_json(folder / CARD, {"cohort": cohort.name, "cases": len(cohort), **identity})
        write_text(folder / "README.md", _card(cohort, request, maps, fixed.grid))
    return frame


def _read(case: Case, request: BuildRequest) -> tuple[Volume, Volume]:
    if case.label is None:
        raise InputError(f"case {case.id} has no label map", "Give it one")
    label_map = read_label_map(case.label)
    if not case.images:
        if request.made_image is None:
            raise InputError(f"case {case.id} has no image to register", "Give a cohort of images", case.label)
        return request.made_image(label_map), label_map
    image = read_image(channel_path(case, request.channel))
    if not image.grid.same_as(label_map.grid):
        raise InputError(
            f"the label map does not lie on the image's grid: {label_map.grid.difference(image.grid)}",
            "Resample it onto the image",
            case.label,
        )
    return image, label_map


def channel_path(case: Case, channel: str | None) -> Path:
    """The file of a channel, or of the first one.

    Raises:
        InputError: the case has no such channel.
    """
    if channel is None:
        return next(iter(case.images.values()))
    if channel not in case.images:
        raise InputError(f"case {case.id} has no channel {channel!r}", f"Its channels: {', '.join(case.images)}")
    return case.images[channel]


def _reach(classes: NDArray[np.int16], moving: Grid, transform: SpatialTransform, fixed: Grid) -> NDArray[np.bool_]:
    """Where on the fixed grid labels can come to lie; only these voxels are worth computing."""
    where = np.zeros(fixed.shape, bool)
    if not (classes > 0).any():
        return where
    to_fixed = np.linalg.inv(fixed.affine) @ np.linalg.inv(transform.affine) @ moving.affine
    box = nonzero_box(classes > 0).mapped(to_fixed)
    largest = 0.0
    if transform.displacement is not None:
        largest = float(np.sqrt((transform.displacement**2).sum(axis=0)).max())
    margin = int(np.ceil((largest + _BEYOND_MM) / min(fixed.spacing_mm)))
    box = Box(box.start, box.stop).grown(margin).clipped(fixed.shape)
    where[tuple(slice(first, last) for first, last in zip(box.start, box.stop, strict=True))] = True
    return where


def _card(cohort: Cohort, request: BuildRequest, maps: NDArray[np.float32], grid: Grid) -> str:
    space = "MNI152 (nilearn's template)" if request.reference is None else request.reference.name
    rows = "\n".join(
        f"| {name} | {float(part.sum()) * grid.voxel_volume_mm3:.0f} | {float(part.max()):.2f} |"
        for name, part in zip(cohort.labels.names, maps, strict=True)
    )
    return f"""# Probabilistic atlas of {cohort.name}

Made with neurograft {neurograft.__version__} from {len(cohort)} labelled scans of {len(cohort.subjects)} people, each
registered ({request.settings.kind}) to {space} and averaged.

`{MAPS}` holds one frame a label, in the order of `{LABELS}`; background is what the frames leave of 1.
`{REFERENCE}` is the mean of the registered scans, which other scans are registered to.

| label | expected volume, mm3 | highest probability |
|---|---|---|
{rows}

The people's fingerprints are in `{CARD}`: a prior must not come from the person whom it is used on.
"""
