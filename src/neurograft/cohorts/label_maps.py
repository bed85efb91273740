"""A cohort of label maps without images: somebody's anatomy, from which images can be made."""

import csv
from pathlib import Path

from neurograft.cohorts.cohort import Case, Cohort
from neurograft.errors import InputError
from neurograft.imaging.files import is_image_file, stem
from neurograft.imaging.intensity_classes import IntensityClass, IntensityClasses
from neurograft.imaging.labels import Label, LabelTable

LABEL_TABLE = "labels.tsv"
_STRUCTURE_COLUMNS = ("segmentation_index", "segmentation_name")
_CLASS_COLUMN = "intensity_class"


def read_label_maps(folder: Path | str, name: str | None = None) -> Cohort:
    """Read a folder of label maps, each of a subject of its own, with ``labels.tsv`` beside them.

    Args:
        folder: with ``*.nii.gz`` (or other image files) and the table; see `read_generation_table`.
        name: the cohort's name; by default the folder's.

    Raises:
        InputError: no table or no label map there, or two of one name.
    """
    folder = Path(folder)
    labels, classes = read_generation_table(folder / LABEL_TABLE)
    files = sorted(file for file in folder.iterdir() if file.is_file() and is_image_file(file))
    if not files:
        raise InputError("no label maps in this folder (.nii, .nii.gz, .mgz)", "Check the path", folder)
    stems = [stem(file) for file in files]
    for one in stems:
        if stems.count(one) > 1:
            raise InputError(f"several files are named {one}", "Rename them or remove one", folder)
    cases = tuple(
        Case(case_id, case_id, None, {}, label=file, label_state="dense")
        for case_id, file in zip(stems, files, strict=True)
    )
    return Cohort(name or folder.absolute().name, folder, "label-maps", (), labels, cases, classes)


def holds_label_maps(folder: Path) -> bool:
    """Whether a folder has image files and a label table that speaks of structures or intensity classes.

    A plain label table is also found beside masks that are somebody's results, and no cohort.
    """
    if not (folder / LABEL_TABLE).is_file() or not any(is_image_file(file) for file in folder.iterdir()):
        return False
    with (folder / LABEL_TABLE).open(encoding="utf-8-sig", errors="replace") as file:
        columns = {column.strip() for column in file.readline().split("\t")}
    return bool(columns & {_STRUCTURE_COLUMNS[0], _CLASS_COLUMN})


def read_generation_table(path: Path | str) -> tuple[LabelTable, IntensityClasses]:
    """Read what each value of a label map is part of, and which values look alike.

    A tab-separated table with a row a value (``index``), in one of two forms:

    - ``name``: the value is a label of its own, as in a BIDS label table;
    - ``segmentation_index`` and ``segmentation_name``: the structure that the value is part of, several
      values a structure; 0 for what is no structure to be learnt.

    ``intensity_class`` is optional in both: values of one class look alike. Without it each value is a class.

    Returns:
        The structures, and the intensity classes of all values but 0.

    Raises:
        InputError: unreadable, a column missing, or a value that is no number or occurs twice.
    """
    path = Path(path)
    rows = _read_rows(path)
    if _STRUCTURE_COLUMNS[0] not in rows[0]:
        labels = LabelTable.from_tsv(path)
        structures = {value: (label.name, label.values[0]) for label in labels.labels for value in label.values}
    else:
        labels, structures = _structures(rows, path)
    groups: dict[str, list[int]] = {}
    for row in rows:
        value = _number(row, "index", path)
        if value not in (0, labels.ignore_value):
            # A class of its own needs a key that no written class has.
            groups.setdefault(row.get(_CLASS_COLUMN) or f"value {value}", []).append(value)
    classes = []
    for values in groups.values():
        # The structure's own value stands for the class, wherever its row is.
        values.sort(key=lambda value: structures.get(value, ("", None))[1] != value)
        name, own = structures.get(values[0], ("", None))
        classes.append(IntensityClass(name, tuple(values), is_whole=own == values[0]))
    try:
        return labels, IntensityClasses(tuple(classes))
    except InputError as error:
        raise InputError(error.problem, error.mend, path) from error


def _structures(rows: list[dict[str, str]], path: Path) -> tuple[LabelTable, dict[int, tuple[str, int]]]:
    """The structures of the second form, and of each value its structure's name and own value."""
    names: dict[int, str] = {}
    parts: dict[int, list[int]] = {}
    others: list[int] = []
    for row in rows:
        value, structure = _number(row, "index", path), _number(row, _STRUCTURE_COLUMNS[0], path)
        if structure == 0:
            others.extend([value] if value else [])
            continue
        name = row[_STRUCTURE_COLUMNS[1]]
        if names.setdefault(structure, name) != name or not name:
            raise InputError(
                f"structure {structure} is called {names[structure]!r} and {name!r}", "Give it one name", path
            )
        parts.setdefault(structure, []).append(value)
    # A structure's own number is written in its name; where the maps do not use it, its first value is.
    labels = tuple(
        Label(names[structure], tuple(sorted(values, key=lambda value: value != structure)))
        for structure, values in parts.items()
    )
    table = LabelTable(labels, other_values=tuple(others))
    return table, {value: (label.name, label.values[0]) for label in labels for value in label.values}


def _read_rows(path: Path) -> list[dict[str, str]]:
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            reader = csv.DictReader(file, delimiter="\t")
            rows = [{(key or "").strip(): (cell or "").strip() for key, cell in row.items()} for row in reader]
    except FileNotFoundError as error:
        raise InputError("the label table does not exist", "Check the path", path) from error
    except (OSError, UnicodeDecodeError, csv.Error, AttributeError) as error:
        raise InputError(f"the label table cannot be read ({error})", "Give a tab-separated text", path) from error
    rows = [row for row in rows if any(row.values())]
    columns = list(rows[0]) if rows else []
    if "index" not in columns or not ("name" in columns or set(_STRUCTURE_COLUMNS) <= set(columns)):
        raise InputError(
            f"the columns are {', '.join(columns) or 'none'}",
            f"Give index and name, or index, {' and '.join(_STRUCTURE_COLUMNS)}; {_CLASS_COLUMN} besides, if you like",
            path,
        )
    seen: set[int] = set()
    for row in rows:
        value = _number(row, "index", path)
        if value in seen:
            raise InputError(f"index {value} occurs twice", "Give each value one row", path)
        seen.add(value)
    return rows


def _number(row: dict[str, str], column: str, path: Path) -> int:
    try:
        return int(row[column])
    except ValueError as error:
        raise InputError(f"{column} {row[column]!r} is no integer", "Correct the table", path) from error
