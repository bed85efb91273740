"""Policies: defaults, words, and names that do not exist."""

from dataclasses import replace
from typing import Any, get_args

import pytest

from neurograft.evaluation.policies import (
    DISTANCE_WORDS,
    EMPTY_WORDS,
    EXTRA_WORDS,
    GRID_WORDS,
    MISSING_WORDS,
    DistancePolicy,
    EmptyPolicy,
    ExtraPolicy,
    GridPolicy,
    MissingPolicy,
    Policies,
)


def test_defaults_leave_out_the_undefined_and_accept_nothing_unasked() -> None:
    assert Policies().to_dict() == {
        "empty": "skip",
        "distance": "leave-out",
        "missing": "error",
        "extra": "report",
        "grids": "refuse",
    }


@pytest.mark.parametrize(
    ("choices", "words"),
    [
        (EmptyPolicy, EMPTY_WORDS),
        (DistancePolicy, DISTANCE_WORDS),
        (MissingPolicy, MISSING_WORDS),
        (ExtraPolicy, EXTRA_WORDS),
        (GridPolicy, GRID_WORDS),
    ],
)
def test_every_choice_has_words_of_its_own(choices: Any, words: dict[str, str]) -> None:
    assert set(words) == set(get_args(choices))
    assert len(set(words.values())) == len(words)


@pytest.mark.parametrize(
    ("field", "choice", "said"),
    [
        ("empty", "perfect", EMPTY_WORDS["perfect"]),
        ("distance", "diagonal", DISTANCE_WORDS["diagonal"]),
        ("missing", "score-zero", MISSING_WORDS["score-zero"]),
        ("extra", "error", EXTRA_WORDS["error"]),
        ("grids", "resample", GRID_WORDS["resample"]),
    ],
)
def test_words_follow_the_choice(field: str, choice: Any, said: str) -> None:
    assert said not in Policies().words()
    assert said in replace(Policies(), **{field: choice}).words()


@pytest.mark.parametrize("field", ["empty", "distance", "missing", "extra", "grids"])
def test_unknown_choice_is_refused_with_the_known_ones(field: str) -> None:
    known = Policies().to_dict()[field]
    with pytest.raises(ValueError, match=rf"'{field}' must be one of .*'{known}'.* got 'perhaps'"):
        Policies(**{field: "perhaps"})  # type: ignore[arg-type]
