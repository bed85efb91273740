"""``neurograft model pack``: a model at half the size, with a card that says more."""

from pathlib import Path
from typing import Annotated

import typer

from neurograft.cli.options import JsonOption, OutOption, OverwriteOption, SubjectsOption


def pack(
    model: Annotated[Path, typer.Argument(metavar="MODEL", help="A model, or the run that made it.")],
    out: OutOption,
    name: Annotated[str | None, typer.Option(help="Its name; the old one by default.", show_default=False)] = None,
    cohort: Annotated[
        Path | None,
        typer.Option("--cohort", help="What it was trained on, for the card: hashes, volumes.", show_default=False),
    ] = None,
    subjects: SubjectsOption = None,
    figures: Annotated[
        Path | None, typer.Option(help="A .tsv of what it was measured to do, for the card.", show_default=False)
    ] = None,
    limits: Annotated[
        Path | None, typer.Option(help="A text of what it cannot do, a sentence a line.", show_default=False)
    ] = None,
    overwrite: OverwriteOption = False,
    json: JsonOption = False,
) -> None:
    """Write a model with weights in half precision, to be passed on.

    It is computed with in single precision as before; the hash of the file is checked as before.
    """
    from neurograft.cli.display import show_json
    from neurograft.cli.options import Selection
    from neurograft.models import open_bundle
    from neurograft.models.packing import pack_model

    opened = None if cohort is None else Selection(subjects).open(cohort)
    packed = pack_model(open_bundle(model), out, name, opened, figures, limits, overwrite)
    if json:
        show_json(
            {
                "model": str(out),
                "name": packed.info.name,
                "mib": round(packed.mib, 2),
                "largest_rounding": packed.largest_rounding,
                "weights_sha256": packed.info.weights_sha256,
            }
        )
        return
    typer.echo(
        f"{packed.info.name}: {packed.mib:.1f} MiB in {out}; rounding moves no weight by more than "
        f"{packed.largest_rounding:.1e} of the largest of its tensor"
    )
