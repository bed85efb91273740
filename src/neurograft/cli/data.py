"""``neurograft data``: look at a cohort, divide it, and choose from it."""

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

app = typer.Typer(help="Check and divide a cohort, choose whom to label.", no_args_is_help=True, rich_markup_mode=None)
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


@app.command("choose")
def choose(
    cohort: CohortArgument,
    count: Annotated[int, typer.Option(min=1, help="How many people to label.", show_default=False)],
    out: OutOption,
    labelled: Annotated[
        Path | None,
        typer.Option(help="Text file with the subjects who are labelled already, one a line.", show_default=False),
    ] = None,
    subjects: SubjectsOption = None,
    where: WhereOption = None,
    bids: BidsOption = None,
    overwrite: OverwriteOption = False,
) -> None:
    """Say whom to label: the people whose scans stand best for everyone's; writes chosen.txt for --subjects."""
    from collections import Counter

    from neurograft.cli.display import progress_bar, show_table
    from neurograft.cli.options import read_subjects
    from neurograft.cohorts.typical import choose_typical
    from neurograft.errors import InputError
    from neurograft.outputs import check_free, staged_directory, write_text

    check_free(out, overwrite)
    everyone = Selection(subjects, where, bids).open(cohort)
    before = tuple(dict.fromkeys(read_subjects(labelled))) if labelled else ()
    if unknown := [name for name in before if name not in everyone.subjects]:
        raise InputError(
            f"names {unknown[0]}, who is not among the {len(everyone.subjects)} people to choose from",
            "Leave them out, or choose from a cohort, and --subjects, that have them",
            labelled,
        )
    with progress_bar("Reading scans") as progress:
        found = choose_typical(everyone, count, before, progress)
    stand_for = Counter(found.nearest.values())
    others = [name for name in everyone.subjects if name not in found.chosen and name not in before]
    role = dict.fromkeys(before, "labelled") | dict.fromkeys(found.chosen, "chosen")
    rows = [f"{name}\t{nearest}\t{role.get(name, 'other')}" for name, nearest in found.nearest.items()]
    people = list(everyone.subjects)
    identity = {"cohort": str(cohort), "people": people, "count": count, "labelled": list(before)}
    with staged_directory(out, identity, overwrite) as folder:
        write_text(folder / "chosen.txt", "".join(f"{name}\n" for name in found.chosen))
        write_text(folder / "others.txt", "".join(f"{name}\n" for name in others))
        write_text(folder / "stand_for.tsv", "\n".join(["subject\tnearest\trole", *rows, ""]))
    table = [(name, found.scans[name], stand_for[name], "to label") for name in found.chosen]
    table += [(name, found.scans[name], stand_for[name], "labelled already") for name in sorted(before)]
    title = f"{len(table)} of {len(people)} people"
    show_table(title, ("subject", "scans", "stands for", ""), table)
    typer.echo(
        f"Everybody is {found.distance:.3f} from the nearest of them on average, themselves included; were those to "
        f"label drawn at random, it would be {found.random_distance:.3f} (0: the same picture, 1.4: unrelated ones)."
    )


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
