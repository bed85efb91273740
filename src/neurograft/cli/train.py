"""``neurograft train``: a model from random weights."""

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
)


def train(
    cohort: CohortOption,
    out: OutOption,
    recipe: Annotated[str, typer.Option(help="A shipped recipe's name or a YAML file.")] = "default",
    subjects: SubjectsOption = None,
    where: WhereOption = None,
    bids: BidsOption = None,
    seed: SeedOption = 0,
    overwrite: OverwriteOption = False,
    json: JsonOption = False,
    overrides: OverridesArgument = None,
) -> None:
    """Train a model from random weights on a cohort's labelled scans.

    The same command continues a training that was cut off.
    """
    from neurograft.cli.training import run_training
    from neurograft.recipes import load_recipe
    from neurograft.training.run import TrainingRequest

    chosen = load_recipe(recipe, overrides or ())
    request = TrainingRequest(
        Selection(subjects, where, bids).open(cohort), chosen, out, seed=seed, overwrite=overwrite
    )
    run_training(request, json)
