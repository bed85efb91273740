"""From label maps alone to a model, and from that to one for scans."""

from pathlib import Path

import numpy as np
import pytest
import yaml
from typer.testing import CliRunner

from neurograft.cli.main import app
from neurograft.cohorts import open_cohort
from neurograft.imaging.files import write_label_map
from neurograft.imaging.grid import Grid

SMALL = [
    "network.channels=[4, 8]",
    "sampling.patch_size=[16, 16, 16]",
    "budget=2steps",
    "compute.device=cpu",
    "compute.precision=fp32",
    "compute.channels_last=false",
    "compute.threads=1",
]


@pytest.fixture(scope="module")
def label_maps(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("maps")
    shape = (20, 20, 20)
    for number, radius in enumerate((5, 6)):
        ball = ((np.indices(shape) - 9.5) ** 2).sum(0) < radius**2
        left = np.indices(shape)[0] < 10
        label = np.where(ball, np.where(left, 1, 2), 0).astype(np.uint8)
        write_label_map(folder / f"h{number}.nii.gz", label, Grid.from_affine(shape, np.eye(4)))
    (folder / "labels.tsv").write_text("index\tname\tintensity_class\n1\tleft thalamus\t1\n2\tright thalamus\t2\n")
    return folder


def run(*arguments: object) -> str:
    result = CliRunner().invoke(app, [str(argument) for argument in arguments])
    assert result.exit_code == 0, (result.output, result.exception)
    return result.output


def test_label_maps_are_checked_and_trained_on_and_the_model_adapted_to_scans(label_maps: Path, tmp_path: Path) -> None:
    assert "label maps without images" in " ".join(run("data", "check", label_maps).split())
    run("train", "--cohort", label_maps, "--recipe", "synthetic-brain", "--out", tmp_path / "source", *SMALL)
    run("phantom", "synthetic", "--cohort", label_maps, "--out", tmp_path / "made", "--images", 2)
    scans = open_cohort(tmp_path / "made" / "cohort.tsv")
    assert (len(scans), scans.channels, len(scans.subjects)) == (4, ("image",), 2)
    run("adapt", "--source", tmp_path / "source", "--cohort", tmp_path / "made", "--out", tmp_path / "adapted", *SMALL)
    recipe = yaml.safe_load((tmp_path / "adapted" / "recipe.yaml").read_text())
    assert recipe["synthesis"]["enabled"] is False
    assert recipe["sampling"]["patch_size"] == [16, 16, 16]


def test_label_maps_are_not_predicted_on(label_maps: Path, tmp_path: Path) -> None:
    run("train", "--cohort", label_maps, "--recipe", "synthetic-brain", "--out", tmp_path / "source", *SMALL)
    result = CliRunner().invoke(
        app,
        ["predict", "--model", str(tmp_path / "source"), "--input", str(label_maps), "--out", str(tmp_path / "out")],
    )
    assert result.exit_code != 0
    assert "here are none" in str(result.exception)
