from collections import Counter

import numpy as np

from neurograft.phantoms.groups import GROUPS, age_of, group_of
from neurograft.phantoms.subject import drawn_subject


def test_any_82_people_are_57_older_and_25_younger():
    for first in (0, 17, 82):
        counts = Counter(group_of(index) for index in range(first, first + 82))
        assert counts == {"older": 57, "younger": 25}


def test_the_first_people_are_a_small_cohort_of_the_same_make():
    for people in (14, 22, 42, 62):
        older = sum(group_of(index) == "older" for index in range(people))
        assert abs(older - people * 57 / 82) < 1.0


def test_ages_lie_in_their_groups_range_and_differ():
    ages = [age_of(index, seed=3) for index in range(82)]
    for index, age in enumerate(ages):
        low, high = GROUPS[group_of(index)].age_years
        assert low <= age <= high
    assert len(set(ages)) > 60
    assert ages == [age_of(index, seed=3) for index in range(82)]
    assert ages != [age_of(index, seed=4) for index in range(82)]


def test_older_people_have_the_higher_contrast_of_their_group():
    draws = [(group_of(index), drawn_subject(index, 1, group_of(index))) for index in range(82)]
    for name in ("LC", "SNpc"):
        ratios = {
            group: np.array([draw.contrast_ratio[name] for theirs, draw in draws if theirs == group])
            for group in GROUPS
        }
        for group, values in ratios.items():
            mean, sd = GROUPS[group].contrast_ratio[name]
            assert abs(values.mean() - mean) < 3 * sd / np.sqrt(len(values))
            assert (values > 0.05).all()
        assert ratios["older"].mean() > ratios["younger"].mean()


def test_a_group_changes_nothing_of_a_person_but_the_contrast():
    older, younger = (drawn_subject(0, 1, group) for group in ("older", "younger"))
    assert older.contrast_ratio != younger.contrast_ratio
    assert older.size == younger.size
    assert older.noise_seed == younger.noise_seed
    assert np.array_equal(older.deformation.coefficients, younger.deformation.coefficients)
