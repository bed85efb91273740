import gc
import json
import logging
import time
import weakref
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
import yaml
from safetensors.torch import load_file
from torch import Tensor

from neurograft.cohorts import Cohort
from neurograft.errors import InputError
from neurograft.models import Bundle, open_bundle
from neurograft.networks import UnitNetwork, build_network
from neurograft.recipes import Recipe, load_recipe
from neurograft.recipes.loading import override_recipe
from neurograft.tasks import Figure
from neurograft.training import fit, run
from neurograft.training.callbacks import BestWeights
from neurograft.training.module import FitModule
from neurograft.training.request import TrainingRequest
from neurograft.training.run import train_model
from neurograft.transfer import frozen_tensor_names, plan_transfer

CohortMaker = Callable[..., Cohort]
RecipeMaker = Callable[..., Recipe]


@pytest.fixture(scope="module")
def others(make_cohort: CohortMaker, tmp_path_factory: pytest.TempPathFactory) -> Cohort:
    """Four people who are not in `balls`."""
    return make_cohort(tmp_path_factory.mktemp("others") / "others", 4, seed=9, first_subject=50)


@pytest.fixture(scope="module")
def source(balls: Cohort, make_recipe: RecipeMaker, tmp_path_factory: pytest.TempPathFactory) -> Bundle:
    """A model with batch norm, whose statistics have moved."""
    out = tmp_path_factory.mktemp("source") / "source"
    train_model(TrainingRequest(balls, make_recipe("network.norm=batch", "budget=6steps"), out))
    return open_bundle(out)


def weights(folder: Path) -> dict[str, Tensor]:
    return load_file(folder / "model" / "model.safetensors")


def test_the_seed_decides_the_weights(balls: Cohort, make_recipe: RecipeMaker, tmp_path: Path) -> None:
    recipe = make_recipe("budget=6steps")
    for name, seed in (("a", 0), ("b", 0), ("c", 1)):
        train_model(TrainingRequest(balls, recipe, tmp_path / name, seed=seed))
    a, b, c = ((tmp_path / name / "model" / "model.safetensors").read_bytes() for name in "abc")
    assert a == b
    assert a != c


def test_a_training_that_is_over_leaves_nothing_in_memory(
    balls: Cohort, make_recipe: RecipeMaker, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    modules = []

    def remembered(*arguments: Any, **options: Any) -> FitModule:
        module = FitModule(*arguments, **options)
        modules.append(weakref.ref(module))
        return module

    monkeypatch.setattr(fit, "FitModule", remembered)
    monkeypatch.setattr(run, "COLLECTED_FROM_BYTES", 0)
    gc.disable()
    try:
        train_model(TrainingRequest(balls, make_recipe("budget=2steps"), tmp_path / "run"))
        assert [module() for module in modules] == [None]
    finally:
        gc.enable()


def test_what_a_run_leaves(balls: Cohort, make_recipe: RecipeMaker, tmp_path: Path) -> None:
    recipe = make_recipe("validation.hold_out=1", "budget=20steps")
    info = train_model(TrainingRequest(balls, recipe, tmp_path / "run"))
    folder = tmp_path / "run"
    assert sorted(path.name for path in folder.iterdir()) == [
        ".neurograft.json",
        "loading.tsv",
        "metrics.csv",
        "model",
        "plan.json",
        "plan.tsv",
        "recipe.yaml",
        "run.json",
        "tensorboard",
    ]
    assert sorted(path.name for path in (folder / "model").iterdir()) == [
        "README.md",
        "bundle.json",
        "model.safetensors",
    ]
    assert Recipe.model_validate(yaml.safe_load((folder / "recipe.yaml").read_text())) == recipe
    record = json.loads((folder / "run.json").read_text())
    assert (record["steps"], record["training_subjects"], record["validation_subjects"]) == (20, 2, 1)
    metrics = pd.read_csv(folder / "metrics.csv")
    assert list(metrics.columns) == ["step", "training/loss", "learning_rate", "validation/dice"]
    assert metrics["step"].tolist() == [8, 16, 20]
    assert metrics["validation/dice"].notna().tolist() == [True, True, True]
    assert record["kept"].startswith("best at step ")
    assert list((folder / "tensorboard").glob("events*"))
    assert [row["unit"] for row in info.plan] == ["down1", "bottleneck", "up1", "head"]
    assert info.spacing_mm == (1.0, 1.0, 1.0)
    assert open_bundle(folder).info == info
    seen = info.training_subjects[0]["subjects"]
    assert len(seen) == 3, "validation people chose the weights, so they count as seen"
    assert not any(name in (folder / "model" / "bundle.json").read_text() for name in balls.subjects)


def test_the_best_weights_are_kept_and_not_the_last(
    balls: Cohort, make_recipe: RecipeMaker, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    figures = iter([0.2, 0.7, 0.7, 0.1])
    monkeypatch.setattr("neurograft.training.validation.Scorer.__call__", lambda *_: next(figures))
    more = ("validation.hold_out=1", "validation.every=2", "optimiser.schedule=constant")
    train_model(TrainingRequest(balls, make_recipe("budget=8steps", *more), tmp_path / "best"))
    assert json.loads((tmp_path / "best" / "run.json").read_text())["kept"] == "best at step 4, validation Dice 0.7000"
    figures = iter([0.2, 0.7])
    train_model(TrainingRequest(balls, make_recipe("budget=4steps", *more, "validation.keep=last"), tmp_path / "four"))
    assert (tmp_path / "four" / "model" / "model.safetensors").read_bytes() == (
        tmp_path / "best" / "model" / "model.safetensors"
    ).read_bytes()


def test_it_learns(balls: Cohort, make_recipe: RecipeMaker, tmp_path: Path) -> None:
    recipe = make_recipe(
        "budget=100steps", "optimiser.learning_rate=0.01", "validation.hold_out=1", "validation.every=50"
    )
    train_model(TrainingRequest(balls, recipe, tmp_path / "run"))
    assert pd.read_csv(tmp_path / "run" / "metrics.csv")["validation/dice"].max() > 0.8


@pytest.mark.parametrize(
    "strategy",
    ["freeze(up1)", "freeze(head)", "first_layers(1)", "shallow", "lora(2)", "decay(up1)", "gradual", "l2sp", "none"],
)
def test_frozen_tensors_stay_bit_identical(
    strategy: str, source: Bundle, others: Cohort, make_recipe: RecipeMaker, tmp_path: Path
) -> None:
    recipe = make_recipe("network.norm=batch", "budget=6steps", "validation.hold_out=1", "validation.every=2")
    train_model(TrainingRequest(others, recipe, tmp_path / "run", strategy, source))
    network = build_network(recipe.network, 1, 2, seed=0)
    plan = plan_transfer(strategy, network.units)
    frozen = set(frozen_tensor_names(network, plan))
    if plan.lora_rank is not None:
        # Adapters were folded into the convolutions; norms and biases stay as they were.
        frozen = {name for name in frozen if ".norm" in name or name.endswith("bias")}
    before, after = source.state, weights(tmp_path / "run")
    changed = {name for name in after if not torch.equal(before[name], after[name])}
    assert not changed & frozen
    assert bool(changed) == (strategy != "none")
    if strategy.startswith("freeze"):
        # The statistics of frozen norms too, through training and through validation.
        assert "down1.norm1.running_mean" in frozen
        assert int(after["down1.norm1.num_batches_tracked"]) == 6
    if strategy == "first_layers(1)":
        assert "up1.block.norm1.running_mean" in changed
        assert "up1.block.conv1.weight" not in changed
    if strategy == "decay(up1)":
        assert "down1.norm1.running_mean" in changed


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
@pytest.mark.parametrize("limit", ["0.001", "null"])
def test_gradients_are_clipped_by_the_norm_of_all(
    precision: str, limit: str, source: Bundle, others: Cohort, make_recipe: RecipeMaker, tmp_path: Path
) -> None:
    """One step of plain descent moves the weights by the rate times the gradients' norm."""
    step = ["budget=1steps", "validation.hold_out=0", "network.norm=batch", f"compute.precision={precision}"]
    step += ["optimiser.name=sgd", "optimiser.momentum=0", "optimiser.weight_decay=0", "optimiser.schedule=constant"]
    recipe = make_recipe(*step, "optimiser.learning_rate=0.5", f"optimiser.gradient_clip={limit}")
    train_model(TrainingRequest(others, recipe, tmp_path / "run", "full", source))
    before, after = source.state, weights(tmp_path / "run")
    learnt = [name for name in after if not name.endswith(("running_mean", "running_var", "num_batches_tracked"))]
    moved = sum(float((after[name].double() - before[name]).square().sum()) for name in learnt) ** 0.5
    if limit == "null":
        assert moved > 0.01
    else:
        assert moved == pytest.approx(0.5 * 0.001, rel=0.02)


def test_adam_is_clipped_in_half_precision(balls: Cohort, make_recipe: RecipeMaker, tmp_path: Path) -> None:
    for limit in ("1e-9", "12"):
        recipe = make_recipe("budget=3steps", "compute.precision=bf16", f"optimiser.gradient_clip={limit}")
        train_model(TrainingRequest(balls, recipe, tmp_path / limit))
    small, large = (weights(tmp_path / limit) for limit in ("1e-9", "12"))
    assert any(not torch.equal(small[name], large[name]) for name in small)


def test_strategy_none_is_the_source(source: Bundle, others: Cohort, make_recipe: RecipeMaker, tmp_path: Path) -> None:
    info = train_model(TrainingRequest(others, make_recipe("network.norm=batch"), tmp_path / "run", "none", source))
    assert (info.training["steps"], info.training["kept"]) == (0, "the source's")
    assert info.parent == {"name": "source", "weights_sha256": source.info.weights_sha256}
    assert len(info.training_subjects) == 1, "the source's people; it has learnt nothing from these"
    assert (info.training["training_subjects"], info.training["validation_subjects"]) == (0, 0)


def test_people_whom_the_source_has_seen_are_refused(
    source: Bundle, balls: Cohort, others: Cohort, make_recipe: RecipeMaker, tmp_path: Path
) -> None:
    # The same scan under another name, in a cohort of another name.
    renamed = replace(balls.cases[1], id="x", subject="x")
    mixed = replace(others, cases=(*others.cases, renamed))
    request = TrainingRequest(
        mixed, make_recipe("network.norm=batch", "budget=1steps"), tmp_path / "run", "full", source
    )
    with pytest.raises(
        InputError, match=r"1 subject of this cohort also among the source model's training subjects: x"
    ):
        train_model(request)
    assert list(tmp_path.iterdir()) == []
    train_model(replace(request, allow_shared_subjects=True))
    scratch = replace(request, out=tmp_path / "scratch", strategy="scratch")
    train_model(scratch)  # nothing is taken over, so nobody can be seen twice


def test_people_seen_by_an_ancestor_are_refused(
    source: Bundle, balls: Cohort, others: Cohort, make_recipe: RecipeMaker, tmp_path: Path
) -> None:
    recipe = make_recipe("network.norm=batch", "budget=1steps")
    train_model(TrainingRequest(others, recipe, tmp_path / "child", "full", source))
    with pytest.raises(InputError, match="also among the source model's training subjects"):
        train_model(TrainingRequest(balls, recipe, tmp_path / "grandchild", "full", open_bundle(tmp_path / "child")))


def test_a_patch_larger_than_the_image_is_padded_and_said(
    balls: Cohort, make_recipe: RecipeMaker, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    recipe = make_recipe("sampling.patch_size=[24, 17, 16]", "budget=2steps", "validation.hold_out=1")
    with caplog.at_level(logging.WARNING, "neurograft"):
        train_model(TrainingRequest(balls, recipe, tmp_path / "run"))
    assert "the patch of 24 x 18 x 16 voxels is larger than 2 of 2 images (first: p0" in caplog.text


def test_a_time_budget_is_kept_to_and_resumed_with_its_steps(
    balls: Cohort, make_recipe: RecipeMaker, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("neurograft.training.planning.LARGEST_CHUNK", 20)
    recipe = make_recipe("budget=2s", "validation.every=auto", "validation.hold_out=1")
    request = TrainingRequest(balls, recipe, tmp_path / "run")

    def cut(*_: object) -> None:
        raise KeyError("cut")

    with monkeypatch.context() as patch:
        patch.setattr("neurograft.training.run.save_bundle", cut)
        with pytest.raises(KeyError):
            train_model(request)
    planned = json.loads((tmp_path / ".run.partial" / "plan.json").read_text())["total_steps"]
    begin = time.monotonic()
    record = train_model(request).training
    assert time.monotonic() - begin < 2, "the second attempt had nothing left to train"
    assert record["steps"] == planned > 5
    # Other work on the machine makes the share of the clock vary.
    assert 0.5 < record["seconds"] < 6


def test_validation_is_timed_on_a_copy_where_the_network_will_train(
    balls: Cohort, make_recipe: RecipeMaker, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    scored: list[UnitNetwork] = []
    moves: list[str] = []
    original, move = fit.Scorer.__init__, UnitNetwork.to

    def begun(self: fit.Scorer, network: UnitNetwork, *arguments: Any) -> None:
        scored.append(network)
        original(self, network, *arguments)

    def moved(self: UnitNetwork, *arguments: Any, **options: Any) -> UnitNetwork:
        moves.extend(map(str, arguments))
        return move(self, *arguments, **options)

    monkeypatch.setattr(fit.Scorer, "__init__", begun)
    monkeypatch.setattr(UnitNetwork, "to", moved)
    recipe = make_recipe("budget=1s", "validation.hold_out=1", "validation.keep=last")
    train_model(TrainingRequest(balls, recipe, tmp_path / "run"))
    timed, real = scored
    assert timed is not real
    assert moves.count("cpu") == 2, "a copy for the steps and one for the validation"


def test_the_last_look_is_taken_where_the_network_trained(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    network = build_network(load_recipe("default", ["network.channels=[2, 3]"]).network, 1, 2, seed=0)
    done: list[str] = []
    monkeypatch.setattr(UnitNetwork, "to", lambda self, device: done.append(device) or self)

    class Score:
        def mean(self) -> float:
            done.append("scored")
            return 0.5

    best = BestWeights(tmp_path / "best", Figure("Dice", "validation/dice", "higher", 0.0))
    kept = fit._keep_best(network, best, Score(), 24, "cuda")  # type: ignore[arg-type]
    assert kept == "best at step 24, validation Dice 0.5000"
    assert done == ["cuda", "scored", "cpu"]


def test_epochs_are_counted_in_patches_a_subject(balls: Cohort, make_recipe: RecipeMaker, tmp_path: Path) -> None:
    recipe = make_recipe("budget=3epochs", "sampling.patches_per_subject=2", "sampling.batch_size=2")
    assert train_model(TrainingRequest(balls, recipe, tmp_path / "run")).training["steps"] == 9


def test_labels_are_selected_and_merged_by_the_recipe(
    make_cohort: CohortMaker, make_recipe: RecipeMaker, tmp_path: Path
) -> None:
    cohort = make_cohort(tmp_path / "c", 2, labels=("left", "right"), shape=(24, 24, 24))
    info = train_model(
        TrainingRequest(cohort, make_recipe("budget=1steps", "labels={both: [left, right]}"), tmp_path / "m")
    )
    assert [label["name"] for label in info.labels["labels"]] == ["both"]
    assert weights(tmp_path / "m")["head.weight"].shape[0] == 2


def test_an_error_of_the_user_leaves_nothing_in_the_way(
    make_cohort: CohortMaker, make_recipe: RecipeMaker, tmp_path: Path
) -> None:
    cohort = make_cohort(tmp_path / "c", 2, labels=("left", "middle"), shape=(24, 24, 24))
    flips = "augmentation.flip_axes=[left-right]"
    with pytest.raises(InputError, match="have no partner"):
        train_model(TrainingRequest(cohort, make_recipe("budget=1steps", flips), tmp_path / "run"))
    assert sorted(path.name for path in tmp_path.iterdir()) == ["c"]
    train_model(TrainingRequest(cohort, make_recipe("budget=1steps"), tmp_path / "run"))


def test_an_existing_output_is_refused_before_anything_is_read(
    balls: Cohort, make_recipe: RecipeMaker, tmp_path: Path
) -> None:
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "mine.txt").write_text("mine")
    unreadable = replace(balls, cases=(replace(balls.cases[0], images={"image": tmp_path / "nothing.nii.gz"}),))
    for overwrite in (False, True):
        with pytest.raises(InputError, match=r"the output (exists|holds files that neurograft did not make)"):
            train_model(TrainingRequest(unreadable, make_recipe(), tmp_path / "run", overwrite=overwrite))
    assert (tmp_path / "run" / "mine.txt").read_text() == "mine"


def test_batches_lie_where_the_network_trains(
    balls: Cohort, make_recipe: RecipeMaker, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from neurograft.sampling.batches import PatchBatches

    made = []
    original = PatchBatches.__init__

    def remember(self: PatchBatches, *args: object, **kwargs: object) -> None:
        original(self, *args, **kwargs)
        self.device = torch.device("meta")
        made.append(self)

    monkeypatch.setattr(PatchBatches, "__init__", remember)
    train_model(TrainingRequest(balls, make_recipe("budget=1steps"), tmp_path / "run"))
    assert [batches.device.type for batches in made] == ["cpu"]


def test_labelled_cases_only(balls: Cohort, make_recipe: RecipeMaker, tmp_path: Path) -> None:
    unlabelled = replace(balls.cases[0], id="u", subject="u", label=None, label_state="none")
    info = train_model(
        TrainingRequest(
            replace(balls, cases=(*balls.cases, unlabelled)), make_recipe("budget=1steps"), tmp_path / "run"
        )
    )
    assert info.training["cases"] == 3
    assert np.isfinite(weights(tmp_path / "run")["head.weight"].numpy()).all()


def test_a_patch_that_pooling_shrinks_to_a_voxel_is_refused(balls: Cohort, tmp_path: Path) -> None:
    recipe = override_recipe(
        {
            "budget": "1steps",
            "network": {"channels": [4, 8, 8], "norm": "instance"},
            "sampling": {"patch_size": [4, 4, 4]},
            "compute": {"precision": "fp32", "channels_last": False, "threads": 1, "device": "cpu"},
        },
        [],
    )
    with pytest.raises(InputError, match="one voxel"):
        train_model(TrainingRequest(balls, recipe, tmp_path / "out"))
    assert list(tmp_path.glob(".out*")) == []


@pytest.mark.parametrize(("figures", "kept"), [((0.2, 0.4), 4), ((0.4, 0.2), 3)])
def test_the_end_is_looked_at_when_validations_do_not_divide_the_steps(
    figures: tuple[float, float],
    kept: int,
    balls: Cohort,
    make_recipe: RecipeMaker,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    given = iter(figures)
    monkeypatch.setattr("neurograft.training.validation.Scorer.__call__", lambda self, index: next(given))
    recipe = make_recipe("budget=4steps", "validation.every=3", "validation.hold_out=1")
    info = train_model(TrainingRequest(balls, recipe, tmp_path / "run"))
    assert info.training["kept"] == f"best at step {kept}, validation Dice 0.4000"
