import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import yaml

import neurograft as package

Program = Callable[..., Any]

COMMANDS = [
    "demo",
    "data",
    "data check",
    "data split",
    "data choose",
    "train",
    "adapt",
    "predict",
    "evaluate",
    "compare",
    "model",
]
COMMANDS += ["model inspect", "model explain"]


@pytest.mark.parametrize("command", ["", *COMMANDS])
def test_every_command_explains_itself(command: str, neurograft: Program) -> None:
    outcome = neurograft(*command.split(), "--help")
    assert (outcome.status, outcome.errors) == (0, [])
    assert outcome.out.lstrip().startswith("Usage: ")


def test_help_comes_quickly_and_imports_nothing_slow(capsys: pytest.CaptureFixture[str]) -> None:
    code = "import sys; sys.argv = ['neurograft', '--help']\nfrom neurograft.cli import main\n"
    code += "try:\n main()\nexcept SystemExit:\n pass\n"
    code += "slow = {'torch', 'lightning', 'nibabel', 'scipy', 'pandas', 'SimpleITK', 'bids'} & set(sys.modules)\n"
    code += "print('slow:', sorted(slow))"
    begin = time.monotonic()
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    seconds = time.monotonic() - begin
    assert done.stdout.splitlines()[-1] == "slow: []"
    with capsys.disabled():
        sys.stdout.write(f" (--help took {seconds:.2f} s) ")


def test_a_prediction_loads_no_registration() -> None:
    code = "import sys, neurograft.inference.run, neurograft.inference.pipeline, neurograft.cli.predict\n"
    code += "print('SimpleITK' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["False"]


def test_version(neurograft: Program) -> None:
    outcome = neurograft("--version")
    assert (outcome.status, outcome.out) == (0, f"neurograft {package.__version__}\n")


def test_train(study: Any, neurograft: Program, tiny: list[str]) -> None:
    outcome = neurograft("train", "--cohort", "target", "--out", "new", "--seed", 3, "--json", *tiny, "budget=2steps")
    assert outcome.status == 0
    assert outcome.json["model"] == str(Path("new/model"))
    assert outcome.json["labels"] == ["nigra", "coeruleus"]
    assert (outcome.json["steps"], outcome.json["seed"], outcome.json["training_subjects"]) == (2, 3, 3)
    inspected = neurograft("model", "inspect", "new", "--json")
    assert inspected.json["recipe"]["budget"] == "2steps"


def test_adapt(study: Any, neurograft: Program) -> None:
    words = ["adapt", "--source", "model", "--cohort", "target", "--strategy", "freeze(up1)", "--labels", 2]
    words += ["--budget", "2steps", "--label-from", "locus=coeruleus"]
    (study.target / "labels.tsv").write_text("index\tname\n3\tlocus\n")
    outcome = neurograft(*words, "--out", "new", "--json")
    assert outcome.status == 0
    assert outcome.json["labels"] == ["locus"]
    assert outcome.json["training_subjects"] == 2
    assert outcome.json["loading"]["transplanted"] == 2
    text = neurograft(*words, "--out", "again")
    assert (text.status, "freeze(up1)" in text.out) == (0, True)


def test_adapt_leaves_what_belongs_to_the_sources_cohort(study: Any, neurograft: Program, tiny: list[str]) -> None:
    words = ["--cohort", "source", "--out", "few-slices", *tiny, "budget=2steps"]
    limited = ["label_budget.axis=axial", "label_budget.slices=9", "validation.hold_out=1", "optimiser.name=sgd"]
    assert neurograft("train", *words, *limited).status == 0
    words = ["adapt", "--source", "few-slices", "--cohort", "target", "--strategy", "full", "--budget", "2steps"]
    assert neurograft(*words, "--out", "adapted").status == 0
    recipe = yaml.safe_load(Path("adapted/recipe.yaml").read_text())
    assert recipe["label_budget"]["axis"] == "none"
    assert recipe["validation"]["hold_out"] == "auto"
    assert recipe["optimiser"]["name"] == "sgd"


def test_predict_and_evaluate(study: Any, neurograft: Program) -> None:
    outcome = neurograft("predict", "--model", "model", "--input", "target", "--out", "new", "--json")
    assert (outcome.status, outcome.json["cases"]) == (0, 3)
    assert {row["seen_in_training"] for row in outcome.json["volumes"]} == {"no"}
    assert Path("new/c_dseg.nii.gz").read_bytes() == (study.predictions / "c_dseg.nii.gz").read_bytes()
    scores = neurograft("evaluate", "--reference", "target", "--prediction", "new", "--out", "scores", "--json")
    assert scores.status == 0
    assert scores.json["labels"] == ["nigra", "coeruleus"]
    dice = [row for row in scores.json["summary"] if row["measure"] == "dice"]
    assert [row["label"] for row in dice] == [
        "nigra", "coeruleus", "all labels", "mean", "mean weighted by 1/V", "mean weighted by 1/V²",
    ]  # fmt: skip
    assert {row["n_subjects"] for row in dice} <= {2, 3}
    names = {path.name for path in Path("scores").iterdir()}
    assert {"per_case.tsv", "summary.tsv", "agreement.tsv", "biomarkers.tsv", "evaluation.html"} <= names
    assert len(pd.read_csv("scores/per_case.tsv", sep="\t")) == 3 * 6
    text = neurograft("evaluate", "--reference", "target", "--prediction", "new", "--out", "scores", "--overwrite")
    assert text.status == 0
    assert "Paired by" in text.out
    assert "Policies: label absent from both: left out" in text.out


def test_compare_evaluations(study: Any, neurograft: Program) -> None:
    for name in ("first", "second"):
        words = ["--reference", "target", "--prediction", "predictions", "--out", name, "--surfaces", "none"]
        assert neurograft("evaluate", *words).status == 0
    outcome = neurograft("compare", "first", "again=second", "--out", "compared", "--json")
    assert outcome.status == 0
    rows = outcome.json["comparison"]
    assert [row["label"] for row in rows] == ["nigra", "coeruleus", "mean"]
    assert all(row["difference"] in (0, None) and "better" not in row["verdict"] for row in rows)
    assert {path.name for path in Path("compared").iterdir()} == {
        ".neurograft.json", "comparison.tsv", "scores.tsv", "comparison.json", "comparison.html",
    }  # fmt: skip
    text = neurograft("compare", "first", "again=second", "--out", "compared", "--overwrite")
    assert (text.status, "Page: " in text.out) == (0, True)
    for words, problem in (
        (["first"], "two methods at least"),
        (["first", "target"], "holds no per_case.tsv"),
        (["first", "again=second", "--measure", "dise"], "--measure 'dise' is unknown"),
        (["first", "again=second", "--measure", "hausdorff_voxel_mm"], "has no column hausdorff_voxel_mm"),
        (["first", "again=second", "--label", "nigre"], "has no label nigre"),
        (["first", "again=second", "--reference", "third"], "there is no method 'third'"),
    ):
        failed = neurograft("compare", *words, "--out", "bad")
        assert failed.status == 2
        assert problem in failed.errors[-1]
        assert not Path("bad").exists()


def test_predict_with_several_models_a_single_scan_and_overrides(study: Any, neurograft: Program) -> None:
    words = ["predict", "--model", "model", "--model", "model/model", "--input", "target/c.nii.gz", "--out", "new"]
    outcome = neurograft(*words, "--probabilities", "postprocessing.keep_largest=1", "inference.merge=uniform")
    assert outcome.status == 0
    assert "1 scans segmented into new" in outcome.out
    assert sorted(path.name for path in Path("new").glob("c*")) == [
        "c_dseg.nii.gz",
        "c_dseg.png",
        "c_label-Coeruleus_probseg.nii.gz",
        "c_label-Nigra_probseg.nii.gz",
    ]


def test_data_check(study: Any, neurograft: Program) -> None:
    outcome = neurograft("data", "check", "target", "--json")
    assert (outcome.status, outcome.json["stops_training"], outcome.json["problems"]) == (0, False, [])
    assert [case["id"] for case in outcome.json["cases"]] == ["c", "d", "e"]
    assert "No problem found." in neurograft("data", "check", "target").out
    Path("target/d.nii.gz").write_bytes(b"damaged")
    damaged = neurograft("data", "check", "target", "--json")
    assert (damaged.status, damaged.json["stops_training"]) == (2, True)
    assert [problem["file"] for problem in damaged.json["problems"]] == [str(Path("target/d.nii.gz"))]
    assert neurograft("data", "check", "target").status == 2


def test_data_split(study: Any, neurograft: Program) -> None:
    assert neurograft("data", "split", "target", "--hold-out", 1, "--out", "split").status == 0
    train, test = (Path(f"split/{name}.txt").read_text().split() for name in ("train", "test"))
    assert sorted([*train, *test]) == ["c", "d", "e"]
    words = ["predict", "--model", "model", "--input", "target", "--subjects", "split/test.txt", "--out", "new"]
    assert neurograft(*words, "--json").json["cases"] == 1


def test_data_choose(study: Any, neurograft: Program) -> None:
    done = neurograft("data", "choose", "target", "--count", 1, "--out", "choice")
    assert done.status == 0
    assert "at random" in done.out
    chosen, others = (Path(f"choice/{name}.txt").read_text().split() for name in ("chosen", "others"))
    assert len(chosen) == 1
    assert sorted([*chosen, *others]) == ["c", "d", "e"]
    rows = [line.split("\t") for line in Path("choice/stand_for.tsv").read_text().splitlines()]
    assert rows[0] == ["subject", "nearest", "role"]
    assert [row for row in rows[1:] if row[2] != "other"] == [[chosen[0], chosen[0], "chosen"]]
    more = neurograft("data", "choose", "target", "--count", 2, "--labelled", "choice/chosen.txt", "--out", "more")
    assert more.status == 0
    assert sorted(Path("more/chosen.txt").read_text().split()) == sorted(others)
    assert Path("more/others.txt").read_text() == "", "who is labelled already is no other"
    roles = [line.split("\t")[2] for line in Path("more/stand_for.tsv").read_text().splitlines()[1:]]
    assert sorted(roles) == ["chosen", "chosen", "labelled"]
    refused = neurograft("data", "choose", "target", "--count", 1, "--out", "choice")
    assert refused.status == 2
    assert "the output exists" in refused.errors[0]
    words = ["data", "choose", "target", "--subjects", "choice/others.txt", "--labelled", "choice/chosen.txt"]
    refused = neurograft(*words, "--count", 1, "--out", "none")
    assert refused.status == 2
    assert f"choice/chosen.txt: names {chosen[0]}, who is not among the 2 people" in refused.errors[0]
    assert neurograft("data", "choose", "target", "--count", 9, "--out", "none").status == 2
    assert not Path("none").exists()


def test_model_inspect_and_explain(study: Any, neurograft: Program) -> None:
    inspected = neurograft("model", "inspect", "model", "--json")
    assert inspected.json["channels"] == ["image"]
    assert "training_subjects" not in inspected.json
    words = ["explain", "model", "--strategy", "freeze(head)", "--label-names", "nigra,new", "--json"]
    explained = neurograft("model", *words)
    assert explained.json["counts"]["transplanted"] == 2
    scales = {row["unit"]: row["learning_rate_scale"] for row in explained.json["plan"]}
    assert scales == {"down1": 0.0, "bottleneck": 0.0, "up1": 0.0, "head": 1.0}
    assert neurograft("model", "inspect", "model").status == 0
    assert "tensors: " in neurograft("model", "explain", "model", "--cohort", "target").out


def test_a_wrong_call_is_told_apart_from_a_failure_of_ours(
    study: Any, neurograft: Program, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert neurograft("train", "--cohort", "target").status == 2
    assert neurograft("trian").status == 2

    def broken(*_: object, **__: object) -> None:
        raise RuntimeError("ours")

    monkeypatch.setattr("neurograft.cohorts.check_cohort", broken)
    with pytest.raises(RuntimeError, match="ours"):
        neurograft("data", "check", "target")


@pytest.mark.skipif(os.name != "posix", reason="there is no shell like it")
def test_as_a_process_json_is_alone_on_standard_output(study: Any) -> None:
    words = [sys.executable, "-c", "from neurograft.cli import main; main()", "data", "check", "target", "--json"]
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    assert done.returncode == 0
    assert json.loads(done.stdout)["cohort"] == "target"
