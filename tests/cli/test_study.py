"""The command study: planned, run, watched, reported, and its exit status."""

import json
from pathlib import Path

import nibabel
import numpy as np
import pytest
import yaml
from typer.testing import CliRunner

from neurograft.cli.main import app
from neurograft.errors import InputError
from neurograft.studies.cells.cell import Cell
from neurograft.studies.folder import StudyFolder

TINY = {"budget": "2steps", "network.channels": [4, 8], "sampling.patch_size": [16, 16, 16], "validation.hold_out": 0}


@pytest.fixture
def files(tmp_path: Path) -> tuple[Path, Path]:
    """A protocol of three cells, and the folder of its cohort."""
    rows = ["subject\timage\tlabel"]
    for person in range(4):
        label = np.zeros((16, 16, 16), np.uint8)
        label[4:9, 4:9, 3 + person : 9] = 1
        image = np.random.default_rng(person).normal(100, 10, label.shape) + 60.0 * label
        for kind, data in (("image", image.astype(np.float32)), ("label", label)):
            nibabel.save(nibabel.Nifti1Image(data, np.eye(4)), tmp_path / f"p{person}_{kind}.nii.gz")
        rows.append(f"p{person}\tp{person}_image.nii.gz\tp{person}_label.nii.gz")
    (tmp_path / "cohort.tsv").write_text("\n".join(rows) + "\n")
    (tmp_path / "labels.tsv").write_text("index\tname\n1\tbox\n")
    experiment = {"name": "boxes", "cohort": "people", "test": {"count": 2}, "sizes": [2], "strategies": ["scratch"]}
    tree = {
        "title": "Boxes",
        "cohorts": {"people": {"path": "cohort.tsv"}},
        "overrides": TINY,
        "experiments": [experiment],
        "compute": {"device": "cpu", "precision": "fp32", "channels_last": False},
    }
    (tmp_path / "boxes.yaml").write_text(yaml.safe_dump(tree))
    return tmp_path / "boxes.yaml", tmp_path


def test_from_plan_to_report(files: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch) -> None:
    from neurograft.studies.executors.inline import InlineExecutor

    protocol, folder = files
    out = folder / "study"
    words = ["study", "run", str(protocol), "--out", str(out), "--data-root", str(folder)]
    planned = CliRunner().invoke(app, [*words, "--dry-run", "--no-probe"])
    assert planned.exit_code == 0, planned.output
    assert "3 cells: 1 of kind guard, 1 of kind train, 1 of kind score." in planned.output
    assert "no study here" in str(CliRunner().invoke(app, ["study", "report", str(out)]).exception)
    # Processes of their own are tested elsewhere.
    monkeypatch.setattr("neurograft.studies.executors.local.LocalExecutor", lambda root, **_: InlineExecutor(root))
    done = CliRunner().invoke(app, [*words, "--json"])
    assert done.exit_code == 0, done.output
    assert json.loads(done.stdout[done.stdout.index("{") :])["done"] == 3
    (out / "results" / "comparisons.tsv").write_text("of an earlier plan\n")
    again = CliRunner().invoke(app, [*words, "--json"])
    told = json.loads(again.stdout[again.stdout.index("{") :])
    assert (told["kept"], told["warnings"]) == (3, [])
    assert not (out / "results" / "comparisons.tsv").exists(), "one method is compared with nothing"
    kept = {name: (out / name).read_bytes() for name in ("plan.jsonl", "readings.jsonl", "study.json")}
    other = CliRunner().invoke(app, [*words, "--dry-run", "--no-probe", "seeds=[5,6]"])
    assert "2 of kind train, 2 of kind score" in other.output
    assert {name: (out / name).read_bytes() for name in kept} == kept
    status = json.loads(CliRunner().invoke(app, ["study", "status", str(out), "--json"]).stdout)
    assert (status["cells"], status["done"], status["waiting"]) == (3, 3, 0)
    assert (out / "results" / "report.html").is_file()
    text = (out / "results" / "report.md").read_text("utf-8")
    for phrase in ("- cohorts: people: cohort.tsv", "- hardware: ", "- date: 20", "Time and memory of the trainings:"):
        assert phrase in text
    assert "machines" not in text, "names of computers stay on the page"
    need = CliRunner().invoke(app, ["study", "labels", str(out), "--target", "0.8"])
    assert "cannot be told" in need.output
    lost = Cell("train", {}, title="another training")
    StudyFolder(out).write_lines(out / "plan.jsonl", [cell.to_dict() for cell in (*StudyFolder(out).cells(), lost)])
    warning = "1 of 4 cells are not finished: the figures are of those that are."
    told = CliRunner().invoke(app, ["study", "report", str(out)]).output
    assert told.startswith(f"Warning: {warning}\n")
    StudyFolder(out).record_failure(lost, {"error": "no space"})
    told = json.loads(CliRunner().invoke(app, ["study", "report", str(out), "--json"]).stdout)
    assert told["warnings"] == ["another training failed: no space"]
    assert json.loads((out / "results" / "answer.json").read_text("utf-8"))["warnings"] == told["warnings"]
    assert (out / "results" / "report.md").read_text("utf-8").startswith("Warnings:\n\n- another training failed")
    (folder / "p0_image.nii.gz").write_bytes(b"no image")
    spoilt = CliRunner().invoke(app, words)
    assert spoilt.exit_code == 1
    assert "cells failed" in spoilt.output


def test_wrong_calls(files: tuple[Path, Path]) -> None:
    protocol, folder = files
    run = ["study", "run", str(protocol), "--out", str(folder / "study"), "--data-root", str(folder)]
    for words, message in (
        ([*run, "--executor", "cloud"], "Choose local or dask"),
        ([*run, "experiments=[]"], "at least 1 item"),
        (["study", "status", str(folder)], "no study here"),
        (["study", "run", "p9", "--out", str(folder / "study")], "Shipped protocols"),
    ):
        result = CliRunner().invoke(app, words)
        assert isinstance(result.exception, InputError), result.output
        assert message in str(result.exception)


def test_shipped_protocols_are_listed() -> None:
    listed = CliRunner().invoke(app, ["study", "list"]).output
    assert "p1-small: P1 in small" in listed
