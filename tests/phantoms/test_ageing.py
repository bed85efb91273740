import csv

import nibabel
import numpy as np
import pytest

from neurograft.cohorts.opening import open_cohort
from neurograft.errors import InputError
from neurograft.phantoms import ageing_subject, make_ageing_cohort
from neurograft.phantoms.ageing_subject import AGE_YEARS, SCATTER, TISSUES, expected_ventricle_volume_ml

PEOPLE = 16


@pytest.fixture(scope="module")
def people():
    return [ageing_subject(index, seed=2) for index in range(PEOPLE)]


def rows_of(path):
    with path.open(encoding="utf-8") as file:
        return list(csv.DictReader(file, delimiter="\t"))


def test_the_expected_volume_passes_through_the_published_means():
    assert expected_ventricle_volume_ml(25.0) == pytest.approx(16.2)
    assert expected_ventricle_volume_ml(45.0) == pytest.approx(24.9)
    growth = expected_ventricle_volume_ml(61.0) / expected_ventricle_volume_ml(60.0)
    assert growth == pytest.approx(1.0217, abs=0.0005)


def test_the_volume_is_the_ages_times_the_scatter_times_the_head(people):
    for person in people:
        low, high = AGE_YEARS
        assert low <= person.age_years <= high
        own = person.ventricle_volume_ml / person.head_volume_factor / expected_ventricle_volume_ml(person.age_years)
        assert abs(np.log(own)) <= 2 * SCATTER + 1e-6
    tidy = ageing_subject(0, seed=2, scatter=0.0)
    expected = expected_ventricle_volume_ml(tidy.age_years) * tidy.head_volume_factor
    assert tidy.ventricle_volume_ml == pytest.approx(expected, rel=1e-6)


def test_labels_hold_that_volume(people):
    for person in people:
        labelled_ml = (person.labels == TISSUES["ventricles"]).sum() * 8.0 / 1000.0
        assert labelled_ml == pytest.approx(person.ventricle_volume_ml, rel=0.12)


def test_age_can_be_read_off_the_labels_far_better_than_guessed(people):
    ages = np.array([person.age_years for person in people])
    volumes = np.log([(person.labels == TISSUES["ventricles"]).sum() for person in people])
    half = PEOPLE // 2
    slope, intercept = np.polyfit(volumes[:half], ages[:half], 1)
    error = np.abs(slope * volumes[half:] + intercept - ages[half:]).mean()
    baseline = np.abs(ages[:half].mean() - ages[half:]).mean()
    assert error < 0.6 * baseline


def test_tissues_have_their_signal(people):
    person = people[0]
    medians = {
        channel: {name: np.median(image[person.labels == value]) for name, value in TISSUES.items()}
        for channel, image in person.images.items()
    }
    assert medians["T1w"]["ventricles"] < medians["T1w"]["grey matter"] < medians["T1w"]["white matter"]
    assert medians["T2w"]["ventricles"] > medians["T2w"]["grey matter"] > medians["T2w"]["white matter"]
    for value in TISSUES.values():
        assert (person.labels == value).sum() > 500
    assert person.labels.shape == (64, 72, 64)


def test_the_same_index_and_seed_give_the_same_person_and_others_do_not(people):
    again = ageing_subject(1, seed=2)
    assert np.array_equal(again.images["T1w"], people[1].images["T1w"])
    assert np.array_equal(again.labels, people[1].labels)
    assert ageing_subject(1, seed=3).age_years != again.age_years


def test_a_person_is_the_same_at_another_voxel_size(people):
    coarse = ageing_subject(0, seed=2, spacing_mm=4.0)
    assert coarse.age_years == people[0].age_years
    assert coarse.ventricle_volume_ml == pytest.approx(people[0].ventricle_volume_ml, rel=1e-6)
    assert coarse.labels.shape == (32, 36, 32)


def test_the_cohort_opens_with_ages_and_both_channels(tmp_path):
    table = make_ageing_cohort(tmp_path / "two", 2, seed=2, channels=("T2w", "T1w"), spacing_mm=4.0)
    cohort = open_cohort(table)
    assert cohort.channels == ("T1w", "T2w")
    assert list(cohort.labels.names) == list(TISSUES)
    person = ageing_subject(1, seed=2, spacing_mm=4.0)
    case = cohort.cases[1]
    assert float(case.covariates["age"]) == person.age_years
    assert float(case.covariates["true_ventricle_volume_ml"]) == pytest.approx(person.ventricle_volume_ml, abs=1e-4)
    assert np.array_equal(nibabel.load(case.images["T2w"]).get_fdata(dtype=np.float32), person.images["T2w"])
    assert np.array_equal(np.asarray(nibabel.load(case.label).dataobj), person.labels)


def test_a_larger_cohort_begins_with_the_smaller(tmp_path):
    small = make_ageing_cohort(tmp_path / "small", 1, seed=5, spacing_mm=4.0)
    large = make_ageing_cohort(tmp_path / "large", 2, seed=5, spacing_mm=4.0)
    assert rows_of(large)[0] == rows_of(small)[0]
    image = rows_of(small)[0]["image"]
    assert (small.parent / image).read_bytes() == (large.parent / image).read_bytes()


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"subjects": 0}, "one subject or more"),
        ({"seed": -1}, "negative"),
        ({"channels": ["FLAIR"]}, "T1w, T2w"),
        ({"channels": "T1w"}, "T1w, T2w"),
        ({"spacing_mm": 0.5}, "1 to 4 mm"),
        ({"scatter": 1.0}, "0 to 0.4"),
    ],
)
def test_wrong_arguments_are_named(tmp_path, change, words):
    with pytest.raises(InputError, match=words):
        make_ageing_cohort(tmp_path / "out", **{"subjects": 1, "seed": 0, **change})
    assert not (tmp_path / "out").exists()
