"""Names, numbers and folders that a user may well have, and that must not be misread."""

import json
import sys
from pathlib import Path

import nibabel as nib
import numpy as np
import pandas as pd
import pytest

from neurograft.cli.main import main
from neurograft.errors import InputError
from neurograft.scoring.methods import compare_evaluations
from neurograft.scoring.numbers import score_numbers
from neurograft.scoring.run import score_files


def write_ages(file: Path, ages: list[float]) -> Path:
    pd.DataFrame({"subject": [f"s{n}" for n in range(len(ages))], "age": ages}).to_csv(file, sep="\t", index=False)
    return file


def write_scores(folder: Path, dice: list[float], subjects: list[str], label: str = "LC") -> Path:
    folder.mkdir(parents=True)
    rows = pd.DataFrame({"case": subjects, "subject": subjects, "label": label, "kind": "label", "dice": dice})
    rows.to_csv(folder / "per_case.tsv", sep="\t", index=False)
    return folder


def run(monkeypatch: pytest.MonkeyPatch, *arguments: object) -> int:
    monkeypatch.setattr(sys, "argv", ["neurograft", *map(str, arguments)])
    with pytest.raises(SystemExit) as end:
        main()
    return int(end.value.code or 0)


def refuse(constant: str) -> float:
    raise AssertionError(f"{constant} is no JSON")


def test_undefined_figures_are_null_in_the_json_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    ages = write_ages(tmp_path / "ages.tsv", [50, 50, 50])
    call = ("--reference", ages, "--prediction", ages, "--quantity", "age", "--out", tmp_path / "out")
    assert run(monkeypatch, "agreement", *call) == 0
    found = json.loads((tmp_path / "out" / "agreement.json").read_text("utf-8"), parse_constant=refuse)
    assert found["regression"]["r2"] is None


def test_training_mean_that_is_no_number(tmp_path: Path) -> None:
    ages = write_ages(tmp_path / "ages.tsv", [50, 60, 70])
    with pytest.raises(InputError, match="training mean must be a number, not nan"):
        score_numbers(ages, ages, "age", training=float("nan"))


def test_names_that_look_like_an_empty_cell(tmp_path: Path) -> None:
    people = ["NA", "nan", "None", "bob"]
    first = write_scores(tmp_path / "first", [0.5, 0.6, 0.7, 0.8], people, "null")
    second = write_scores(tmp_path / "second", [0.6, 0.8, 0.8, 0.9], people, "null")
    row = compare_evaluations([("first", first), ("second", second)], ["dice"]).comparison.iloc[0]
    assert (row["label"], row["n_subjects"]) == ("null", 4)


def test_folders_of_one_name_are_not_runs_of_one_method(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    people = ["a", "b", "c"]
    one, two = (write_scores(tmp_path / name / "eval", [0.5, 0.6, 0.7], people) for name in ("one", "two"))
    other = write_scores(tmp_path / "other", [0.6, 0.8, 0.8], people)
    assert run(monkeypatch, "compare", one, two, other, "--out", tmp_path / "out") == 2
    assert "two folders are called 'eval'" in capsys.readouterr().err


def test_folder_with_an_equals_sign(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    people = ["a", "b", "c"]
    slow, fast = (write_scores(tmp_path / name, [0.5, 0.6, 0.7], people) for name in ("lr=0.1", "lr=0.2"))
    assert run(monkeypatch, "compare", slow, fast, "--out", tmp_path / "out") == 0
    assert set(pd.read_csv(tmp_path / "out" / "scores.tsv", sep="\t")["method"]) == {"lr=0.1", "lr=0.2"}


def test_references_without_any_label(tmp_path: Path) -> None:
    for name, value in (("reference", 0), ("prediction", 1)):
        (tmp_path / name).mkdir()
        nib.Nifti1Image(np.full((4, 4, 4), value, np.int16), np.eye(4)).to_filename(tmp_path / name / "a.nii.gz")
    with pytest.raises(InputError, match="every reference label map is empty"):
        score_files(tmp_path / "reference", tmp_path / "prediction")
