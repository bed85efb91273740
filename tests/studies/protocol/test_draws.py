"""Nobody is tested and learnt from, subsets lie inside each other, folds divide them."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from neurograft.cohorts import nested_subsets
from neurograft.errors import InputError
from neurograft.studies.protocol.draws import find_pool, find_subsets, find_test_sets
from neurograft.studies.protocol.schema import ExperimentConfig

PEOPLE = tuple(f"p{number:02d}" for number in range(20))


def experiment(**changes: object) -> ExperimentConfig:
    plain = {"name": "e", "cohort": "c", "test": {"count": 5}, "sizes": [2, 5], "strategies": ["scratch"]}
    return ExperimentConfig.model_validate(plain | changes)


@settings(max_examples=40, deadline=None)
@given(
    kind=st.sampled_from(["fixed", "own", "folds", "leave-one-out"]),
    draw=st.sampled_from(["nested", "repeated"]),
    seed=st.integers(0, 5),
    folds=st.sampled_from([0, 2, 5]),
    count=st.integers(7, 20),
)
def test_nobody_is_on_both_sides(kind: str, draw: str, seed: int, folds: int, count: int) -> None:
    test = {"kind": kind, "seed": seed} | ({"share": 0.27} if kind in ("fixed", "own") else {})
    asked = experiment(test=test, draw={"kind": draw, "repeats": 2, "seed": seed}, folds=folds, sizes=[2, 4])
    people = PEOPLE[:count]
    for one in find_test_sets(asked, people):
        assert one.tested
        for subset in find_subsets(asked, one, (0, 1)):
            assert not set(subset.people) & set(one.tested)
            assert set(subset.people) <= set(find_pool(asked, one)) <= set(people)
            if subset.folds != (None,):
                held = [subject for fold in subset.folds for subject in fold or ()]
                assert sorted(held) == sorted(subset.people)
                assert all(set(fold or ()) < set(subset.people) for fold in subset.folds)


def test_everybody_is_tested_once_by_folds_and_alone() -> None:
    for kind, sets in (("folds", 5), ("leave-one-out", 20)):
        found = find_test_sets(experiment(test={"kind": kind, "folds": 5}), PEOPLE)
        assert len(found) == sets
        assert sorted(subject for one in found for subject in one.tested) == list(PEOPLE)


def test_draws_are_those_of_the_cohort_functions() -> None:
    asked = experiment(draw={"kind": "nested", "repeats": 2, "seed": 3})
    (test,) = find_test_sets(asked, PEOPLE)
    subsets = {(s.size, s.draw): s.people for s in find_subsets(asked, test, (0,))}
    assert set(subsets[2, 0]) < set(subsets[5, 0])
    assert subsets[5, 1] == nested_subsets(test.rest, [5], 4)[5]
    repeated = experiment(draw={"kind": "repeated", "repeats": 3, "seed": 3})
    drawn = {(s.size, s.draw): set(s.people) for s in find_subsets(repeated, test, (0,))}
    assert {len(people) for (size, _), people in drawn.items() if size == 2} == {2}
    assert len({frozenset(people) for people in drawn.values()}) > 3
    # Each by itself: a smaller set that lay inside the larger one by chance every time would be no chance.
    assert not all(drawn[2, draw] < drawn[5, draw] for draw in range(3))


def test_each_seed_may_have_its_own_draw() -> None:
    asked = experiment(draw={"repeats": "seeds"})
    (test,) = find_test_sets(asked, PEOPLE)
    subsets = [(s.seed, s.draw, s.people) for s in find_subsets(asked, test, (4, 7)) if s.size == 5]
    assert [(seed, draw) for seed, draw, _ in subsets] == [(4, 0), (7, 1)]
    assert subsets[0][2] == nested_subsets(test.rest, [5], 4)[5]
    assert subsets[1][2] == nested_subsets(test.rest, [5], 7)[5]


def test_folds_are_at_most_one_a_person_and_a_single_person_has_none() -> None:
    asked = experiment(sizes=[1, 2, 7], folds=5)
    (test,) = find_test_sets(asked, PEOPLE)
    assert {s.size: len(s.folds) for s in find_subsets(asked, test, (0,))} == {1: 1, 2: 2, 7: 5}
    assert next(iter(find_subsets(asked, test, (0,)))).folds == (None,)


def test_own_test_sets_serve_their_size_alone() -> None:
    asked = experiment(test={"kind": "own", "share": 0.25}, sizes=[8, 20])
    found = find_test_sets(asked, PEOPLE)
    assert [(one.size, len(one.tested), len(one.rest)) for one in found] == [(8, 2, 6), (20, 5, 15)]
    assert [len(s.people) for one in found for s in find_subsets(asked, one, (0,))] == [6, 15]


def test_more_people_than_there_are() -> None:
    (test,) = find_test_sets(experiment(), PEOPLE)
    with pytest.raises(InputError, match="16 people are asked for, and 15 are left"):
        list(find_subsets(experiment(sizes=[16]), test, (0,)))
    with pytest.raises(InputError, match="12 people are asked for, and 10"):
        list(find_subsets(experiment(pool=10, sizes=[4]), test, (0,), factor=3))
    with pytest.raises(InputError, match="experiment e"):
        find_test_sets(experiment(test={"count": 20}), PEOPLE)
