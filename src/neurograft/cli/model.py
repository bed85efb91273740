"""``neurograft model``: what is in a model, and what of it another would take over."""

from pathlib import Path
from typing import Annotated

import typer

from neurograft.cli import model_average, model_match, model_pack
from neurograft.cli.options import JsonOption, LabelTableOption, OverridesArgument, read_label_starts

app = typer.Typer(
    help="Inspect a model; explain a transfer; match labels; average and pack models.",
    no_args_is_help=True,
    rich_markup_mode=None,
)
app.command("match")(model_match.match)
app.command("average")(model_average.average)
app.command("pack")(model_pack.pack)


@app.command("inspect")
def inspect(model: Annotated[Path, typer.Argument(metavar="MODEL")], json: JsonOption = False) -> None:
    """Print what a model is: units, labels, channels, preparation, training."""
    from neurograft.cli.display import show_json, show_table
    from neurograft.models import open_bundle

    bundle = open_bundle(model)
    info = bundle.info
    if json:
        show_json(info.model_dump(mode="json", exclude={"training_subjects"}))
        return
    sizes: dict[str, int] = {}
    for name, tensor in bundle.state.items():
        sizes[name.partition(".")[0]] = sizes.get(name.partition(".")[0], 0) + tensor.numel()
    show_table(
        info.name,
        ("", ""),
        [
            ("trained for", info.recipe.task.kind.replace("_", " ")),
            ("labels", ", ".join(f"{label.name} ({label.values[0]})" for label in bundle.labels.labels) or "none"),
            ("channels", ", ".join(info.channels)),
            ("spacing, mm", " x ".join(f"{value:.3g}" for value in info.spacing_mm)),
            ("network", f"{info.recipe.network.name}, {sum(sizes.values()):,} parameters"),
            ("strategy", info.strategy),
            ("source", info.parent["name"] if info.parent else "none"),
            *((key.replace("_", " "), str(value)) for key, value in info.training.items()),
        ],
    )
    rules = {row["unit"]: row for row in info.plan}
    rows = [
        (name, role, depth, sizes.get(name, 0), rules[name]["learning_rate_scale"], rules[name]["norm"])
        for name, role, depth in info.units
    ]
    show_table("Units", ("unit", "role", "depth", "parameters", "rate scale", "norm"), rows)


@app.command("explain")
def explain(
    source: Annotated[Path, typer.Argument(metavar="SOURCE", help="The model to start from.")],
    into: Annotated[
        str | None, typer.Option("--into", help="Recipe of the new model; the source's own by default.")
    ] = None,
    strategy: Annotated[str, typer.Option(help="As for adapt.")] = "full",
    cohort: Annotated[
        Path | None, typer.Option("--cohort", help="Take labels and channels from this cohort.", show_default=False)
    ] = None,
    labels: Annotated[
        str | None, typer.Option("--label-names", help="Labels of the new model, by commas.", show_default=False)
    ] = None,
    channels: Annotated[
        str | None, typer.Option("--channels", help="Channels of the new model, by commas.", show_default=False)
    ] = None,
    label_from: Annotated[
        list[str] | None, typer.Option("--label-from", help="TARGET=SOURCE, as for adapt.", show_default=False)
    ] = None,
    label_table: LabelTableOption = None,
    json: JsonOption = False,
    overrides: OverridesArgument = None,
) -> None:
    """Print, before anything runs, what every tensor of a new model would start from and what would learn."""
    from neurograft.cli.display import show_json, show_table
    from neurograft.cohorts import open_cohort
    from neurograft.models import open_bundle
    from neurograft.recipes import load_recipe
    from neurograft.recipes.loading import override_recipe
    from neurograft.recipes.pretrained import as_segmentation
    from neurograft.training.record import plan_rows
    from neurograft.training.starting_network import prepare_transfer

    bundle = open_bundle(source)
    own = {**as_segmentation(bundle.info.recipe.model_dump(mode="json"), overrides or ()), "labels": None}
    recipe = load_recipe(into, overrides or ()) if into else override_recipe(own, overrides or ())
    names, inputs = tuple(bundle.labels.names), tuple(bundle.info.channels)
    if cohort is not None:
        chosen = open_cohort(cohort).select_labels(recipe.labels)
        names, inputs = tuple(chosen.labels.names), chosen.channels
    names = tuple(name.strip() for name in labels.split(",")) if labels else names
    inputs = tuple(name.strip() for name in channels.split(",")) if channels else inputs
    moves = read_label_starts(label_from, label_table, names, bundle.labels.names)
    transfer = prepare_transfer(inputs, names, recipe, strategy, bundle, moves, seed=0)
    if json:
        report = {"tensors": transfer.report.to_records(), "counts": transfer.report.counts()}
        show_json({**report, "plan": plan_rows(transfer.plan), "notes": list(transfer.plan.notes)})
        return
    rows = [
        (row.tensor, row.action, _shape(row.source_shape), _shape(row.target_shape), row.why)
        for row in transfer.report.rows
    ]
    show_table(f"What {strategy} takes from {bundle.info.name}", ("tensor", "action", "source", "target", "why"), rows)
    plan = [(row["unit"], row["learning_rate_scale"], row["norm"], row["release"]) for row in plan_rows(transfer.plan)]
    show_table("What learns", ("unit", "learning-rate scale", "norm layers", "from share of budget"), plan)
    counts = ", ".join(f"{number} {action}" for action, number in transfer.report.counts().items())
    typer.echo(f"{len(transfer.report.rows)} tensors: {counts}.")
    for note in transfer.plan.notes:
        typer.echo(f"Note: {note}.")


def _shape(shape: tuple[int, ...]) -> str:
    return " x ".join(map(str, shape))
