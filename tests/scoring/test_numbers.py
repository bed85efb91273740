"""Predicted ages against true ones."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from neurograft.errors import InputError
from neurograft.reports.number_report import number_report, number_sentences
from neurograft.scoring.numbers import regression_table, score_numbers

Ages = dict[str, float | str]


@pytest.fixture
def table(tmp_path: Path) -> Callable[[str, Ages], Path]:
    def write(name: str, ages: Ages) -> Path:
        rows = ["participant_id\tage", *(f"{who}\t{age}" for who, age in ages.items())]
        (tmp_path / name).write_text("\n".join(rows) + "\n")
        return tmp_path / name

    return write


def people(seed: int = 0) -> dict[str, float]:
    return {f"sub-{n:02d}": float(age) for n, age in enumerate(np.random.default_rng(seed).uniform(20, 80, 20))}


def test_a_model_that_works(table: Callable[[str, Ages], Path]) -> None:
    true = people()
    noise = np.random.default_rng(1).normal(0, 2, len(true))
    guess = {who: age + error for (who, age), error in zip(true.items(), noise, strict=True)}
    # Another order must not matter.
    shuffled = dict(sorted(guess.items(), reverse=True))
    training = table("training.tsv", {"a": 40, "b": "n/a", "c": 60})
    found = score_numbers(table("true.tsv", true), table("guess.tsv", shuffled), "age", training=training)
    assert found.regression.n == 20
    assert found.regression.mae == pytest.approx(np.abs(noise).mean(), abs=1e-6)
    assert found.regression.training_mean == 50
    assert found.regression.collapsed is False
    assert found.agreement.loc[0, "bias"] == pytest.approx(noise.mean(), abs=1e-6)
    sentences = number_sentences(found)
    assert "the model beats it" in sentences[1]
    assert len(sentences) == 2
    assert regression_table(found).loc[0, "quantity"] == "age"
    assert number_report(found, "").labels == ("age",)


def test_a_collapse_shows_at_once(table: Callable[[str, Ages], Path]) -> None:
    true = people()
    guess = {who: 50 + 0.1 * n for n, who in enumerate(true)}
    found = score_numbers(table("true.tsv", true), table("guess.tsv", guess), "age", training=50.0)
    assert found.regression.collapsed
    assert any("collapsed" in sentence for sentence in number_sentences(found))
    assert "the model beats it" not in " ".join(number_sentences(found))


def test_without_a_training_mean_the_baseline_is_missing_in_words(table: Callable[[str, Ages], Path]) -> None:
    found = score_numbers(table("true.tsv", people()), table("guess.tsv", people(3)), "age")
    assert np.isnan(found.regression.baseline_mae)
    assert "No training mean was given" in number_sentences(found)[1]


def test_rows_of_one_table_only_are_named(table: Callable[[str, Ages], Path]) -> None:
    true, guess = people(), people(3)
    del guess["sub-04"]
    guess["sub-99"] = 33.0
    true["sub-07"] = "n/a"  # type: ignore[assignment]
    with pytest.raises(InputError, match="1 of 19 true numbers have no prediction: sub-04"):
        score_numbers(table("true.tsv", true), table("guess.tsv", guess), "age")
    found = score_numbers(table("true.tsv", true), table("guess.tsv", guess), "age", missing="leave-out")
    assert found.unpaired == ("sub-04", "sub-07", "sub-99")
    assert found.regression.n == 18


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        ({"sub-01": "old"}, "'old' in column age is no number"),
        ({"sub-01": "inf"}, "'inf' in column age is no number"),
    ],
)
def test_what_is_no_number_is_refused(table: Callable[[str, Ages], Path], change: Ages, problem: str) -> None:
    with pytest.raises(InputError, match=problem):
        score_numbers(table("true.tsv", people()), table("guess.tsv", {**people(), **change}), "age")


def test_tables_that_do_not_fit(table: Callable[[str, Ages], Path], tmp_path: Path) -> None:
    true = table("true.tsv", people())
    with pytest.raises(InputError, match="has no column 'weight'"):
        score_numbers(true, true, "weight")
    with pytest.raises(InputError, match="no participant_id of the reference has a prediction"):
        score_numbers(true, table("guess.tsv", {"x": 3.0}), "age")
    (tmp_path / "twice.tsv").write_text("participant_id\tage\nsub-01\t3\nsub-01\t4\n")
    with pytest.raises(InputError, match="'sub-01' has more than one row"):
        score_numbers(true, tmp_path / "twice.tsv", "age")
    (tmp_path / "other.csv").write_text("name,age\nsub-01,3\n")
    with pytest.raises(InputError, match="none of the columns"):
        score_numbers(true, tmp_path / "other.csv", "age")
    with pytest.raises(InputError, match="cannot be read"):
        score_numbers(true, tmp_path / "absent.tsv", "age")


def test_a_bids_participant_is_the_subject_of_a_prediction(table: Callable[[str, Ages], Path], tmp_path: Path) -> None:
    (tmp_path / "ages.tsv").write_text("case\tsubject\tage\nx_1\t01\t33\nx_2\t02\t44\n")
    true = table("true.tsv", {"sub-01": 30, "sub-02": 40})
    found = score_numbers(true, tmp_path / "ages.tsv", "age")
    assert found.pairs["subject"].tolist() == ["01", "02"]
    assert found.pairs["prediction"].tolist() == [33, 44]
