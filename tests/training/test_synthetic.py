"""Training on images that are made from label maps."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from neurograft.cohorts import Cohort, open_cohort
from neurograft.errors import InputError
from neurograft.imaging.files import read_label_map, write_label_map
from neurograft.imaging.grid import Grid
from neurograft.recipes import Recipe
from neurograft.training.cases import prepare_case
from neurograft.training.request import TrainingRequest
from neurograft.training.run import train_model
from neurograft.training.synthetic import synthesiser_for, with_made_channels, with_made_images

RecipeMaker = Callable[..., Recipe]
MADE = ("synthesis.enabled=true", "budget=4steps")


@pytest.fixture(scope="module")
def heads(tmp_path_factory: pytest.TempPathFactory) -> Cohort:
    """Three label maps of a ball in a ball, stored with the axes turned."""
    folder = tmp_path_factory.mktemp("heads")
    shape = (20, 18, 22)
    grid = Grid.from_affine(shape, np.diag([-1.0, -1.0, 1.0, 1.0]))
    rng = np.random.default_rng(0)
    for number in range(3):
        centre = rng.uniform(8, 11, 3)[:, None, None, None]
        distance = ((np.indices(shape) - centre) ** 2).sum(0)
        label = np.where(distance < 9, 10, np.where(distance < 36, 2, np.where(distance < 64, 515, 0)))
        write_label_map(folder / f"h{number}.nii.gz", label.astype(np.uint16), grid)
    rows = ["10\t10\tthalamus\t1", "2\t2\tcerebral white matter\t2", "515\t0\tbackground\t3"]
    header = "index\tsegmentation_index\tsegmentation_name\tintensity_class"
    (folder / "labels.tsv").write_text("\n".join([header, *rows]) + "\n")
    return open_cohort(folder)


def test_label_maps_alone_train_a_model(heads: Cohort, make_recipe: RecipeMaker, tmp_path: Path) -> None:
    recipe = make_recipe(*MADE, "labels=[thalamus]", "validation.hold_out=1", "validation.every=2")
    info = train_model(TrainingRequest(heads, recipe, tmp_path / "a"))
    assert info.channels == ["image"]
    assert [label["name"] for label in info.labels["labels"]] == ["thalamus"]
    assert (info.training["training_subjects"], info.training["validation_subjects"]) == (2, 1)
    train_model(TrainingRequest(heads, recipe, tmp_path / "b"))
    one, other = (load_file(tmp_path / name / "model" / "model.safetensors") for name in "ab")
    assert all(torch.equal(one[name], other[name]) for name in one)


def test_channels_are_those_that_are_made(heads: Cohort, make_recipe: RecipeMaker, tmp_path: Path) -> None:
    recipe = make_recipe(*MADE, "synthesis.channels=[T1w, T2w]", "validation.hold_out=0")
    assert train_model(TrainingRequest(heads, recipe, tmp_path / "run")).channels == ["T1w", "T2w"]


def test_label_maps_without_synthesis_are_refused(heads: Cohort, make_recipe: RecipeMaker, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"label maps without images.*synthesis\.enabled"):
        train_model(TrainingRequest(heads, make_recipe(), tmp_path / "run"))


def test_images_that_there_are_besides_are_not_read(balls: Cohort, make_recipe: RecipeMaker, tmp_path: Path) -> None:
    cohort = replace(balls, cases=tuple(replace(case, images={"image": tmp_path / "none"}) for case in balls.cases))
    recipe = make_recipe(*MADE)
    made = with_made_channels(cohort, recipe)
    source = synthesiser_for(made, recipe)
    assert source is not None
    prepared = prepare_case(made.cases[0], made.labels, recipe.preparation, synthesiser=source)
    generation = prepared.example.generation
    assert generation is not None
    assert torch.equal(generation.classes, prepared.example.target)


def test_preparation_turns_the_map_as_it_turns_the_target(heads: Cohort, make_recipe: RecipeMaker) -> None:
    recipe = make_recipe(*MADE, "preparation.crop=nonzero", "preparation.spacing_mm=[2, 1, 1]")
    cohort = with_made_channels(heads, recipe).select_labels(["thalamus"])
    source = synthesiser_for(cohort, recipe)
    assert source is not None
    prepared = prepare_case(cohort.cases[0], cohort.labels, recipe.preparation, synthesiser=source)
    assert prepared.spacing_mm == (2, 1, 1)
    generation = prepared.example.generation
    assert generation is not None
    assert torch.equal(generation.classes == 1, prepared.example.target == 1)
    assert prepared.example.image.shape[0] == 0
    for axis in range(3):
        occupied = (generation.classes > 0).any(dim=axis)
        assert bool(occupied.any())
    assert float(generation.voxels.whole[1:].sum()) == int((generation.classes > 0).sum())


@pytest.mark.parametrize("crop", ["nonzero", "mask"])
def test_outside_of_a_mask_there_is_air_as_in_scans(
    heads: Cohort, make_recipe: RecipeMaker, tmp_path: Path, crop: str
) -> None:
    """Unless the mask only says what to cut out."""
    whole = read_label_map(heads.cases[0].label)
    write_label_map(tmp_path / "mask.nii.gz", np.isin(whole.data, (2, 10)).astype(np.uint8), whole.grid)
    recipe = make_recipe(*MADE, f"preparation.crop={crop}")
    cohort = with_made_channels(heads, recipe)
    source = synthesiser_for(cohort, recipe)
    assert source is not None
    masked = replace(cohort.cases[0], mask=tmp_path / "mask.nii.gz")
    prepared = prepare_case(masked, cohort.labels, recipe.preparation, synthesiser=source)
    generation = prepared.example.generation
    assert generation is not None
    assert int((generation.classes == 1).sum()) == int((whole.data == 10).sum())
    assert int((generation.classes == 2).sum()) == int((whole.data == 2).sum())
    # Class 3 is what lies around.
    assert bool((generation.classes == 3).any()) == (crop == "mask")


def test_who_is_held_out_gets_one_image_and_always_the_same(heads: Cohort, make_recipe: RecipeMaker) -> None:
    recipe = make_recipe(*MADE, "synthesis.partial_view_probability=1")
    cohort = with_made_channels(heads, recipe)
    source = synthesiser_for(cohort, recipe)
    assert source is not None
    cases = [prepare_case(case, cohort.labels, recipe.preparation, synthesiser=source) for case in cohort.cases[:2]]
    first, again, other = (with_made_images(cases, source, seed) for seed in (1, 1, 2))
    for one, same, different in zip(first, again, other, strict=True):
        assert one.example.generation is None
        assert one.example.image.shape == (1, *one.example.shape)
        assert torch.equal(one.example.image, same.example.image)
        assert not torch.equal(one.example.image, different.example.image)
        assert torch.equal(one.example.target, same.example.target)


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        (["preparation.normalisation=nyul"], "makes images of every contrast"),
        (["preparation.space=mni152"], "makes images where the label maps lie"),
        (["synthesis.gamma=[0, 1]"], "must be above 0"),
        (["synthesis.lesions=[5, 2]"], "must not be smaller"),
        (["synthesis.partial_view_share=[0.5, 1.5]"], "at most 1"),
        (["synthesis.noise_std=[-1, 1]"], "no number may be negative"),
        (["synthesis.channels=[a, a]"], "one channel twice"),
        (["synthesis.means={thalamus: -1}"], "must not be negative"),
    ],
)
def test_recipes_that_cannot_make_images(make_recipe: RecipeMaker, overrides: list[str], message: str) -> None:
    with pytest.raises(InputError, match=message):
        make_recipe(*MADE, *overrides)


def test_a_mean_for_no_structure_is_refused(heads: Cohort, make_recipe: RecipeMaker, tmp_path: Path) -> None:
    recipe = make_recipe(*MADE, "synthesis.means={putamen: 0.5}", "validation.hold_out=0")
    with pytest.raises(InputError, match=r"no intensity class is.*thalamus"):
        train_model(TrainingRequest(heads, recipe, tmp_path / "run"))
