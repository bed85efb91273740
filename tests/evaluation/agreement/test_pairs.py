import math

import numpy as np
import pytest

from neurograft.evaluation.agreement.pairs import complete_pairs, is_constant


def test_undefined_on_either_side_is_left_out_and_counted() -> None:
    pairs = complete_pairs([1, math.nan, 3, 4, math.inf], [1, 2, math.nan, 5, 6])
    assert pairs.first.tolist() == [1, 4]
    assert pairs.second.tolist() == [1, 5]
    assert (pairs.n, pairs.n_subjects, pairs.n_left_out, pairs.repeated) == (2, 2, 3, False)


def test_means_of_the_defined_pairs_of_each_subject() -> None:
    pairs = complete_pairs([1, 2, 9, 4, math.nan], [0, 1, 2, 3, 4], ["b", "a", "b", "a", "c"])
    means = pairs.subject_means()
    assert (pairs.n, pairs.n_subjects, pairs.repeated) == (4, 2, True)
    assert means.first.tolist() == [5, 3]
    assert means.second.tolist() == [1, 2]
    assert (means.n, means.n_subjects, means.repeated, means.n_left_out) == (2, 2, False, 1)


def test_nothing_to_pair() -> None:
    pairs = complete_pairs([math.nan], [1.0], ["a"])
    assert (pairs.n, pairs.n_subjects, pairs.subject_means().n) == (0, 0, 0)


@pytest.mark.parametrize(
    ("first", "second", "subjects", "match"),
    [
        ([1, 2], [1], None, "one length"),
        ([[1, 2]], [[1, 2]], None, "one length"),
        ([1, 2], [1, 2], ["a"], "got 1 subjects"),
        ([1, 2], [1, 2], ["a", math.nan], "got one without"),
        ([1, 2], [1, 2], [None, "a"], "got one without"),
    ],
)
def test_bad_input_is_refused(first: list[float], second: list[float], subjects: list[str], match: str) -> None:
    with pytest.raises(ValueError, match=match):
        complete_pairs(first, second, subjects)


def test_rounding_is_no_variation() -> None:
    assert is_constant(np.array([0.1 + 0.2, 0.3]))
    assert not is_constant(np.array([1.0, 1.0 + 1e-9]))
    assert is_constant(np.array([0.0, 1e-12]), scale=1000)
