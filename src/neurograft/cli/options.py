"""Options that several commands share, and how their text is read."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, get_args, get_type_hints

import typer

from neurograft.errors import InputError

if TYPE_CHECKING:
    from neurograft.cohorts import Cohort

CohortOption = Annotated[
    Path, typer.Option("--cohort", help="Table (.tsv, .csv), BIDS dataset or Decathlon folder.", show_default=False)
]
CohortsOption = Annotated[
    list[Path],
    typer.Option(
        "--cohort", help="Table (.tsv, .csv), BIDS dataset or Decathlon folder; several are joined.", show_default=False
    ),
]
OutOption = Annotated[
    Path, typer.Option("--out", help="Directory for the results; must not exist.", show_default=False)
]
OverwriteOption = Annotated[bool, typer.Option("--overwrite", help="Replace results that neurograft wrote there.")]
SeedOption = Annotated[int, typer.Option("--seed", min=0, help="Seed of weights, patches and splits.")]
JsonOption = Annotated[bool, typer.Option("--json", help="Print a summary as JSON on standard output.")]
SubjectsOption = Annotated[
    Path | None,
    typer.Option("--subjects", help="Text file with the subjects to use, one a line.", show_default=False),
]
WhereOption = Annotated[
    list[str] | None,
    typer.Option("--where", help="Use only cases with COLUMN=VALUE; may be repeated.", show_default=False),
]
BidsOption = Annotated[
    list[str] | None,
    typer.Option("--bids", help="Which files of a BIDS dataset, such as suffix=T1w or desc=brain.", show_default=False),
]
LabelTableOption = Annotated[
    Path | None,
    typer.Option("--label-table", help="The table of neurograft model match, edited.", show_default=False),
]
PartsWorkersOption = Annotated[
    int | None,
    typer.Option(
        "--workers",
        min=1,
        help="Parts that run side by side.  [default: as many as cores and memory carry]",
        show_default=False,
    ),
]
OverridesArgument = Annotated[
    list[str] | None, typer.Argument(metavar="[KEY=VALUE]...", help="Recipe overrides.", show_default=False)
]


@dataclass(frozen=True)
class Selection:
    """Which cases of a cohort a command is about.

    Attributes:
        subjects: text file with the subjects to use.
        where: texts COLUMN=VALUE that a case's covariates must meet.
        bids: texts KEY=VALUE that say which files of a BIDS dataset to take.
    """

    subjects: Path | None = None
    where: Sequence[str] | None = None
    bids: Sequence[str] | None = None

    def __bool__(self) -> bool:
        return bool(self.subjects or self.where or self.bids)

    def open(self, path: Path, scans_suffice: bool = False) -> "Cohort":
        """Open a cohort and keep the chosen cases; where scans suffice, it may be a folder of nothing else."""
        from neurograft.cohorts import open_cohort, open_scans
        from neurograft.cohorts.scans import COHORT_FILES

        named = any((path / name).is_file() for name in (*COHORT_FILES, "labels.tsv"))
        if scans_suffice and path.is_dir() and not named:
            return self.choose(open_scans(path, ["image"]))
        return self.choose(open_cohort(path, bids_filters=read_pairs(self.bids, "--bids", "KEY=VALUE")))

    def open_all(self, paths: Sequence[Path], scans_suffice: bool = False) -> "Cohort":
        """Open one cohort, or join several, and keep the chosen cases."""
        from neurograft.cohorts.combining import combine_cohorts

        if len(paths) == 1:
            return self.open(paths[0], scans_suffice)
        every = replace(self, subjects=None, where=None)
        return self.choose(combine_cohorts([every.open(path, scans_suffice) for path in paths]))

    def choose(self, cohort: "Cohort") -> "Cohort":
        """Keep the listed subjects, and of these the cases that meet every condition."""
        if self.subjects is not None:
            cohort = cohort.of_subjects(read_subjects(self.subjects))
        for text in self.where or ():
            column, equals, value = text.partition("=")
            columns = sorted({name for case in cohort.cases for name in case.covariates})
            if not equals or column not in columns:
                raise InputError(
                    f"--where {text!r} names no column of the cohort",
                    f"Columns: {', '.join(columns) or 'none'}",
                    cohort.source,
                )
            cohort = replace(cohort, cases=tuple(c for c in cohort.cases if c.covariates.get(column) == value))
            if not cohort.cases:
                raise InputError(f"no case has {text}", "Check the value", cohort.source)
        return cohort


def chosen(option: str, value: str, choices: Any, field: str | None = None) -> Any:
    """The value of an option that has a few allowed ones.

    Args:
        option: its name, for the message.
        value: what the user wrote.
        choices: a ``Literal``, a dataclass with a field of such a type, or a mapping whose keys are allowed.
        field: of the dataclass.

    Raises:
        InputError: another value.
    """
    allowed = (
        tuple(choices)
        if isinstance(choices, Mapping)
        else get_args(get_type_hints(choices)[field] if field else choices)
    )
    if value not in allowed:
        raise InputError(f"{option} {value!r} is unknown", f"Choose one of {', '.join(allowed)}")
    return value


def read_subjects(file: Path) -> list[str]:
    """Subjects from a text file, one a line; empty lines and ``#`` comments are skipped."""
    try:
        lines = [line.strip() for line in file.read_text("utf-8").splitlines()]
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"cannot be read ({error})", "Give a text file with one subject a line", file) from error
    names = [line for line in lines if line and not line.startswith("#")]
    if not names:
        raise InputError("names no subject", "Write one subject a line", file)
    return names


def read_pairs(texts: Sequence[str] | None, option: str, form: str = "TARGET=SOURCE") -> dict[str, str]:
    """Read repeated options of a form such as ``TARGET=SOURCE``."""
    pairs = {}
    for text in texts or ():
        name, equals, other = text.partition("=")
        if not equals or not name.strip() or not other.strip():
            raise InputError(f"{option} {text!r} is not of the form {form}", f"Write {option} {form}")
        pairs[name.strip()] = other.strip()
    return pairs


def read_label_starts(
    texts: Sequence[str] | None, table: Path | None, targets: Sequence[str], sources: Sequence[str]
) -> dict[str, str]:
    """What labels start from, by a table and by options ``TARGET=SOURCE``, which come first.

    Rows of the table for labels that are not learnt are left out, and so are empty ones where the source has
    no label of that name to be kept from.
    """
    from neurograft.cohorts.label_matching import read_label_matches

    rows = read_label_matches(table) if table is not None else {}
    starts = {target: source for target, source in rows.items() if target in targets and (source or target in sources)}
    return {**starts, **read_pairs(texts, "--label-from")}
