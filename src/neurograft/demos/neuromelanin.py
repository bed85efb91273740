"""The protocol of P1 in small, on phantoms: from SNpc to LC and back, with 5 and 14 labelled people."""

from collections.abc import Callable
from pathlib import Path

from neurograft.cohorts import Cohort, open_cohort
from neurograft.demos.experiment import Experiment, Findings
from neurograft.demos.neuromelanin_claims import claims
from neurograft.demos.neuromelanin_measures import measure_protocol, protocol_table
from neurograft.phantoms.midbrain import LC_SIDES, make_midbrain_cohort
from neurograft.recipes import load_recipe
from neurograft.recipes.schema import Recipe
from neurograft.studies.comparison import Arm, Comparison, ComparisonResult

SOURCE_PEOPLE, SOURCE_SEED = 20, 11
TARGET_PEOPLE, TARGET_SEED = 44, 12
POOL = 20
"""The first people of the target cohort may be learnt from; the others are only ever tested on."""
SIZES = (5, 14)
SEEDS = (0, 1, 2)
STRATEGIES = ("scratch", "freeze(up3)", "freeze(up1)", "decay_down1", "decay_whole", "full")
RATERS = ("rater1", "rater2")
"""The first draws what is learnt and scored against; the second shows how far people agree."""

STRUCTURES: dict[str, tuple[str, ...]] = {"SNpc": ("SNpc",), "LC": tuple(LC_SIDES)}
"""What each model learns as one label, by the labels of the cohort."""

SHRUNK = (
    "budget=200steps",
    "network.channels=[8,16,32,64]",
    "sampling.patch_size=[32,32,32]",
    "sampling.batch_size=4",
    "optimiser.learning_rate=0.003",
    "validation.hold_out=0",
    "inference.window=[80,64,64]",
    "postprocessing.min_voxels=6",
)
"""What differs from the recipes p1-lc and p1-snpc."""

_NOTES = (
    "Phantoms are easier than scans: figures here show that the machinery works, and no figure of the paper is "
    "reproduced by them.",
    "Shrunk from the paper's: 200 steps for up to 10000 epochs; 8 to 64 channels; patches of 32 voxels, 4 a batch; "
    "Adam at 0.003, and a tenth of it where decayed; 20 people for the source; the last weights are kept, and nobody "
    "is held out of training; one model a seed in place of five folds; scans of 0.75 mm that were not upsampled.",
    "Components under 6 voxels are dropped, which are 50 voxels of the paper's 0.375 mm. No window is placed by the "
    "true structure: each scan is seen whole.",
    "The paper's source learnt from the same people; here no person of the source is in the target cohort.",
    "A mask is parted at the phantom's midline into left and right, since models learn both sides as one label.",
    "Contrast ratios are (S - R) / R with S the largest or the median intensity of the mask and R the mean of the "
    "reference region. An empty mask has none; such people are left out of the ICC and counted.",
    "Intervals of Dice resample test people; an ICC is the mean over seeds, with the lowest and the highest.",
)


def neuromelanin_experiments(folder: Path) -> list[Experiment]:
    """Make the phantoms in `folder` (kept if they are there) and describe both directions.

    Reference:
        Bahador et al. (P1), protocol of the small sizes.
    """
    source = _cohort(folder / "source", SOURCE_PEOPLE, SOURCE_SEED)
    target = _cohort(folder / "target", TARGET_PEOPLE, TARGET_SEED)
    return [_experiment(source, target, "SNpc", "LC"), _experiment(source, target, "LC", "SNpc")]


def _cohort(folder: Path, people: int, seed: int) -> Cohort:
    table = folder / "cohort.tsv"
    if not table.is_file():
        table = make_midbrain_cohort(folder, people, seed, age_groups=True, label="rater1", lc_sides=True)
    return open_cohort(table, name=f"neuromelanin phantoms, seed {seed}")


def _recipe(structure: str) -> Recipe:
    labels = ", ".join(STRUCTURES[structure])
    return load_recipe(f"p1-{structure.lower()}", [*SHRUNK, f"labels={{{structure}: [{labels}]}}"])


def _experiment(source: Cohort, target: Cohort, known: str, wanted: str) -> Experiment:
    comparison = Comparison(
        source=source,
        source_recipe=_recipe(known),
        pool=target.of_subjects(target.subjects[:POOL]),
        test=target.of_subjects(target.subjects[POOL:]),
        recipe=_recipe(wanted),
        arms=(Arm("none", 0), *(Arm(strategy, size) for size in SIZES for strategy in STRATEGIES)),
        seeds=SEEDS,
        label_from={wanted: known},
    )
    sizes = " and ".join(map(str, SIZES))
    tested = len(comparison.test.subjects)
    return Experiment(
        name=f"neuromelanin-{known.lower()}-to-{wanted.lower()}",
        title=f"P1's protocol in small: from {known} to {wanted}, with {sizes} labelled people",
        question=(
            f"A model segments {known}. {sizes} people have {wanted} drawn. Does starting from that model help, do "
            "lower rates beat frozen units, and does the contrast ratio agree with the rater's?"
        ),
        comparison=comparison,
        method=(
            f"{SOURCE_PEOPLE + TARGET_PEOPLE} phantoms in two age groups were made, and drawn by two raters whose "
            "disagreement is that of people. Models learn the first rater's drawings and are scored against them.",
            f"{tested} people of the target cohort were set aside for testing; they are the same for every model.",
            f"For each of {len(SEEDS)} seeds, a 3D U-Net learnt {known} from {SOURCE_PEOPLE} other people. {sizes} "
            f"people, one set inside the other, were drawn from {POOL}, and it was adapted to {wanted} by each "
            "strategy under one budget of steps; a twin started from random weights.",
            "The source was also used as it is, its output read as the other structure.",
            "Contrast ratios were measured in the predicted mask and in the rater's, and compared by ICC(2,1).",
        ),
        data="phantoms made by neurograft from the MNI152 template that nilearn ships; no patient data",
        notes=_NOTES,
        find=_finder(comparison, wanted),
    )


def _finder(comparison: Comparison, wanted: str) -> Callable[[ComparisonResult], Findings]:
    def find(result: ComparisonResult) -> Findings:
        second = Path(comparison.test.source).parent / RATERS[1]
        measured = measure_protocol(comparison.test, STRUCTURES[wanted], result, second)
        caption = (
            f"{wanted}, every structure by itself: Dice against rater 1 (mean ± SD over test people), and ICC(2,1) of "
            "the contrast ratio between predicted and drawn masks (mean over seeds, lowest to highest)."
        )
        return Findings(
            answer=tuple(claims(result, measured, wanted)),
            shown={caption: protocol_table(measured)},
            tables={"protocol": measured.rows},
        )

    return find
