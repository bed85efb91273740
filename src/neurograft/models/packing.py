"""Make a model fit to be passed on: half the size, and a card that says what it was made from and what it can do."""

import csv
import hashlib
import os
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from neurograft.cohorts import Cohort, CohortFingerprint, fingerprint_cohort
from neurograft.errors import InputError
from neurograft.imaging.files import read_label_map
from neurograft.imaging.pictures import file_of
from neurograft.models.bundle import WEIGHTS, Bundle, BundleInfo, save_bundle
from neurograft.models.half_precision import halved, largest_rounding
from neurograft.models.volume_range import VolumeRange, volume_ranges
from neurograft.outputs import staged_directory


@dataclass(frozen=True)
class Packed:
    """What came of packing.

    Attributes:
        info: of the packed model.
        mib: size of its weights on disk.
        largest_rounding: largest change of a weight, as a share of the largest of its tensor.
    """

    info: BundleInfo
    mib: float
    largest_rounding: float


def pack_model(
    bundle: Bundle,
    out: Path,
    name: str | None = None,
    cohort: Cohort | None = None,
    figures: Path | None = None,
    limits: Path | None = None,
    overwrite: bool = False,
) -> Packed:
    """Write a model anew with weights in half precision and a fuller card.

    Args:
        bundle: the model.
        out: folder of the packed one.
        name: its name; the old one by default.
        cohort: what it was trained on, whose files' hashes and volumes the card shall show.
        figures: a tab-separated table of what it was measured to do, any columns.
        limits: a text of what it cannot do, a sentence a line.
        overwrite: replace an earlier one.

    Raises:
        InputError: a cohort that the model was not trained on, an unreadable table, a weight that half
            precision cannot hold, or an output that exists.
    """
    info = bundle.info.model_copy(update={"storage": "float16"})
    if name is not None:
        info = info.model_copy(update={"name": name})
    if cohort is not None:
        _require_training_cohort(cohort, bundle)
        info = info.model_copy(update={"sources": file_hashes(cohort)})
        if not info.volumes:
            info = info.model_copy(update={"volumes": label_volumes(cohort, bundle)})
    if figures is not None:
        info = info.model_copy(update={"figures": _read_figures(figures)})
    if limits is not None:
        info = info.model_copy(update={"limits": _read_lines(limits)})
    network = bundle.network()
    state = network.state_dict()
    rounding = largest_rounding(state, halved(state))
    with staged_directory(out, info.model_dump(mode="json"), overwrite) as folder:
        info = save_bundle(folder, info, network)
    return Packed(info, (out / WEIGHTS).stat().st_size / 2**20, rounding)


def file_hashes(cohort: Cohort) -> dict[str, str]:
    """SHA-256 of every image and label map of a cohort, by its path below the folder that holds them all."""
    paths = {
        Path(os.path.abspath(file_of(path)))
        for case in cohort.cases
        for path in (*case.images.values(), case.label)
        if path is not None
    }
    if not paths:
        return {}
    folder = os.path.commonpath([path.parent for path in paths])
    return {path.relative_to(folder).as_posix(): _sha256(path) for path in sorted(paths)}


def label_volumes(cohort: Cohort, bundle: Bundle) -> list[VolumeRange]:
    """How large the model's labels are in the label maps of a cohort that are annotated everywhere."""
    table = cohort.select_labels(bundle.info.recipe.labels).labels
    cases = []
    for case in cohort.cases:
        if case.label is None or case.label_state != "dense":
            continue
        label_map = read_label_map(case.label)
        counts = np.bincount(table.to_classes(label_map.data).ravel().clip(0), minlength=len(table) + 1)
        mm3 = label_map.grid.voxel_volume_mm3
        cases.append({name: float(count * mm3) for name, count in zip(table.names, counts[1:], strict=True)})
    return volume_ranges([name for name in bundle.labels.names if name in table.names], cases)


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _require_training_cohort(cohort: Cohort, bundle: Bundle) -> None:
    known = [CohortFingerprint.from_dict(entry) for entry in bundle.info.training_subjects]
    voxels = {image.voxels for entry in known for images in entry.subjects.values() for image in images}
    strange = [
        subject
        for subject in cohort.subjects
        for images in fingerprint_cohort(cohort.of_subjects([subject])).subjects.values()
        if any(image.voxels not in voxels for image in images)
    ]
    if strange:
        raise InputError(
            f"the model was not trained on {', '.join(strange[:3])}{', ...' if len(strange) > 3 else ''}",
            "Give the cohort that it was trained on, with --subjects if that was a part of it",
            cohort.source,
        )


def _read_figures(path: Path) -> list[dict[str, str]]:
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            reader = csv.DictReader(file, delimiter="\t")
            rows = [{key: value for key, value in row.items() if key is not None} for row in reader]
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise InputError(f"the figures cannot be read ({error})", "Give a tab-separated text", path) from error
    if not rows or any(value is None for row in rows for value in row.values()):
        raise InputError("the table of figures has no rows, or rows that are too short", "Fill it", path)
    return rows


def _read_lines(path: Path) -> list[str]:
    try:
        lines = [line.strip().removeprefix("- ") for line in path.read_text("utf-8").splitlines()]
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"cannot be read ({error})", "Give a text with a sentence a line", path) from error
    return [line for line in lines if line and not line.startswith("#")]
