"""What a finished model is worth on real scans, in a step or two, on blocks in a ball."""

import json
from pathlib import Path

import nibabel as nib
import numpy as np
import pandas as pd
import pytest

from neurograft.cohorts import open_cohort
from neurograft.demos import built_in
from neurograft.demos.hippocampus import domain_experiment
from neurograft.demos.run import BUILT_IN, OF_A_FOLDER, run_demo
from neurograft.demos.subcortical import ladder_cells
from neurograft.demos.subcortical_data import STRUCTURES
from neurograft.errors import InputError
from neurograft.models import open_bundle
from neurograft.recipes import load_recipe
from neurograft.training.request import TrainingRequest
from neurograft.training.run import train_model

TINY = (
    "network.channels=[4,6,8]",
    "network.auxiliary_heads=1",
    "task.deep_supervision_weights=[1,0.5]",
    "sampling.patch_size=[16,16,16]",
    "compute.device=cpu",
    "compute.precision=fp32",
    "compute.channels_last=false",
    "compute.threads=1",
    "preparation.spacing_mm=null",
)


@pytest.fixture(scope="module")
def data_root(subcortical_root: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The fourteen structures' scans, and crops of a hippocampus in two parts of 21 people of two families."""
    root = tmp_path_factory.mktemp("data")
    for folder in subcortical_root.iterdir():
        (root / folder.name).symlink_to(folder)
    crops = root / "msd-hippocampus"
    generator = np.random.default_rng(6)
    rows, training = ["case\tsubject\tintensity_family"], []
    for folder in ("imagesTr", "labelsTr"):
        (crops / folder).mkdir(parents=True)
    for number in range(21):
        name = f"hippocampus_{number:03d}"
        label = np.zeros((18, 20, 18), np.uint8)
        label[6:12, 4:10, 6:12], label[6:12, 10:16, 6:12] = 1, 2
        noise = np.kron(generator.normal(0, 100, (9, 10, 9)), np.ones((2, 2, 2)))
        image = (200.0 * (label > 0) + noise).astype(np.float32)
        for folder, array in (("imagesTr", image), ("labelsTr", label)):
            nib.save(nib.Nifti1Image(array, np.eye(4)), crops / folder / f"{name}.nii.gz")
        training.append({"image": f"./imagesTr/{name}.nii.gz", "label": f"./labelsTr/{name}.nii.gz"})
        rows.append(f"{name}\t{number:03d}\t{'B' if number == 20 else 'A'}")
    labels = {"0": "background", "1": "Anterior", "2": "Posterior"}
    content = {"name": "Hippocampus", "modality": {"0": "MRI"}, "labels": labels, "training": training}
    (crops / "dataset.json").write_text(json.dumps(content))
    (crops / "subjects.tsv").write_text("\n".join(rows) + "\n")
    return root


@pytest.fixture(scope="module")
def model(data_root: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model of made images, with the structures' names in the label maps."""
    maps = open_cohort(data_root / "brain-label-maps")
    labels = f"labels={json.dumps(list(STRUCTURES.values()))}"
    recipe = load_recipe("builtin-subcortical", [*TINY, labels, "budget=1steps", "inference.region=whole"])
    out = tmp_path_factory.mktemp("model") / "run"
    train_model(TrainingRequest(maps, recipe, out))
    return out


@pytest.fixture(scope="module")
def out(data_root: Path, model: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The fourteen structures, with one person a model."""
    folder = tmp_path_factory.mktemp("built-in") / "out"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(built_in, "LAST_WEIGHTS", (*built_in.LAST_WEIGHTS, *TINY))
        run_demo("built-in", folder, data_root, False, "x", model=str(model), people=[1], budget="1steps")
    return folder


@pytest.fixture(scope="module")
def crops(data_root: Path, model: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The hippocampus, with one person a model."""
    folder = tmp_path_factory.mktemp("crops") / "out"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(built_in, "LAST_WEIGHTS", (*built_in.LAST_WEIGHTS, *TINY))
        options = {"model": str(model), "people": [1], "budget": "1steps"}
        run_demo("built-in-hippocampus", folder, data_root, False, "x", **options)
    return folder


def test_the_ladder_has_its_page_and_tables(out: Path) -> None:
    scores = pd.read_csv(out / "built-in-scores.tsv", sep="\t", dtype={"subject": str})
    labels = scores[scores["kind"] == "label"]
    assert set(labels["label"]) == set(STRUCTURES)
    people = labels.groupby(["way", "people"])["subject"].nunique()
    assert people.to_dict() == {("none", 0): 4, ("scratch", 1): 4, ("transfer", 1): 4}
    text = (out / "built-in.md").read_text("utf-8")
    assert "has seen none of these people" in text
    assert "no like-for-like" in text
    assert "0.834" in text, "the paper's row stands beside"
    assert "<svg" in (out / "built-in.html").read_text("utf-8")


def test_the_model_as_it_is_needs_nobody_to_learn_from(data_root: Path, model: Path, tmp_path: Path) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(built_in, "LAST_WEIGHTS", (*built_in.LAST_WEIGHTS, *TINY))
        found = run_demo("built-in", tmp_path / "out", data_root, False, "x", model=str(model), people=[0])
    scores = pd.read_csv(tmp_path / "out" / "built-in-scores.tsv", sep="\t")
    assert set(scores["way"]) == {"none"}
    assert "as it is: mean Dice" in found["built-in"].answer[0]
    text = (tmp_path / "out" / "built-in.md").read_text("utf-8")
    assert "random weights" not in text
    assert "<svg" in (tmp_path / "out" / "built-in.html").read_text("utf-8")


def test_nothing_is_learnt_of_the_hippocampus_from_nobody(data_root: Path, model: Path) -> None:
    cohort = open_cohort(data_root / "msd-hippocampus")
    (alone,) = built_in.built_in_hippocampus(cohort, open_bundle(model), "mine", people=[0])
    assert [arm.strategy for arm in alone.comparison.arms] == ["none"]
    _, parts = built_in.built_in_hippocampus(cohort, open_bundle(model), "mine", people=[4, 0], budget="7steps")
    assert {arm.people for arm in parts.comparison.arms} == {4}
    assert parts.comparison.recipe.budget == "7steps"


def test_the_hippocampus_has_its_pages_and_tables(crops: Path) -> None:
    out = crops
    for name in ("built-in-hippocampus", "built-in-hippocampus-parts"):
        assert "<svg" in (out / f"{name}.html").read_text("utf-8")
    whole = pd.read_csv(out / "built-in-hippocampus-scores.tsv", sep="\t")
    assert set(whole["label"]) == {"Hippocampus"}
    assert set(whole["training_subjects"].astype(str)) == {"0"}
    assert "training in all" not in (out / "built-in-hippocampus.md").read_text("utf-8")
    assert "training in all" in (out / "built-in-hippocampus-parts.md").read_text("utf-8")
    parts = pd.read_csv(out / "built-in-hippocampus-parts-scores.tsv", sep="\t")
    assert set(parts["label"]) == {"Anterior", "Posterior"}
    assert set(parts["strategy"]) == {"scratch", "full"}
    assert set(parts["seed"]) == {0, 1, 2}


def test_every_label_starts_from_its_namesake(out: Path, crops: Path) -> None:
    folder = next((out / "models").glob("*transfer-1*run0*seed0"))
    loading = pd.read_csv(folder / "loading.tsv", sep="\t").to_csv(sep="\t")
    assert "Left Thalamus Proper" in loading
    assert "left thalamus" in loading
    parts = next((crops / "models" / "built-in-hippocampus-parts").glob("full-1-seed0"))
    text = (parts / "loading.tsv").read_text()
    assert built_in.HIPPOCAMPUS in text
    bundle = open_bundle(folder)
    assert not bundle.info.recipe.synthesis.enabled
    assert bundle.info.training["kept"] == "last"
    assert bundle.info.training["steps"] == 1, "the budget that was asked for"


def test_the_people_are_those_of_the_comparison_across_appearances(data_root: Path, model: Path) -> None:
    cohort = open_cohort(data_root / "msd-hippocampus")
    known = domain_experiment(cohort).comparison
    for experiment in built_in.built_in_hippocampus(cohort, open_bundle(model), "mine"):
        comparison = experiment.comparison
        assert comparison.test.subjects == known.test.subjects
        assert comparison.pool.subjects == known.pool.subjects
        assert set(comparison.test.subjects).isdisjoint(comparison.pool.subjects)


def test_everybody_is_scored_by_models_that_never_saw_them() -> None:
    people = tuple(f"{number:02d}" for number in range(15))
    cells = ladder_cells(built_in.built_in_ladder("builtin:subcortical"), people)
    for cell in cells:
        assert not set(cell.learners) & set(cell.tested)
    for way, size in (("none", 0), ("transfer", 7), ("scratch", 1)):
        tested = [person for cell in cells if (cell.way, cell.people) == (way, size) for person in cell.tested]
        assert sorted(tested) == list(people)


def test_what_is_missing_is_said_first(tmp_path: Path, data_root: Path, model: Path) -> None:
    with pytest.raises(InputError, match="phantom has no use for a model"):
        run_demo("phantom", tmp_path / "out", None, False, "x", model=str(model))
    for options, message in (
        ({"people": [1]}, "phantom has no use for --people"),
        ({"budget": "9steps"}, "phantom has no use for --budget"),
    ):
        with pytest.raises(InputError, match=message):
            run_demo("phantom", tmp_path / "out", None, False, "x", **options)
    for options, message in (
        ({"people": [8]}, "at most 4"),
        ({"budget": "5parsecs"}, "not understood"),
        ({"budget": ""}, "not understood"),
        ({"people": [0], "budget": "9steps"}, "models that learn"),
    ):
        for dataset in ("built-in", "built-in-hippocampus")[: 1 if options.get("people") == [8] else 2]:
            with pytest.raises(InputError, match=message):
                run_demo(dataset, tmp_path / "out", data_root, False, "x", model=str(model), **options)
    for dataset in OF_A_FOLDER:
        with pytest.raises(InputError, match="cannot be downloaded"):
            run_demo(
                dataset, tmp_path / "out", None, False, "x", model=str(model) if dataset == "built-in" else BUILT_IN
            )
    assert list(tmp_path.iterdir()) == []
    with pytest.raises(InputError, match="miccai2012-train"):
        run_demo("built-in", tmp_path / "out", tmp_path, False, "x", model=str(model))
    with pytest.raises(InputError):
        run_demo("built-in", tmp_path / "out", data_root, False, "x", model=str(tmp_path / "nothing"))
    assert not (tmp_path / "out").exists()


def test_a_patch_covers_a_crop_and_little_more(data_root: Path, model: Path) -> None:
    bundle = open_bundle(model)
    for experiment in built_in.built_in_hippocampus(open_cohort(data_root / "msd-hippocampus"), bundle, "mine"):
        spacing = bundle.info.recipe.preparation.spacing_mm or bundle.info.spacing_mm
        for side, millimetres, crop in zip(
            experiment.comparison.recipe.sampling.patch_size, spacing, built_in.CROPS_MM, strict=True
        ):
            assert crop <= side * millimetres < crop + 16 * millimetres
