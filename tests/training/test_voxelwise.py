"""The tri-planar network from a cohort with priors to masks, and on to another cohort."""

import contextlib
import json
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
import yaml
from safetensors.torch import load_file

from neurograft.cli import main
from neurograft.cohorts import Cohort, open_cohort
from neurograft.errors import InputError
from neurograft.imaging.files import read_image, read_label_map
from neurograft.imaging.frames import write_probabilities
from neurograft.inference.run import PredictionRequest, predict_cohort
from neurograft.models import Bundle, open_bundle
from neurograft.recipes import Recipe, load_recipe
from neurograft.recipes.loading import override_recipe
from neurograft.sampling.voxels import VoxelBatches
from neurograft.training.request import TrainingRequest
from neurograft.training.run import train_model

CohortMaker = Callable[..., Cohort]

SMALL = [
    "preparation.crop=none",
    "network.channels=[4,6,8]",
    "network.dense_channels=[8,12,10]",
    "network.dropout=0.0",
    "sampling.batch_size=48",
    "optimiser.learning_rate=0.005",
    "budget=8epochs",
    "validation.hold_out=1",
    "inference.window=[12,12,12]",
    "inference.region_margin=2",
    "compute.device=cpu",
    "compute.precision=fp32",
    "compute.channels_last=false",
    "compute.threads=1",
]


def small(*overrides: str, name: str = "p5-subcortical") -> Recipe:
    return override_recipe(load_recipe(name).model_dump(mode="json"), [*SMALL, *overrides])


def with_priors(cohort: Cohort, names: Sequence[str]) -> Cohort:
    """The truth, dilated by a voxel's blur, as a prior of each case."""
    folder = cohort.source.parent
    table = pd.read_csv(cohort.source, sep="\t")
    table["prior"] = [f"{subject}_prior.nii.gz" for subject in table["subject"]]
    for case in cohort.cases:
        label_map = read_label_map(case.label)
        frames = []
        for value in range(1, len(names) + 1):
            grown = np.zeros(label_map.grid.shape, np.float32)
            for axis in range(3):
                for shift in (-1, 0, 1):
                    grown = np.maximum(grown, np.roll(label_map.data == value, shift, axis) * 0.8)
            frames.append(grown)
        write_probabilities(folder / f"{case.subject}_prior.nii.gz", np.stack(frames) / len(names), label_map.grid)
    table.to_csv(cohort.source, sep="\t", index=False)
    return open_cohort(cohort.source)


@pytest.fixture(scope="module")
def cohort(make_cohort: CohortMaker, tmp_path_factory: pytest.TempPathFactory) -> Cohort:
    made = make_cohort(tmp_path_factory.mktemp("priors") / "c", 3, (18, 17, 16), ["left ball", "right ball"], seed=1)
    return with_priors(made, made.labels.names)


@pytest.fixture(scope="module")
def model(cohort: Cohort, tmp_path_factory: pytest.TempPathFactory) -> Bundle:
    out = tmp_path_factory.mktemp("models") / "model"
    train_model(TrainingRequest(cohort, small(), out))
    return open_bundle(out)


def test_a_model_reads_the_prior_and_remembers_its_frames(model: Bundle) -> None:
    preparation = model.info.recipe.preparation
    assert preparation.prior_labels == ("background", "left ball", "right ball")
    assert model.side.prior == preparation.prior_labels
    assert model.info.channels == ["image"]
    network = model.network()
    assert (network.in_channels, network.prior_channels) == (4, 3)
    assert network.get_submodule("trunk2.linear").in_features == 15


def test_accuracy_of_held_subjects_chooses_after_each_epoch(model: Bundle) -> None:
    metrics = pd.read_csv(model.path.parent / "metrics.csv")
    assert metrics["validation/accuracy"].notna().all()
    assert metrics["step"].diff().dropna().nunique() == 1
    assert len(metrics) == 8
    assert metrics["validation/accuracy"].max() > 0.8
    assert model.info.training["kept"].startswith("best at step")
    assert "validation accuracy" in model.info.training["kept"]


def test_masks_lie_near_the_prior_and_find_the_balls(model: Bundle, cohort: Cohort, tmp_path: Path) -> None:
    table = predict_cohort(PredictionRequest([model], cohort, tmp_path / "masks"))
    assert set(table["region"]) == {"prior"}
    assert json.loads((tmp_path / "masks" / "prediction.json").read_text())["region"]["asked"] == "prior"
    scores = []
    for case, path in zip(cohort.cases, table["mask"].drop_duplicates(), strict=True):
        mask, truth = read_label_map(tmp_path / "masks" / path).data, read_label_map(case.label).data
        near = np.zeros(mask.shape, bool)
        for shift in np.ndindex(9, 9, 9):
            near |= np.roll(truth > 0, [step - 4 for step in shift], (0, 1, 2))
        assert not (mask[~near] > 0).any()
        # The left ball lies behind the right one, which may leave little of it.
        right, found = truth == 2, mask == 2
        scores.append(2 * (right & found).sum() / (right.sum() + found.sum()))
    assert np.mean(scores) > 0.75


def test_probabilities_outside_the_region_are_backgrounds(model: Bundle, cohort: Cohort, tmp_path: Path) -> None:
    one = cohort.of_subjects(cohort.subjects[:1])
    predict_cohort(PredictionRequest([model], one, tmp_path / "masks", keep_probabilities=True))
    maps = sorted((tmp_path / "masks").rglob("*probseg*.nii.gz"))
    assert len(maps) == 2
    assert all(read_image(path).data[0, 0, 0] == 0 for path in maps)


@pytest.mark.parametrize("figure", ["accuracy", "loss"])
def test_the_literal_split_by_voxel(cohort: Cohort, tmp_path: Path, figure: str) -> None:
    recipe = small(
        "validation.split=voxel", "validation.hold_out=0.25", f"validation.figure={figure}", "budget=2epochs"
    )
    info = train_model(TrainingRequest(cohort.of_subjects(cohort.subjects[:1]), recipe, tmp_path / "run"))
    metrics = pd.read_csv(tmp_path / "run" / "metrics.csv")
    assert metrics[f"validation/{figure}"].notna().all()
    assert info.training["training_subjects"] == 1


def test_adapt_keeps_the_share_of_voxels_that_the_source_held_out(
    cohort: Cohort, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    literal = small("validation.split=voxel", "validation.hold_out=0.25", "budget=1epochs")
    one, other = (cohort.of_subjects([subject]) for subject in cohort.subjects[:2])
    train_model(TrainingRequest(one, literal, tmp_path / "source"))
    (tmp_path / "other.txt").write_text(f"{other.subjects[0]}\n")
    words = ["--source", tmp_path / "source", "--cohort", cohort.source, "--subjects", tmp_path / "other.txt"]
    words += ["--strategy", "full", "--budget", "1epochs", "--out", tmp_path / "adapted"]
    monkeypatch.setattr(sys, "argv", ["neurograft", "adapt", *map(str, words)])
    with contextlib.suppress(SystemExit):
        main()
    recipe = yaml.safe_load((tmp_path / "adapted" / "recipe.yaml").read_text())
    assert recipe["validation"]["hold_out"] == 0.25


def test_p5s_transfer_freezes_and_resets(model: Bundle, make_cohort: CohortMaker, tmp_path: Path) -> None:
    made = make_cohort(tmp_path / "t", 1, (18, 17, 16), ["left ball", "right ball"], seed=8, first_subject=40)
    target = with_priors(made, made.labels.names)
    recipe = override_recipe(model.info.recipe.model_dump(mode="json"), ["validation.hold_out=0", "budget=6steps"])
    train_model(TrainingRequest(target, recipe, tmp_path / "run", strategy="frozen_conv", source=model))
    loading = pd.read_csv(tmp_path / "run" / "loading.tsv", sep="\t")
    assert set(loading.loc[loading["unit"] == "head", "action"]) == {"reset"}
    assert set(loading.loc[loading["unit"] != "head", "action"]) == {"copied"}
    after = load_file(tmp_path / "run" / "model" / "model.safetensors")
    for name, tensor in model.state.items():
        assert torch.equal(after[name], tensor) == ("_conv" in name), name


def test_a_cohort_without_priors_is_refused_with_its_mend(model: Bundle, balls: Cohort, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"case p00 has none.*column prior"):
        train_model(TrainingRequest(balls, small(), tmp_path / "run"))
    with pytest.raises(InputError, match=r"case p00 has none.*column prior"):
        predict_cohort(PredictionRequest([model], balls, tmp_path / "masks"))


def test_without_a_prior_the_network_goes_without(balls: Cohort, tmp_path: Path) -> None:
    recipe = small(
        "preparation.prior=none",
        "inference.region=whole",
        "budget=2steps",
        "validation.figure=dice",
        "sampling.batch_size=96",
    )
    train_model(TrainingRequest(balls, recipe, tmp_path / "run"))
    bundle = open_bundle(tmp_path / "run")
    assert bundle.side.prior == ()
    assert bundle.network().get_submodule("trunk2.linear").in_features == 12
    assert pd.read_csv(tmp_path / "run" / "metrics.csv")["validation/dice"].notna().all()
    predict_cohort(PredictionRequest([bundle], balls, tmp_path / "masks"))


def test_another_network_takes_the_prior_as_channels(cohort: Cohort, tmp_path: Path) -> None:
    recipe = override_recipe(
        {},
        [
            "preparation.prior=channels",
            "network.channels=[4,8]",
            "sampling.patch_size=[16,16,16]",
            "budget=4steps",
            *SMALL[-4:],
        ],
    )
    train_model(TrainingRequest(cohort, recipe, tmp_path / "run"))
    bundle = open_bundle(tmp_path / "run")
    assert bundle.network().in_channels == 4
    predict_cohort(PredictionRequest([bundle], cohort, tmp_path / "masks"))


def test_a_resumed_training_ends_with_the_same_weights(
    cohort: Cohort, tmp_path: Path, short_chunks: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    recipe = small("budget=12steps", "validation.hold_out=0", "validation.keep=last")
    train_model(TrainingRequest(cohort, recipe, tmp_path / "whole"))

    original = VoxelBatches.batch

    def cut(self, step):
        if step == 9:
            raise KeyboardInterrupt
        return original(self, step)

    with monkeypatch.context() as patch:
        patch.setattr("neurograft.sampling.voxels.VoxelBatches.batch", cut)
        with pytest.raises((KeyboardInterrupt, SystemExit)):
            train_model(TrainingRequest(cohort, recipe, tmp_path / "cut"))
    train_model(TrainingRequest(cohort, recipe, tmp_path / "cut"))
    weights = [(tmp_path / name / "model" / "model.safetensors").read_bytes() for name in ("whole", "cut")]
    assert weights[0] == weights[1]


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("sampling.kind=patches", "belong together"),
        ("sampling.patch_size=[2,1,1]", "answers for one voxel"),
        ("inference.window=null", "set inference.window"),
        ("task.output=sigmoid", "task.output: softmax"),
        ("validation.split=voxel", "needs a share"),
    ],
)
def test_recipes_that_do_not_fit(override: str, message: str) -> None:
    with pytest.raises(InputError, match=message):
        small(override)


def test_the_resolved_recipe_stands_beside_the_run(model: Bundle) -> None:
    written = Recipe.model_validate(yaml.safe_load((model.path.parent / "recipe.yaml").read_text()))
    assert written == model.info.recipe
