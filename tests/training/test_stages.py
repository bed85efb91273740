"""Automatic masks and corrected ones: what counts, and two trainings as one run."""

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
import yaml

from neurograft.cohorts import Cohort, open_cohort
from neurograft.errors import InputError
from neurograft.imaging.files import read_label_map, write_label_map
from neurograft.models import open_bundle
from neurograft.outputs import MARKER
from neurograft.recipes import Recipe
from neurograft.training import run, stages
from neurograft.training.request import TrainingRequest
from neurograft.training.run import train_model

CohortMaker = Callable[..., Cohort]
RecipeMaker = Callable[..., Recipe]


def with_quality(cohort: Cohort, *qualities: float | str) -> Cohort:
    table = pd.read_csv(cohort.source, sep="\t").assign(label_quality=list(qualities))
    table.to_csv(cohort.source, sep="\t", index=False)
    return open_cohort(cohort.source)


@pytest.fixture(scope="module")
def masks(make_cohort: CohortMaker, tmp_path_factory: pytest.TempPathFactory) -> Cohort:
    made = make_cohort(tmp_path_factory.mktemp("quality") / "masks", 4)
    return with_quality(made, 0.4, 0.4, 1, 0.1)


def test_poor_labels_count_as_none(masks: Cohort, make_recipe: RecipeMaker, tmp_path: Path) -> None:
    recipe = make_recipe("budget=2steps", "label_quality.minimum=0.3", "validation.hold_out=0")
    info = train_model(TrainingRequest(masks, recipe, tmp_path / "out"))
    assert info.training["cases"] == 3
    too_much = make_recipe("label_quality.minimum=1.0", "validation.hold_out=0")
    worse = masks.of_subjects(["p00", "p01"])
    with pytest.raises(InputError, match="no case has labels of quality 1"):
        train_model(TrainingRequest(worse, too_much, tmp_path / "none"))


def staged(make_recipe: RecipeMaker, *overrides: str) -> Recipe:
    return make_recipe(
        "budget=3steps", "validation.hold_out=0", "label_quality.minimum=0.3", "label_quality.refine_from=0.9",
        "label_quality.refine_budget=2steps", "label_quality.refine_learning_rate=0.0005", *overrides,
    )  # fmt: skip


def test_one_run_holds_both_trainings(masks: Cohort, make_recipe: RecipeMaker, tmp_path: Path) -> None:
    out = tmp_path / "out"
    info = train_model(TrainingRequest(masks, staged(make_recipe), out))
    first, second = open_bundle(out / "first"), open_bundle(out)
    assert (first.info.training["cases"], first.info.training["steps"]) == (3, 3)
    assert (info.training["cases"], info.training["steps"]) == (1, 2)
    assert info.strategy == "full"
    assert info.parent is not None
    assert info.parent["weights_sha256"] == first.info.weights_sha256
    assert info.weights_sha256 == second.info.weights_sha256 != first.info.weights_sha256
    recipe = yaml.safe_load((out / "recipe.yaml").read_text())
    assert recipe["optimiser"]["learning_rate"] == 0.0005
    assert recipe["label_quality"]["refine_from"] is None
    assert sorted(path.name for path in out.iterdir() if path.is_dir()) == ["first", "model", "tensorboard"]
    # Whoever was seen by either training is known to the model.
    assert {s for entry in info.training_subjects for s in entry["subjects"]} == {
        s for entry in first.info.training_subjects for s in entry["subjects"]
    }


def test_the_second_training_is_that_of_adapt(masks: Cohort, make_recipe: RecipeMaker, tmp_path: Path) -> None:
    train_model(TrainingRequest(masks, staged(make_recipe), tmp_path / "one"))
    plain = make_recipe("budget=3steps", "validation.hold_out=0", "label_quality.minimum=0.3")
    train_model(TrainingRequest(masks, plain, tmp_path / "first"))
    better = masks.of_subjects(["p02"])
    second = make_recipe("budget=2steps", "validation.hold_out=0", "optimiser.learning_rate=0.0005")
    source = open_bundle(tmp_path / "first")
    train_model(TrainingRequest(better, second, tmp_path / "two", "full", source, allow_shared_subjects=True))
    one, two = open_bundle(tmp_path / "one").state, open_bundle(tmp_path / "two").state
    assert all(torch.equal(one[name], two[name]) for name in one)


def test_who_is_held_out_of_the_first_is_learnt_from_in_neither(
    make_cohort: CohortMaker, make_recipe: RecipeMaker, tmp_path: Path
) -> None:
    cohort = with_quality(make_cohort(tmp_path / "c", 4), 1, 1, 0.5, 0.5)
    recipe = staged(make_recipe, "validation.hold_out=2")
    info = train_model(TrainingRequest(cohort, recipe, tmp_path / "out"))
    first = json.loads((tmp_path / "out" / "first" / "run.json").read_text())
    assert (first["training_subjects"], first["validation_subjects"]) == (2, 2)
    # The two who are held out stay so: the second learns from those of its two who are left.
    assert info.training["training_subjects"] + info.training["validation_subjects"] == 2


def test_a_run_cut_off_between_its_trainings_goes_on(
    masks: Cohort, make_recipe: RecipeMaker, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    request = TrainingRequest(masks, staged(make_recipe), tmp_path / "out")
    whole = train_model(TrainingRequest(masks, staged(make_recipe), tmp_path.parent / "whole-one"))
    with monkeypatch.context() as patch:
        patch.setattr(stages, "open_bundle", _cut_off)
        with pytest.raises(KeyboardInterrupt):
            train_model(request)
    assert not (tmp_path / "out").exists()
    first = next(tmp_path.glob("*/first/run.json"), next(tmp_path.glob(".*/first/run.json"), None))
    assert first is not None
    finished = first.stat().st_mtime_ns
    assert train_model(request).weights_sha256 == whole.weights_sha256
    # The first training was finished, and not run again.
    assert (tmp_path / "out" / "first" / "run.json").stat().st_mtime_ns == finished


def _cut_off(*_: object) -> None:
    raise KeyboardInterrupt


def test_labels_of_one_quality_need_no_second_training(balls: Cohort, make_recipe: RecipeMaker, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="both trainings would see the same"):
        train_model(TrainingRequest(balls, staged(make_recipe), tmp_path / "out"))
    assert not (tmp_path / "out").exists()


def test_recipes_that_make_no_sense_are_refused(make_recipe: RecipeMaker) -> None:
    with pytest.raises(InputError, match="refine_from"):
        make_recipe("label_quality.minimum=0.5", "label_quality.refine_from=0.5")
    with pytest.raises(InputError, match="budget"):
        make_recipe("label_quality.refine_budget=soon")


def test_a_label_that_was_corrected_in_between_begins_anew(
    make_cohort: CohortMaker, make_recipe: RecipeMaker, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cohort = with_quality(make_cohort(tmp_path / "c", 3), 0.4, 0.4, 1)
    request = TrainingRequest(cohort, staged(make_recipe), tmp_path / "out")
    with monkeypatch.context() as patch:
        patch.setattr(stages, "open_bundle", _cut_off)
        with pytest.raises(KeyboardInterrupt):
            train_model(request)
    file = cohort.cases[0].label
    assert file is not None
    volume = read_label_map(file)
    write_label_map(file, np.roll(volume.data, 1, axis=0), volume.grid)
    with pytest.raises(InputError, match=r"different: files\).*--overwrite"):
        train_model(request)
    info = train_model(replace(request, overwrite=True))
    fresh = train_model(replace(request, out=tmp_path / "fresh"))
    assert info.weights_sha256 == fresh.weights_sha256


def test_a_mistake_in_the_first_training_leaves_nothing_in_the_way(
    masks: Cohort, make_recipe: RecipeMaker, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    with pytest.raises(InputError, match="needs a source model"):
        train_model(TrainingRequest(masks, staged(make_recipe), out, "full"))
    assert not list(tmp_path.iterdir())
    train_model(TrainingRequest(masks, staged(make_recipe), out))


def test_what_an_inner_training_left_unfinished_is_replaced_where_the_whole_is(
    masks: Cohort, make_recipe: RecipeMaker, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    request = TrainingRequest(masks, staged(make_recipe), tmp_path / "out")
    with monkeypatch.context() as patch:
        patch.setattr(run, "save_bundle", _cut_off)
        with pytest.raises(KeyboardInterrupt):
            train_model(request)
    marker = tmp_path / ".out.partial" / ".first.partial" / MARKER
    marker.write_text(json.dumps({"request": {"neurograft": "another"}}))
    assert train_model(request).training["steps"] == 2


def test_both_models_are_named_after_the_run(masks: Cohort, make_recipe: RecipeMaker, tmp_path: Path) -> None:
    info = train_model(TrainingRequest(masks, staged(make_recipe), tmp_path / "nuclei"))
    assert info.name == "nuclei"
    assert info.parent is not None
    assert info.parent["name"] == "nuclei-first"
    assert train_model(TrainingRequest(masks, staged(make_recipe), tmp_path / "x", name="lc")).name == "lc"


def test_the_mean_with_the_source_is_taken_once(masks: Cohort, make_recipe: RecipeMaker, tmp_path: Path) -> None:
    source = train_model(TrainingRequest(masks, make_recipe("budget=1steps"), tmp_path / "source"))
    bundle = open_bundle(tmp_path / "source")
    request = TrainingRequest(masks, staged(make_recipe), tmp_path / "out", "full", bundle, allow_shared_subjects=True)
    info = train_model(replace(request, average=0.5))
    assert info.training["averaged"].startswith("0.5 of what was learnt")
    first = open_bundle(tmp_path / "out" / "first").info
    assert "averaged" not in first.training
    assert first.parent is not None
    assert first.parent["weights_sha256"] == source.weights_sha256


def test_the_marker_of_the_whole_run_stays(tmp_path: Path) -> None:
    for folder, request in ((tmp_path, "whole"), (tmp_path / "second", "second")):
        folder.mkdir(exist_ok=True)
        (folder / MARKER).write_text(request)
    (tmp_path / "second" / "model").mkdir()
    stages._move_up(tmp_path / "second", tmp_path)
    assert sorted(path.name for path in tmp_path.iterdir()) == [MARKER, "model"]
    assert (tmp_path / MARKER).read_text() == "whole"
