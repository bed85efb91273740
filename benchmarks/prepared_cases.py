"""The Decathlon's hippocampus crops, prepared once for neurograft and for the peers that learn beside it."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from neurograft.cohorts import Cohort, hold_out
from neurograft.demos.hippocampus import open_hippocampus
from neurograft.recipes import load_recipe
from neurograft.training.cases import PreparedCase, prepare_cohort

PATCH = [40, 56, 40]
SPLIT_SEED = 2026


def five_people(data_root: Path, test_people: int) -> tuple[Cohort, Cohort, Cohort]:
    """Five people to learn from, others to test on, and all the rest, of whom a source may have learnt."""
    cohort = open_hippocampus(data_root)
    rest, test = hold_out(cohort.subjects, count=test_people, seed=SPLIT_SEED)
    source, people = hold_out(rest, count=5, seed=SPLIT_SEED)
    return cohort.of_subjects(people), cohort.of_subjects(test), cohort.of_subjects(source)


def prepared(cohort: Cohort) -> list[PreparedCase]:
    """As the recipe hippocampus prepares them."""
    return prepare_cohort(cohort, load_recipe("hippocampus").preparation)


def write_arrays(cases: Sequence[PreparedCase], folder: Path) -> list[str]:
    """Write ``cases/NAME.npz`` with image and target, and give the names."""
    (folder / "cases").mkdir(parents=True, exist_ok=True)
    names = []
    for case in cases:
        name = case.example.id.replace("/", "_")
        arrays = {"image": case.example.image.numpy(), "target": case.example.target.numpy()}
        np.savez(folder / "cases" / f"{name}.npz", **arrays)
        names.append(name)
    return names
