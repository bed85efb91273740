"""The demonstrations on real scans: the Decathlon's hippocampus, across structures and scanners."""

from pathlib import Path

from neurograft.cohorts import Cohort, fetch_msd_hippocampus, hold_out, open_cohort
from neurograft.demos.experiment import Experiment
from neurograft.errors import InputError
from neurograft.recipes import load_recipe
from neurograft.studies.comparison import Arm, Comparison
from neurograft.studies.people import EVERYONE

SEEDS = (0, 1, 2)
SPLIT_SEED = 2026
"""Decides who is tested; tuning saw none of these people."""
LABELLED = 5
STRUCTURE_TEST, STRUCTURE_POOL = 44, 20
DOMAIN_TEST = 10
TUNED_ON = frozenset(("033", "067", "074", "086", "089", "111", "143", "154"))
"""People of family A whom the recipe was tuned on; they may be learnt from, and are never tested on."""
DATA = (
    "Medical Segmentation Decathlon, Task04 hippocampus (Vanderbilt University Medical Center), CC BY-SA 4.0; "
    "T1-weighted crops, 1 mm"
)


def open_hippocampus(data_root: Path | None) -> Cohort:
    """Open the scans in a folder, or download them.

    Raises:
        InputError: the folder does not hold them.
    """
    if data_root is None:
        return open_cohort(fetch_msd_hippocampus())
    for folder in (data_root / "msd-hippocampus", data_root / "Task04_Hippocampus", data_root):
        if (folder / "dataset.json").is_file():
            return open_cohort(folder)
    raise InputError("holds no msd-hippocampus", "Give the folder above it, or leave --data-root out", data_root)


def structure_experiment(cohort: Cohort) -> Experiment:
    """From the anterior to the posterior hippocampus, with five labelled people.

    Args:
        cohort: the Decathlon's hippocampus crops.
    """
    rest, test = hold_out(cohort.subjects, count=STRUCTURE_TEST, seed=SPLIT_SEED)
    source, pool = hold_out(rest, count=STRUCTURE_POOL, seed=SPLIT_SEED)
    strategies = ("scratch", "freeze(up2)", "decay(up2)", "full", "first_layers(2)")
    comparison = Comparison(
        source=cohort.of_subjects(source),
        source_recipe=load_recipe("hippocampus", ["labels=[Anterior]"]),
        pool=cohort.of_subjects(pool),
        test=cohort.of_subjects(test),
        recipe=load_recipe("hippocampus", ["labels=[Posterior]"]),
        arms=(Arm("none", 0), *(Arm(strategy, LABELLED) for strategy in strategies), Arm("scratch", EVERYONE)),
        seeds=SEEDS,
        everyone=cohort.of_subjects(rest),
        label_from={"Posterior": "Anterior"},
    )
    return Experiment(
        name="structure",
        title="From anterior to posterior hippocampus, with five labelled people",
        question=(
            f"A model segments the anterior hippocampus, learnt from {len(source)} people. {LABELLED} other people "
            "have the posterior part drawn. Which strategy serves best, and is any better than starting afresh?"
        ),
        comparison=comparison,
        method=(
            f"{len(test)} people were set aside for testing before anything else.",
            f"For each of {len(SEEDS)} seeds, a source model learnt the anterior part from {len(source)} people.",
            f"It was adapted to the posterior part with {LABELLED} people drawn from {len(pool)} others, by each "
            "strategy under one budget of steps; a twin started from random weights.",
            "The source was also used as it is, its anterior output read as posterior; and a model was trained from "
            f"scratch on the posterior labels of all {len(rest)} people outside the test set, in the same budget.",
        ),
        data=DATA,
        notes=_NOTES,
    )


def scratch_experiment(cohort: Cohort) -> Experiment:
    """Both parts from random weights with five people, in a longer budget, beside what everyone's labels give in it."""
    rest, test = hold_out(cohort.subjects, count=STRUCTURE_TEST, seed=SPLIT_SEED)
    recipe = load_recipe("hippocampus", ["budget=1600steps"])
    comparison = Comparison(
        source=None,
        source_recipe=recipe,
        pool=cohort.of_subjects(rest),
        test=cohort.of_subjects(test),
        recipe=recipe,
        arms=(Arm("scratch", LABELLED), Arm("scratch", EVERYONE)),
        seeds=SEEDS,
        everyone=cohort.of_subjects(rest),
    )
    return Experiment(
        name="scratch",
        title="Hippocampus from random weights, with five labelled people",
        question=(
            "How far do five labelled people go without any source model, in a longer budget, and how much further "
            "would everyone's labels go in it?"
        ),
        comparison=comparison,
        method=(
            f"The {len(test)} test people are those of the comparison across structures.",
            f"For each of {len(SEEDS)} seeds, {LABELLED} of the other {len(rest)} people were drawn, and a model "
            "learnt the anterior and the posterior part from random weights.",
            f"Another learnt from all {len(rest)} in the same budget.",
        ),
        data=DATA,
        notes=_NOTES,
    )


def domain_experiment(cohort: Cohort) -> Experiment:
    """From intensity families B and C to family A, both parts, with one, two and five people."""
    family = {case.subject: case.covariates["intensity_family"] for case in cohort.cases}
    source = tuple(subject for subject in cohort.subjects if family[subject] != "A")
    target = tuple(subject for subject in cohort.subjects if family[subject] == "A")
    untouched, test = hold_out(set(target) - TUNED_ON, count=DOMAIN_TEST, seed=SPLIT_SEED)
    pool = (*untouched, *(subject for subject in target if subject in TUNED_ON))
    recipe = load_recipe("hippocampus")
    arms = [Arm("none", 0)]
    for people in (1, 2, LABELLED):
        arms += [Arm("scratch", people), Arm("full", people)]
    arms += [Arm(strategy, LABELLED) for strategy in ("freeze(up2)", "decay(up2)", "first_layers(2)")]
    arms.append(Arm("scratch", EVERYONE))
    comparison = Comparison(
        source=cohort.of_subjects(source),
        source_recipe=recipe,
        pool=cohort.of_subjects(pool),
        test=cohort.of_subjects(test),
        recipe=recipe,
        arms=tuple(arms),
        seeds=SEEDS,
        everyone=cohort.of_subjects((*source, *pool)),
    )
    return Experiment(
        name="domain",
        title="Hippocampus on another appearance, with one, two and five labelled people",
        question=(
            f"A model segments the anterior and posterior hippocampus, learnt from {len(source)} people of intensity "
            f"families B and C. A few people of family A, smoother and of 8 bits, are labelled. Does the model help?"
        ),
        comparison=comparison,
        method=(
            f"{len(test)} of the {len(target)} people of family A were set aside for testing.",
            f"For each of {len(SEEDS)} seeds, a source model learnt both parts from {len(source)} people of families "
            "B and C.",
            f"It was adapted with 1, 2 and {LABELLED} people drawn, one set inside the next, from the {len(pool)} "
            "other people of family A, by each strategy under one budget of steps; twins started from random weights.",
            "The source was also used as it is; and a model was trained from scratch on all "
            f"{len(source) + len(pool)} people outside the test set, in the same budget.",
        ),
        data=DATA,
        notes=_NOTES,
    )


_NOTES = (
    "Intervals resample test people. They do not cover the draw of the training people; the smallest and the largest "
    "mean over seeds show that.",
    "No test person was looked at while the recipe was tuned.",
    "No subject was held out of training to choose weights: each model's last weights were kept.",
)
