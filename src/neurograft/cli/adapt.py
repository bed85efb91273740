"""``neurograft adapt``: a model from a model and a few labelled scans."""

from pathlib import Path
from typing import Annotated

import typer

from neurograft.cli.options import (
    BidsOption,
    CohortOption,
    JsonOption,
    OutOption,
    OverridesArgument,
    OverwriteOption,
    SeedOption,
    Selection,
    SubjectsOption,
    WhereOption,
    read_pairs,
)


def adapt(
    source: Annotated[Path, typer.Option(help="The model to start from.", show_default=False)],
    cohort: CohortOption,
    out: OutOption,
    strategy: Annotated[str, typer.Option(help="Such as full, freeze(up2), decay(down1), first_layers(2).")] = "full",
    labels: Annotated[
        int | None, typer.Option("--labels", min=1, help="Use this many labelled subjects.", show_default=False)
    ] = None,
    budget: Annotated[str | None, typer.Option(help="Such as 2000steps, 60epochs, 10min.", show_default=False)] = None,
    label_from: Annotated[
        list[str] | None,
        typer.Option("--label-from", help="TARGET=SOURCE: start a label from a source label.", show_default=False),
    ] = None,
    allow_shared_subjects: Annotated[bool, typer.Option(help="Train on people whom the source has seen too.")] = False,
    subjects: SubjectsOption = None,
    where: WhereOption = None,
    bids: BidsOption = None,
    seed: SeedOption = 0,
    overwrite: OverwriteOption = False,
    json: JsonOption = False,
    overrides: OverridesArgument = None,
) -> None:
    """Adapt a model to a cohort's labels with a strategy.

    The recipe is the source model's, for all labels of the cohort unless labels=[...] says
    otherwise, with your overrides; what it says of the machine and of the held-out subjects is
    not taken over. The same command continues a training that was cut off.
    """
    from neurograft.cli.training import run_training
    from neurograft.cohorts import nested_subsets
    from neurograft.models import open_bundle
    from neurograft.recipes.loading import override_recipe
    from neurograft.training.run import TrainingRequest

    bundle = open_bundle(source)
    texts = [*(overrides or ()), *([f"budget={budget}"] if budget else [])]
    own = bundle.info.recipe.model_dump(mode="json")
    # These belong to the source's cohort and to the machine that it was trained on.
    validation = {**own["validation"], "hold_out": "auto"}
    theirs = {"labels": None, "compute": {}, "validation": validation, "label_budget": {}}
    recipe = override_recipe({**own, **theirs}, texts)
    chosen = Selection(subjects, where, bids).open(cohort).labelled()
    if labels is not None:
        chosen = chosen.of_subjects(nested_subsets(chosen.subjects, [labels], seed)[labels])
    request = TrainingRequest(
        chosen,
        recipe,
        out,
        strategy,
        bundle,
        read_pairs(label_from, "--label-from"),
        seed,
        allow_shared_subjects,
        overwrite,
    )
    run_training(request, json)
