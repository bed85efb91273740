"""What a built-in model is worth on real scans: as it is, adapted to a few people, and beside random weights."""

import math
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from neurograft.cohorts import Cohort, open_cohort
from neurograft.cohorts.label_matching import JOINED_BY
from neurograft.demos.experiment import Experiment
from neurograft.demos.hippocampus import domain_experiment
from neurograft.demos.subcortical import Ladder, NetworkPlan
from neurograft.demos.subcortical_data import STRUCTURES
from neurograft.demos.subcortical_page import LadderWords
from neurograft.demos.subcortical_tables import PAPER_WORDS
from neurograft.errors import InputError
from neurograft.models import Bundle
from neurograft.recipes.budget import parse_budget
from neurograft.recipes.loading import override_recipe
from neurograft.recipes.pretrained import for_adaptation
from neurograft.studies.comparison import Arm

NAME = "built-in"
CROPS_NAME = "built-in-hippocampus"
STRATEGY = "full"
BUDGET = "400steps"
"""Of each model on the target: about two minutes on two cores for `builtin:subcortical`."""
LAST_WEIGHTS = ("validation.hold_out=0", "validation.keep=last")
SIZES = (1, 3, 7)
HIPPOCAMPUS_SIZES = (1, 2, 5)
HIPPOCAMPUS_BUDGET = "300steps"
CROPS_MM = (48, 72, 48)
"""What a patch covers of the hippocampus crops, at least: all of them, and not much of the air around."""
HIPPOCAMPUS = JOINED_BY.join(("left hippocampus", "right hippocampus"))


def built_in_ladder(model: str, people: Sequence[int] | None = None, budget: str | None = None) -> Ladder:
    """A finished model on fourteen structures of real scans, without labelled people and with some, and its twin.

    Args:
        model: what it is called.
        people: how many are learnt from, some numbers; the model as it is comes first in any case, and alone
            for 0. `SIZES` unless given.
        budget: of each model on the target; `BUDGET` unless given.

    Raises:
        InputError: a budget that is not understood, or one for nobody.
    """
    sizes, budget = _asked_for(people, budget, SIZES, BUDGET)
    plan = NetworkPlan(
        name=model,
        recipe="the model's",
        overrides=LAST_WEIGHTS,
        strategy=STRATEGY,
        source_budget="0steps",
        budget=budget,
        ways=(("none", False), ("transfer", False), ("scratch", False)),
    )
    return Ladder(sizes, images_each=0, networks=(plan,), mixed_sizes=())


def built_in_target(data_root: Path) -> Cohort:
    """P5's target scans with its fourteen structures.

    Raises:
        InputError: they are not there.
    """
    folder = data_root / "miccai2012-train"
    if not folder.is_dir():
        raise InputError("holds no folder miccai2012-train", "Give the folder above it", data_root)
    return open_cohort(folder).select_labels(list(STRUCTURES))


def built_in_words(ladder: Ladder, model: str) -> LadderWords:
    """What the page of the ladder says."""
    sizes = ", ".join(map(str, ladder.sizes))
    (plan,) = ladder.networks
    learning = (
        f"{sizes} target people, one set inside the next, were learnt from by {STRATEGY}, and by a twin of the same "
        "network and recipe from random weights.",
        "Everybody was scored at every count: those whom a model had learnt from by a second one that had learnt from "
        "as many others.",
        f"Budget on target people: {plan.budget}, by the model's own recipe for scans. The last weights were kept, and "
        "nobody was held out to choose them.",
    )
    adapted = ", and adapted to a few labelled people" if sizes else ""
    return LadderWords(
        name=NAME,
        title=f"{model} on real scans: as it is{adapted}",
        data="MICCAI 2012 multi-atlas challenge, 15 training scans (OASIS; Neuromorphometrics, Inc.), CC BY-NC 3.0",
        method=(
            f"{model} has seen none of these people. Its labels were matched to the fourteen structures by their "
            "names.",
            *(learning if sizes else ()),
            "No atlas, no registration, no standardisation of intensities.",
            f"The paper's figures: {PAPER_WORDS}. Here the source is made, and the official test scans are not among "
            "the 15: the rows are no like-for-like comparison.",
            "Intervals and tests resample test people; they do not cover the draw of the training people.",
        ),
    )


def built_in_hippocampus(
    cohort: Cohort, model: Bundle, name: str, people: Sequence[int] | None = None, budget: str | None = None
) -> tuple[Experiment, ...]:
    """The hippocampus with no label, then its parts from a few people.

    Args:
        cohort: the Decathlon's hippocampus crops.
        model: what is adapted.
        name: what it is called.
        people: how many the parts are learnt from, some numbers; nothing is learnt for 0. `HIPPOCAMPUS_SIZES`
            unless given.
        budget: of each model; `HIPPOCAMPUS_BUDGET` unless given.

    Raises:
        InputError: as `built_in_ladder`.
    """
    known = domain_experiment(cohort)
    sizes, budget = _asked_for(people, budget, HIPPOCAMPUS_SIZES, HIPPOCAMPUS_BUDGET)
    overrides = [*LAST_WEIGHTS, f"budget={budget}", f"sampling.patch_size={_patch(model)}"]
    recipe = override_recipe(for_adaptation(model.info.recipe.model_dump(mode="json")), overrides)
    comparison = replace(known.comparison, source=model, everyone=None, recipe=recipe)
    arms = [Arm(way, size) for size in sizes for way in ("scratch", STRATEGY)]
    tested = len(known.comparison.test.subjects)
    told = (
        f"The {tested} people who are tested, and those who are learnt from with each seed, are those of the "
        "hippocampus's comparison across appearances."
    )
    whole = {"Hippocampus": tuple(cohort.labels.names)}
    as_it_is = Experiment(
        name=CROPS_NAME,
        title=f"{name} on hippocampus crops, without any label",
        question="How well is the hippocampus found, both parts as one, in crops, without a label?",
        comparison=replace(
            comparison,
            pool=comparison.pool.select_labels(whole),
            test=comparison.test.select_labels(whole),
            arms=(Arm("none", 0),),
            label_from={"Hippocampus": HIPPOCAMPUS},
            seeds=(0,),
        ),
        method=(told, "The two parts are one label; the probabilities of the model's two sides are added up."),
        data=known.data,
        notes=known.notes,
    )
    parts = Experiment(
        name=f"{CROPS_NAME}-parts",
        title=f"{name} adapted to the parts of the hippocampus",
        question="Does a model that knows the hippocampus whole help to learn its parts from a few people?",
        comparison=replace(comparison, arms=tuple(arms), label_from=dict.fromkeys(cohort.labels.names, HIPPOCAMPUS)),
        method=(
            told,
            f"Both parts start from {HIPPOCAMPUS}. Budget: {budget}, by the model's own recipe for scans; a twin of "
            "the same network and recipe started from random weights.",
        ),
        data=known.data,
        notes=known.notes,
    )
    return (as_it_is, parts) if sizes else (as_it_is,)


def _asked_for(
    people: Sequence[int] | None, budget: str | None, sizes: tuple[int, ...], usual: str
) -> tuple[tuple[int, ...], str]:
    """How many are learnt from, and for how long: what was asked for, else what is usual."""
    if people is not None:
        sizes = tuple(sorted(set(people) - {0}))
    if budget is not None and not sizes:
        raise InputError("--budget is for models that learn, and --people 0 asks for none", "Leave one of them out")
    budget = usual if budget is None else budget
    parse_budget(budget)
    return sizes, budget


def _patch(model: Bundle) -> list[int]:
    """Voxels of a patch that covers a crop, in steps that the network can halve."""
    spacing = model.info.recipe.preparation.spacing_mm or model.info.spacing_mm
    first, second, third = (math.ceil(length / side) for length, side in zip(CROPS_MM, spacing, strict=True))
    return list(model.network().padded_size((first, second, third)))
