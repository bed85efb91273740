"""P4's three sources on pictures, and a target of scans that starts from each."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from neurograft.cohorts import Cohort, open_cohort
from neurograft.errors import InputError
from neurograft.inference.run import PredictionRequest, predict_cohort
from neurograft.models import Bundle, open_bundle
from neurograft.recipes import load_recipe
from neurograft.recipes.loading import override_recipe
from neurograft.training.request import TrainingRequest
from neurograft.training.run import train_model

TINY = [
    "network.stem_channels=4",
    "network.channels=[4, 4, 4, 4, 4]",
    "network.classifier_features=8",
    "preparation.space=native",
    "preparation.crop_size=[32, 32, null]",
    "sampling.patch_size=[32, 32, 1]",
    "sampling.batch_size=2",
    "inference.window=[32, 32, 8]",
    "budget=3steps",
    "validation.hold_out=0",
    "compute.device=cpu",
    "compute.precision=fp32",
    "compute.channels_last=false",
    "compute.threads=1",
]
PICTURES = ["preparation.spacing_mm=[8, 8, 1]"]
JUDGED = ["task.adversary.from_step=1", "task.adversary.channels=[4, 4, 4, 4]"]
SOURCES = {"segmentation": [], "autoencoding": JUDGED, "classification": []}
ENCODER = {"stem", "layer1", "layer2", "layer3", "layer4", "latent"}


@pytest.fixture(scope="module")
def pictures(tmp_path_factory) -> Cohort:
    folder, rng = tmp_path_factory.mktemp("pictures"), np.random.default_rng(0)
    for part in ("images", "masks"):
        (folder / part).mkdir()
    for number in range(3):
        mask = np.zeros((30, 40), np.uint8)
        mask[5:15, 5 + 5 * number : 25] = 1 + number % 2
        image = rng.normal(90, 20, (30, 40, 3)) + 60 * (mask > 0)[..., None]
        Image.fromarray(image.clip(0, 255).astype(np.uint8)).save(folder / "images" / f"{number}.png")
        Image.fromarray(mask).save(folder / "masks" / f"{number}.png")
    (folder / "labels.tsv").write_text("index\tname\n1\tchair\n2\ttable\n")
    return open_cohort(folder)


@pytest.fixture(scope="module")
def sources(pictures: Cohort, tmp_path_factory):
    found: dict[str, Bundle] = {}

    def get(kind: str) -> Bundle:
        if kind not in found:
            out = tmp_path_factory.mktemp("source") / kind
            recipe = load_recipe(f"p4-{kind}", [*TINY, *PICTURES, *SOURCES[kind]])
            train_model(TrainingRequest(pictures, recipe, out))
            found[kind] = open_bundle(out)
        return found[kind]

    return get


@pytest.mark.parametrize("kind", list(SOURCES))
def test_a_target_starts_from_each_source(kind: str, sources, balls: Cohort, tmp_path: Path) -> None:
    source = sources(kind)
    assert source.info.channels == ["red", "green", "blue"]
    recipe = load_recipe("p4-target", [*TINY, "preparation.spacing_mm=null"])
    info = train_model(TrainingRequest(balls, recipe, tmp_path / "target", "encoder_only", source))
    rows = pd.read_csv(tmp_path / "target" / "loading.tsv", sep="\t")
    came = rows[rows.action.isin(["copied", "adapted"])]
    assert set(came.unit) == ENCODER
    assert came[came.action == "adapted"].tensor.tolist() == ["stem.conv1.weight"]
    weights = info.recipe.task.class_weight_values
    assert weights is not None
    background, ball = weights
    assert background < ball
    predict_cohort(PredictionRequest((open_bundle(tmp_path / "target"),), balls, tmp_path / "masks"))
    assert len(list((tmp_path / "masks").rglob("*.nii.gz"))) == len(balls.cases)


def test_classifying_sources_do_not_segment(sources, balls: Cohort, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="trained for classification"):
        predict_cohort(PredictionRequest((sources("classification"),), balls, tmp_path / "masks"))


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        (["network.name=encoder_classifier2d"], "goes with network.name"),
        (["task.kind=classification"], "goes with network.name"),
        (["network.name=encoder_classifier2d", "task.kind=classification", "sampling.batch_size=1"], "2 or more"),
        (["task.class_weights=median_frequency", "task.output=sigmoid"], "softmax's cross-entropy"),
        (["task.class_weight_values=[1, 2]"], "are measured"),
    ],
)
def test_sections_that_do_not_go_together(overrides, message) -> None:
    network = {"slice_axis": "axial", "channels": [4] * 5, "norm": "batch", "name": "encoder_decoder2d"}
    with pytest.raises(InputError, match=message):
        override_recipe({"network": network}, overrides)
