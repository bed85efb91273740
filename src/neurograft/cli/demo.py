"""``neurograft demo``: the whole job, from scans to a page with the answer."""

from pathlib import Path
from typing import Annotated

import typer

from neurograft.cli.options import JsonOption, OverwriteOption


def demo(
    out: Annotated[Path, typer.Option("--out", help="Directory for the results.")] = Path("demo-output"),
    dataset: Annotated[str, typer.Option(help="phantom; on real scans msd-hippocampus or label-budget.")] = "phantom",
    data_root: Annotated[
        Path | None,
        typer.Option(
            help="Folder that holds msd-hippocampus; without it the scans are downloaded.", show_default=False
        ),
    ] = None,
    overwrite: OverwriteOption = False,
    json: JsonOption = False,
) -> None:
    """Train a source, adapt it to another structure from five people, predict, score, show.

    The same command continues a demo that was cut off.
    """
    import sys

    from neurograft.cli.display import show_json, show_table
    from neurograft.demos import run_demo
    from neurograft.demos.run import summary_rows

    def progress(done: int, total: int, name: str) -> None:
        if name:
            typer.echo(f"[{done + 1}/{total}] {name}", err=True)

    command = " ".join(["neurograft", *sys.argv[1:]])
    reports = run_demo(dataset, out, data_root, overwrite, command, progress)
    if json:
        show_json({name: {"page": str(out / f"{name}.html"), "answer": r.answer} for name, r in reports.items()})
        return
    for name, report in reports.items():
        columns, rows = summary_rows(report.summary)
        show_table(report.title, columns, rows)
        for sentence in report.answer:
            typer.echo(f"- {sentence}")
        typer.echo(f"Open {out / f'{name}.html'}")
