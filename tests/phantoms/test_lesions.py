import csv

import numpy as np
import pytest
from scipy.ndimage import label as components

from neurograft.cohorts.opening import open_cohort
from neurograft.errors import InputError
from neurograft.imaging.files import read_image, read_label_map
from neurograft.phantoms import lesion_subject, make_lesion_cohort
from neurograft.phantoms.lesion_statistics import (
    LESIONS,
    TOTAL_ML,
    VOLUME_MM3,
    VOLUME_PERCENTILES,
    draw_lesion_volumes,
)
from neurograft.phantoms.lesion_subject import place_lesions
from neurograft.phantoms.ventricles import brain_template


@pytest.fixture(scope="module")
def people():
    return [lesion_subject(index, seed=3, spacing_mm=3.0) for index in range(4)]


def test_volumes_follow_the_real_masks() -> None:
    drawn = [draw_lesion_volumes(np.random.default_rng(seed)) for seed in range(400)]
    counts = np.array([len(volumes) for volumes in drawn])
    assert counts.min() >= LESIONS[0]
    assert counts.max() <= LESIONS[2]
    assert np.median(counts) == pytest.approx(LESIONS[1], rel=0.2)
    together = np.concatenate(drawn)
    for percentile in (25, 50, 75, 90, 95):
        wanted = VOLUME_MM3[VOLUME_PERCENTILES.index(percentile)]
        assert np.percentile(together, percentile) == pytest.approx(wanted, rel=0.1)
    totals = np.array([volumes.sum() for volumes in drawn]) / 1000
    assert totals.max() <= TOTAL_ML[2]
    assert 6 <= np.median(totals) <= 20
    assert all((np.diff(volumes) <= 0).all() for volumes in drawn)


def test_lesions_have_their_volumes_and_do_not_touch() -> None:
    white = np.ones((40, 40, 40), bool)
    volumes = np.array([300.0, 60.0, 8.0, 0.5])
    found = place_lesions(white, np.zeros(white.shape), volumes, 1.0, np.random.default_rng(0))
    parts, count = components(found, np.ones((3, 3, 3)))
    sizes = sorted(np.bincount(parts.ravel())[1:], reverse=True)
    assert count == 4
    # A part of a lesion that the uneven surface cuts off is left out.
    assert all(0.7 * wanted <= size <= wanted for size, wanted in zip(sizes, [300, 60, 8, 1], strict=True))


def test_lesions_lie_in_white_matter_and_near_the_ventricles(people) -> None:
    template = brain_template()
    near = []
    for person in people:
        places = np.argwhere(person.lesions) @ person.affine[:3, :3].T + person.affine[:3, 3]
        near.append(template.at(template.distance_mm, places.T))
        assert person.images["T1w"][person.lesions].min() > 0
        assert template.at(template.white, places.T).mean() > 0.6
    everywhere = template.distance_mm[template.white > 0.6]
    assert np.median(np.concatenate(near)) < np.median(everywhere)


def test_lesions_are_bright_in_flair_and_dark_in_t1(people) -> None:
    for person in people:
        brain = person.images["FLAIR"] > 0
        normal = brain & ~person.lesions
        assert np.median(person.images["FLAIR"][person.lesions]) > np.percentile(person.images["FLAIR"][normal], 90)
        white = person.images["T1w"] > np.percentile(person.images["T1w"][brain], 60)
        assert np.median(person.images["T1w"][person.lesions]) < np.median(person.images["T1w"][white & normal])


def test_people_differ_and_repeat(people) -> None:
    again = lesion_subject(1, seed=3, spacing_mm=3.0)
    for channel, image in people[1].images.items():
        assert np.array_equal(again.images[channel], image)
    assert not np.array_equal(people[0].lesions, people[1].lesions)


def test_a_cohort_can_be_opened_and_counts_what_it_holds(tmp_path) -> None:
    table = make_lesion_cohort(tmp_path / "lesions", 2, 3, channels=("T1w", "FLAIR"), spacing_mm=4.0)
    cohort = open_cohort(table)
    assert (cohort.channels, cohort.labels.names, len(cohort)) == (("T1w", "FLAIR"), ["lesion"], 2)
    with table.open(encoding="utf-8") as file:
        rows = list(csv.DictReader(file, delimiter="\t"))
    for case, row in zip(cohort.cases, rows, strict=True):
        mask = read_label_map(case.label)
        assert components(mask.data, np.ones((3, 3, 3)))[1] == int(row["true_lesions"])
        assert mask.data.sum() * 64 == float(row["true_lesion_volume_mm3"])
        assert read_image(case.images["FLAIR"]).grid.same_as(mask.grid)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"subjects": 0}, "one subject or more"),
        ({"seed": -1}, "must not be negative"),
        ({"channels": ("T2w",)}, "no image can be made for channels T2w"),
        ({"spacing_mm": 0.5}, "voxels of 0.5 mm"),
    ],
)
def test_arguments_out_of_range(tmp_path, options, message) -> None:
    with pytest.raises(InputError, match=message):
        make_lesion_cohort(tmp_path / "out", **{"subjects": 1, "seed": 0, **options})
