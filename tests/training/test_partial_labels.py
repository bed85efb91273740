"""Partial labels through the real network, loss and training."""

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from neurograft.cohorts import Cohort, open_cohort
from neurograft.imaging.files import read_image, read_label_map, write_image, write_label_map
from neurograft.imaging.grid import Grid
from neurograft.imaging.labels import LabelTable
from neurograft.inference.segmenting import Segmenter
from neurograft.models import open_bundle
from neurograft.networks import build_network
from neurograft.recipes import Recipe
from neurograft.sampling.batches import PatchBatches
from neurograft.tasks import SegmentationTask
from neurograft.training.cases import prepare_cohort, split_validation
from neurograft.training.request import TrainingRequest
from neurograft.training.run import train_model

CohortMaker = Callable[..., Cohort]
RecipeMaker = Callable[..., Recipe]


@pytest.mark.parametrize("output", ["softmax", "sigmoid"])
@pytest.mark.parametrize("loss", ["dice", "dice_ce"])
def test_no_gradient_where_nobody_annotated(
    make_cohort: CohortMaker, make_recipe: RecipeMaker, tmp_path: Path, output: str, loss: str
) -> None:
    cohort = make_cohort(tmp_path / "c", 2, labels=("left", "right"))
    recipe = make_recipe(
        f"task.output={output}", f"task.loss={loss}", "label_budget.axis=random", "label_budget.share=0.3",
        "sampling.batch_size=4", "augmentation.elastic_probability=1", "augmentation.rotation_probability=1",
        "augmentation.flip_axes=[left-right]",
    )  # fmt: skip
    cases = prepare_cohort(cohort, recipe.preparation, budget=recipe.label_budget)
    batches = PatchBatches(
        [case.example for case in cases], recipe.sampling, recipe.augmentation, cohort.labels.mirror_pairs()
    )
    batch = batches.batch(0)
    task = SegmentationTask(recipe.task, cohort.labels.names)
    network = build_network(recipe.network, 1, len(task.outputs), seed=0)
    outputs = network.outputs(batch.image)
    outputs["main"].retain_grad()
    task.loss(outputs, batch.target, batch.unknown).backward()
    gradient = outputs["main"].grad
    assert gradient is not None
    ignored = (batch.target == -1).unsqueeze(1).expand_as(gradient)
    assert 0.3 < ignored.float().mean() < 0.95
    assert (gradient[ignored] == 0).all()
    assert (gradient[~ignored] != 0).float().mean() > 0.9


def test_no_gradient_for_a_label_that_nobody_looked_for(
    make_cohort: CohortMaker, make_recipe: RecipeMaker, tmp_path: Path
) -> None:
    cohort = make_cohort(tmp_path / "c", 2, labels=("a", "b"), label_states=["a=dense;b=none", "dense"])
    recipe = make_recipe("task.output=sigmoid", "sampling.batch_size=4")
    cases = prepare_cohort(cohort, recipe.preparation)
    batch = PatchBatches([case.example for case in cases], recipe.sampling, recipe.augmentation).batch(1)
    assert len(set(batch.case_ids)) == 2
    task = SegmentationTask(recipe.task, cohort.labels.names)
    network = build_network(recipe.network, 1, 2, seed=0)
    outputs = network.outputs(batch.image)
    outputs["main"].retain_grad()
    task.loss(outputs, batch.target, batch.unknown).backward()
    gradient = outputs["main"].grad
    for number, case_id in enumerate(batch.case_ids):
        drawn = batch.target[number] == 1
        if case_id == "p00":
            # Known to be a means known not to be b; elsewhere in the volume b was not looked for.
            open_b = batch.unknown[number, 1]
            assert (gradient[number, 1][open_b] == 0).all()
            assert (gradient[number, 1][drawn] != 0).all()
            assert not (open_b & drawn).any()
            assert open_b.float().mean() > 0.5
        assert (gradient[number, 0] != 0).float().mean() > 0.9


def test_a_run_writes_its_slices_and_learns_from_them(balls: Cohort, make_recipe: RecipeMaker, tmp_path: Path) -> None:
    budget = ("label_budget.axis=coronal", "label_budget.slices=3", "label_budget.within=labels", "budget=6steps")
    for name, seed, more in (("a", 0, ()), ("b", 0, ()), ("c", 1, ()), ("d", 0, ("label_budget.validation=all",))):
        recipe = make_recipe(*budget, "validation.hold_out=1", *more)
        train_model(TrainingRequest(balls, recipe, tmp_path / name, seed=seed))
    tables = {name: pd.read_csv(tmp_path / name / "annotated_slices.tsv", sep="\t") for name in "abcd"}
    first = tables["a"]
    assert list(first.columns) == ["case", "subject", "axis", "slices", "annotated_voxels", "voxels_ball"]
    assert first["axis"].eq("coronal").all()
    assert first["annotated_voxels"].eq(3 * 20 * 16).all()
    for case, row in zip(balls.cases, first.itertuples(), strict=True):
        slices = [int(number) for number in row.slices.split(",")]
        label = read_label_map(case.label).data
        assert len(slices) == 3
        assert row.voxels_ball == (label[:, slices] == 1).sum() > 0
    pd.testing.assert_frame_equal(first, tables["b"])
    assert first["slices"].tolist() != tables["c"]["slices"].tolist()
    assert (tables["d"]["slices"] == "all").sum() == 1
    recipe = make_recipe("budget=6steps")
    train_model(TrainingRequest(balls, recipe, tmp_path / "whole"))
    assert not (tmp_path / "whole" / "annotated_slices.tsv").exists()


def test_three_slices_a_person_teach_the_structure(balls: Cohort, make_recipe: RecipeMaker, tmp_path: Path) -> None:
    recipe = make_recipe(
        "budget=100steps", "optimiser.learning_rate=0.01", "validation.hold_out=1", "validation.every=50",
        "label_budget.axis=axial", "label_budget.slices=3", "label_budget.within=labels", "label_budget.validation=all",
    )  # fmt: skip
    train_model(TrainingRequest(balls, recipe, tmp_path / "run"))
    assert pd.read_csv(tmp_path / "run" / "metrics.csv")["validation/dice"].max() > 0.75


def test_marked_label_maps_and_a_budget_give_one_training(
    balls: Cohort, make_recipe: RecipeMaker, tmp_path: Path
) -> None:
    """Label maps that mark what a budget would leave out give the weights that the budget gives."""
    recipe = make_recipe("budget=6steps", "label_budget.axis=axial", "label_budget.slices=4")
    train_model(TrainingRequest(balls, recipe, tmp_path / "budget"))
    cases = []
    for case, prepared in zip(
        balls.cases, prepare_cohort(balls, recipe.preparation, budget=recipe.label_budget), strict=True
    ):
        label = read_label_map(case.label)
        data = np.full_like(label.data, 9)
        slices = list(prepared.annotation.slices.slices)
        data[..., slices] = label.data[..., slices]
        path = tmp_path / case.label.name
        write_label_map(path, data, label.grid)
        cases.append(replace(case, label=path, label_state="slices"))
    (tmp_path / "labels.tsv").write_text("index\tname\n1\tball\n9\tnot annotated\n")
    marked = replace(balls, cases=tuple(cases), labels=LabelTable.from_tsv(tmp_path / "labels.tsv"))
    train_model(TrainingRequest(marked, make_recipe("budget=6steps"), tmp_path / "marked"))
    weights = [(tmp_path / name / "model" / "model.safetensors").read_bytes() for name in ("budget", "marked")]
    assert weights[0] == weights[1]
    assert open_bundle(tmp_path / "marked").labels.ignore_value == 9


def _two_kinds_of_balls(folder: Path, subjects: int) -> Cohort:
    """A bright ball, which is the label, and far from it a rod as bright, which nobody ever annotated."""
    rng = np.random.default_rng(4)
    shape, places = (40, 20, 20), np.indices((40, 20, 20))
    grid = Grid.from_affine(shape, np.eye(4))
    folder.mkdir()
    rows = ["subject\timage\tlabel"]
    for number in range(subjects):
        image, label = rng.normal(0.0, 0.3, shape).astype(np.float32), np.zeros(shape, np.uint8)
        centre = rng.uniform((7, 7, 7), (9, 13, 13))[:, None, None, None]
        label[((places - centre) ** 2).sum(0) < 16] = 1
        rod = (abs(places[0] - 31) < 4) & (abs(places[1] - rng.integers(7, 13)) < 2)
        image[(label > 0) | rod] += 2.0
        write_image(folder / f"p{number}.nii.gz", image, grid)
        write_label_map(folder / f"p{number}_dseg.nii.gz", label, grid)
        rows.append(f"p{number}\tp{number}.nii.gz\tp{number}_dseg.nii.gz")
    (folder / "cohort.tsv").write_text("\n".join(rows) + "\n")
    (folder / "labels.tsv").write_text("index\tname\n1\tball\n")
    return open_cohort(folder / "cohort.tsv")


def test_the_safeguard_keeps_nonsense_out_of_what_was_never_annotated(make_recipe: RecipeMaker, tmp_path: Path) -> None:
    cohort = _two_kinds_of_balls(tmp_path / "c", 4)
    volumes = [read_image(path) for path in cohort.cases[0].images.values()]
    truth = read_label_map(cohort.cases[0].label).data
    nonsense, found = {}, {}
    for beyond in ("null", "12"):
        recipe = make_recipe(
            "budget=120steps", "optimiser.learning_rate=0.01", "augmentation.rotation_probability=0",
            "label_budget.axis=sagittal", "label_budget.slices=5", "label_budget.within=labels",
            "label_budget.margin=0", f"label_budget.background_beyond_mm={beyond}", "validation.hold_out=0",
        )  # fmt: skip
        train_model(TrainingRequest(cohort, recipe, tmp_path / beyond))
        classes = Segmenter([open_bundle(tmp_path / beyond)]).segment(volumes).classes
        nonsense[beyond] = int((classes[24:] == 1).sum())
        found[beyond] = (classes[truth == 1] == 1).mean()
    # Five slices of the ball say nothing of the rod, whose every voxel is as bright.
    assert nonsense["null"] > 300
    assert nonsense["12"] < nonsense["null"] / 10
    assert min(found.values()) > 0.7


def test_a_label_that_only_held_out_people_show_is_told(
    make_cohort: CohortMaker, make_recipe: RecipeMaker, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """Slices drawn in the people who train may all miss a label, while those held out count whole."""
    cohort = make_cohort(tmp_path / "c", 3, labels=("a", "b"))
    recipe = make_recipe("budget=2steps", "validation.hold_out=1")
    held = split_validation(cohort, recipe.validation, 0)[1]
    for case in cohort.cases:
        if case.subject not in held:
            label = read_label_map(case.label)
            write_label_map(case.label, np.where(label.data == 2, 0, label.data), label.grid)
    train_model(TrainingRequest(cohort, recipe, tmp_path / "run"))
    assert "only held-out subjects show b" in caplog.text


def test_held_out_slices_without_a_label_choose_no_weights(
    make_cohort: CohortMaker, make_recipe: RecipeMaker, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """One slice of each person may miss the structure; a Dice of 0 at every validation must not pick the first."""
    cohort = make_cohort(tmp_path / "c", 3)
    marked = LabelTable.from_names({1: "ball"}, ignore_value=9)
    recipe = make_recipe("budget=20steps", "validation.hold_out=1", "validation.every=5")
    held = split_validation(cohort, recipe.validation, 0)[1]
    for case in cohort.cases:
        if case.subject in held:
            label = read_label_map(case.label)
            write_label_map(case.label, np.where(label.data == 1, 9, label.data), label.grid)
    train_model(TrainingRequest(cohort.with_labels(marked), recipe, tmp_path / "run"))
    record = json.loads((tmp_path / "run" / "run.json").read_text())
    assert record["kept"] == "last"
    assert record["validation_subjects"] == 0
    assert "none of the held-out subjects shows a label" in caplog.text
