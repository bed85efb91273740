import random
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from neurograft.cohorts import (
    hold_out,
    k_folds,
    ladder_with_second_run,
    leave_one_out,
    nested_subsets,
    repeated_subsets,
)
from neurograft.errors import InputError

SUBJECTS = st.lists(st.text("abcdef0123456789", min_size=1, max_size=6), min_size=2, max_size=30, unique=True)
SEEDS = st.integers(0, 2**32)


@given(SUBJECTS, SEEDS, st.data())
def test_hold_out_divides_everyone_and_ignores_the_order_of_input(subjects, seed, data):
    count = data.draw(st.integers(1, len(subjects) - 1))
    rest, held = hold_out(subjects, count=count, seed=seed)
    assert len(held) == count
    assert sorted(rest + held) == sorted(subjects)
    shuffled = random.Random(seed).sample(subjects, len(subjects))
    assert hold_out(shuffled + shuffled, count=count, seed=seed) == (rest, held)


@given(SUBJECTS, SEEDS, st.data())
def test_each_subject_is_validated_once_and_never_trained_on_in_that_fold(subjects, seed, data):
    folds = data.draw(st.integers(2, len(subjects)))
    pairs = k_folds(subjects, folds, seed)
    assert len(pairs) == folds
    for training, validation in pairs:
        assert not set(training) & set(validation)
        assert sorted(training + validation) == sorted(subjects)
    assert sorted(subject for _, validation in pairs for subject in validation) == sorted(subjects)
    sizes = [len(validation) for _, validation in pairs]
    assert max(sizes) - min(sizes) <= 1
    assert k_folds(reversed(subjects), folds, seed) == pairs


@given(SUBJECTS, SEEDS, st.data())
def test_smaller_subsets_lie_inside_larger_ones(subjects, seed, data):
    sizes = data.draw(st.lists(st.integers(1, len(subjects)), min_size=1, max_size=5, unique=True))
    subsets = nested_subsets(subjects, sizes, seed)
    assert {size: len(set(subset)) for size, subset in subsets.items()} == {size: size for size in sizes}
    ordered = [set(subsets[size]) for size in sorted(sizes)]
    assert all(smaller <= larger for smaller, larger in pairwise(ordered))
    assert set().union(*ordered) <= set(subjects)
    assert nested_subsets(reversed(subjects), sizes, seed) == subsets


@given(SUBJECTS, SEEDS, st.data())
def test_repeats_are_reproducible_one_by_one(subjects, seed, data):
    size = data.draw(st.integers(1, len(subjects)))
    draws = repeated_subsets(subjects, size, 5, seed)
    assert all(len(set(draw)) == size and set(draw) <= set(subjects) for draw in draws)
    assert repeated_subsets(reversed(subjects), size, 3, seed) == draws[:3]


def test_seeds_and_repeats_give_different_draws():
    subjects = [f"{index:03d}" for index in range(100)]
    assert hold_out(subjects, count=20, seed=0) != hold_out(subjects, count=20, seed=1)
    assert len(set(repeated_subsets(subjects, 5, 10, seed=0))) == 10


def test_every_subject_is_held_out_about_equally_often():
    subjects = [str(index) for index in range(5)]
    counts = dict.fromkeys(subjects, 0)
    for seed in range(2000):
        for subject in hold_out(subjects, count=1, seed=seed)[1]:
            counts[subject] += 1
    # Binomial with p = 1/5: 400 with a standard deviation of 18; five of them either side.
    assert all(310 < count < 490 for count in counts.values())


def test_a_share_holds_out_at_least_one():
    assert len(hold_out("abc", share=0.01, seed=0)[1]) == 1
    assert len(hold_out(map(str, range(82)), share=0.27, seed=0)[1]) == 22


@pytest.mark.parametrize(
    "call",
    [
        lambda: hold_out("abc", count=3, seed=0),
        lambda: hold_out("abc", count=0, seed=0),
        lambda: hold_out("abc", share=1.0, seed=0),
        lambda: hold_out("abc", share=0.9, seed=0),
        lambda: hold_out("abc", seed=0),
        lambda: hold_out("abc", count=1, share=0.5, seed=0),
        lambda: hold_out("abc", count=1, seed=-1),
        lambda: k_folds("abc", 4, seed=0),
        lambda: k_folds("abc", 1, seed=0),
        lambda: nested_subsets("abc", [1, 4], seed=0),
        lambda: nested_subsets("abc", [0], seed=0),
        lambda: repeated_subsets("abc", 4, 1, seed=0),
        lambda: repeated_subsets("abc", 1, 0, seed=0),
    ],
)
def test_too_few_subjects_or_a_wrong_number_is_refused(call):
    with pytest.raises(InputError):
        call()


@pytest.mark.parametrize("seed", range(5))
def test_a_second_run_scores_those_whom_the_first_learnt_from(seed):
    subjects = [f"{index:02d}" for index in range(15)]
    ladder = ladder_with_second_run(subjects, [1, 2, 3, 5, 7], seed)
    for size, ((first, rest), (second, learnt)) in ladder.items():
        assert len(first) == len(second) == size
        assert not set(first) & set(rest)
        assert not set(second) & set(learnt)
        assert sorted([*rest, *learnt]) == subjects  # everybody is scored, and once
        assert learnt == first
    for run in (0, 1):
        learners = [set(pairs[run][0]) for pairs in ladder.values()]
        assert all(smaller < larger for smaller, larger in pairwise(learners))
    assert not set(ladder[7][0][0]) & set(ladder[7][1][0])


def test_a_second_run_needs_as_many_others():
    assert ladder_with_second_run("abcd", [2], seed=0)
    for sizes in ([3], [0], [9]):
        with pytest.raises(InputError):
            ladder_with_second_run("abcd", sizes, seed=0)


def test_leave_one_out_tests_each_by_all_others():
    assert leave_one_out("cab") == [(("b", "c"), ("a",)), (("a", "c"), ("b",)), (("a", "b"), ("c",))]
    with pytest.raises(InputError):
        leave_one_out("a")
