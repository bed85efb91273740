"""What the sentence says, and above all what it never says."""

import math
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from neurograft.evaluation.comparison.corrections import CORRECTION_WORDS
from neurograft.evaluation.comparison.verdict import Finding, verdict

CLEAR = Finding(
    measure="dice",
    label="hippocampus",
    first="tuned",
    second="scratch",
    higher_is_better=True,
    n_subjects=20,
    difference=0.0213,
    low=0.0104,
    high=0.0311,
    p=0.0012,
    correction="holm",
    family_size=6,
    smallest_detectable=0.0152,
)
CLAIMS = ("better", "worse", "higher", "lower")
anything = st.floats(allow_nan=True, allow_infinity=True)
findings = st.builds(
    Finding,
    measure=st.just("dice"),
    label=st.sampled_from(["", "left putamen"]),
    first=st.just("A"),
    second=st.just("B"),
    higher_is_better=st.sampled_from([True, False, None]),
    n_subjects=st.integers(0, 60),
    difference=anything,
    low=anything,
    high=anything,
    p=st.floats(0, 1) | st.just(math.nan),
    correction=st.sampled_from(list(CORRECTION_WORDS)),
    family_size=st.integers(0, 100),
    level=st.sampled_from([0.9, 0.95, 0.99]),
    smallest_detectable=anything,
    seeds=st.integers(0, 5),
    seeds_agreeing=st.integers(0, 5),
    training_low=anything,
    training_high=anything,
    left_out=st.sampled_from(["", "3 values of A undefined"]),
)


def claims(sentence: str) -> bool:
    return any(word in sentence for word in CLAIMS)


@given(findings, st.floats(0, 1e6), st.floats(0, 1e6), st.floats(0, 0.049))
def test_never_better_when_the_interval_holds_zero(finding: Finding, below: float, above: float, p: float) -> None:
    # As tempting as can be: a tiny p, every seed of one mind, plenty of subjects.
    tempting = replace(finding, low=-below, high=above, p=p, seeds=3, seeds_agreeing=3, n_subjects=50)
    assert not claims(verdict(tempting))


@given(findings)
def test_a_claim_needs_all_of_its_conditions(finding: Finding) -> None:
    sentence = verdict(finding)
    if claims(sentence):
        assert finding.low > 0 or finding.high < 0
        assert finding.p < 1 - finding.level + 1e-12
        assert finding.seeds_agreeing >= finding.seeds
        assert not finding.training_low <= 0 <= finding.training_high
        assert finding.n_subjects >= 2
    assert sentence.endswith(".")
    assert ". " not in sentence
    assert str(finding.n_subjects) in sentence or "no subject" in sentence


def test_clear_difference() -> None:
    assert verdict(CLEAR) == (
        "dice of hippocampus: tuned is better than scratch (difference +0.021, 95 % interval +0.010 to +0.031, "
        "20 subjects; sign-flip p = 0.0012, Holm over 6 comparisons)."
    )


@pytest.mark.parametrize(
    ("higher_is_better", "sign", "word"),
    [
        (True, 1, "better"),
        (True, -1, "worse"),
        (False, 1, "worse"),
        (False, -1, "better"),
        (None, 1, "higher"),
        (None, -1, "lower"),
    ],
)
def test_direction(higher_is_better: bool | None, sign: int, word: str) -> None:
    ends = sorted((sign * CLEAR.low, sign * CLEAR.high))
    turned = replace(
        CLEAR, higher_is_better=higher_is_better, difference=sign * CLEAR.difference, low=ends[0], high=ends[1]
    )
    assert f"tuned is {word} than scratch" in verdict(turned)


def test_no_difference_names_what_could_have_been_shown() -> None:
    assert verdict(replace(CLEAR, low=-0.004, p=0.21)) == (
        "dice of hippocampus: no difference shown between tuned and scratch (difference +0.021, 95 % interval -0.004 "
        "to +0.031, 20 subjects; sign-flip p = 0.21, Holm over 6 comparisons); the smallest difference that 20 "
        "subjects could have shown is 0.015 (power 0.8)."
    )


@pytest.mark.parametrize(
    ("changes", "doubt"),
    [
        ({"low": -0.001}, "p is below 0.05, but the interval holds zero"),
        ({"p": 0.08}, "the interval leaves out zero, but p is not below 0.05."),
        ({"p": 0.08, "n_subjects": 5}, "but p is not below 0.05, and 5 subjects cannot bring it there"),
        ({"p": math.nan}, "the interval leaves out zero, but there is no test"),
        ({"seeds": 5, "seeds_agreeing": 4}, "the sign holds in 4 of 5 seeds"),
        ({"training_low": -0.01, "training_high": 0.05}, "with other trainings in the reckoning the interval is"),
    ],
)
def test_not_settled(changes: dict[str, float], doubt: str) -> None:
    sentence = verdict(replace(CLEAR, **changes))  # type: ignore[arg-type]
    assert "not settled between tuned and scratch" in sentence
    assert doubt in sentence
    assert not claims(sentence)


@pytest.mark.parametrize(
    ("n", "correction", "family", "few"),
    [
        (5, "none", 1, True),
        (6, "none", 1, False),
        (6, "holm", 2, True),
        (10, "holm", 25, False),
        (10, "bonferroni", 26, True),
        (6, "benjamini-hochberg", 90, False),
    ],
)
def test_too_few_for_the_test(n: int, correction: str, family: int, few: bool) -> None:
    sentence = verdict(
        replace(CLEAR, low=-0.1, p=1.0, n_subjects=n, correction=correction, family_size=family)  # type: ignore[arg-type]
    )
    assert ("too few for this test" in sentence) == few


def test_nothing_from_one_subject() -> None:
    alone = replace(CLEAR, n_subjects=1, low=math.nan, high=math.nan, p=math.nan, label="")
    assert verdict(alone) == "dice: nothing can be said of tuned and scratch from 1 subject."
    assert "from no subject" in verdict(replace(alone, n_subjects=0, difference=math.nan))


def test_the_same_in_every_subject() -> None:
    same = replace(CLEAR, difference=0.0, low=0.0, high=0.0, p=1.0)
    assert "the same in every subject (20 subjects)" in verdict(same)


def test_what_was_left_out_is_said() -> None:
    sentence = verdict(replace(CLEAR, left_out="2 values of scratch undefined"))
    assert sentence.endswith("; 2 values of scratch undefined.")


def test_an_end_beside_zero_is_not_printed_as_zero() -> None:
    sentence = verdict(replace(CLEAR, low=0.00002, high=0.5))
    assert "+0.00002 to +0.50000" in sentence
    assert "+1234, 95 % interval +1100 to +1400" in verdict(replace(CLEAR, difference=1234.4, low=1100.2, high=1400.4))


def test_small_p() -> None:
    assert "p < 0.0001" in verdict(replace(CLEAR, p=1e-9))
    assert "p = 0.0496" in verdict(replace(CLEAR, p=0.0496))
