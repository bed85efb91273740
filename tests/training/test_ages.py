import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch

from neurograft.cohorts import Cohort, open_cohort
from neurograft.errors import InputError
from neurograft.imaging.files import read_image, write_image
from neurograft.inference.run import PredictionRequest, predict_cohort
from neurograft.models import AgeInfo, open_bundle
from neurograft.networks import build_network
from neurograft.recipes.schema import NetworkConfig, OptimiserConfig
from neurograft.training.ages import age_info, case_ages
from neurograft.training.module import parameter_groups
from neurograft.training.request import TrainingRequest
from neurograft.training.run import train_model
from neurograft.transfer import plan_transfer

AGES = ["26.5", "33", "40.25"]
AGE_RECIPE = (
    "network.name=residual_unet3d",
    "network.channels=[4, 6, 8]",
    "network.auxiliary_heads=1",
    "network.age_head=paper",
    "task.deep_supervision_weights=[1, 0.5]",
    "task.age_weight=0.1",
    "sampling.patch_size=[16, 16, 16]",
    "validation.hold_out=0",
    "budget=3steps",
)


def with_column(cohort: Cohort, ages: list[str], folder: Path, name: str = "age") -> Cohort:
    """The same files under a table with a column of ages."""
    table = pd.read_csv(cohort.source, sep="\t")
    for column in ("image", "label"):
        table[column] = [str(cohort.source.parent / file) for file in table[column]]
    table[name] = ages
    folder.mkdir(parents=True, exist_ok=True)
    table.to_csv(folder / "cohort.tsv", sep="\t", index=False)
    (folder / "labels.tsv").write_text((cohort.source.parent / "labels.tsv").read_text())
    return open_cohort(folder / "cohort.tsv")


def test_ages_of_cases(balls, tmp_path) -> None:
    cohort = with_column(balls, AGES, tmp_path)
    assert list(case_ages(cohort, "age").values()) == [26.5, 33.0, 40.25]


@pytest.mark.parametrize(
    ("ages", "message"),
    [
        (["26.5", "", "40"], r"cohort\.tsv: case p01 has no age.*task\.age_covariate"),
        (["26.5", "old", "40"], r"cohort\.tsv: case p01: age is 'old', which is no number"),
        (["26.5", "33", "inf"], r"case p02: age is 'inf'"),
    ],
)
def test_ages_that_cannot_be_learnt_stop_the_run_before_it_begins(balls, make_recipe, tmp_path, ages, message) -> None:
    cohort = with_column(balls, ages, tmp_path)
    with pytest.raises(InputError, match=message):
        train_model(TrainingRequest(cohort, make_recipe(*AGE_RECIPE), tmp_path / "run"))
    assert [path.name for path in tmp_path.iterdir() if path.name not in ("cohort.tsv", "labels.tsv")] == []


def test_scale_is_the_training_cases_or_the_sources() -> None:
    fresh = age_info([38.0, 40.0, 42.0], "age", None)
    assert fresh == AgeInfo(covariate="age", mean=40.0, sd=2.0, training_mean=40.0)
    assert age_info([30.0, 32.0], "weeks", fresh) == AgeInfo(covariate="weeks", mean=40.0, sd=2.0, training_mean=31.0)


def test_age_head_has_its_own_rate_and_the_strategys_factor() -> None:
    network = build_network(NetworkConfig(name="residual_unet3d", channels=(2, 3), age_head="paper"), 1, 2, 0)
    config = OptimiserConfig(learning_rate=0.01, age_learning_rate=0.2)
    for strategy, factor in (("full", 1.0), ("decay_whole", 0.1)):
        rates = {g["name"]: g["lr"] for g in parameter_groups(network, plan_transfer(strategy, network.units), config)}
        assert rates.pop("age") == pytest.approx(0.2 * factor)
        assert all(rate == pytest.approx(0.01 * factor) for rate in rates.values())


def test_age_from_training_to_prediction(balls, make_recipe, tmp_path) -> None:
    cohort = with_column(balls, AGES, tmp_path / "cohort")
    info = train_model(TrainingRequest(cohort, make_recipe(*AGE_RECIPE), tmp_path / "run"))
    numbers = [float(age) for age in AGES]
    assert info.age == AgeInfo(
        covariate="age", mean=np.mean(numbers), sd=np.std(numbers, ddof=1), training_mean=np.mean(numbers)
    )
    bundle = open_bundle(tmp_path / "run")
    assert bundle.info.age == info.age
    predict_cohort(PredictionRequest([bundle], cohort, tmp_path / "out"))
    table = pd.read_csv(tmp_path / "out" / "ages.tsv", sep="\t")
    columns = ["case", "subject", "age", "windows", "sd_over_windows", "reference", "region", "oracle"]
    assert list(table.columns) == columns
    assert set(table["region"]) == {"whole"}
    assert set(table["oracle"]) == {"no"}
    assert list(table["reference"]) == numbers
    # 20 x 18 x 16 voxels in windows of 16 without overlap: 2 x 2 x 1.
    assert set(table["windows"]) == {4}
    assert np.isfinite(table["age"]).all()
    errors = pd.read_csv(tmp_path / "out" / "age_errors.tsv", sep="\t")
    assert errors["training_mean"][0] == pytest.approx(np.mean(numbers))
    assert errors["mae"][0] == pytest.approx(np.abs(table["age"] - table["reference"]).mean())
    assert errors["baseline_mae"][0] == pytest.approx(np.abs(table["reference"] - np.mean(numbers)).mean())

    # Ages read from a box around the truth say so, as the volumes beside them do.
    inference = bundle.info.recipe.inference.model_copy(update={"region": "oracle", "region_size": (16, 16, 16)})
    recipe = bundle.info.recipe.model_copy(update={"inference": inference})
    centred = replace(bundle, info=bundle.info.model_copy(update={"recipe": recipe}))
    predict_cohort(PredictionRequest([centred], cohort, tmp_path / "centred"))
    flagged = pd.read_csv(tmp_path / "centred" / "ages.tsv", sep="\t")
    assert list(flagged.columns) == columns
    assert set(flagged["oracle"]) == {"yes"}
    assert set(flagged["windows"]) == {1}
    assert set(pd.read_csv(tmp_path / "centred" / "age_errors.tsv", sep="\t")["oracle"]) == {"yes"}

    # Adapting goes on in the source's scale, and says the new people's mean.
    others = with_column(balls, ["50", "52", "54"], tmp_path / "older")
    adapted = train_model(
        TrainingRequest(
            others, make_recipe(*AGE_RECIPE), tmp_path / "adapted", "full", bundle, allow_shared_subjects=True
        )
    )
    assert adapted.age == info.age.model_copy(update={"training_mean": 52.0})
    # Where only the segmentation is learnt, the age head is what it was.
    kept = train_model(
        TrainingRequest(
            balls,
            make_recipe(*AGE_RECIPE, "task.train=segmentation"),
            tmp_path / "kept",
            "full",
            bundle,
            allow_shared_subjects=True,
        )
    )
    assert kept.age == info.age
    state, before = open_bundle(tmp_path / "kept").state, bundle.state
    assert all(torch.equal(state[name], before[name]) for name in state if name.startswith("age."))


def test_an_age_head_that_never_learnt_says_nothing(balls, make_recipe, tmp_path) -> None:
    recipe = make_recipe(*AGE_RECIPE, "task.age_weight=0")
    assert train_model(TrainingRequest(balls, recipe, tmp_path / "run")).age is None
    predict_cohort(PredictionRequest([open_bundle(tmp_path / "run")], balls, tmp_path / "out"))
    assert not (tmp_path / "out" / "ages.tsv").exists()


def test_separated_training_leaves_everything_but_the_age_head(balls, make_recipe, tmp_path) -> None:
    cohort = with_column(balls, AGES, tmp_path / "cohort", "weeks")
    plain = ("network.age_head=none", "task.age_weight=0")
    train_model(TrainingRequest(cohort, make_recipe(*AGE_RECIPE, *plain), tmp_path / "segmentation"))
    source = open_bundle(tmp_path / "segmentation")
    alone = ("task.train=age", "task.age_covariate=weeks", "validation.keep=last", "optimiser.age_learning_rate=0.01")
    request = TrainingRequest(
        cohort, make_recipe(*AGE_RECIPE, *alone), tmp_path / "age", "freeze(age)", source, allow_shared_subjects=True
    )
    info = train_model(request)
    assert info.age is not None
    assert info.age.covariate == "weeks"
    state = open_bundle(tmp_path / "age").state
    assert all(torch.equal(state[name], tensor) for name, tensor in source.state.items())
    identity = json.loads((tmp_path / "age" / "run.json").read_text())
    assert identity["steps"] == 3


def test_a_network_learns_ages_that_the_image_shows(make_cohort, make_recipe, tmp_path) -> None:
    """Brightness tells the age: a working head beats always answering the mean."""
    cohort = make_cohort(tmp_path / "files", 6, shape=(16, 16, 16))
    ages = np.linspace(20, 70, 6)
    for case, age in zip(cohort.cases, ages, strict=True):
        volume = read_image(case.images["image"])
        write_image(case.images["image"], (volume.data + (age - 45) / 25).astype(np.float32), volume.grid)
    cohort = with_column(cohort, [str(age) for age in ages], tmp_path / "cohort")
    recipe = make_recipe(
        *AGE_RECIPE,
        "task.age_weight=1",
        "task.deep_supervision_weights=[1]",
        "network.norm=none",
        "preparation.normalisation=none",
        "augmentation.intensity_shift_probability=0",
        "augmentation.intensity_scale_probability=0",
        "augmentation.gamma_probability=0",
        "optimiser.learning_rate=0.003",
        "budget=60steps",
        "sampling.batch_size=4",
    )
    train_model(TrainingRequest(cohort, recipe, tmp_path / "run"))
    predict_cohort(PredictionRequest([open_bundle(tmp_path / "run")], cohort, tmp_path / "out"))
    errors = pd.read_csv(tmp_path / "out" / "age_errors.tsv", sep="\t").iloc[0]
    assert errors["mae"] < 0.5 * errors["baseline_mae"]
    assert not errors["collapsed"]
