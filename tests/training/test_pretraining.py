"""Training without labels, and what comes after it."""

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from safetensors.torch import load_file

from neurograft.cohorts import Cohort, open_scans
from neurograft.errors import InputError
from neurograft.imaging.files import write_image
from neurograft.imaging.grid import Grid
from neurograft.imaging.labels import LabelTable
from neurograft.inference.run import PredictionRequest, predict_cohort
from neurograft.models import Bundle, open_bundle
from neurograft.networks import build_network
from neurograft.recipes import Recipe
from neurograft.recipes.loading import override_recipe
from neurograft.recipes.pretrained import as_segmentation
from neurograft.training.request import TrainingRequest
from neurograft.training.run import train_model
from neurograft.transfer import frozen_tensor_names, plan_transfer

CohortMaker = Callable[..., Cohort]
RecipeMaker = Callable[..., Recipe]

MASKED = ("task.kind=masked_autoencoding", "task.hidden_cube_voxels=4")
PLAIN = ("task.kind=autoencoding", "network.skips=none")
SORTING = ("task.kind=classification", "network.name=encoder3d")
KINDS = {"masked": MASKED, "plain": PLAIN, "sorting": SORTING}


@pytest.fixture(scope="module")
def others(make_cohort: CohortMaker, tmp_path_factory: pytest.TempPathFactory) -> Cohort:
    return make_cohort(tmp_path_factory.mktemp("others") / "others", 3, seed=9, first_subject=50)


@pytest.fixture(scope="module")
def sources(
    balls: Cohort, make_recipe: RecipeMaker, tmp_path_factory: pytest.TempPathFactory
) -> Callable[[str], Bundle]:
    bundles: dict[str, Bundle] = {}

    def get(kind: str) -> Bundle:
        if kind not in bundles:
            out = tmp_path_factory.mktemp("source") / kind
            recipe = make_recipe(*KINDS[kind], "network.norm=batch", "budget=4steps")
            train_model(TrainingRequest(balls, recipe, out))
            bundles[kind] = open_bundle(out)
        return bundles[kind]

    return get


def segmentation_from(bundle: Bundle, *overrides: str) -> Recipe:
    return override_recipe(as_segmentation(bundle.info.recipe.model_dump(mode="json")), overrides)


def test_all_scans_are_learnt_from_labelled_or_not(balls: Cohort, make_recipe: RecipeMaker, tmp_path: Path) -> None:
    first, *rest = balls.cases
    cohort = replace(balls, cases=(replace(first, label=None, label_state="none"), *rest))
    info = train_model(TrainingRequest(cohort, make_recipe(*MASKED, "budget=2steps"), tmp_path / "run"))
    assert (info.training["cases"], info.training["training_subjects"]) == (3, 3)
    assert info.labels["labels"] == []
    assert len(info.training_subjects[0]["subjects"]) == 3
    bare = open_scans(_only_scans(balls, tmp_path / "scans"), ["image"])
    again = train_model(TrainingRequest(bare, make_recipe(*MASKED, "budget=2steps"), tmp_path / "bare"))
    assert again.weights_sha256 == info.weights_sha256, "labels play no part"


def _only_scans(cohort: Cohort, folder: Path) -> Path:
    folder.mkdir()
    for case in cohort.cases:
        (folder / case.images["image"].name).write_bytes(case.images["image"].read_bytes())
    return folder


@pytest.mark.parametrize("kind", ["masked", "plain"])
def test_held_out_people_choose_the_weights_by_the_lowest_error(
    kind: str, balls: Cohort, make_recipe: RecipeMaker, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    figures = iter([0.5, 0.2, 0.2, 0.9])
    monkeypatch.setattr("neurograft.training.validation.Scorer.__call__", lambda *_: next(figures))
    recipe = make_recipe(*KINDS[kind], "validation.hold_out=1", "validation.every=2", "budget=8steps")
    train_model(TrainingRequest(balls, recipe, tmp_path / "run"))
    record = json.loads((tmp_path / "run" / "run.json").read_text())
    assert record["kept"] == "best at step 4, validation reconstruction error 0.2000"
    metrics = pd.read_csv(tmp_path / "run" / "metrics.csv")
    assert metrics["validation/reconstruction_error"].tolist() == pytest.approx([0.5, 0.2, 0.2, 0.9])


@pytest.mark.parametrize("kind", ["masked", "plain"])
def test_it_learns_to_give_images_back(kind: str, make_recipe: RecipeMaker, tmp_path: Path) -> None:
    folder = tmp_path / "waves"
    folder.mkdir()
    for number in range(3):
        wave = np.sin(np.indices((20, 18, 16))[0] * np.pi / 3 + number).astype(np.float32)
        write_image(folder / f"p{number}.nii.gz", wave, Grid.from_affine(wave.shape, np.eye(4)))
    recipe = make_recipe(
        *KINDS[kind],
        "task.reconstruction_error=squared",
        "budget=60steps",
        "optimiser.learning_rate=0.01",
        "validation.hold_out=1",
        "validation.every=20",
        "augmentation.rotation_probability=0",
        "augmentation.elastic_probability=0",
    )
    train_model(TrainingRequest(open_scans(folder, ["image"]), recipe, tmp_path / "run"))
    errors = pd.read_csv(tmp_path / "run" / "metrics.csv")["validation/reconstruction_error"]
    # The images have a variance of one: an answer without any knowledge of them has that error.
    assert errors.min() < 0.5


def test_it_learns_which_patches_show_a_label(make_cohort: CohortMaker, make_recipe: RecipeMaker, tmp_path) -> None:
    cohort = make_cohort(tmp_path / "cohort", 6, shape=(40, 18, 16))
    more = ("validation.hold_out=2", "validation.every=20", "network.norm=batch", "sampling.batch_size=4")
    recipe = make_recipe(*SORTING, *more, "budget=80steps", "optimiser.learning_rate=0.01")
    train_model(TrainingRequest(cohort, recipe, tmp_path / "run"))
    errors = pd.read_csv(tmp_path / "run" / "metrics.csv")["validation/cross_entropy"]
    assert errors.min() < 0.45, "log 2 is chance"


@pytest.mark.parametrize("kind", KINDS)
def test_a_pretrained_model_segments_nothing_and_says_what_to_do(
    kind: str, sources: Callable[[str], Bundle], others: Cohort, tmp_path: Path
) -> None:
    with pytest.raises(InputError, match=r"segments nothing yet\. Adapt it first: neurograft adapt --source"):
        predict_cohort(PredictionRequest([sources(kind)], others, tmp_path / "out"))
    card = (sources(kind).path / "README.md").read_text()
    assert f"| Trained for | {sources(kind).info.recipe.task.kind.replace('_', ' ')} |" in card
    assert "neurograft predict" not in card


@pytest.mark.parametrize(
    ("kind", "fresh"),
    [
        ("masked", {"head.weight", "head.bias"}),
        ("plain", {"head.weight", "head.bias", "up1.block.conv1.weight"}),
        ("sorting", {"up1", "head.weight", "head.bias"}),
    ],
)
@pytest.mark.parametrize("strategy", ["full", "encoder_only"])
def test_a_segmentation_starts_from_the_encoder(
    kind: str,
    fresh: set[str],
    strategy: str,
    sources: Callable[[str], Bundle],
    others: Cohort,
    tmp_path: Path,
) -> None:
    source = sources(kind)
    recipe = segmentation_from(source, "budget=1steps", "optimiser.learning_rate=1e-12", "optimiser.weight_decay=0")
    assert (recipe.network.name, recipe.network.skips, recipe.task.kind) == ("unet3d", "all", "segmentation")
    info = train_model(TrainingRequest(others, recipe, tmp_path / "run", strategy, source))
    rows = pd.read_csv(tmp_path / "run" / "loading.tsv", sep="\t").set_index("tensor")
    reset = set(rows.index[rows["action"] == "reset"])
    if strategy == "encoder_only":
        assert reset == {name for name in rows.index if name.startswith(("up1", "head"))}
    else:
        assert {name if name in fresh else name.partition(".")[0] for name in reset} == fresh
    weights = load_file(tmp_path / "run" / "model" / "model.safetensors")
    convolutions = [name for name in weights if name.startswith(("down1.conv", "bottleneck.conv"))]
    assert convolutions
    assert all(torch.allclose(weights[name], source.state[name], atol=1e-6) for name in convolutions)
    assert info.parent is not None
    assert predict_cohort(PredictionRequest([open_bundle(tmp_path / "run")], others, tmp_path / "out")).shape[0] == 3


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("strategy", ["freeze(up1)", "freeze(head)", "decay(bottleneck)", "lora(2)", "l2sp"])
def test_frozen_tensors_stay_bit_identical_in_every_task(
    kind: str, strategy: str, sources: Callable[[str], Bundle], others: Cohort, tmp_path: Path
) -> None:
    source = sources(kind)
    if kind == "sorting" and "up1" in strategy:
        strategy = "freeze(bottleneck)"
    more = ["budget=3steps", "task.adversary.weight=0.1", "task.adversary.channels=[2, 2, 2, 2]"]
    recipe = override_recipe(source.info.recipe.model_dump(mode="json"), more[: 1 if kind == "sorting" else 3])
    train_model(TrainingRequest(others, recipe, tmp_path / "run", strategy, source))
    network = build_network(recipe.network, 1, 1, seed=0)
    plan = plan_transfer(strategy, network.units)
    frozen = set(frozen_tensor_names(network, plan))
    if plan.lora_rank is not None:
        frozen = {name for name in frozen if ".norm" in name or name.endswith("bias")}
    after = load_file(tmp_path / "run" / "model" / "model.safetensors")
    changed = {name for name in after if not torch.equal(source.state[name], after[name])}
    assert changed
    assert not changed & frozen


def test_people_seen_without_labels_are_seen(balls: Cohort, sources: Callable[[str], Bundle], tmp_path: Path) -> None:
    source = sources("masked")
    renamed = replace(
        balls, cases=tuple(replace(case, id=f"x{case.id}", subject=f"x{case.id}") for case in balls.cases)
    )
    request = TrainingRequest(renamed, segmentation_from(source), tmp_path / "run", "full", source)
    with pytest.raises(InputError, match="3 subjects of this cohort also among the source model's training subjects"):
        train_model(request)


def test_a_pretraining_can_go_on_from_another(sources: Callable[[str], Bundle], others: Cohort, tmp_path: Path) -> None:
    source = sources("masked")
    recipe = override_recipe(source.info.recipe.model_dump(mode="json"), ["budget=2steps"])
    unnamed = replace(others, labels=LabelTable(()))
    info = train_model(TrainingRequest(unnamed, recipe, tmp_path / "run", "full", source))
    assert (info.loading["reset"], info.loading["copied"]) == (0, len(source.state))


def test_an_adversary_that_comes_too_late_is_told(
    balls: Cohort, make_recipe: RecipeMaker, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    late = ("task.adversary.weight=0.1", "task.adversary.from_step=2", "task.adversary.channels=[2, 2, 2, 2]")
    train_model(TrainingRequest(balls, make_recipe(*MASKED, *late, "budget=2steps"), tmp_path / "late"))
    assert "the adversary never takes part" in caplog.text
    caplog.clear()
    train_model(TrainingRequest(balls, make_recipe(*MASKED, *late, "budget=3steps"), tmp_path / "in-time"))
    assert "never takes part" not in caplog.text


@pytest.mark.parametrize("kind", ["masked", "plain"])
def test_a_budget_of_labels_makes_no_sense_without_labels(kind: str) -> None:
    with pytest.raises(InputError, match=r"label_budget\.axis: axial takes labels away"):
        override_recipe({}, [*KINDS[kind], "label_budget.axis=axial"])


def test_what_served_the_pretraining_alone_is_replaced() -> None:
    tree = override_recipe({}, [*SORTING, "network.channels=[4, 8]", "sampling.batch_size=3"]).model_dump(mode="json")
    adapted = override_recipe(as_segmentation(tree), [])
    assert (adapted.network.name, adapted.network.channels, adapted.sampling.batch_size) == ("unet3d", (4, 8), 3)
    assert as_segmentation(tree, ["task.kind=masked_autoencoding"]) == tree
    plain = override_recipe({}, ["task.loss=dice"]).model_dump(mode="json")
    assert as_segmentation(plain) == plain
