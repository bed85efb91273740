"""Scans that are just files: something to predict on, without labels."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from neurograft.cohorts.cohort import Case, Cohort
from neurograft.cohorts.label_maps import holds_label_maps
from neurograft.cohorts.opening import open_cohort
from neurograft.cohorts.pictures import holds_pictures
from neurograft.errors import InputError
from neurograft.imaging.files import is_image_file, stem
from neurograft.imaging.labels import LabelTable

COHORT_FILES = ("dataset.json", "dataset_description.json", "cohort.tsv", "cohort.csv")


def open_scans(path: Path | str, channels: Sequence[str], bids_filters: Mapping[str, str] | None = None) -> Cohort:
    """Open an image file, a folder of image files, or anything that `open_cohort` opens.

    Args:
        path: the file, folder or cohort.
        channels: what the model wants; bare files can only serve one.
        bids_filters: for a BIDS dataset, which files to take.

    Raises:
        InputError: no scans here, or bare files where several channels are wanted.
    """
    path = Path(path)
    if not path.exists():
        raise InputError("no such file or folder", "Check --input", path)
    if path.is_file() and is_image_file(path):
        files = [path]
    elif path.is_dir() and not any((path / name).is_file() for name in COHORT_FILES) and not holds_label_maps(path):
        files = sorted(file for file in path.iterdir() if file.is_file() and is_image_file(file))
        if not files and holds_pictures(path):
            return open_cohort(path)
        if not files:
            raise InputError("no scans in this folder (.nii, .nii.gz, .mgz)", "Check --input", path)
    else:
        return open_cohort(path, bids_filters=bids_filters)
    if len(channels) != 1:
        raise InputError(
            f"the model needs {len(channels)} channels ({', '.join(channels)}), which bare files cannot say",
            f"Give a table with the columns subject, {', '.join(f'image_{name}' for name in channels)}",
            path,
        )
    cases = tuple(Case(stem(file), stem(file), None, {channels[0]: file}) for file in files)
    repeated = sorted({case.id for case in cases if sum(case.id == other.id for other in cases) > 1})
    if repeated:
        raise InputError(f"several files are named {repeated[0]}", "Rename them or remove one", path)
    return Cohort(path.name, path, "files", tuple(channels), LabelTable(()), cases)
