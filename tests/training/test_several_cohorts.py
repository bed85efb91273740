"""One model from several cohorts whose label maps use other values."""

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from neurograft.cohorts import Cohort, combine_cohorts, open_cohort
from neurograft.errors import InputError
from neurograft.imaging.files import read_label_map, write_label_map
from neurograft.models import open_bundle
from neurograft.recipes import Recipe
from neurograft.training.cases import prepare_cohort
from neurograft.training.request import TrainingRequest
from neurograft.training.run import train_model

CohortMaker = Callable[..., Cohort]
RecipeMaker = Callable[..., Recipe]


@pytest.fixture(scope="module")
def two(make_cohort: CohortMaker, tmp_path_factory: pytest.TempPathFactory) -> list[Cohort]:
    """Balls and cubes of labels 1 and 2, and a cohort in which the values stand the other way round."""
    root = tmp_path_factory.mktemp("two")
    first = make_cohort(root / "one", 2, labels=["ball", "cube"], seed=1)
    second = make_cohort(root / "two", 2, labels=["cube", "ball"], seed=2)
    return [first, second]


def test_every_case_is_read_by_its_own_table(two: list[Cohort], make_recipe: RecipeMaker) -> None:
    both = combine_cohorts(two)
    prepared = prepare_cohort(both, make_recipe("preparation.crop=none").preparation)
    for case, found in zip(both.cases, prepared, strict=True):
        values = read_label_map(case.label).data
        ball = 1 if case.origin[0] == "one" else 2
        assert ((found.example.target.numpy() == 1) == (values == ball)).all()


def test_a_model_of_both_knows_the_people_of_either(
    two: list[Cohort], make_cohort: CohortMaker, make_recipe: RecipeMaker, tmp_path: Path
) -> None:
    recipe = make_recipe("budget=2steps", "validation.hold_out=0")
    info = train_model(TrainingRequest(combine_cohorts(two), recipe, tmp_path / "both"))
    assert [entry["name"] for entry in info.training_subjects] == ["one", "two"]
    assert [label["name"] for label in info.labels["labels"]] == ["ball", "cube"]
    source = open_bundle(tmp_path / "both")
    for cohort in two:
        with pytest.raises(InputError, match="source model's training subjects"):
            train_model(TrainingRequest(cohort, recipe, tmp_path / "again", "full", source))
    other = make_cohort(tmp_path / "other", 1, labels=["ball", "cube"], seed=9, first_subject=7)
    assert train_model(TrainingRequest(other, recipe, tmp_path / "new", "full", source))


def test_the_same_scan_in_both_is_refused(two: list[Cohort], make_recipe: RecipeMaker, tmp_path: Path) -> None:
    shutil.copytree(two[0].source.parent, tmp_path / "copy")
    for label in sorted((tmp_path / "copy").glob("*_dseg.nii.gz")):
        write_label_map(label, read_label_map(label).data, read_label_map(label).grid)
    copy = open_cohort(tmp_path / "copy")
    recipe = make_recipe("budget=2steps", "validation.hold_out=0")
    with pytest.raises(InputError, match="also among cohort copy"):
        train_model(TrainingRequest(combine_cohorts([two[0], copy]), recipe, tmp_path / "out"))
