"""Names of the files that a prediction writes: BIDS derivatives for BIDS input, plain otherwise."""

from collections.abc import Sequence
from pathlib import Path

import neurograft
from neurograft.cohorts import Case, Cohort
from neurograft.imaging.labels import LabelTable
from neurograft.outputs import write_json

DESCRIPTION = "neurograft"
"""Value of the BIDS entity ``desc``."""

SHORT = {
    "subject": "sub",
    "session": "ses",
    "acquisition": "acq",
    "reconstruction": "rec",
    "run": "run",
    "space": "space",
}
"""Entities that a derivative keeps from the image's name, in BIDS order."""


def mask_path(cohort: Cohort, case: Case) -> Path:
    """Where a case's mask lies, relative to the output folder."""
    if cohort.kind != "bids":
        return Path(f"{case.id}_dseg.nii.gz")
    return _bids_folder(case) / f"{_bids_stem(case)}_dseg.nii.gz"


def probability_paths(cohort: Cohort, case: Case, labels: Sequence[str]) -> list[Path]:
    """Where the probability of each label lies, relative to the output folder.

    A label is its letters and digits there; a number tells those apart that have the same.
    """
    words: list[str] = []
    for label in labels:
        word = plain = "".join(letter for letter in label.title() if letter.isalnum())
        number = 1
        while word in words:
            number += 1
            word = f"{plain}{number}"
        words.append(word)
    if cohort.kind != "bids":
        return [Path(f"{case.id}_label-{word}_probseg.nii.gz") for word in words]
    return [_bids_folder(case) / f"{_bids_stem(case, f'label-{word}')}_probseg.nii.gz" for word in words]


def overlay_path(mask: Path) -> Path:
    """The picture that goes with a mask, ``<name>_dseg.png``."""
    return mask.with_name(f"{mask.name.removesuffix('.nii.gz')}.png")


def write_descriptions(folder: Path, cohort: Cohort, labels: LabelTable) -> None:
    """Write the label table, and for BIDS the data set's description."""
    if cohort.kind != "bids":
        labels.to_tsv(folder / "labels.tsv")
        return
    labels.to_tsv(folder / f"desc-{DESCRIPTION}_dseg.tsv")
    description = {
        "Name": f"{cohort.name}: segmentations",
        "BIDSVersion": "1.10.0",
        "DatasetType": "derivative",
        "GeneratedBy": [{"Name": "neurograft", "Version": neurograft.__version__}],
    }
    write_json(folder / "dataset_description.json", description)


def _bids_folder(case: Case) -> Path:
    session = case.entities.get("session")
    folder = Path(f"sub-{case.entities['subject']}")
    if session:
        folder /= f"ses-{session}"
    return folder / case.entities.get("datatype", "anat")


def _bids_stem(case: Case, *more: str) -> str:
    parts = [f"{short}-{case.entities[name]}" for name, short in SHORT.items() if name in case.entities]
    return "_".join([*parts, *more, f"desc-{DESCRIPTION}"])
