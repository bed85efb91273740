"""Opening whatever the user calls a cohort."""

from collections.abc import Mapping
from pathlib import Path

from neurograft.cohorts.bids import read_bids
from neurograft.cohorts.cohort import Cohort
from neurograft.cohorts.decathlon import read_decathlon
from neurograft.cohorts.label_maps import holds_label_maps, read_label_maps
from neurograft.cohorts.pictures import holds_pictures, read_pictures
from neurograft.cohorts.table import read_table
from neurograft.errors import InputError

_WHAT_A_COHORT_IS = (
    "A cohort is a table (.tsv or .csv, or a folder with cohort.tsv or cohort.csv), a BIDS dataset "
    "(a folder with dataset_description.json), a Decathlon folder (with dataset.json), a folder of label maps "
    "(with labels.tsv) or a folder of pictures (.png, .jpg)"
)


def open_cohort(
    path: Path | str,
    name: str | None = None,
    *,
    label_table: Path | str | None = None,
    bids_filters: Mapping[str, str] | None = None,
) -> Cohort:
    """Open a table, a BIDS dataset, a Decathlon folder, label maps or pictures, by what is found there.

    Args:
        path: the file or folder.
        name: the cohort's name; each kind has its default.
        label_table: for a table, the file that names its label values.
        bids_filters: for a BIDS dataset, which files to take; see `read_bids`.

    Raises:
        InputError: nothing that can be a cohort, or an option that its kind does not have.
    """
    path = Path(path)
    if not path.exists():
        raise InputError("no such file or folder", _WHAT_A_COHORT_IS, path)
    table = _table_in(path)
    if label_table is not None and table is None:
        raise InputError(
            "a label table can only be given with a table", "Leave it out: this kind names its labels", path
        )
    if table is not None:
        _refuse_filters(bids_filters, path)
        return read_table(table, name, label_table)
    folder = path.parent if path.name in ("dataset.json", "dataset_description.json") else path
    if (folder / "dataset.json").is_file():
        _refuse_filters(bids_filters, path)
        return read_decathlon(folder, name)
    if (folder / "dataset_description.json").is_file():
        return read_bids(folder, bids_filters, name)
    if folder.is_dir() and holds_label_maps(folder):
        _refuse_filters(bids_filters, path)
        return read_label_maps(folder, name)
    if holds_pictures(folder):
        _refuse_filters(bids_filters, path)
        return read_pictures(folder, name)
    raise InputError(f"{'an empty folder' if _is_empty(path) else 'not a cohort'}", _WHAT_A_COHORT_IS, path)


def _table_in(path: Path) -> Path | None:
    if path.is_file():
        return path if path.suffix.lower() in (".tsv", ".csv") else None
    for candidate in (path / "cohort.tsv", path / "cohort.csv"):
        if candidate.is_file():
            return candidate
    return None


def _refuse_filters(filters: Mapping[str, str] | None, path: Path) -> None:
    if filters:
        raise InputError("BIDS filters were given, but this is not a BIDS dataset", "Leave them out", path)


def _is_empty(path: Path) -> bool:
    return path.is_dir() and not any(path.iterdir())
