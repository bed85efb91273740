"""``neurograft demo``: the whole job, from scans to a page with the answer."""

from pathlib import Path
from typing import Annotated

import typer

from neurograft.cli.options import JsonOption, OverwriteOption


def demo(
    out: Annotated[Path, typer.Option("--out", help="Directory for the results.")] = Path("demo-output"),
    dataset: Annotated[str, typer.Option(help="phantom, or msd-hippocampus for real scans.")] = "phantom",
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
    from neurograft.demos import run_demo

    run_demo(dataset, out, data_root, overwrite, json)
