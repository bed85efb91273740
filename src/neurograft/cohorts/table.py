"""A cohort from a table: a TSV or CSV file with a row per scan."""

import difflib
import logging
from collections import Counter
from pathlib import Path

import pandas as pd

from neurograft.cohorts.cohort import Case, Cohort
from neurograft.cohorts.label_maps import read_generation_table
from neurograft.cohorts.label_names import gather_labels
from neurograft.cohorts.label_states import parse_label_state
from neurograft.errors import InputError
from neurograft.imaging.files import stem
from neurograft.imaging.labels import LabelTable

logger = logging.getLogger(__name__)

MISSING_CELLS = frozenset({"", "n/a", "na", "nan"})
"""What counts as an empty cell, in any case; ``n/a`` is BIDS's word for it."""

_OPTIONAL_FILES = ("label", "mask", "prior", "reference_region")
_OPTIONAL = ("session", *_OPTIONAL_FILES, "label_state")


def read_table(path: Path | str, name: str | None = None, label_table: Path | str | None = None) -> Cohort:
    """Read a cohort from a table.

    Columns: ``subject`` and ``image`` (or ``image_<channel>``, one a channel); optional
    ``session``, ``label``, ``mask``, ``prior``, ``reference_region`` and ``label_state``
    (``dense``, ``slices``, ``none``, or ``name=state;name=state``). Every other column is a
    covariate. Paths are relative to the table's folder. A table without any image column, but with
    ``label``, is a cohort of label maps, from which images can be made.

    Args:
        path: a file with tabs (``.tsv``) or commas (``.csv``) between the cells, and one header row.
        name: the cohort's name; by default the file's, or its folder's if the file is called ``cohort``.
        label_table: a TSV file with columns ``index`` and ``name``; by default ``labels.tsv``
            beside the table. Without one the values found in the label maps are named ``label-<value>``.

    Raises:
        InputError: not such a table, a column or a file that is missing, or two rows with one image.
    """
    path = Path(path)
    frame = _read_cells(path)
    channel_columns = _channel_columns(frame, path)
    _warn_of_misspelt(frame)
    _check_files(frame, [*channel_columns.values(), *_OPTIONAL_FILES], path)
    named = Path(label_table) if label_table is not None else path.parent / "labels.tsv"
    classes = None
    if not channel_columns and named.is_file():
        labels, classes = read_generation_table(named)
    else:
        labels = _labels(frame, path, label_table)
    ids = _case_ids(frame, list(channel_columns.values()) or ["label"], path)
    known = {"subject", *_OPTIONAL, *channel_columns.values()}
    cases = []
    for number, case_id, row in zip(frame.index, ids, frame.to_dict("records"), strict=True):
        files = {column: _file(row.get(column, ""), path) for column in _OPTIONAL_FILES}
        state = parse_label_state(
            row.get("label_state", ""), labels.names, files["label"] is not None, path, f"row {number}"
        )
        cases.append(
            Case(
                id=case_id,
                subject=row["subject"],
                session=row.get("session") or None,
                images={channel: _join(row[column], path) for channel, column in channel_columns.items()},
                label=files["label"],
                mask=files["mask"],
                prior=files["prior"],
                reference_region=files["reference_region"],
                label_state=state,
                covariates={str(key): value for key, value in row.items() if key not in known},
            )
        )
    folder_name = path.absolute().parent.name
    default_name = folder_name if path.stem == "cohort" and folder_name else path.stem
    return Cohort(name or default_name, path, "table", tuple(channel_columns), labels, tuple(cases), classes)


def _read_cells(path: Path) -> pd.DataFrame:
    separator = "," if path.suffix.lower() == ".csv" else "\t"
    mend = "Give a text table with a header row, with tabs (.tsv) or commas (.csv) between the cells"
    if not path.is_file():
        raise InputError("no such cohort table", "Check the path", path)
    try:
        frame = pd.read_csv(
            path, sep=separator, dtype=str, keep_default_na=False, skip_blank_lines=False, encoding="utf-8-sig"
        )
    except (UnicodeDecodeError, ValueError, OSError) as error:
        raise InputError(f"not a readable table: {' '.join(str(error).split())}", mend, path) from error
    if not isinstance(frame.index, pd.RangeIndex):
        raise InputError("rows have more cells than the header", mend, path)
    frame.columns = [str(column).strip() for column in frame.columns]
    frame = frame.fillna("").map(lambda cell: "" if cell.strip().casefold() in MISSING_CELLS else cell.strip())
    frame = frame[(frame != "").any(axis=1)]
    frame.index += 2  # now the line in the file, which messages call the row
    if "subject" not in frame:
        columns = list(frame.columns)
        near = difflib.get_close_matches("subject", columns, n=1, cutoff=0.5)
        if near:
            mend = f"Is it column {near[0]!r}? Rename it. Columns: {', '.join(columns)}"
        elif len(columns) > 1:
            mend = f"Add it. Columns: {', '.join(columns)}"
        raise InputError("column 'subject' is missing", mend, path)
    if frame.empty:
        raise InputError("the table holds no cases", "Add a row for each scan", path)
    # Both become parts of the names of result files.
    for column in frame.columns.intersection(["subject", "session"]):
        for row, cell in frame[column].items():
            if "/" in cell or "\\" in cell or (column == "subject" and not cell):
                raise InputError(
                    f"row {row}: {cell!r} cannot be the identifier of a {column}",
                    "Give an identifier without slashes",
                    path,
                )
    return frame


def _channel_columns(frame: pd.DataFrame, path: Path) -> dict[str, str]:
    """Channel names and their columns, in the order of the table."""
    columns = list(frame.columns)
    if "image" in columns:
        if any(column.startswith("image_") for column in columns):
            raise InputError("both 'image' and 'image_<channel>' columns are present", "Keep one kind", path)
        return {"image": "image"}
    channels = {column.removeprefix("image_"): column for column in columns if column.startswith("image_")}
    if not channels:
        near = difflib.get_close_matches("image", columns, n=1, cutoff=0.5)
        # Close to "image" are also the ages of a table that has none.
        others = [column for column in columns if column != "age"]
        if "label" in columns and not difflib.get_close_matches("image", others, n=1, cutoff=0.7):
            return {}
        hint = f"Is it column {near[0]!r}? Rename it. " if near else ""
        raise InputError(
            "column 'image' (or 'image_<channel>') is missing", f"{hint}Columns: {', '.join(columns)}", path
        )
    return channels


def _warn_of_misspelt(frame: pd.DataFrame) -> None:
    """A misspelt optional column would otherwise pass for a covariate in silence."""
    for wanted in _OPTIONAL:
        if wanted not in frame:
            others = [column for column in frame.columns if column not in _OPTIONAL and not column.startswith("image")]
            for near in difflib.get_close_matches(wanted, others, n=1, cutoff=0.8):
                logger.warning("column %r is taken as a covariate; was %r meant?", near, wanted)


def _join(cell: str, path: Path) -> Path:
    return path.parent / Path(cell).expanduser()


def _file(cell: str, path: Path) -> Path | None:
    return _join(cell, path) if cell else None


def _check_files(frame: pd.DataFrame, columns: list[str], path: Path) -> None:
    missing = []
    for column in columns:
        for row, cell in frame[column].items() if column in frame else ():
            if column.startswith("image") and not cell:
                raise InputError(f"row {row}: column {column!r} is empty", "Give the image's path", path)
            if column == "label" and not cell and not any(name.startswith("image") for name in columns):
                raise InputError(f"row {row}: neither image nor label", "Give the label map's path", path)
            if cell and not _join(cell, path).is_file():
                missing.append((row, column, cell))
    if not missing:
        return
    row, column, cell = missing[0]
    folder = _join(cell, path).parent
    beside = [entry.name for entry in folder.iterdir()] if folder.is_dir() else []
    near = difflib.get_close_matches(Path(cell).name, beside, n=1, cutoff=0.8)
    hint = f"Did you mean {near[0]!r}? " if near else ""
    more = f" ({len(missing)} files are missing in all)" if len(missing) > 1 else ""
    raise InputError(
        f"row {row}: {column} {cell!r} does not exist{more}",
        f"{hint}Paths are relative to the table's folder, {path.absolute().parent}",
        path,
    )


def _labels(frame: pd.DataFrame, path: Path, label_table: Path | str | None) -> LabelTable:
    beside = path.parent / "labels.tsv"
    if label_table is not None:
        return LabelTable.from_tsv(Path(label_table))
    if beside.is_file():
        return LabelTable.from_tsv(beside)
    label_maps = sorted({_join(cell, path) for cell in frame.get("label", []) if cell})
    if label_maps:
        logger.info("no labels.tsv beside %s: naming labels by the values in %d label maps", path, len(label_maps))
    return gather_labels(label_maps)


def _case_ids(frame: pd.DataFrame, image_columns: list[str], path: Path) -> list[str]:
    """Subject, with the session if there is one; with the first file's name where that is not unique."""
    images = list(zip(*(frame[column] for column in image_columns), strict=True))
    first_row: dict[tuple[str, ...], int] = {}
    for row, image in zip(frame.index, images, strict=True):
        if image in first_row:
            raise InputError(
                f"rows {first_row[image]} and {row} give the same {image_columns[0].split('_')[0]} {image[0]!r}",
                "Keep one of the rows",
                path,
            )
        first_row[image] = row
    sessions = frame["session"] if "session" in frame else [""] * len(frame)
    ids = [
        f"{subject}_{session}" if session else subject
        for subject, session in zip(frame["subject"], sessions, strict=True)
    ]
    repeated = {case_id for case_id, count in Counter(ids).items() if count > 1}
    ids = [
        f"{case_id}_{stem(Path(image[0]))}" if case_id in repeated else case_id
        for case_id, image in zip(ids, images, strict=True)
    ]
    # Folders may hold files of one name: number those, so that results never overwrite each other.
    counts, seen = Counter(ids), Counter[str]()
    for position, case_id in enumerate(ids):
        if counts[case_id] > 1:
            seen[case_id] += 1
            ids[position] = f"{case_id}_{seen[case_id]}"
    return ids
