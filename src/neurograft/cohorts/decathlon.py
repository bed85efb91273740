"""A cohort from a folder in the layout of the Medical Segmentation Decathlon."""

import csv
import json
import logging
from pathlib import Path
from typing import Any

from neurograft.cohorts.cohort import Case, Cohort
from neurograft.cohorts.known_datasets import hippocampus_families, hippocampus_subject, is_msd_hippocampus
from neurograft.errors import InputError
from neurograft.imaging.files import stem
from neurograft.imaging.labels import LabelTable

logger = logging.getLogger(__name__)


def read_decathlon(path: Path | str, name: str | None = None) -> Cohort:
    """Read the training cases of a Decathlon folder.

    Who a case belongs to is read from ``subjects.tsv`` in the folder (columns ``case``,
    ``subject``; other columns are covariates). Without it Task04's own pairing is known;
    any other folder's cases count as one subject each, with a warning.

    Args:
        path: the folder that holds ``dataset.json``.
        name: the cohort's name; by default the folder's.

    Raises:
        InputError: ``dataset.json`` or ``subjects.tsv`` is not as expected, or a file is missing.
    """
    folder = Path(path)
    file = folder / "dataset.json"
    content = _read_json(file)
    channel = _channel(content, file)
    labels = _labels(content, file)
    images, label_maps = _training_files(content, folder, file)
    people = _people(folder, content, images)
    cases = []
    for case_name, image in images.items():
        subject, covariates = people[case_name]
        label = label_maps.get(case_name)
        cases.append(
            Case(
                id=case_name,
                subject=subject,
                session=None,
                images={channel: image},
                label=label,
                label_state="dense" if label else "none",
                covariates=covariates,
            )
        )
    return Cohort(name or folder.absolute().name, folder, "decathlon", (channel,), labels, tuple(cases))


def _read_json(file: Path) -> dict[str, Any]:
    mend = "Give a Decathlon folder: dataset.json, imagesTr/ and labelsTr/"
    try:
        content = json.loads(file.read_text("utf-8-sig"))
    except FileNotFoundError as error:
        raise InputError("no such file", mend, file) from error
    except (OSError, ValueError) as error:
        raise InputError(f"not valid JSON: {error}", mend, file) from error
    if not isinstance(content, dict) or not isinstance(content.get("training"), list):
        raise InputError("there is no list 'training'", mend, file)
    if not content["training"]:
        raise InputError("the list 'training' is empty", "Add the cases to dataset.json", file)
    return content


def _channel(content: dict[str, Any], file: Path) -> str:
    channels = content.get("modality") or content.get("channel_names") or {"0": "image"}
    if not isinstance(channels, dict) or len(channels) != 1:
        raise InputError(
            "the images hold several modalities in one 4D file, which is not supported",
            "Write one file per modality and list them in a table with columns image_<channel>",
            file,
        )
    return str(next(iter(channels.values())))


def _labels(content: dict[str, Any], file: Path) -> LabelTable:
    """Labels by value ("1": "Anterior", the Decathlon's way) or by name ("Anterior": 1, nnU-Net's)."""
    labels = content.get("labels")
    names: dict[int, str] = {}
    try:
        for key, value in dict(labels or {}).items():
            index, label_name = (int(key), str(value)) if str(key).isdigit() else (int(value), str(key))
            names[index] = label_name
    except (TypeError, ValueError) as error:
        raise InputError(
            f"'labels' must map label values to names, got {labels!r}", 'Write for example {"1": "Anterior"}', file
        ) from error
    names.pop(0, None)
    return LabelTable.from_names(names)


def _training_files(content: dict[str, Any], folder: Path, file: Path) -> tuple[dict[str, Path], dict[str, Path]]:
    images: dict[str, Path] = {}
    label_maps: dict[str, Path] = {}
    for number, entry in enumerate(content["training"]):
        pair = {"image": entry} if isinstance(entry, str) else entry
        if not isinstance(pair, dict) or not isinstance(pair.get("image"), str):
            raise InputError(f"entry {number} of 'training' names no image", "Give each entry an 'image'", file)
        image = folder / pair["image"]
        case_name = stem(image)
        if case_name in images:
            raise InputError(f"case {case_name!r} is listed twice", "Keep one of the two entries", file)
        images[case_name] = image
        if pair.get("label"):
            label_maps[case_name] = folder / str(pair["label"])
    missing = [str(path) for path in (*images.values(), *label_maps.values()) if not path.is_file()]
    if missing:
        raise InputError(
            f"{len(missing)} of the files listed do not exist, the first is {missing[0]}",
            "Correct dataset.json, or add the files",
            file,
        )
    return images, label_maps


def _people(folder: Path, content: dict[str, Any], images: dict[str, Path]) -> dict[str, tuple[str, dict[str, str]]]:
    """Subject and covariates of every case."""
    table = folder / "subjects.tsv"
    if table.is_file():
        return _read_subjects(table, images)
    if is_msd_hippocampus(str(content.get("name", "")), list(images)):
        families = hippocampus_families(images)
        return {case: (hippocampus_subject(case), {"intensity_family": families[case]}) for case in images}
    logger.warning(
        "%s has no subjects.tsv: each of its %d cases counts as a subject of its own, "
        "and two scans of one person may end up on both sides of a split",
        folder,
        len(images),
    )
    return {case: (case, {}) for case in images}


def _read_subjects(table: Path, images: dict[str, Path]) -> dict[str, tuple[str, dict[str, str]]]:
    with table.open(encoding="utf-8-sig", newline="") as stream:
        rows = list(csv.DictReader(stream, delimiter="\t", restval=""))
    if not rows or not {"case", "subject"} <= set(rows[0]):
        raise InputError(
            "columns 'case' and 'subject' are expected",
            "Add them, with tabs between the cells, or remove the file",
            table,
        )
    people = {}
    for row in rows:
        covariates = {key: value for key, value in row.items() if key not in ("case", "subject", None)}
        people[row["case"]] = (row["subject"], covariates)
    absent = [case for case in images if not people.get(case, ("",))[0]]
    if absent:
        raise InputError(
            f"{len(absent)} cases of dataset.json have no subject here, the first is {absent[0]!r}",
            "Add a row for each case",
            table,
        )
    return people
