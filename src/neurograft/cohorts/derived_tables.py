"""A cohort table beside files that were made from a cohort, so that the result is a cohort again."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import pandas as pd

from neurograft.cohorts.cohort import Case, Cohort
from neurograft.outputs import write_table


def write_derived_table(folder: Path, cohort: Cohort, made: Sequence[tuple[Case, Mapping[str, str]]]) -> None:
    """Write ``cohort.tsv`` and ``labels.tsv``.

    Files of the cohort are named by their absolute paths, those that were made by the paths given.

    Args:
        folder: where the table shall lie.
        cohort: what the cases come from.
        made: each case with the cells that differ, by column; new columns come last.
    """
    columns = {channel: image_column(channel, cohort) for channel in cohort.channels}
    rows = []
    for case, changes in made:
        files = {"label": case.label, "mask": case.mask, "prior": case.prior, "reference_region": case.reference_region}
        row = {
            "subject": case.subject,
            "session": case.session or "",
            **{columns[channel]: _absolute(path) for channel, path in case.images.items() if channel in columns},
            **{column: _absolute(path) for column, path in files.items()},
            "label_state": _state(case),
            **case.covariates,
        }
        rows.append(row | dict(changes))
    frame = pd.DataFrame(rows).fillna("")
    optional = ("session", "mask", "prior", "reference_region", "label")
    frame = frame.drop(columns=[name for name in optional if name in frame and (frame[name] == "").all()])
    write_table(folder / "cohort.tsv", frame)
    if len(cohort.labels):
        cohort.labels.to_tsv(folder / "labels.tsv")


def image_column(channel: str, cohort: Cohort) -> str:
    """The column of a cohort table that names the files of a channel."""
    return "image" if cohort.channels == ("image",) else f"image_{channel}"


def _absolute(path: Path | None) -> str:
    return "" if path is None else str(path.absolute())


def _state(case: Case) -> str:
    if isinstance(case.label_state, str):
        return case.label_state
    return ";".join(f"{name}={state}" for name, state in case.label_state.items())
