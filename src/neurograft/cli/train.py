"""``neurograft train``: a model from random weights."""

from pathlib import Path
from typing import Annotated

import typer

from neurograft.cli.options import (
    BidsOption,
    CohortsOption,
    JsonOption,
    OutOption,
    OverridesArgument,
    OverwriteOption,
    SeedOption,
    Selection,
    SubjectsOption,
    WhereOption,
)


def train(
    cohort: CohortsOption,
    out: OutOption,
    recipe: Annotated[str, typer.Option(help="A shipped recipe's name or a YAML file.")] = "default",
    subjects: SubjectsOption = None,
    where: WhereOption = None,
    bids: BidsOption = None,
    encoder_weights: Annotated[
        Path | None,
        typer.Option(help="A file in torchvision's form (.safetensors, .pth) for a network.encoder of resnet50."),
    ] = None,
    seed: SeedOption = 0,
    overwrite: OverwriteOption = False,
    json: JsonOption = False,
    overrides: OverridesArgument = None,
) -> None:
    """Train a model from random weights on a cohort's labelled scans.

    Recipes whose task needs no labels (task.kind autoencoding or masked_autoencoding) use all scans,
    and --cohort may then be a folder of them, a file a person. The same command continues a
    training that was cut off. Several cohorts (--cohort A --cohort B) are joined by the labels that all
    have; their subjects are then called A_..., B_....
    """
    from neurograft.cli.training import run_training
    from neurograft.recipes import load_recipe
    from neurograft.training.request import TrainingRequest

    chosen = load_recipe(recipe, overrides or ())
    opened = Selection(subjects, where, bids).open_all(cohort, scans_suffice=not chosen.needs_label_maps)
    request = TrainingRequest(opened, chosen, out, seed=seed, overwrite=overwrite, encoder_weights=encoder_weights)
    run_training(request, json)
