"""As many slices whichever way they are spread, and an answer beside finishing few people."""

from dataclasses import replace
from pathlib import Path

import pandas as pd
import pytest

from neurograft.cohorts import Cohort
from neurograft.cohorts.label_budget import choose_slices
from neurograft.demos.hippocampus import open_hippocampus
from neurograft.demos.label_budget import DENSE, WHOLE, budget_experiment
from neurograft.imaging.files import read_label_map
from neurograft.recipes.schema import LabelBudgetConfig
from neurograft.studies.comparison import run_comparison


@pytest.fixture(scope="module")
def hippocampus(shared_data: Path) -> Cohort:
    return open_hippocampus(shared_data)


def test_every_arm_has_about_as_many_slices(hippocampus: Cohort) -> None:
    comparison = budget_experiment(hippocampus).comparison
    assert len({arm.name for arm in comparison.arms}) == len({arm.folder for arm in comparison.arms}) == 7
    assert not set(comparison.pool.subjects) & set(comparison.test.subjects)
    cases = comparison.pool.cases[:12]
    for arm in comparison.arms[1:]:
        budget = LabelBudgetConfig(**{key.partition(".")[2]: value for key, value in arm.overrides.items()})
        drawn = whole = 0
        for case in cases:
            assert case.label is not None
            volume = read_label_map(case.label)
            classes = comparison.pool.labels.to_classes(volume.data)
            chosen = choose_slices(classes, volume.grid, budget, case.subject, case.id, 0)
            assert chosen is not None
            drawn += len(chosen.slices)
            whole += volume.data.shape[("sagittal", "coronal", "axial").index(str(budget.axis))]
        assert drawn / whole * int(arm.people) == pytest.approx(WHOLE, rel=0.1)


def test_the_answer_sets_each_spread_beside_few_whole_people(hippocampus: Cohort, tmp_path: Path) -> None:
    experiment = budget_experiment(hippocampus)
    comparison = experiment.comparison
    tiny = {"channels": (4, 8)}
    machine = {"precision": "fp32", "channels_last": False, "threads": 1, "device": "cpu"}
    recipe = comparison.recipe
    recipe = recipe.model_copy(
        update={
            "budget": "2steps",
            "network": recipe.network.model_copy(update=tiny),
            "compute": recipe.compute.model_copy(update=machine),
        }
    )
    small = replace(
        comparison,
        recipe=recipe,
        test=comparison.test.of_subjects(comparison.test.subjects[:3]),
        pool=comparison.pool.of_subjects(comparison.pool.subjects[:12]),
        arms=(comparison.arms[0], comparison.arms[1]),
        seeds=(0,),
    )
    result = run_comparison(small, tmp_path / "models")
    assert set(result.scores["strategy"]) == {DENSE, "one in 3, sagittal"}
    assert experiment.answer is not None
    (sentence,) = experiment.answer(result)
    assert "one in 3, sagittal, 12 people" in sentence
    assert f"{DENSE}, {WHOLE} people" in sentence
    folder = result.folders["one in 3, sagittal", "12", 0]
    slices = pd.read_csv(folder / "annotated_slices.tsv", sep="\t")
    assert slices["axis"].eq("sagittal").all()
