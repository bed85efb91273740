"""A run that was cut off, at any moment and any number of times, ends as one that was not."""

import json
import math
import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file

from neurograft.cohorts import Cohort
from neurograft.errors import InputError
from neurograft.models import Bundle, open_bundle
from neurograft.recipes import Recipe
from neurograft.sampling.batches import PatchBatches
from neurograft.training import callbacks, run
from neurograft.training.request import TrainingRequest
from neurograft.training.run import train_model
from neurograft.training.validation import Scorer

RecipeMaker = Callable[..., Recipe]


class Cut(BaseException):
    """Stands for a kill: nothing in the program catches it as an error."""


def _cut_in(monkeypatch: pytest.MonkeyPatch, owner: Any, name: str, call: int, after: bool = False) -> None:
    """Raise in the n-th call of a function, before or after it has done its work."""
    original, calls = getattr(owner, name), 0

    def cutting(*args: Any, **kwargs: Any) -> Any:
        nonlocal calls
        calls += 1
        if calls == call and not after:
            raise Cut
        result = original(*args, **kwargs)
        if calls == call:
            raise Cut
        return result

    monkeypatch.setattr(owner, name, cutting)


CUTS: list[tuple[Any, str, int, bool]] = [
    (PatchBatches, "batch", 3, False),  # before the first resume point
    (PatchBatches, "batch", 6, False),  # in a chunk
    (Scorer, "__call__", 1, False),  # in a validation
    (callbacks.BestWeights, "on_validation_end", 1, True),  # after the best weights, before the resume point
    (callbacks.CheckpointFile, "save_checkpoint", 1, False),  # after a chunk, before its resume point
    (callbacks.CheckpointFile, "save_checkpoint", 1, True),
    (run, "save_bundle", 1, False),  # trained, but not written
]

SETTINGS: dict[str, tuple[str, list[str]]] = {
    "adam, poly": ("scratch", ["optimiser.name=adam", "optimiser.schedule=poly", "validation.hold_out=1"]),
    "sgd, cosine": ("scratch", ["optimiser.name=sgd", "optimiser.schedule=cosine", "optimiser.warmup_steps=5"]),
    "plateau of the validation": (
        "scratch",
        ["optimiser.schedule=plateau", "optimiser.plateau_patience=1", "validation.hold_out=1", "validation.every=4"],
    ),
    "plateau of the loss": (
        "scratch",
        [
            "optimiser.schedule=plateau",
            "optimiser.plateau_patience=1",
            "validation.every=4",
            "optimiser.learning_rate=1",
        ],
    ),
    "early stopping": (
        "scratch",
        [
            "validation.hold_out=1",
            "validation.early_stopping_patience=1",
            "validation.every=4",
            "optimiser.learning_rate=1e-9",
        ],
    ),
    "early stopping between chunks": (
        "scratch",
        ["validation.hold_out=1", "validation.early_stopping_patience=1", "optimiser.learning_rate=1e-9"],
    ),
    "gradual": ("gradual(0.8)", ["validation.hold_out=1"]),
    "lora": ("lora(2)", ["validation.hold_out=1"]),
    "l2sp": ("l2sp(0.1)", []),
    "batch norm, decay": ("decay(up1)", ["network.norm=batch"]),
    "last weights": ("freeze(head)", ["validation.hold_out=1", "validation.keep=last"]),
    "masked images and an adversary": (
        "scratch",
        [
            "task.kind=masked_autoencoding",
            "task.hidden_cube_voxels=4",
            "task.adversary.weight=0.1",
            "task.adversary.from_step=6",
            "task.adversary.channels=[2, 2, 2, 2]",
            "validation.hold_out=1",
        ],
    ),
    "which labels a patch shows": (
        "scratch",
        ["task.kind=classification", "network.name=encoder3d", "network.norm=batch", "validation.hold_out=1"],
    ),
    "a network of slices": (
        "reset_head",
        [
            "network.name=attention_unet2d",
            "network.slice_axis=axial",
            "network.channels=[4, 6, 8]",
            "network.norm=batch",
            "network.auxiliary_heads=1",
            "task.deep_supervision_weights=[0.6, 0.4]",
            "sampling.patch_size=[16, 16, 1]",
            "inference.window=[16, 16, 8]",
            "validation.hold_out=1",
        ],
    ),
    "slices, scales, borders and ages": (
        "scratch",
        [
            "network.name=residual_unet3d",
            "network.channels=[4, 6, 8]",
            "network.auxiliary_heads=1",
            "network.age_head=paper",
            "task.deep_supervision_weights=[1, 0.5]",
            "task.boundary_weight=0.1",
            "task.age_weight=1",
            "task.age_weight_schedule=rising",
            "optimiser.age_learning_rate=0.0003",
            "label_budget.axis=random",
            "label_budget.slices=4",
            "label_budget.within=labels",
            "validation.hold_out=1",
        ],
    ),
}


@pytest.fixture(scope="module")
def source(
    balls: Cohort, make_recipe: RecipeMaker, tmp_path_factory: pytest.TempPathFactory
) -> Callable[[str], Bundle]:
    bundles: dict[str, Bundle] = {}

    def get(setting: str) -> Bundle:
        overrides = [text for text in SETTINGS[setting][1] if text.startswith(("network.", "sampling.", "inference."))]
        key = " ".join(overrides)
        if key not in bundles:
            out = tmp_path_factory.mktemp("source") / "model"
            train_model(TrainingRequest(balls, make_recipe("budget=4steps", *overrides), out))
            bundles[key] = open_bundle(out)
        return bundles[key]

    return get


def outcome(folder: Path) -> dict[str, Any]:
    """What must be the same: everything but times."""
    record = json.loads((folder / "run.json").read_text())
    return {
        "weights": (folder / "model" / "model.safetensors").read_bytes(),
        "metrics": (folder / "metrics.csv").read_text(),
        "record": {key: record[key] for key in ("steps", "kept", "strategy", "cases")},
        "files": sorted(path.name for path in folder.iterdir()),
    }


def test_a_validation_that_gives_no_number_is_one_without_a_better_figure(
    balls: Cohort, make_recipe: RecipeMaker, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Scorer, "__call__", lambda self, index: -math.inf)
    recipe = make_recipe("validation.hold_out=1", "validation.every=4", "validation.early_stopping_patience=3")
    assert train_model(TrainingRequest(balls, recipe, tmp_path / "run")).training["steps"] == 12


@pytest.mark.usefixtures("short_chunks")
@pytest.mark.parametrize("setting", SETTINGS)
def test_cut_off_anywhere_it_ends_as_if_nothing_had_been(
    setting: str,
    source: Callable[[str], Bundle],
    balls: Cohort,
    make_recipe: RecipeMaker,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    strategy, overrides = SETTINGS[setting]
    recipe = make_recipe(*overrides)
    aged = (replace(case, covariates={"age": str(30 + number**2)}) for number, case in enumerate(balls.cases))
    cohort = replace(balls, cases=tuple(aged))
    model = None if strategy == "scratch" else source(setting)

    def request(name: str) -> TrainingRequest:
        return TrainingRequest(cohort, recipe, tmp_path / name, strategy, model, seed=5, allow_shared_subjects=True)

    train_model(request("undisturbed"))
    for owner, name, call, after in CUTS:
        if owner in (Scorer, callbacks.BestWeights) and recipe.validation.hold_out == "auto":
            continue
        with monkeypatch.context() as patch:
            _cut_in(patch, owner, name, call, after)
            with pytest.raises(Cut):
                train_model(request("cut"))
        assert not (tmp_path / "cut").exists()
    train_model(request("cut"))
    assert outcome(tmp_path / "cut") == outcome(tmp_path / "undisturbed")
    if setting.startswith("early stopping"):
        steps = outcome(tmp_path / "undisturbed")["record"]["steps"]
        assert steps == {"early stopping": 8, "early stopping between chunks": 16}[setting]
    if setting == "plateau of the loss":
        rates = [line.split(",")[2] for line in outcome(tmp_path / "undisturbed")["metrics"].splitlines()[1:]]
        assert len(set(rates)) > 1
        assert sorted(map(float, rates), reverse=True) == list(map(float, rates))


@pytest.mark.usefixtures("short_chunks")
@pytest.mark.parametrize("overrides", [[], ["validation.hold_out=1", "validation.every=8"]], ids=["last", "best"])
def test_where_resume_points_are_dear_it_goes_on_from_an_old_one(
    overrides: list[str],
    balls: Cohort,
    make_recipe: RecipeMaker,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    recipe = make_recipe("budget=16steps", *overrides)
    train_model(TrainingRequest(balls, recipe, tmp_path / "undisturbed"))
    monkeypatch.setattr(callbacks.ResumePoint, "CHEAP_SECONDS", -1)
    monkeypatch.setattr(callbacks.ResumePoint, "TIMES_THE_WRITE", 10**9)
    with monkeypatch.context() as patch:
        _cut_in(patch, PatchBatches, "batch", 15)
        with pytest.raises(Cut):
            train_model(TrainingRequest(balls, recipe, tmp_path / "cut"))
    seen: list[int] = []
    draw = PatchBatches.batch
    monkeypatch.setattr(PatchBatches, "batch", lambda self, step: seen.append(step) or draw(self, step))
    train_model(TrainingRequest(balls, recipe, tmp_path / "cut"))
    assert seen[0] == (8 if overrides else 4), "the first chunk's, or that of the best weights after it"
    assert outcome(tmp_path / "cut") == outcome(tmp_path / "undisturbed")


@pytest.mark.usefixtures("short_chunks")
def test_what_a_network_leaves_out_at_random_is_the_steps_own(
    balls: Cohort, make_recipe: RecipeMaker, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    recipe = make_recipe(
        "network.name=triplanar",
        "network.channels=[3, 4, 5]",
        "network.dense_channels=[6, 9, 7]",
        "network.norm=batch",
        "network.activation=prelu",
        "network.dropout=0.5",
        "sampling.kind=voxels",
        "sampling.patch_size=[1, 1, 1]",
        "sampling.batch_size=16",
        "inference.window=[12, 12, 12]",
        "budget=12steps",
    )
    torch.manual_seed(1)
    train_model(TrainingRequest(balls, recipe, tmp_path / "undisturbed"))
    torch.manual_seed(2)
    with monkeypatch.context() as patch:
        _cut_in(patch, callbacks.CheckpointFile, "save_checkpoint", 2, after=True)
        with pytest.raises(Cut):
            train_model(TrainingRequest(balls, recipe, tmp_path / "cut"))
    torch.manual_seed(3)
    train_model(TrainingRequest(balls, recipe, tmp_path / "cut"))
    assert outcome(tmp_path / "cut") == outcome(tmp_path / "undisturbed")


@pytest.mark.usefixtures("short_chunks")
def test_a_run_cut_off_while_it_puts_its_files_in_order_ends_the_same(
    balls: Cohort, make_recipe: RecipeMaker, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    recipe = make_recipe("budget=8steps", "validation.hold_out=1")
    train_model(TrainingRequest(balls, recipe, tmp_path / "undisturbed"))
    with monkeypatch.context() as patch:
        _cut_in(patch, run, "write_json", 1, after=True)
        with pytest.raises(Cut):
            train_model(TrainingRequest(balls, recipe, tmp_path / "cut"))
    train_model(TrainingRequest(balls, recipe, tmp_path / "cut"))
    assert outcome(tmp_path / "cut") == outcome(tmp_path / "undisturbed")


@pytest.mark.usefixtures("short_chunks")
def test_other_label_states_are_another_run(
    make_cohort: Callable[..., Cohort], make_recipe: RecipeMaker, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever corrects the states after a kill must not go on from steps that took gaps for background."""
    cohort = make_cohort(tmp_path / "cohort", 2, labels=("a", "b"))
    recipe = make_recipe("budget=8steps")
    with monkeypatch.context() as patch:
        _cut_in(patch, callbacks.CheckpointFile, "save_checkpoint", 1, after=True)
        with pytest.raises(Cut):
            train_model(TrainingRequest(cohort, recipe, tmp_path / "run"))
    first, second = cohort.cases
    corrected = replace(cohort, cases=(replace(first, label_state={"a": "dense", "b": "none"}), second))
    with pytest.raises(InputError, match="unfinished"):
        train_model(TrainingRequest(corrected, recipe, tmp_path / "run"))


KILLER = """
import json, os, random, signal, sys, time
import torch, torch.utils.tensorboard
import neurograft.training.run
from neurograft.cli import main
from neurograft.training import planning

planning.LARGEST_CHUNK = 4
torch.set_num_threads(1)

def start(command):
    child = os.fork()
    if child == 0:
        sys.argv = command
        sys.stdout = sys.stderr = open(os.devnull, "w")
        code = 1
        try:
            main()
        except SystemExit as end:
            code = end.code or 0
        finally:
            os._exit(code)
    return child

def finish(child):
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])

command, seed = json.loads(sys.argv[1]), int(sys.argv[2])
begin = time.monotonic()
assert finish(start([*command, "--out", "undisturbed"])) == 0
duration = time.monotonic() - begin
moments = random.Random(seed)
kills = 0
for share in [0.2, 0.35, 0.3, 0.35]:
    child = start([*command, "--out", "killed"])
    time.sleep(duration * share * moments.uniform(0.7, 1.3))
    os.kill(child, signal.SIGKILL)
    status = finish(child)
    if os.path.exists("killed"):
        break  # it was done before it was killed
    assert status == -signal.SIGKILL
    kills += 1
else:
    assert finish(start([*command, "--out", "killed"])) == 0
print(json.dumps({"kills": kills, "seconds": duration}))
"""


@pytest.mark.slow
@pytest.mark.parametrize("command", ["train", "adapt"])
def test_sigkill_at_random_moments(
    command: str, source: Callable[[str], Bundle], balls: Cohort, make_recipe: RecipeMaker, tmp_path: Path
) -> None:
    tiny = [
        "network.channels=[4,8]",
        "sampling.patch_size=[16,16,16]",
        "compute.precision=fp32",
        "compute.channels_last=false",
        "compute.threads=1",
        "budget=40steps",
        "validation.hold_out=1",
        "validation.every=8",
        "inference.overlap=0.0",
    ]
    words = ["neurograft", command, "--cohort", str(balls.source), "--seed", "3"]
    if command == "adapt":
        model = str(source("lora").path)
        words += ["--source", model, "--strategy", "lora(2)", "--allow-shared-subjects"]
    done = subprocess.run(
        [sys.executable, "-c", KILLER, json.dumps([*words, *tiny]), "11"],
        cwd=tmp_path,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    assert json.loads(done.stdout.splitlines()[-1])["kills"] >= 3
    assert outcome(tmp_path / "killed") == outcome(tmp_path / "undisturbed")
    assert [path.name for path in tmp_path.iterdir() if path.name.startswith(".")] == []
    assert load_file(tmp_path / "killed" / "model" / "model.safetensors")
