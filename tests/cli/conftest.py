"""A small study on disk, and the program run inside this process."""

import json
import logging
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from neurograft.cli import main
from neurograft.imaging.files import write_image, write_label_map
from neurograft.imaging.grid import Grid

TINY = [
    "network.channels=[4,8]",
    "sampling.patch_size=[16,16,16]",
    "compute.device=cpu",
    "compute.precision=fp32",
    "compute.channels_last=false",
    "compute.threads=1",
    "inference.overlap=0.0",
]


@dataclass(frozen=True)
class Outcome:
    """What a command did."""

    status: int
    out: str
    err: str
    warnings: list[str]

    @property
    def errors(self) -> list[str]:
        return [line for line in self.err.splitlines() if line.startswith("Error:")]

    @property
    def json(self) -> Any:
        def refuse(name: str) -> None:
            raise AssertionError(f"{name} is no JSON")

        return json.loads(self.out, parse_constant=refuse)


Program = Callable[..., Outcome]


@pytest.fixture
def neurograft(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> Program:
    """Run a command as the shell would; everything but the process is real."""

    def run(*words: object) -> Outcome:
        monkeypatch.setattr(sys, "argv", ["neurograft", *map(str, words)])
        capsys.readouterr()
        caplog.clear()
        status = 0
        try:
            main()
        except SystemExit as end:
            status = int(end.code or 0)
        captured = capsys.readouterr()
        warnings = [record.getMessage() for record in caplog.records if record.levelno >= logging.WARNING]
        return Outcome(status, captured.out, captured.err, warnings)

    return run


def _write_study(folder: Path, subjects: list[str], seed: int = 0) -> None:
    """Two labelled balls in noise; a table, label names, images and label maps."""
    rng = np.random.default_rng(seed)
    shape = (20, 18, 16)
    grid = Grid.from_affine(shape, np.diag([1.0, 1.0, 1.0, 1.0]))
    places = np.indices(shape)
    folder.mkdir(parents=True)
    rows = ["subject\timage\tlabel\tage"]
    for name in subjects:
        image, label = rng.normal(0, 0.3, shape).astype(np.float32), np.zeros(shape, np.uint8)
        for value, centre in ((1, (6, 8, 8)), (3, (14, 9, 8))):
            ball = ((places - (np.array(centre) + rng.uniform(-1, 1, 3))[:, None, None, None]) ** 2).sum(0) < 14
            image[ball] += 2.0 * value
            label[ball] = value
        write_image(folder / f"{name}.nii.gz", image, grid)
        write_label_map(folder / f"{name}_dseg.nii.gz", label, grid)
        rows.append(f"{name}\t{name}.nii.gz\t{name}_dseg.nii.gz\t70")
    (folder / "cohort.tsv").write_text("\n".join(rows) + "\n")
    (folder / "labels.tsv").write_text("index\tname\n1\tnigra\n3\tcoeruleus\n")


@dataclass(frozen=True)
class Study:
    """Where things are: cohorts of other people each, a trained model, and its predictions."""

    source: Path
    target: Path
    model: Path
    predictions: Path


@pytest.fixture(scope="session")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Study:
    from neurograft.cohorts import open_cohort, open_scans
    from neurograft.inference.run import PredictionRequest, predict_cohort
    from neurograft.models import open_bundle
    from neurograft.recipes import load_recipe
    from neurograft.training.request import TrainingRequest
    from neurograft.training.run import train_model

    root = tmp_path_factory.mktemp("study")
    _write_study(root / "source", ["a", "b"])
    _write_study(root / "target", ["c", "d", "e"], seed=7)
    recipe = load_recipe("default", [*TINY, "budget=4steps"])
    train_model(TrainingRequest(open_cohort(root / "source" / "cohort.tsv"), recipe, root / "model"))
    target = open_cohort(root / "target" / "cohort.tsv")
    predict_cohort(PredictionRequest([open_bundle(root / "model")], target, root / "predictions"))
    assert open_scans(root / "target" / "c.nii.gz", ["image"]).cases
    return Study(root / "source", root / "target", root / "model", root / "predictions")


@pytest.fixture
def study(trained: Study, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Study:
    """A copy that a test may spoil, under neutral names, in the working directory."""
    import shutil

    for name in ("source", "target", "model", "predictions"):
        shutil.copytree(getattr(trained, name), tmp_path / name)
    monkeypatch.chdir(tmp_path)
    return Study(Path("source"), Path("target"), Path("model"), Path("predictions"))


@pytest.fixture(scope="session")
def tiny() -> list[str]:
    return TINY
