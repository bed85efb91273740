"""``neurograft model average``: the weights of a source and of a model adapted from it, averaged."""

from pathlib import Path
from typing import Annotated

import typer

from neurograft.cli.options import JsonOption, OutOption, OverwriteOption


def average(
    source: Annotated[Path, typer.Argument(metavar="SOURCE", help="The model that was adapted.")],
    adapted: Annotated[Path, typer.Argument(metavar="ADAPTED", help="What came of it.")],
    out: OutOption,
    weight: Annotated[float, typer.Option(help="Of the adapted model, from 0 to 1.")] = 0.5,
    overwrite: OverwriteOption = False,
    json: JsonOption = False,
) -> None:
    """Average an adapted model with its source, weight by weight: it keeps more of what the source knew.

    Labels that the source does not have stay the adapted model's.
    """
    from neurograft.cli.display import show_json
    from neurograft.models import open_bundle
    from neurograft.models.averaging import average_models

    info = average_models(open_bundle(source), open_bundle(adapted), weight, out, overwrite)
    if json:
        show_json({"model": str(out), "averaged": info.training["averaged"], "weights_sha256": info.weights_sha256})
        return
    typer.echo(f"{out}: {info.training['averaged']}")
