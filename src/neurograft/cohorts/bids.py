"""A cohort from a BIDS dataset, with labels from its derivatives."""

import csv
import logging
import warnings
from collections import defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from neurograft.cohorts.bids_filters import BidsFilters
from neurograft.cohorts.bids_labels import label_names, match_label
from neurograft.cohorts.cohort import Case, Cohort
from neurograft.errors import InputError

logger = logging.getLogger(__name__)

IMAGE_EXTENSIONS = (".nii.gz", ".nii", ".mgz")


def read_bids(
    path: Path | str, filters: Mapping[str, str | Sequence[str]] | None = None, name: str | None = None
) -> Cohort:
    """Read a BIDS dataset and its derivatives.

    Each subject and session must have one image per channel. Images are looked for in the
    dataset itself, then in its derivatives; labels (``dseg``, or ``mask`` where there is no
    ``dseg``) in either, matched by subject, session, space and whatever other entities both
    names carry.

    Args:
        path: the folder with ``dataset_description.json``.
        filters: which files to take, by entity in its long or short form: ``suffix`` (``T1w``
            by default; several, as a list or with commas between, are several channels),
            ``desc``, ``space``, ``session`` and so on for images; the same with ``label_`` before
            (``label_suffix``, ``label_desc``, ...) for label maps, and ``label_pipeline`` for
            the folder under ``derivatives/`` that they come from.
        name: the cohort's name; by default the folder's.

    Raises:
        InputError: no such images, or several where one is expected.
    """
    folder = Path(path)
    chosen = BidsFilters.parse(filters or {})
    layout = _layout(folder)
    images = _images(layout, chosen, folder)
    labels = _labels(layout, chosen, folder)
    participants = _rows_by_id(folder / "participants.tsv", "participant_id")
    cases = []
    incomplete = []
    for (subject, session), files in images.items():
        by_channel = _one_per_channel(files, chosen, subject, session, folder)
        if len(by_channel) < len(chosen.suffixes):
            incomplete.append(_case_id(subject, session))
            continue
        first = by_channel[chosen.suffixes[0]]
        label = match_label(first, labels, chosen, folder)
        cases.append(
            Case(
                id=_case_id(subject, session),
                subject=subject,
                session=session,
                images={suffix: Path(by_channel[suffix].path) for suffix in chosen.suffixes},
                label=label,
                label_state="dense" if label else "none",
                covariates={**participants.get(f"sub-{subject}", {}), **_session_row(folder, subject, session)},
                entities={key: str(value) for key, value in first.get_entities().items()},
            )
        )
    if incomplete:
        logger.warning("%d cases lack a channel and are left out: %s", len(incomplete), ", ".join(incomplete))
    if not cases:
        raise InputError(
            f"no case has all of {', '.join(chosen.suffixes)}", "Ask for suffixes that one session has together", folder
        )
    unlabelled = [case.id for case in cases if case.label is None]
    if labels and unlabelled:
        logger.warning("%d of %d cases have no label map: %s", len(unlabelled), len(cases), ", ".join(unlabelled[:10]))
    table = label_names([case.label for case in cases if case.label], folder)
    return Cohort(name or folder.absolute().name, folder, "bids", chosen.suffixes, table, tuple(cases))


def _layout(folder: Path) -> Any:
    # Imported here because it takes longer than everything else that a table needs.
    from bids import BIDSLayout
    from bids.exceptions import BIDSValidationError
    from bids.layout import BIDSLayoutIndexer

    if not (folder / "dataset_description.json").is_file():
        raise InputError("a BIDS dataset has a dataset_description.json", "Give the dataset's top folder", folder)
    # The library that pybids takes its schema from says so at each import.
    logging.getLogger("bidsschematools").setLevel(logging.WARNING)
    indexer = BIDSLayoutIndexer(validate=False, index_metadata=False)
    for pipeline in sorted((folder / "derivatives").glob("*/")):
        if not (pipeline / "dataset_description.json").is_file():
            logger.warning("%s has no dataset_description.json: nothing in it is used", pipeline)
    try:
        with warnings.catch_warnings():
            # pybids says the same as the warning above, and also where there are no derivatives at all.
            warnings.filterwarnings("ignore", message="Derivative indexing was requested")
            # The derivatives' configuration makes pybids read `desc` and `space` in raw names too.
            return BIDSLayout(folder, validate=False, derivatives=True, config=["bids", "derivatives"], indexer=indexer)
    except (BIDSValidationError, ValueError, OSError) as error:
        raise InputError(f"not a readable BIDS dataset: {error}", "See the BIDS specification", folder) from error


def _images(layout: Any, chosen: BidsFilters, folder: Path) -> dict[tuple[str, str | None], list[Any]]:
    """Images by subject and session, from the dataset itself or, failing that, its derivatives."""
    for scope in ("self", "derivatives"):
        groups: dict[tuple[str, str | None], list[Any]] = defaultdict(list)
        files = layout.get(scope=scope, suffix=list(chosen.suffixes), extension=list(IMAGE_EXTENSIONS))
        for file in files:
            entities = file.get_entities()
            if "subject" in entities and chosen.accept_image(entities):
                session = entities.get("session")
                groups[str(entities["subject"]), None if session is None else str(session)].append(file)
        if groups:
            return dict(sorted(groups.items(), key=lambda item: (item[0][0], item[0][1] or "")))
    present = sorted({str(file.get_entities().get("suffix")) for file in layout.get(extension=list(IMAGE_EXTENSIONS))})
    raise InputError(
        f"no image matches {chosen.image_text()}",
        f"Image suffixes in this dataset: {', '.join(present) or 'none'}",
        folder,
    )


def _labels(layout: Any, chosen: BidsFilters, folder: Path) -> list[Any]:
    suffixes = (chosen.label_suffix,) if chosen.label_suffix else ("dseg", "mask")
    for suffix in suffixes:
        files = [
            file
            for file in layout.get(scope="all", suffix=suffix, extension=list(IMAGE_EXTENSIONS))
            if chosen.accept_label(file.get_entities(), Path(file.path).relative_to(folder.absolute()))
        ]
        if files:
            return files
    if chosen.asks_for_label:
        raise InputError(
            f"no label map matches {chosen.label_text()}", "Correct or leave out the label filters", folder
        )
    return []


def _one_per_channel(
    files: list[Any], chosen: BidsFilters, subject: str, session: str | None, folder: Path
) -> dict[str, Any]:
    by_channel: dict[str, Any] = {}
    for suffix in chosen.suffixes:
        candidates = [file for file in files if file.get_entities()["suffix"] == suffix]
        if len(candidates) > 1:
            names = sorted(file.filename for file in candidates)
            raise InputError(
                f"{_case_id(subject, session)} has {len(names)} {suffix} images: {', '.join(names[:8])}",
                "Choose one by a filter such as desc, space, acq or run",
                folder,
            )
        if candidates:
            by_channel[suffix] = candidates[0]
    return by_channel


def _case_id(subject: str, session: str | None) -> str:
    return f"sub-{subject}" if session is None else f"sub-{subject}_ses-{session}"


def _session_row(folder: Path, subject: str, session: str | None) -> dict[str, str]:
    if session is None:
        return {}
    rows = _rows_by_id(folder / f"sub-{subject}" / f"sub-{subject}_sessions.tsv", "session_id")
    return rows.get(f"ses-{session}", {})


def _rows_by_id(file: Path, id_column: str) -> dict[str, dict[str, str]]:
    """A table's rows by identifier, with its prefix whether or not the file writes it; empty if there is no file."""
    if not file.is_file():
        return {}
    try:
        with file.open(encoding="utf-8-sig", newline="") as stream:
            rows = list(csv.DictReader(stream, delimiter="\t", restval=""))
    except (UnicodeDecodeError, csv.Error) as error:
        raise InputError(
            f"not a readable table: {error}", "Give a text file with tabs between the cells", file
        ) from error
    prefix = {"participant_id": "sub-", "session_id": "ses-"}[id_column]
    if rows and id_column not in rows[0]:
        raise InputError(f"column {id_column!r} is missing", "Add it, with tabs between the cells", file)
    return {
        f"{prefix}{row[id_column].removeprefix(prefix)}": {
            key: value for key, value in row.items() if key is not None and key != id_column
        }
        for row in rows
    }
