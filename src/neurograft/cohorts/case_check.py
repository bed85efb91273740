"""Checking one case: can it be read, does it lie on one grid, are its voxels and labels sound."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from neurograft.cohorts.cohort import Case
from neurograft.cohorts.cohort_report import CaseRow, Problem, Severity
from neurograft.cohorts.fingerprints import ImageFingerprint, fingerprint_image, fingerprint_label_map
from neurograft.cohorts.open_labels import require_known_extent
from neurograft.errors import InputError
from neurograft.imaging.files import read_image, read_label_map
from neurograft.imaging.frames import read_frames
from neurograft.imaging.labels import LabelTable
from neurograft.imaging.volume import Volume

Note = Callable[[Severity, Path | None, str, str], None]


@dataclass(frozen=True)
class CaseFindings:
    """The row of a case, its problems, and what comparisons between cases need (no voxels)."""

    row: CaseRow
    problems: tuple[Problem, ...]
    fingerprint: ImageFingerprint | None
    label_was_read: bool


def check_case(case: Case, labels: LabelTable) -> CaseFindings:
    """Read every file of a case, one at a time, and note what is wrong."""
    problems: list[Problem] = []

    def note(severity: Severity, file: Path | None, text: str, mend: str) -> None:
        problems.append(Problem(severity, case.id, file, text, mend))

    row = CaseRow(case.id, case.subject, case.session, label_state=case.label_state)
    fingerprint: ImageFingerprint | None = None
    # Stands for the grid of the case: that of the first channel that can be read.
    first: Volume | None = None
    for channel, path in case.images.items():
        try:
            volume = read_image(path)
        except InputError as error:
            note("error", path, error.problem, error.mend)
            continue
        if first is None:
            first = replace(volume, data=np.broadcast_to(np.float32(0), volume.data.shape))
            fingerprint = fingerprint_image(volume)
            grid = volume.grid
            row = replace(row, shape=grid.shape, spacing_mm=grid.spacing_mm, orientation=grid.orientation)
        elif not volume.grid.same_as(first.grid):
            text = f"channel {channel!r} lies on another grid: {volume.grid.difference(first.grid)}"
            note("error", path, text, "Resample it onto the first channel's grid")
        _check_voxels(volume, path, note)
    label_was_read = False
    if case.label is not None and case.is_labelled:
        try:
            require_known_extent(case, labels)
        except InputError as error:
            note("warning", case.label, error.problem, error.mend)
        try:
            label_map = read_label_map(case.label)
        except InputError as error:
            note("error", case.label, error.problem, error.mend)
        else:
            label_was_read = True
            if not case.images:
                grid = label_map.grid
                fingerprint = fingerprint_label_map(label_map)
                row = replace(row, shape=grid.shape, spacing_mm=grid.spacing_mm, orientation=grid.orientation)
            row = _measure_labels(row, label_map, labels)
            _check_labels(row, label_map, case, labels, note)
            _check_grid(label_map, first, case.label, "the label map", note)
    for what, other in (("mask", case.mask), ("reference region", case.reference_region)):
        if other is None:
            continue
        try:
            _check_grid(read_image(other), first, other, f"the {what}", note)
        except InputError as error:
            note("error", other, error.problem, error.mend)
    if case.prior is not None:
        try:
            frames, grid = read_frames(case.prior)
            _check_grid(Volume(frames[0], grid), first, case.prior, "the prior", note)
        except InputError as error:
            note("error", case.prior, error.problem, error.mend)
    return CaseFindings(row, tuple(problems), fingerprint, label_was_read)


def _check_voxels(volume: Volume, path: Path, note: Note) -> None:
    unusable = volume.data.size - int(np.isfinite(volume.data).sum())
    if unusable:
        note("error", path, f"{unusable} voxels are NaN or infinite", "Replace them, e.g. by 0, or leave the case out")
    elif volume.data.min() == volume.data.max():
        note("warning", path, f"every voxel is {volume.data.flat[0]:g}", "Check how the image was made")


def _check_grid(volume: Volume, first: Volume | None, path: Path, what: str, note: Note) -> None:
    if first is not None and not volume.grid.same_as(first.grid):
        text = f"{what} and the image lie on different grids: {volume.grid.difference(first.grid)}"
        note("error", path, text, "Resample one onto the other's grid, or correct the header")


def _measure_labels(row: CaseRow, label_map: Volume, labels: LabelTable) -> CaseRow:
    classes = labels.to_classes(label_map.data)
    counts = np.bincount(classes[classes > 0], minlength=len(labels.names) + 1)[1:]
    volumes = {
        name: float(count) * label_map.grid.voxel_volume_mm3 for name, count in zip(labels.names, counts, strict=True)
    }
    return replace(row, volume_mm3=volumes, labels=tuple(name for name, volume in volumes.items() if volume > 0))


def _check_labels(row: CaseRow, label_map: Volume, case: Case, labels: LabelTable, note: Note) -> None:
    unknown = labels.unknown_values(label_map.data)
    if unknown:
        shown = ", ".join(map(str, unknown[:10])) + (", ..." if len(unknown) > 10 else "")
        note(
            "warning",
            case.label,
            f"{'values' if len(unknown) > 1 else 'value'} {shown} not in the label table",
            "Name them in the label table; as it is they count as background",
        )
    if not row.labels:
        note("warning", case.label, "the label map holds no label", "Leave it out, or set label_state to none")
    for name in row.labels:
        if case.state_of(name) == "none":
            note(
                "warning",
                case.label,
                f"label {name!r} is present although its label_state is none",
                "Correct the label_state; as it is the label is not used",
            )
