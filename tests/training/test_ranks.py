"""Two processes that share each batch end with the weights of one process, and go on after a kill."""

import json
import os
import subprocess
import sys
from pathlib import Path

import nibabel
import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from neurograft.errors import InputError
from neurograft.networks import build_network
from neurograft.recipes import load_recipe
from neurograft.recipes.schema import ComputeConfig
from neurograft.tasks import AutoencodingTask, SegmentationTask
from neurograft.training.ranks import Ranks, ranks_of, require_divisible
from neurograft.transfer import plan_transfer

TOLERANCE = 2e-6
"""Largest difference of a weight; sums are taken in another order."""

SCRIPT = """
import json, os, signal, socket, sys, time
from pathlib import Path
import lightning, torch
from neurograft.cohorts import open_cohort
from neurograft.recipes import load_recipe
from neurograft.training.request import TrainingRequest
from neurograft.training.run import train_model
import neurograft.training.fit, lightning.pytorch.strategies, torch.distributed

data, recipe = Path(sys.argv[1]), json.loads(sys.argv[2])
torch.set_num_threads(1)

def start(out, rank=0, world=1, port=0):
    child = os.fork()
    if child:
        return child
    with open(out + f".{rank}.log", "w") as log:
        os.dup2(log.fileno(), 1)
        os.dup2(log.fileno(), 2)
        try:
            if world > 1:
                # As torchrun starts them.
                os.environ |= {
                    "RANK": str(rank), "LOCAL_RANK": str(rank), "GROUP_RANK": "0", "WORLD_SIZE": str(world),
                    "LOCAL_WORLD_SIZE": str(world), "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port),
                    "TORCHELASTIC_RUN_ID": "x",
                }
            chosen = load_recipe("default", [*recipe, f"compute.devices={world}"])
            train_model(TrainingRequest(open_cohort(data), chosen, Path(out)))
        except BaseException:
            import traceback
            traceback.print_exc(file=log)
            log.flush()
            os._exit(1)
        log.flush()
        os._exit(0)

def pair(out):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    return [start(out, rank, 2, port) for rank in range(2)]

def finish(children):
    return [os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) for child in children]

# As nobody has run anything in this process, it can be forked.
assert finish([start("one")]) == [0], Path("one.0.log").read_text()
assert finish(pair("two")) == [0, 0], Path("two.0.log").read_text() + Path("two.1.log").read_text()
children = pair("killed")
while not Path(".killed.partial/resume.ckpt").exists():
    assert os.waitpid(children[0], os.WNOHANG)[0] == 0, Path("killed.0.log").read_text()
    time.sleep(0.002)
for child in children:
    os.kill(child, signal.SIGKILL)
assert finish(children) == [-9, -9]
assert finish(pair("killed")) == [0, 0], Path("killed.0.log").read_text() + Path("killed.1.log").read_text()
"""

COMMAND = "from neurograft.cli import main; main()"

RECIPE = [
    "budget=8steps", "network.channels=[4,8]", "sampling.patch_size=[16,16,16]", "sampling.batch_size=4",
    "validation.hold_out=3", "validation.every=2", "optimiser.name=sgd", "optimiser.learning_rate=0.05",
    "compute.device=cpu", "compute.precision=fp32", "compute.channels_last=false", "compute.threads=1",
]  # fmt: skip


@pytest.fixture
def boxes(tmp_path: Path) -> Path:
    """Seven people with a bright box each; in every other one a second label was not looked for."""
    rows = ["subject\timage\tlabel\tlabel_state"]
    for person in range(7):
        generator = np.random.default_rng(person)
        label = np.zeros((20, 20, 20), np.uint8)
        x, y = generator.integers(3, 8, 2)
        label[x : x + 7, y : y + 7, 6:13] = 1
        if person % 2:
            label[14:18, y : y + 5, 6:10] = 2
        image = generator.normal(100, 10, label.shape) + 60.0 * (label == 1) + 120.0 * (label == 2)
        for kind, data in (("image", image.astype(np.float32)), ("label", label)):
            nibabel.save(nibabel.Nifti1Image(data, np.eye(4)), tmp_path / f"p{person}_{kind}.nii.gz")
        state = "dense" if person % 2 else "one=dense;two=none"
        rows.append(f"p{person}\tp{person}_image.nii.gz\tp{person}_label.nii.gz\t{state}")
    (tmp_path / "cohort.tsv").write_text("\n".join(rows) + "\n")
    (tmp_path / "labels.tsv").write_text("index\tname\n1\tone\n2\ttwo\n")
    return tmp_path / "cohort.tsv"


def metrics(run: Path) -> np.ndarray:
    lines = (run / "metrics.csv").read_text().splitlines()[1:]
    return np.array([[float(cell or "nan") for cell in line.split(",")] for line in lines])


@pytest.mark.slow
def test_two_processes_end_where_one_does(boxes: Path, tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT, str(boxes), json.dumps(RECIPE)],
        cwd=tmp_path,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        check=False,
        timeout=500,
    )
    assert done.returncode == 0, done.stderr[-4000:]
    one, two, killed = (load_file(tmp_path / name / "model" / "model.safetensors") for name in ("one", "two", "killed"))
    assert max(float((one[name] - two[name]).abs().max()) for name in one) < TOLERANCE
    start = build_network(load_recipe("default", RECIPE).network, 1, 3, seed=0).state_dict()
    assert max(float((one[name] - start[name]).abs().max()) for name in one) > 1000 * TOLERANCE
    assert all(torch.equal(two[name], killed[name]) for name in two)
    assert np.allclose(metrics(tmp_path / "one"), metrics(tmp_path / "two"), rtol=1e-4, atol=1e-6, equal_nan=True)
    assert (tmp_path / "two" / "metrics.csv").read_bytes() == (tmp_path / "killed" / "metrics.csv").read_bytes()
    told = [json.loads((tmp_path / name / "run.json").read_text()) for name in ("one", "two")]
    assert told[0]["kept"] == told[1]["kept"]
    assert not list(tmp_path.glob(".*.partial"))


@pytest.mark.parametrize(
    ("environment", "rank"),
    [
        ({}, 0),
        ({"LOCAL_RANK": "1"}, 1),
        ({"NODE_RANK": "1"}, 2),
        ({"NODE_RANK": "1", "LOCAL_RANK": "1"}, 3),
        ({"RANK": "3", "LOCAL_RANK": "1"}, 3),
        ({"SLURM_PROCID": "2"}, 2),
    ],
)
def test_which_process_this_is(environment: dict[str, str], rank: int) -> None:
    assert ranks_of(ComputeConfig(devices=2, nodes=2), environment) == Ranks(rank, 4)
    assert ranks_of(ComputeConfig(), {"RANK": "1"}) == Ranks(0, 1)


@pytest.mark.parametrize(
    ("overrides", "strategy", "words"),
    [
        (["sampling.batch_size=3"], "scratch", "cannot be shared by 2 processes"),
        (["sampling.batch_size=2", "task.kind=autoencoding"], "scratch", "on patches only"),
        (["sampling.batch_size=2"], "gradual", "cannot free units"),
    ],
)
def test_what_several_processes_do_not_train(overrides: list[str], strategy: str, words: str) -> None:
    recipe = load_recipe("default", ["compute.devices=2", *overrides])
    task = (
        AutoencodingTask(recipe.task, ["T1w"])
        if recipe.task.kind == "autoencoding"
        else SegmentationTask(recipe.task, ["one"])
    )
    plan = plan_transfer(strategy, build_network(recipe.network, 1, 2, seed=0).units)
    with pytest.raises(InputError, match=words):
        require_divisible(recipe, task, plan)


def test_processes_that_nobody_has_started_are_missed(boxes: Path, tmp_path: Path) -> None:
    # In a batch job Lightning leaves the start of processes to srun, and here srun starts one.
    batch_job = {"SLURM_NTASKS": "1", "SLURM_PROCID": "0", "SLURM_LOCALID": "0", "SLURM_NODEID": "0"}
    overrides = [*RECIPE, "compute.devices=2"]
    done = subprocess.run(
        [sys.executable, "-c", COMMAND, "train", "--cohort", str(boxes), "--out", str(tmp_path / "out"), *overrides],
        env={**os.environ, **batch_job, "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        check=False,
        timeout=200,
    )
    assert done.returncode != 0
    assert "processes that run: 1" in " ".join(done.stderr.split())
    assert "Traceback" not in done.stderr
    assert not (tmp_path / ".out.partial").exists()
