"""``neurograft data``: look at a cohort, and divide it."""

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated

import typer

from neurograft.cli.options import (
    BidsOption,
    JsonOption,
    OutOption,
    OverwriteOption,
    SeedOption,
    Selection,
    SubjectsOption,
    WhereOption,
)

app = typer.Typer(help="Check a cohort, divide its subjects.", no_args_is_help=True, rich_markup_mode=None)
CohortArgument = Annotated[Path, typer.Argument(metavar="COHORT", help="Table, BIDS dataset or Decathlon folder.")]


@app.command("check")
def check(
    cohort: CohortArgument,
    subjects: SubjectsOption = None,
    where: WhereOption = None,
    bids: BidsOption = None,
    json: JsonOption = False,
) -> None:
    """Print a row a case and every problem; exit status 2 when one would stop training."""
    from dataclasses import asdict

    from neurograft.cli.display import progress_bar, show_json, show_table
    from neurograft.cohorts import check_cohort

    with progress_bar("Reading scans") as progress:
        report = check_cohort(Selection(subjects, where, bids).open(cohort), progress=progress)
    if json:
        show_json(
            {
                "cohort": report.name,
                "cases": [asdict(row) for row in report.rows],
                "problems": [{**asdict(p), "file": None if p.file is None else str(p.file)} for p in report.problems],
                "stops_training": report.stops_training,
            }
        )
    else:
        rows = [
            (
                row.id,
                row.subject,
                " x ".join(map(str, row.shape or ())),
                " x ".join(f"{value:.2f}" for value in row.spacing_mm or ()),
                row.orientation or "",
                _volumes(row.volume_mm3),
                row.label_state if isinstance(row.label_state, str) else str(dict(row.label_state)),
            )
            for row in report.rows
        ]
        columns = ("case", "subject", "shape", "spacing, mm", "axes", "labels, mm³", "label state")
        show_table(f"{report.name}: {len(rows)} cases", columns, rows)
        problems = [(p.severity, p.case or "", p.text, p.mend, str(p.file or "")) for p in report.problems]
        if problems:
            show_table("Problems", ("severity", "case", "what", "what to do", "file"), problems)
        else:
            typer.echo("No problem found.")
    if report.stops_training:
        raise typer.Exit(2)


@app.command("split")
def split(
    cohort: CohortArgument,
    out: OutOption,
    hold_out: Annotated[
        int | None, typer.Option(min=1, help="Subjects to set aside for testing, at random.", show_default=False)
    ] = None,
    by: Annotated[
        str | None,
        typer.Option(help="COLUMN=VALUE: set aside everybody with it, such as scanner=GE.", show_default=False),
    ] = None,
    subjects: SubjectsOption = None,
    where: WhereOption = None,
    bids: BidsOption = None,
    seed: SeedOption = 0,
    overwrite: OverwriteOption = False,
) -> None:
    """Set subjects aside, at random or by a column: writes train.txt and test.txt for --subjects."""
    from neurograft.cohorts import hold_out as draw
    from neurograft.cohorts.splits import split_off
    from neurograft.errors import InputError
    from neurograft.outputs import staged_directory, write_text

    chosen = Selection(subjects, where, bids).open(cohort)
    if (hold_out is None) == (by is None):
        raise InputError("a split needs either --hold-out or --by", "Give --hold-out 10, or --by scanner=GE")
    if by is not None:
        held = Selection(where=[by]).choose(chosen).subjects
        rest = split_off(chosen, held, by)
    else:
        rest, held = draw(chosen.subjects, count=hold_out, seed=seed)
    identity = {"cohort": str(cohort), "hold_out": hold_out, "seed": seed, **({"by": by} if by else {})}
    with staged_directory(out, identity, overwrite) as folder:
        write_text(folder / "train.txt", "".join(f"{name}\n" for name in rest))
        write_text(folder / "test.txt", "".join(f"{name}\n" for name in held))
    typer.echo(f"{len(rest)} subjects in {out / 'train.txt'}, {len(held)} in {out / 'test.txt'}")


def _volumes(volumes: Mapping[str, float]) -> str:
    present = [f"{name} {volume:.0f}" for name, volume in volumes.items() if volume > 0]
    more = f" and {len(present) - 4} more" if len(present) > 4 else ""
    return ", ".join(present[:4]) + more


@app.command("fetch")
def fetch(
    name: Annotated[str, typer.Argument(metavar="NAME", help="msd-hippocampus is the one there is.")],
) -> None:
    """Download a public data set, verified by checksum, and print its folder."""
    from neurograft.cohorts import fetch_msd_hippocampus
    from neurograft.errors import InputError

    if name != "msd-hippocampus":
        raise InputError(f"unknown data set {name!r}", "Data sets: msd-hippocampus")
    typer.echo(fetch_msd_hippocampus())
