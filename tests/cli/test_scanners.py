"""Several cohorts, groups by a column and views of features, as a shell runs them."""

from pathlib import Path
from typing import Any

import pandas as pd
import pytest

Program = Any
Study = Any


def add_scanner(folder: Path) -> None:
    table = pd.read_csv(folder / "cohort.tsv", sep="\t")
    table["scanner"] = ["GE", "Siemens", "GE"][: len(table)]
    table.to_csv(folder / "cohort.tsv", sep="\t", index=False)


def test_one_model_of_two_cohorts(neurograft: Program, study: Study, tiny: list[str]) -> None:
    done = neurograft(
        "train", "--cohort", "source", "--cohort", "target", "--out", "both", "--json", *tiny,
        "budget=1steps", "validation.hold_out=0",
    )  # fmt: skip
    assert (done.status, done.errors) == (0, [])
    assert done.json["training_subjects"] == 5
    Path("some.txt").write_text("source_a\ntarget_d\n")
    done = neurograft(
        "train", "--cohort", "source", "--cohort", "target", "--subjects", "some.txt", "--out", "some", "--json",
        *tiny, "budget=1steps", "validation.hold_out=0",
    )  # fmt: skip
    assert done.json["training_subjects"] == 2


def test_a_split_by_a_column(neurograft: Program, study: Study) -> None:
    add_scanner(Path("target"))
    assert neurograft("data", "split", "target", "--by", "scanner=GE", "--out", "split").status == 0
    assert Path("split/test.txt").read_text().split() == ["c", "e"]
    assert Path("split/train.txt").read_text().split() == ["d"]
    for words in ((), ("--by", "scanner=GE", "--hold-out", "1")):
        done = neurograft("data", "split", "target", *words, "--out", "other")
        assert done.status == 2
        assert "either --hold-out or --by" in done.errors[0]


def test_an_evaluation_by_a_column(neurograft: Program, study: Study) -> None:
    add_scanner(Path("target"))
    words = ("--reference", "target", "--prediction", "predictions", "--surfaces", "none", "--jobs", "1")
    done = neurograft("evaluate", *words, "--by", "scanner", "--out", "scores", "--json")
    assert (done.status, done.errors) == (0, [])
    table = pd.read_csv("scores/summary_by_scanner.tsv", sep="\t")
    dice = table[(table["measure"] == "dice") & (table["label"] == "nigra")]
    assert dice.set_index("scanner")["n"].to_dict() == {"GE": 2, "Siemens": 1}
    assert len(done.json["summary_by_scanner"]) == len(table)
    assert "Dice by scanner" in Path("scores/evaluation.html").read_text()
    done = neurograft("evaluate", *words, "--by", "site", "--out", "none")
    assert done.status == 2
    assert "names no column" in done.errors[0]


@pytest.mark.parametrize("cohorts", [("source",), ("source", "target")])
def test_features_are_the_triplanar_networks(neurograft: Program, study: Study, cohorts: tuple[str, ...]) -> None:
    options = [word for cohort in cohorts for word in ("--cohort", cohort)]
    done = neurograft("features", "--model", "model", *options, "--out", "features")
    assert done.status == 2
    assert ("unet3d" if len(cohorts) == 2 else "two or more cohorts") in done.errors[0]
