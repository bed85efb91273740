"""``neurograft adapt``: a model from a model and a few labelled scans."""

import logging
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from neurograft.cli.options import (
    BidsOption,
    CohortOption,
    JsonOption,
    LabelTableOption,
    OutOption,
    OverridesArgument,
    OverwriteOption,
    SeedOption,
    Selection,
    SubjectsOption,
    WhereOption,
    read_label_starts,
)

if TYPE_CHECKING:
    from neurograft.imaging.labels import LabelTable

logger = logging.getLogger(__name__)


def adapt(
    source: Annotated[
        Path,
        typer.Option(
            help="The model to start from, such as runs/mine, or builtin:NAME where it is there.", show_default=False
        ),
    ],
    cohort: CohortOption,
    out: OutOption,
    strategy: Annotated[str, typer.Option(help="Such as full, freeze(up2), decay(down1), first_layers(2).")] = "full",
    labels: Annotated[
        int | None, typer.Option("--labels", min=1, help="Use this many labelled subjects.", show_default=False)
    ] = None,
    recipe: Annotated[
        str | None, typer.Option(help="Recipe of the new model; the source's own by default.", show_default=False)
    ] = None,
    budget: Annotated[str | None, typer.Option(help="Such as 2000steps, 60epochs, 10min.", show_default=False)] = None,
    label_from: Annotated[
        list[str] | None,
        typer.Option(
            "--label-from",
            help="TARGET=SOURCE: start a label from a source label, or from several, as A+B.",
            show_default=False,
        ),
    ] = None,
    label_table: LabelTableOption = None,
    average: Annotated[
        float | None,
        typer.Option(
            min=0, max=1, help="Weight of what is learnt in a mean with the source's weights.", show_default=False
        ),
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
    not taken over. Of a source that was pre-trained without labels, neither is its task: a
    segmentation starts from it. Of one that learnt from made images, budget, validation and
    augmentation (but for flips) are not. The same command continues a training that was cut off.
    """
    from neurograft.cli.training import run_training
    from neurograft.cohorts import nested_subsets
    from neurograft.models import open_bundle
    from neurograft.recipes.loading import load_recipe, override_recipe
    from neurograft.recipes.pretrained import for_adaptation
    from neurograft.training.request import TrainingRequest

    bundle = open_bundle(source)
    texts = [*(overrides or ()), *([f"budget={budget}"] if budget else [])]
    if recipe:
        wanted = load_recipe(recipe, texts)
    else:
        wanted = override_recipe(for_adaptation(bundle.info.recipe.model_dump(mode="json"), texts), texts)
    chosen = Selection(subjects, where, bids).open(cohort, scans_suffice=not wanted.needs_label_maps)
    if wanted.needs_label_maps:
        chosen = chosen.labelled()
    if labels is not None:
        chosen = chosen.of_subjects(nested_subsets(chosen.subjects, [labels], seed)[labels])
    learnt = chosen.select_labels(wanted.labels).labels
    starts = read_label_starts(label_from, label_table, learnt.names, bundle.labels.names)
    if label_table is None and strategy != "scratch":
        _tell_of_matches(learnt, bundle.labels.names, starts)
    request = TrainingRequest(
        chosen, wanted, out, strategy, bundle, starts, seed, allow_shared_subjects, overwrite, average=average
    )
    run_training(request, json)


def _tell_of_matches(learnt: "LabelTable", source: Sequence[str], starts: Mapping[str, str]) -> None:
    """Point out labels that the source has under another name: they would start from random weights."""
    from neurograft.cohorts.label_matching import match_labels

    found = [m for m in match_labels(learnt, source) if m.sources and m.target not in starts and m.how != "same name"]
    if found:
        first = found[0]
        logger.warning(
            "%d labels start from random weights and might start from the source's (%s from %s, for one); see "
            "neurograft model match, and --label-table",
            len(found),
            first.target,
            first.text,
        )
