"""``neurograft data``: look at a cohort, and divide it."""

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated

import typer

from neurograft.cli.options import (
    JsonOption,
    OutOption,
    OverwriteOption,
    SeedOption,
    WhereOption,
    choose_cases,
    open_selected,
)

app = typer.Typer(help="Check a cohort, divide its subjects.", no_args_is_help=True, rich_markup_mode=None)
CohortArgument = Annotated[Path, typer.Argument(metavar="COHORT", help="Table, BIDS dataset or Decathlon folder.")]


@app.command("check")
def check(cohort: CohortArgument, where: WhereOption = None, json: JsonOption = False) -> None:
    """Print a row a case and every problem; exit status 2 when one would stop training."""
    from dataclasses import asdict

    from neurograft.cli.display import progress_bar, show_json, show_table
    from neurograft.cohorts import check_cohort, open_cohort

    with progress_bar("Reading scans") as progress:
        report = check_cohort(choose_cases(open_cohort(cohort), None, where), progress=progress)
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
    hold_out: Annotated[int, typer.Option(min=1, help="Subjects to set aside for testing.", show_default=False)],
    where: WhereOption = None,
    seed: SeedOption = 0,
    overwrite: OverwriteOption = False,
) -> None:
    """Set subjects aside at random: writes train.txt and test.txt for --subjects."""
    from neurograft.cohorts import hold_out as draw
    from neurograft.outputs import staged_directory, write_text

    chosen = open_selected(cohort, None, where)
    rest, held = draw(chosen.subjects, count=hold_out, seed=seed)
    with staged_directory(out, {"cohort": str(cohort), "hold_out": hold_out, "seed": seed}, overwrite) as folder:
        write_text(folder / "train.txt", "".join(f"{name}\n" for name in rest))
        write_text(folder / "test.txt", "".join(f"{name}\n" for name in held))
    typer.echo(f"{len(rest)} subjects in {out / 'train.txt'}, {len(held)} in {out / 'test.txt'}")


def _volumes(volumes: Mapping[str, float]) -> str:
    shown = [f"{name} {volume:.0f}" for name, volume in list(volumes.items())[:3]]
    more = f" and {len(volumes) - 3} more" if len(volumes) > 3 else ""
    return ", ".join(shown) + more
