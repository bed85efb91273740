"""``neurograft predict`` inside regions: an oracle must be asked for, a locator asks for itself."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

Program = Callable[..., Any]

PREDICT = ["predict", "--model", "model", "--input", "target", "--out", "new"]
SMALL = "inference.region_size=[16,16,16]"


def test_an_oracle_is_told_in_the_terminal_and_in_every_row(study: Any, neurograft: Program) -> None:
    outcome = neurograft(*PREDICT, "inference.region=oracle", SMALL)
    assert outcome.status == 0
    assert "Region: oracle crop: " in outcome.out
    assert any("oracle crop" in warning for warning in outcome.warnings)
    assert set(pd.read_csv("new/volumes.tsv", sep="\t")["oracle"]) == {"yes"}


def test_an_oracle_needs_labels(study: Any, neurograft: Program) -> None:
    scan = ["predict", "--model", "model", "--input", "target/c.nii.gz", "--out", "new", "inference.region=oracle"]
    outcome = neurograft(*scan)
    assert (outcome.status, len(outcome.errors)) == (2, 1)
    assert "case c has no reference label" in outcome.errors[0]
    assert not Path("new").exists()


def test_a_recipes_oracle_must_be_asked_for_again(study: Any, neurograft: Program) -> None:
    file = study.model / "model" / "bundle.json"
    tree = json.loads(file.read_text())
    tree["recipe"]["inference"] |= {"region": "oracle", "region_size": [16, 16, 16]}
    file.write_text(json.dumps(tree))
    outcome = neurograft(*PREDICT)
    assert outcome.status == 2
    assert "Say inference.region=oracle to do that here too" in outcome.errors[0]
    assert neurograft(*PREDICT, "inference.region=whole").status == 0
    assert set(pd.read_csv("new/volumes.tsv", sep="\t")["region"]) == {"whole"}
    assert neurograft(*PREDICT, "inference.region=oracle", "--overwrite").status == 0
    assert set(pd.read_csv("new/volumes.tsv", sep="\t")["region"]) == {"oracle"}


@pytest.mark.parametrize("said", [[], ["inference.region=predicted"]])
def test_a_locator_asks_for_a_predicted_region(said: list[str], study: Any, neurograft: Program) -> None:
    outcome = neurograft(*PREDICT, "--locator", "model", SMALL, *said, "--json")
    assert outcome.status == 0
    assert {row["region"] for row in outcome.json["volumes"]} <= {"predicted", "whole (locator unsure)"}
    region = json.loads(Path("new/prediction.json").read_text())["region"]
    assert (region["asked"], region["oracle"]) == ("predicted", False)
    assert region["locator"]["name"]


def test_a_locator_that_is_not_used_is_refused(study: Any, neurograft: Program) -> None:
    outcome = neurograft(*PREDICT, "--locator", "model", "inference.region=whole")
    assert outcome.status == 2
    assert "a locator serves inference.region: predicted, and it is whole" in outcome.errors[0]
