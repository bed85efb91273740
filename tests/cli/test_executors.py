"""Predictions and evaluations on an executor, from the command line."""

from pathlib import Path

import nibabel
import numpy as np
import pytest
from typer.testing import CliRunner

from neurograft.cli.main import app
from neurograft.recipes import load_recipe
from neurograft.studies.executors.inline import InlineExecutor
from neurograft.training.request import TrainingRequest
from neurograft.training.run import train_model

RECIPE = [
    "budget=1steps", "network.channels=[4,8]", "sampling.patch_size=[16,16,16]", "validation.hold_out=0",
    "compute.device=cpu", "compute.precision=fp32", "compute.channels_last=false", "compute.threads=1",
]  # fmt: skip


@pytest.fixture
def cohort(tmp_path: Path) -> Path:
    rows = ["subject\timage\tlabel"]
    for person in range(3):
        label = np.zeros((16, 16, 16), np.uint8)
        label[4:10, 4:10, 4 + person : 10] = 1
        image = np.random.default_rng(person).normal(100, 10, label.shape) + 60.0 * label
        for kind, data in (("image", image.astype(np.float32)), ("label", label)):
            nibabel.save(nibabel.Nifti1Image(data, np.eye(4)), tmp_path / f"p{person}_{kind}.nii.gz")
        rows.append(f"p{person}\tp{person}_image.nii.gz\tp{person}_label.nii.gz")
    (tmp_path / "cohort.tsv").write_text("\n".join(rows) + "\n")
    (tmp_path / "labels.tsv").write_text("index\tname\n1\tbox\n")
    return tmp_path / "cohort.tsv"


def run(*words: str) -> None:
    done = CliRunner().invoke(app, list(words))
    assert done.exit_code == 0, done.output


def contents(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_both_commands_write_what_they_write_without(
    cohort: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from neurograft.cohorts import open_cohort

    # Processes of their own are tested elsewhere.
    monkeypatch.setattr("neurograft.studies.executors.local.LocalExecutor", lambda root, **_: InlineExecutor(root))
    train_model(TrainingRequest(open_cohort(cohort), load_recipe("default", RECIPE), tmp_path / "run"))
    predict = ["predict", "--model", str(tmp_path / "run/model"), "--input", str(cohort), "--engine", "torch"]
    predict += ["--precision", "fp32"]
    masks = tmp_path / "masks"
    run(*predict, "--out", str(masks))
    run(*predict, "--out", str(tmp_path / "masks-in-parts"), "--executor", "local")
    assert contents(masks) == contents(tmp_path / "masks-in-parts")
    evaluate = ["evaluate", "--reference", str(cohort), "--prediction", str(masks)]
    run(*evaluate, "--out", str(tmp_path / "scores"))
    run(*evaluate, "--out", str(tmp_path / "scores-in-parts"), "--executor", "local")
    assert contents(tmp_path / "scores") == contents(tmp_path / "scores-in-parts")
    assert not list(tmp_path.glob(".*.parts"))
    wrong = CliRunner().invoke(app, [*evaluate, "--out", str(tmp_path / "x"), "--executor", "cloud"])
    assert "Choose local or dask" in str(wrong.exception or wrong.output)


def test_an_engine_that_is_left_open_is_chosen_once(cohort: Path, tmp_path: Path) -> None:
    from neurograft.cohorts import open_cohort
    from neurograft.inference.engines import EngineRequest
    from neurograft.inference.run import PredictionRequest
    from neurograft.models import open_bundle
    from neurograft.studies.parts.prediction import _with_named_engine

    train_model(TrainingRequest(open_cohort(cohort), load_recipe("default", RECIPE), tmp_path / "run"))
    bundle = open_bundle(tmp_path / "run/model")
    request = PredictionRequest(
        [bundle], open_cohort(cohort), tmp_path / "masks", engines=EngineRequest("auto", "auto")
    )
    found = _with_named_engine(request).engines
    assert found.engine in ("torch", "openvino", "onnx")
    assert found.precision in ("fp32", "bf16")
    named = EngineRequest("torch", "fp32")
    plain = PredictionRequest([bundle], open_cohort(cohort), tmp_path / "masks", engines=named)
    assert _with_named_engine(plain) is plain


@pytest.mark.parametrize(
    ("given", "count", "device", "found"),
    [
        (None, 2, "auto", ["0", "1"]),
        ("2,3", 2, "auto", ["2", "3"]),
        ("MIG-a, MIG-b", 1, "cuda", ["MIG-a", "MIG-b"]),
        ("", 0, "auto", []),
        ("2,3", 2, "cpu", []),
    ],
)
def test_only_gpus_that_were_given_are_handed_out(
    given: str | None, count: int, device: str, found: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from neurograft.cli.executors import executor_of

    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    if given is not None:
        monkeypatch.setenv("CUDA_VISIBLE_DEVICES", given)
    monkeypatch.setattr("torch.cuda.device_count", lambda: count)
    start, _ = executor_of("local", "local", 2, threads=1, memory_mib=1, device=device)
    assert start(tmp_path).gpus == found  # type: ignore[attr-defined]
