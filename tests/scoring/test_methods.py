"""Evaluations side by side."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from neurograft.errors import InputError
from neurograft.scoring.methods import compare_evaluations, write_comparison


def write_scores(folder: Path, shift: float, cases: int = 8, seed: int = 0) -> Path:
    """An evaluation of cases whose Dice is a person's own plus a shift and a little noise."""
    folder.mkdir(parents=True)
    people = np.random.default_rng(7).normal(0.7, 0.1, 20)[:cases]
    noise = np.random.default_rng(seed).normal(0, 0.005, cases)
    rows = [
        (f"c{n}", f"p{n}", label, kind, "ok", value + shift + e, 3 - 10 * (shift + e))
        for n, (value, e) in enumerate(zip(people, noise, strict=True))
        for label, kind in (("LC", "label"), ("all labels", "group"))
    ]
    columns = ["case", "subject", "label", "kind", "status", "dice", "hd95_max_voxel_mm"]
    pd.DataFrame(rows, columns=columns).to_csv(folder / "per_case.tsv", sep="\t", index=False)
    return folder


@pytest.fixture
def scored(tmp_path: Path) -> Callable[..., Path]:
    return lambda name, shift, **more: write_scores(tmp_path / name, shift, **more)


def test_a_clear_difference_in_either_direction(scored: Callable[..., Path], tmp_path: Path) -> None:
    runs = [("full", scored("full", 0.1)), ("scratch", scored("scratch", 0.0, seed=1))]
    found = compare_evaluations(runs, ["dice", "hd95_max_voxel_mm"])
    assert found.scores["label"].unique().tolist() == ["LC"]
    assert "seed" not in found.scores
    dice, distance = found.comparison.to_dict("records")
    assert dice["difference"] == pytest.approx(0.1, abs=0.01)
    assert (dice["n_subjects"], dice["family_size"]) == (8, 2)
    assert "better" in dice["verdict"]
    # A smaller distance is the better one.
    assert distance["difference"] == pytest.approx(-1, abs=0.1)
    assert "better" in distance["verdict"]
    write_comparison(found, tmp_path)
    assert len(pd.read_csv(tmp_path / "comparison.tsv", sep="\t")) == 2
    assert '"full"' in (tmp_path / "comparison.json").read_text()


def test_runs_of_one_name_are_runs_of_one_method(scored: Callable[..., Path]) -> None:
    runs = [("full", scored(f"full{n}", 0.1, seed=n)) for n in range(3)]
    runs += [("scratch", scored(f"scratch{n}", 0.0, seed=10 + n)) for n in range(3)]
    found = compare_evaluations(runs, ["dice"], labels=["all labels"], reference="scratch")
    assert found.scores.groupby("method")["seed"].nunique().to_dict() == {"full": 3, "scratch": 3}
    row = found.comparison.iloc[0]
    assert (row["first"], row["second"], row["seeds"], row["n_subjects"]) == ("full", "scratch", 3, 8)
    assert len(found.runs["full"]) == 3


def test_no_difference_is_never_called_better(scored: Callable[..., Path]) -> None:
    runs = [("one", scored("one", 0.0)), ("two", scored("two", 0.0, seed=5))]
    row = compare_evaluations(runs, ["dice"]).comparison.iloc[0]
    assert row["low"] < 0 < row["high"]
    assert "better" not in row["verdict"]
    assert row["smallest_detectable_difference"] > 0


def test_different_cases_are_refused_or_compared_in_common(scored: Callable[..., Path]) -> None:
    runs = [("one", scored("one", 0.0)), ("two", scored("two", 0.1, cases=6))]
    with pytest.raises(InputError, match="2 cases of one are not in all evaluations: c6, c7"):
        compare_evaluations(runs, ["dice"])
    row = compare_evaluations(runs, ["dice"], common=True).comparison.iloc[0]
    assert row["n_subjects"] == 6


def test_a_method_against_itself_is_none(scored: Callable[..., Path]) -> None:
    folder = scored("one", 0.0)
    with pytest.raises(InputError, match="two methods at least"):
        compare_evaluations([("one", folder), ("one", folder)], ["dice"])
