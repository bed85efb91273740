"""``neurograft demo``: the whole job, from scans to a page with the answer."""

from pathlib import Path
from typing import Annotated

import typer

from neurograft.cli.options import JsonOption, OverwriteOption


def demo(
    out: Annotated[Path, typer.Option("--out", help="Directory for the results.")] = Path("demo-output"),
    dataset: Annotated[
        str,
        typer.Option(
            help="phantom, neuromelanin (P1's protocol), midbrain-qsm (P2's) or ages; on real scans msd-hippocampus, "
            "label-budget, sources (P4's seven), subcortical (P5's ladder), built-in or built-in-hippocampus (what a "
            "finished model is worth)."
        ),
    ] = "phantom",
    data_root: Annotated[
        Path | None,
        typer.Option(
            help="Folder that holds msd-hippocampus (downloaded without it), for ages, sources, subcortical and "
            "built-in miccai2012-train, and for sources and subcortical brain-label-maps.",
            show_default=False,
        ),
    ] = None,
    full: Annotated[
        bool, typer.Option("--full", help="Of sources and subcortical: sizes near the papers', days on two cores.")
    ] = False,
    imagenet: Annotated[
        Path | None,
        typer.Option(
            help="For sources: weights of a ResNet-50 trained on ImageNet, .pth or .safetensors.", show_default=False
        ),
    ] = None,
    model: Annotated[
        str, typer.Option(help="For built-in and built-in-hippocampus: the model, a name or a folder.")
    ] = "builtin:subcortical",
    people: Annotated[
        list[int] | None,
        typer.Option(
            min=0,
            help="For these two: learn from so many, or from 0 for the model as it is; may be repeated.",
            show_default=False,
        ),
    ] = None,
    budget: Annotated[
        str | None,
        typer.Option(help="For these two: of each model that learns, such as 400steps.", show_default=False),
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

    def progress(done: int, total: int, name: str) -> None:
        if name:
            typer.echo(f"[{done + 1}/{total}] {name}", err=True)

    command = " ".join(["neurograft", *sys.argv[1:]])
    outcomes = run_demo(dataset, out, data_root, overwrite, command, progress, full, imagenet, model, people, budget)
    if json:
        show_json({name: {"page": str(out / f"{name}.html"), "answer": r.answer} for name, r in outcomes.items()})
        return
    for name, outcome in outcomes.items():
        show_table(outcome.title, outcome.columns, outcome.rows)
        for sentence in outcome.answer:
            typer.echo(f"- {sentence}")
        typer.echo(f"Open {out / f'{name}.html'}")
