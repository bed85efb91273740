"""The demonstration of label budgets: as many annotated slices, in few people or spread over many."""

from neurograft.cohorts import Cohort, hold_out
from neurograft.demos.experiment import Experiment
from neurograft.demos.hippocampus import DATA, SEEDS, SPLIT_SEED, STRUCTURE_TEST
from neurograft.evaluation.comparison.compare import compare_methods
from neurograft.recipes import load_recipe
from neurograft.studies.comparison import Arm, Comparison, ComparisonResult
from neurograft.studies.comparison_summary import MEAN_LABEL, with_label_mean

WHOLE = 4
"""People annotated throughout."""
SPREADS = (3, 9)
"""As many times the people, each with one slice in so many."""
AXES = ("sagittal", "coronal", "axial")
DENSE = "every slice"


def budget_experiment(cohort: Cohort) -> Experiment:
    """Whether annotators should finish few people or begin many, and along which axis.

    Args:
        cohort: the Decathlon's hippocampus crops.

    Reference:
        Richter and Fetit 2022 (P3), section on label budgets.
    """
    rest, test = hold_out(cohort.subjects, count=STRUCTURE_TEST, seed=SPLIT_SEED)
    recipe = load_recipe("hippocampus")
    arms = [Arm("scratch", WHOLE, variant=DENSE)]
    for times in SPREADS:
        budget = {"label_budget.share": 1 / times, "label_budget.selection": "even", "label_budget.margin": 0.0}
        arms += [
            Arm("scratch", WHOLE * times, {"label_budget.axis": axis, **budget}, f"one in {times}, {axis}")
            for axis in AXES
        ]
    return Experiment(
        name="label-budget",
        title="As many annotated slices: in few people, or spread over many?",
        question=(
            f"An annotator can draw as many slices as {WHOLE} people have. Is it better to finish {WHOLE} people, or "
            f"to draw one slice in {SPREADS[0]} of {WHOLE * SPREADS[0]} people, or one in {SPREADS[1]} of "
            f"{WHOLE * SPREADS[1]}, and along which axis?"
        ),
        comparison=Comparison(
            source=None,
            source_recipe=recipe,
            pool=cohort.of_subjects(rest),
            test=cohort.of_subjects(test),
            recipe=recipe,
            arms=tuple(arms),
            seeds=SEEDS,
        ),
        method=(
            f"{len(test)} people were set aside for testing; they are those of the other comparisons.",
            f"For each of {len(SEEDS)} seeds, people were drawn from the {len(rest)} others, one set inside the next.",
            "Slices were fixed before training, evenly spaced; voxels of other slices count for nothing in the loss.",
            "All models started from random weights and had one budget of steps; scores are on whole volumes.",
        ),
        data=DATA,
        notes=(
            "Slices are counted, not minutes: slices of different axes differ in size, and people have one or two "
            "crops.",
            "Intervals resample test people. No test person was looked at while the recipe was tuned.",
        ),
        answer=_against_every_slice,
    )


def _against_every_slice(result: ComparisonResult) -> list[str]:
    """Each way of spreading against finishing few people, all in one family of comparisons."""
    scores = with_label_mean(result.scores)
    scores = scores[scores["label"] == MEAN_LABEL]
    frame = scores.assign(method=scores["strategy"] + ", " + scores["people"] + " people", value=scores["dice"])
    reference = f"{DENSE}, {WHOLE} people"
    table = compare_methods(frame[["subject", "case", "seed", "method", "value"]], "Dice", MEAN_LABEL, reference)
    return [str(sentence) for sentence in table["verdict"]]
