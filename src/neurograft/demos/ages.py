"""The demonstration of the age head: phantoms whose ventricles grow with age, and fifteen real people."""

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pandas as pd

from neurograft.cohorts import Cohort, fingerprint_cohort, k_folds, open_cohort, require_disjoint
from neurograft.inference.run import PredictionRequest, predict_cohort
from neurograft.models import open_bundle
from neurograft.phantoms.ageing import make_ageing_cohort
from neurograft.recipes import load_recipe
from neurograft.training.request import TrainingRequest
from neurograft.training.run import train_model

logger = logging.getLogger(__name__)

PHANTOM_PEOPLE, PHANTOM_SEED, PHANTOM_TEST = 80, 21, 40
PHANTOM_SPACING_MM = 4.0
SEEDS = (0, 1)
FOLDS, FOLD_SEED = 3, 2026

SHRUNK = (
    "network.channels=[8,16,32,64]",
    "network.auxiliary_heads=2",
    "task.deep_supervision_weights=[1,0.5,0.25]",
    "sampling.patch_size=[32,40,32]",
    "optimiser.name=adamw",
    "optimiser.learning_rate=0.002",
    "validation.hold_out=0",
)
"""What differs from the recipes p3-neonatal-age and p3-neonatal."""

REAL = (
    "preparation.spacing_mm=[4,4,4]",
    "sampling.patch_size=[40,48,40]",
    "labels={lateral ventricles: [Left Lateral Ventricle, Right Lateral Ventricle]}",
)
"""Besides, for the real scans: all of the brain in one patch."""

BUDGET, REAL_BUDGET = "300steps", "200steps"
HEAD_BUDGET = "150steps"
"""Of the age head where it is trained by itself, after a segmentation of `BUDGET`."""

SEPARATE = ("task.age_weight=1", "task.train=age", "validation.keep=last", f"budget={HEAD_BUDGET}")

VENTRICLES = "true_ventricle_volume_ml"
"""Column of the phantoms' table."""

Progress = Callable[[int, int, str], None]


@dataclass(frozen=True)
class Way:
    """A way to learn the age.

    Attributes:
        name: in tables.
        overrides: of the recipe p3-neonatal-age.
        separate: learn the segmentation first and without the age, then the head alone.
    """

    name: str
    overrides: tuple[str, ...] = ()
    separate: bool = False


WAYS = (
    Way("constant weight"),
    Way("rising weight", ("task.age_weight_schedule=rising",)),
    Way("separated", SEPARATE, separate=True),
)


@dataclass(frozen=True)
class Split:
    """Who is learnt from and who is tested on, in one training."""

    name: str
    learners: tuple[str, ...]
    tested: tuple[str, ...]


@dataclass(frozen=True, eq=False)
class AgeExperiment:
    """A cohort with ages, and how they are learnt.

    Attributes:
        name: of its files.
        title: of its page.
        cohort: everyone.
        splits: each a training of every way and seed.
        ways: what is compared.
        seeds: of weights and patches.
        overrides: of both recipes.
        method: what is done, in sentences.
        data: where the scans come from.
    """

    name: str
    title: str
    cohort: Cohort
    splits: tuple[Split, ...]
    ways: tuple[Way, ...]
    seeds: tuple[int, ...]
    overrides: tuple[str, ...]
    data: str
    method: tuple[str, ...] = field(default=())


def age_experiments(folder: Path, data_root: Path | None) -> list[AgeExperiment]:
    """Make the phantoms in `folder` (kept if they are there), find the real scans, and describe both.

    Without `data_root` there are phantoms alone.

    Reference:
        Richter and Fetit 2022 (P3), AgeU-Net, and its wishes: a rising weight, separated training.
    """
    table = folder / "ageing" / "cohort.tsv"
    if not table.is_file():
        make_ageing_cohort(table.parent, PHANTOM_PEOPLE, PHANTOM_SEED, spacing_mm=PHANTOM_SPACING_MM)
    experiments = [phantom_experiment(open_cohort(table, name="ageing phantoms"))]
    real = None if data_root is None else data_root / "miccai2012-train"
    if real is None or not real.is_dir():
        logger.warning("no folder miccai2012-train under --data-root: the age is learnt on phantoms alone")
        return experiments
    return [*experiments, real_experiment(open_cohort(real))]


def phantom_experiment(cohort: Cohort) -> AgeExperiment:
    """Three ways of learning the age from phantoms, tested on as many others."""
    learners, tested = cohort.subjects[:-PHANTOM_TEST], cohort.subjects[-PHANTOM_TEST:]
    return AgeExperiment(
        name="ages-phantom",
        title="Age from ventricles that grow with it: three ways to train the head",
        cohort=cohort,
        splits=(Split("all", tuple(learners), tuple(tested)),),
        ways=WAYS,
        seeds=SEEDS,
        overrides=(*SHRUNK, f"budget={BUDGET}"),
        data="ageing phantoms made by neurograft from the MNI152 template; no patient data",
        method=(
            f"{len(learners)} phantoms of 20 to 85 years were learnt from, {len(tested)} others tested on; voxels of "
            f"{PHANTOM_SPACING_MM:g} mm, so that the whole head is one patch.",
            f"The AgeU-Net of p3-neonatal-age was shrunk to 8 to 64 channels and trained with AdamW at 0.002, "
            f"{BUDGET.removesuffix('steps')} steps; separated: the segmentation without age in that budget, then the "
            f"head alone in {HEAD_BUDGET.removesuffix('steps')} steps.",
            "A regression on the logarithm of the true volume of the ventricles, fitted to the same people, errs by "
            f"{volume_error_years(cohort.of_subjects(learners), cohort.of_subjects(tested)):.1f} years in the mean.",
        ),
    )


def volume_error_years(learners: Cohort, tested: Cohort) -> float:
    """Mean absolute error of the age by a line over the logarithm of the phantoms' true volume of the ventricles."""
    (volumes, ages), (seen, truth) = (
        np.array([[float(case.covariates[name]) for case in cohort.cases] for name in (VENTRICLES, "age")])
        for cohort in (learners, tested)
    )
    slope, start = np.polyfit(np.log(volumes), ages, 1)
    return float(np.abs(slope * np.log(seen) + start - truth).mean())


def real_experiment(cohort: Cohort) -> AgeExperiment:
    """One way on fifteen real people, cross-validated."""
    subjects = tuple(subject for subject in cohort.subjects if _age(cohort, subject) is not None)
    folds = k_folds(subjects, FOLDS, FOLD_SEED)
    return AgeExperiment(
        name="ages-miccai",
        title="Age of fifteen real people, cross-validated",
        cohort=cohort.of_subjects(subjects),
        splits=tuple(Split(f"fold{number}", learn, test) for number, (learn, test) in enumerate(folds)),
        ways=WAYS[:1],
        seeds=SEEDS[:1],
        overrides=(*SHRUNK, *REAL, f"budget={REAL_BUDGET}"),
        data="MICCAI 2012 multi-atlas challenge, 15 training scans (OASIS; Neuromorphometrics, Inc.), CC BY-NC 3.0",
        method=(
            f"Each of {FOLDS} folds was tested with a model of the other people; ages come from participants.tsv.",
            "Scans were brought to 4 mm; the lateral ventricles are the only structure that is segmented beside the "
            f"age. Everything else is as for the phantoms, but for {REAL_BUDGET.removesuffix('steps')} steps.",
            "Ten people of nearly one age teach little; the question is whether the report says so.",
        ),
    )


def learn_ages(experiment: AgeExperiment, out: Path, progress: Progress | None = None) -> pd.DataFrame:
    """Train and test every way; what is finished in `out` is kept.

    Returns:
        A row a way, seed and tested scan: ``way``, ``seed``, ``split``, ``case``, ``subject``, ``age``
            (predicted), ``reference``, ``training_mean``.

    Raises:
        InputError: a person on both sides of a split, or without an age.
    """
    total = len(experiment.splits) * len(experiment.ways) * len(experiment.seeds)
    done, found = 0, []
    for split in experiment.splits:
        learners = experiment.cohort.of_subjects(split.learners)
        tested = experiment.cohort.of_subjects(split.tested)
        require_disjoint(fingerprint_cohort(learners), fingerprint_cohort(tested), "the learners", "the test subjects")
        ages = [age for age in (_age(learners, subject) for subject in learners.subjects) if age is not None]
        for way in experiment.ways:
            for seed in experiment.seeds:
                if progress is not None:
                    progress(done, total, f"{experiment.name}, {way.name}, {split.name}, seed {seed}")
                folder = out / f"{way.name.replace(' ', '-')}-{split.name}-seed{seed}"
                predicted = _train_and_predict(experiment, way, learners, tested, seed, folder)
                found.append(
                    predicted[["case", "subject", "age", "reference"]].assign(
                        way=way.name, seed=seed, split=split.name, training_mean=float(np.mean(ages))
                    )
                )
                done += 1
    return pd.concat(found, ignore_index=True)


def _train_and_predict(
    experiment: AgeExperiment, way: Way, learners: Cohort, tested: Cohort, seed: int, folder: Path
) -> pd.DataFrame:
    recipe = load_recipe("p3-neonatal-age", [*experiment.overrides, *way.overrides])
    request = TrainingRequest(learners, recipe, folder, seed=seed)
    if way.separate:
        first = folder.with_name(f"{folder.name}-segmentation")
        segmentation = load_recipe("p3-neonatal", list(experiment.overrides))
        _train_once(TrainingRequest(learners, segmentation, first, seed=seed))
        # The head learns from the people whom the segmentation learnt from; those tested on are new to both.
        request = TrainingRequest(
            learners, recipe, folder, "freeze(age)", open_bundle(first), seed=seed, allow_shared_subjects=True
        )
    _train_once(request)
    predictions = folder.with_name(f"{folder.name}-predictions")
    if not (predictions / "prediction.json").is_file():
        predict_cohort(PredictionRequest([open_bundle(folder)], tested, predictions))
    return pd.read_csv(predictions / "ages.tsv", sep="\t", dtype={"case": str, "subject": str})


def _train_once(request: TrainingRequest) -> None:
    if not (request.out / "run.json").is_file():
        train_model(request)


def _age(cohort: Cohort, subject: str) -> float | None:
    texts: Sequence[str] = [case.covariates.get("age", "") for case in cohort.cases if case.subject == subject]
    try:
        return float(texts[0])
    except ValueError:
        return None
