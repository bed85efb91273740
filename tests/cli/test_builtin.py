"""A stand-in for a built-in model: trained, packed into the package's folder, and used by its name."""

import json
from pathlib import Path

import pandas as pd
import pytest

from neurograft.models import builtin, open_bundle


@pytest.fixture
def shipped(neurograft, study, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(builtin, "FOLDER", Path("builtin").absolute())
    words = ["model", "pack", study.model, "--name", "builtin:subcortical", "--cohort", study.source / "cohort.tsv"]
    outcome = neurograft(*words, "--out", builtin.FOLDER / "subcortical")
    assert outcome.status == 0, outcome.err
    assert "MiB" in outcome.out
    return builtin.FOLDER / "subcortical"


def rename(study, names: dict[int, str]) -> None:
    rows = "".join(f"{value}\t{name}\n" for value, name in names.items())
    (study.target / "labels.tsv").write_text("index\tname\n" + rows)


def test_predict_by_name_gives_masks_pictures_and_signs(neurograft, study, shipped: Path) -> None:
    outcome = neurograft(
        "predict", "--model", "builtin:subcortical", "--input", study.target / "c.nii.gz", "--out", "m"
    )
    assert outcome.status == 0, outcome.err
    assert sorted(path.name for path in Path("m").iterdir() if not path.name.startswith(".")) == [
        "biomarkers.tsv",
        "c_dseg.nii.gz",
        "c_dseg.png",
        "labels.tsv",
        "prediction.json",
        "trust.tsv",
        "volumes.tsv",
    ]
    trust = pd.read_csv("m/trust.tsv", sep="\t")
    assert trust["case"].tolist() == ["c"]
    assert ("Look at 1 of 1 masks first: c" in outcome.out) == (trust["signs"][0] > 0)
    assert json.loads(Path("m/prediction.json").read_text())["models"][0]["name"] == "builtin:subcortical"


def test_training_keeps_the_volumes_of_its_labels(study, shipped: Path) -> None:
    ranges = {known.label: known for known in open_bundle(shipped).info.volumes}
    assert sorted(ranges) == ["coeruleus", "nigra"]
    # A ball of radius sqrt(14) has about 219 voxels of 1 mm3.
    assert all(150 < known.smallest_mm3 <= known.largest_mm3 < 260 for known in ranges.values())
    assert open_bundle(shipped).info.volumes == open_bundle(study.model).info.volumes
    assert sorted(open_bundle(shipped).info.sources) == ["a.nii.gz", "a_dseg.nii.gz", "b.nii.gz", "b_dseg.nii.gz"]


def test_labels_under_other_names_are_matched_by_a_table(neurograft, study, shipped: Path, tiny: list[str]) -> None:
    rename(study, {1: "Left-NIGRA", 3: "tail of the coeruleus"})
    cohort = study.target / "cohort.tsv"
    adapt = ["adapt", "--source", "builtin:subcortical", "--cohort", cohort]
    outcome = neurograft("model", "match", "builtin:subcortical", "--cohort", cohort, "--out", "t.tsv")
    assert outcome.status == 0, outcome.err
    assert Path("t.tsv").read_text().splitlines()[1:] == [
        "Left-NIGRA\tnigra\tsame structure, of no side",
        "tail of the coeruleus\tcoeruleus\tpart of coeruleus",
    ]
    refused = neurograft(*adapt, "--strategy", "none", "--out", "x")
    assert refused.status == 2
    assert any("Left-NIGRA from nigra" in line for line in refused.warnings)
    outcome = neurograft(*adapt, "--strategy", "none", "--label-table", "t.tsv", "--out", "renamed")
    assert outcome.status == 0, outcome.err
    renamed, source = open_bundle("renamed"), open_bundle(shipped)
    assert renamed.info.label_from == {"Left-NIGRA": "nigra", "tail of the coeruleus": "coeruleus"}
    assert all(bool((renamed.state[name] == tensor).all()) for name, tensor in source.state.items())


def test_an_emptied_cell_is_a_random_start_and_options_come_first(neurograft, study, shipped: Path) -> None:
    Path("t.tsv").write_text("target\tsource\nnigra\t\ncoeruleus\tnigra\nelsewhere\tnigra\n")
    explain = ["model", "explain", "builtin:subcortical", "--label-table", "t.tsv", "--json"]
    rows = {row["tensor"]: row["why"] for row in neurograft(*explain).json["tensors"]}
    assert rows["head.weight"] == "rows background, nigra -> coeruleus; random start: nigra"
    both = neurograft(*explain, "--label-from", "nigra=nigra + coeruleus")
    rows = {row["tensor"]: row["why"] for row in both.json["tensors"]}
    assert rows["head.weight"] == "rows background, nigra + coeruleus -> nigra, nigra -> coeruleus"


def test_averaged_while_adapting_is_averaged_afterwards(neurograft, study, shipped: Path) -> None:
    adapt = ["adapt", "--source", "builtin:subcortical", "--cohort", study.target / "cohort.tsv", "--budget", "3steps"]
    assert neurograft(*adapt, "--out", "adapted").status == 0
    assert neurograft(*adapt, "--average", "0.5", "--out", "averaged").status == 0
    words = ["model", "average", "builtin:subcortical", "adapted", "--weight", "0.5", "--out", "mean"]
    assert neurograft(*words).status == 0
    source, adapted, averaged, mean = map(open_bundle, ("builtin:subcortical", "adapted", "averaged", "mean"))
    assert "0.5 of what was learnt" in averaged.info.training["averaged"]
    for name, tensor in averaged.state.items():
        assert bool((tensor == mean.state[name]).all()), name
    assert not all(bool((averaged.state[name] == adapted.state[name]).all()) for name in source.state)


def test_average_without_a_source_is_refused(neurograft, study, shipped: Path) -> None:
    words = ["--cohort", study.target / "cohort.tsv", "--strategy", "scratch", "--average", "0.5", "--out", "x"]
    outcome = neurograft("adapt", "--source", "builtin:subcortical", *words)
    assert outcome.status == 2
    assert "nothing to average with" in outcome.err


def test_absent_model_is_one_clear_message(neurograft, study, shipped: Path) -> None:
    outcome = neurograft("predict", "--model", "builtin:brain", "--input", study.target / "c.nii.gz", "--out", "m")
    assert outcome.status == 2
    assert len(outcome.errors) == 1
    assert "the recipe builtin-brain begins with" in outcome.err
