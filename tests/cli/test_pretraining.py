"""Commands that learn without labels, or from a single scan."""

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from neurograft.imaging.files import read_label_map, write_label_map

Program = Callable[..., Any]
MASKED = ["task.kind=masked_autoencoding", "task.hidden_cube_voxels=4", "budget=2steps"]


@pytest.fixture
def scans(study: Any) -> Path:
    """A folder of scans and nothing else."""
    folder = Path("scans")
    folder.mkdir()
    for name in ("a", "b"):
        shutil.copy(study.source / f"{name}.nii.gz", folder)
    return folder


def test_from_a_folder_of_scans_to_a_segmentation(
    study: Any, scans: Path, neurograft: Program, tiny: list[str]
) -> None:
    outcome = neurograft("train", "--cohort", scans, "--out", "pretrained", "--json", *tiny, *MASKED)
    assert (outcome.status, outcome.json["labels"], outcome.json["training_subjects"]) == (0, [], 2)
    text = neurograft("model", "inspect", "pretrained").out
    assert "masked autoencoding" in text
    refused = neurograft("predict", "--model", "pretrained", "--input", "target", "--out", "masks")
    assert refused.status == 2
    assert "segments nothing yet. Adapt it first: neurograft adapt --source" in refused.errors[0]
    assert not Path("masks").exists()
    words = ["adapt", "--source", "pretrained", "--cohort", "target", "--budget", "2steps", "--json"]
    adapted = neurograft(*words, "--out", "adapted")
    assert (adapted.status, adapted.json["labels"]) == (0, ["nigra", "coeruleus"])
    assert (adapted.json["loading"]["reset"], adapted.json["loading"]["copied"]) == (2, 20)
    seen = neurograft("adapt", "--source", "pretrained", "--cohort", "source", "--out", "seen")
    assert (seen.status, "2 subjects of this cohort also among" in seen.errors[0]) == (2, True)
    further = neurograft("adapt", "--source", "pretrained", "--cohort", "target", "--out", "further", "--json", *MASKED)
    assert (further.status, further.json["loading"]["reset"]) == (0, 0)
    assert neurograft("predict", "--model", "adapted", "--input", "target", "--out", "masks").status == 0


def test_adapting_with_a_recipe_of_its_own(study: Any, neurograft: Program, tiny: list[str]) -> None:
    words = ["adapt", "--source", "model", "--cohort", "target", "--recipe", "default", "--json"]
    outcome = neurograft(*words, "--out", "new", *tiny, "budget=1steps", "optimiser.name=sgd")
    assert outcome.status == 0
    assert outcome.json["loading"]["reset"] == 0


def test_explain_needs_labels_of_a_source_without(
    study: Any, scans: Path, neurograft: Program, tiny: list[str]
) -> None:
    assert neurograft("train", "--cohort", scans, "--out", "pretrained", *tiny, *MASKED).status == 0
    outcome = neurograft("model", "explain", "pretrained")
    assert (outcome.status, "learns labels, and none is named" in outcome.errors[0]) == (2, True)
    named = neurograft("model", "explain", "pretrained", "--label-names", "nigra", "--json")
    assert named.json["counts"]["reset"] == 2
    same = neurograft("model", "explain", "pretrained", "--json", "task.kind=autoencoding")
    assert same.json["counts"]["reset"] == 0


def test_deep_image_prior(study: Any, neurograft: Program) -> None:
    whole = read_label_map(study.target / "c_dseg.nii.gz")
    drawn = whole.data.copy()
    drawn[:, 1::2] = 0
    write_label_map(study.target / "few.nii.gz", drawn, whole.grid)
    words = ["deep-image-prior", "--image", study.target / "c.nii.gz", "--label", study.target / "few.nii.gz"]
    words += ["--out", "filled.nii.gz", "--steps", 4, "--json"]
    unknown = neurograft(*words)
    assert (unknown.status, "would pass for background" in unknown.errors[0]) == (2, True)
    outcome = neurograft(*words, "--slice-axis", "coronal", "--margin-mm", 3)
    assert outcome.status == 0
    assert {"voxels_nigra", "voxels_coeruleus", "drawn_voxels"} <= set(outcome.json)
    filled = read_label_map(Path("filled.nii.gz"))
    shown = drawn.any(axis=(0, 2))
    assert (filled.data[:, shown] == drawn[:, shown]).all()
    again = neurograft(*words, "--slice-axis", "coronal")
    assert (again.status, "the output exists" in again.errors[0]) == (2, True)
    wrong = neurograft(*words, "--slice-axis", "coronal", "--from", "zeros", "--overwrite")
    assert (wrong.status, "Choose one of noise, image" in wrong.errors[0]) == (2, True)
