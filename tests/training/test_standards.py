from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import yaml

from neurograft.cohorts import Cohort
from neurograft.cohorts.standards import cohort_standard
from neurograft.models import open_bundle
from neurograft.recipes import Recipe
from neurograft.recipes.loading import override_recipe
from neurograft.training.request import TrainingRequest
from neurograft.training.run import train_model


def test_landmarks_come_from_the_training_subjects_and_go_with_the_model(
    make_cohort: Callable[..., Cohort], make_recipe: Callable[..., Recipe], tmp_path: Path
) -> None:
    cohort = make_cohort(tmp_path / "balls", 4)
    recipe = make_recipe("preparation.normalisation=nyul", "budget=2steps", "validation.hold_out=1")
    train_model(TrainingRequest(cohort, recipe, tmp_path / "source"))
    bundle = open_bundle(tmp_path / "source")
    standard = bundle.info.recipe.preparation.standard
    candidates = {
        subject: cohort_standard(cohort.of_subjects(set(cohort.subjects) - {subject}), recipe.preparation)
        for subject in cohort.subjects
    }
    assert standard in candidates.values(), "measured on all but one subject"
    assert standard != cohort_standard(cohort, recipe.preparation)
    written = yaml.safe_load((tmp_path / "source" / "recipe.yaml").read_text())
    assert override_recipe(written, ()) == bundle.info.recipe
    others = make_cohort(tmp_path / "others", 2, seed=5, first_subject=50)
    request = TrainingRequest(others, bundle.info.recipe, tmp_path / "target", "full", bundle)
    request = replace(
        request, recipe=override_recipe(bundle.info.recipe.model_dump(mode="json"), ["validation.hold_out=0"])
    )
    train_model(request)
    assert open_bundle(tmp_path / "target").info.recipe.preparation.standard == standard
