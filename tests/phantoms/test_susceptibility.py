import csv
from dataclasses import replace

import nibabel
import numpy as np
import pytest
from scipy.ndimage import label as components

from neurograft.cohorts.opening import open_cohort
from neurograft.errors import InputError
from neurograft.phantoms import make_susceptibility_cohort, susceptibility_subject
from neurograft.phantoms.susceptibility_nuclei import (
    NUCLEI,
    SUSCEPTIBILITY_PPM,
    NucleusSizes,
    inside_nucleus,
    nucleus_box_mm,
)
from neurograft.phantoms.susceptibility_raters import drawn_labels, true_labels
from neurograft.phantoms.susceptibility_subject import (
    FIELDS_OF_VIEW_MM,
    SPACING_MM,
    draw_susceptibility,
    render_susceptibility,
)

PEOPLE = 5
VALUES = {"RN": 1, "SN": 2, "STN": 3}


@pytest.fixture(scope="module")
def people():
    draws = [draw_susceptibility(index, seed=3) for index in range(PEOPLE)]
    return [(draw, render_susceptibility(draw, "target")) for draw in draws]


def rows_of(path):
    with path.open(encoding="utf-8") as file:
        return list(csv.DictReader(file, delimiter="\t"))


def dice(first, second, value):
    first, second = first == value, second == value
    return 2 * (first & second).sum() / (first.sum() + second.sum())


def grid_of_points(name, factor):
    low, high = nucleus_box_mm(name)
    axes = [np.arange(a - 2, b + 2, 0.4) for a, b in zip(low, high, strict=True)]
    points = np.stack(np.meshgrid(*axes, indexing="ij"), axis=-1)
    return points, inside_nucleus(name, points, NucleusSizes({name: factor}))


@pytest.mark.parametrize("name", [*NUCLEI, "pallidum"])
def test_a_nucleus_lies_in_its_box_on_both_sides(name):
    points, inside = grid_of_points(name, 1.2)
    low, high = nucleus_box_mm(name)
    found = points[inside]
    assert ((found >= low) & (found <= high)).all()
    assert np.array_equal(inside, inside_nucleus(name, points * [-1, 1, 1], NucleusSizes({name: 1.2})))
    _, count = components(inside, np.ones((3, 3, 3)))
    assert count == 2


def test_no_place_lies_in_two_nuclei_and_the_thin_ones_touch():
    axes = [np.arange(-20, 20, 0.4), np.arange(-30, 0, 0.4), np.arange(-24, 0, 0.4)]
    points = np.stack(np.meshgrid(*axes, indexing="ij"), axis=-1)
    masks = {name: inside_nucleus(name, points, NucleusSizes()) for name in NUCLEI}
    assert sum(mask.astype(int) for mask in masks.values()).max() == 1
    # On thick slices nigra and subthalamic nucleus are one structure a side.
    _, count = components(masks["SN"] | masks["STN"])
    assert count == 2


def test_the_ellipsoids_have_the_volumes_of_their_radii():
    for name, radii in (("RN", (3, 3, 4)), ("STN", (4.2, 3, 1.7))):
        _, inside = grid_of_points(name, 1.0)
        assert inside.sum() * 0.4**3 / 2 == pytest.approx(4 / 3 * np.pi * np.prod(radii), rel=0.03)


def test_both_protocols_show_the_same_person(people):
    draw, fine = people[0]
    thick = render_susceptibility(draw, "source")
    assert thick.spacing_mm == SPACING_MM["source"] == (0.63, 0.63, 2.0)
    for name in NUCLEI:
        assert thick.susceptibility_ppm[name] == fine.susceptibility_ppm[name]
        assert thick.volume_mm3[name] == pytest.approx(fine.volume_mm3[name], rel=0.02)
    merged, apart = true_labels(thick, "source"), true_labels(fine, "target")
    assert set(np.unique(merged)) == {0, 1, 2}
    assert set(np.unique(apart)) == {0, 1, 2, 3}
    both_mm3 = fine.volume_mm3["SN"] + fine.volume_mm3["STN"]
    assert (merged == 2).sum() * 0.63 * 0.63 * 2.0 == pytest.approx(both_mm3, rel=0.1)


def test_the_map_shows_the_truth_less_partial_volume(people):
    for _, person in people:
        labels = true_labels(person, "target")
        for name, value in VALUES.items():
            whole = person.occupancy[name] > 0.999
            if whole.sum() >= 10:
                # Within 0.02 ppm: the error field has a standard deviation of 0.008 ppm.
                assert person.image[whole].mean() == pytest.approx(person.susceptibility_ppm[name], abs=0.02)
            volume_mm3 = (labels == value).sum() * np.prod(person.spacing_mm)
            assert volume_mm3 == pytest.approx(person.volume_mm3[name], rel=0.15)
    measured = {
        name: np.mean([person.image[true_labels(person, "target") == value].mean() for _, person in people])
        for name, value in VALUES.items()
    }
    truth = {name: np.mean([person.susceptibility_ppm[name] for _, person in people]) for name in NUCLEI}
    assert all(measured[name] < truth[name] for name in NUCLEI)


def test_a_voxel_between_two_nuclei_shows_each_by_its_share(people):
    draw, _ = people[0]
    still = replace(draw, noise_ppm=0.0, texture=replace(draw.texture, coefficients=draw.texture.coefficients * 0),
                    error=replace(draw.error, coefficients=draw.error.coefficients * 0))  # fmt: skip
    person = render_susceptibility(still, "target")
    shares = {name: person.occupancy[name].astype(np.float64) for name in NUCLEI}
    between = (sum(shares.values()) > 0.999) & (shares["SN"] > 0.2) & (shares["STN"] > 0.2)
    assert between.sum() >= 5
    expected = sum(shares[name] * person.susceptibility_ppm[name] for name in NUCLEI)
    assert np.abs(person.image - expected)[between].max() < 5e-4


def test_thick_slices_lower_the_mean_over_a_small_nucleus(people):
    lowered = []
    for draw, fine in people[:3]:
        thick = render_susceptibility(draw, "source")
        means = [
            person.image[true_labels(person, protocol) == 1].mean()
            for person, protocol in ((thick, "source"), (fine, "target"))
        ]
        lowered.append(means[0] / means[1])
    assert 0.8 < np.mean(lowered) < 1.0


def test_people_differ_as_the_literature_says():
    drawn = [draw_susceptibility(index, seed=0) for index in range(200)]
    for name, (mean, sd) in SUSCEPTIBILITY_PPM.items():
        values = [draw.susceptibility_ppm[name] for draw in drawn]
        assert np.mean(values) == pytest.approx(mean, abs=3 * sd / np.sqrt(200))
        assert np.std(values) == pytest.approx(sd, rel=0.2)


def test_raters_agree_about_as_p2s_did(people):
    """P2: 0.891 (RN), 0.845 (SN) and 0.783 (STN) between its raters."""
    found = {name: [] for name in NUCLEI}
    for index, (draw, person) in enumerate(people):
        first, second = (drawn_labels(person, draw, "target", rater, index, 3) for rater in ("rater1", "rater2"))
        for name, value in VALUES.items():
            found[name].append(dice(first, second, value))
    for name, published in (("RN", 0.891), ("SN", 0.845), ("STN", 0.783)):
        assert np.mean(found[name]) == pytest.approx(published, abs=0.04), name
    draw, person = people[0]
    again = drawn_labels(person, draw, "target", "rater1", 0, 3)
    assert np.array_equal(again, drawn_labels(person, draw, "target", "rater1", 0, 3))


@pytest.mark.parametrize(("protocol", "crop"), [("source", (128, 128, None)), ("target", (96, None, 96))])
def test_p2s_centre_crop_fits_into_the_wide_field_of_view(protocol, crop):
    extents = FIELDS_OF_VIEW_MM["wide"]
    for side, length, (low, high) in zip(SPACING_MM[protocol], crop, extents, strict=True):
        assert length is None or length * side <= high - low
    # In the small one the nuclei lie within 20 mm of the middle, which small crops count on.
    for low, high in FIELDS_OF_VIEW_MM["midbrain"]:
        assert high - low >= 40


def test_files_hold_the_people_of_the_table(tmp_path):
    table = make_susceptibility_cohort(tmp_path / "both", 1, seed=3, protocol="source", raters=True, label="rater2")
    (row,) = rows_of(table)
    person = susceptibility_subject(0, 3, "source")
    image = nibabel.load(table.parent / row["image"])
    assert np.array_equal(image.get_fdata(dtype=np.float32), person.image)
    assert nibabel.aff2axcodes(image.affine) == ("R", "A", "S")
    np.testing.assert_allclose(image.header.get_zooms(), (0.63, 0.63, 2.0), atol=1e-6)
    truth = nibabel.load(table.parent / "truth" / f"sub-{row['subject']}_dseg.nii.gz")
    assert np.array_equal(np.asarray(truth.dataobj), true_labels(person, "source"))
    for nucleus in NUCLEI:
        stated = float(row[f"true_susceptibility_{nucleus.lower()}_ppm"])
        assert stated == pytest.approx(person.susceptibility_ppm[nucleus], abs=1e-6)
        assert float(row[f"true_volume_{nucleus.lower()}_mm3"]) == pytest.approx(person.volume_mm3[nucleus], abs=0.01)
    cohort = open_cohort(table)
    assert list(cohort.labels.names) == ["RN", "SN-STN"]
    assert cohort.cases[0].label.parent.name == "rater2"


def test_a_larger_cohort_begins_with_the_smaller(tmp_path):
    small = make_susceptibility_cohort(tmp_path / "small", 1, seed=5)
    seen = []
    large = make_susceptibility_cohort(tmp_path / "large", 2, seed=5, progress=lambda *done: seen.append(done))
    assert rows_of(large)[0] == rows_of(small)[0]
    image = rows_of(small)[0]["image"]
    assert (small.parent / image).read_bytes() == (large.parent / image).read_bytes()
    assert seen == [(1, 2), (2, 2)]


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"subjects": 0}, "one subject or more"),
        ({"seed": -1}, "negative"),
        ({"protocol": "thick"}, "source, target"),
        ({"label": "me"}, "truth, rater1, rater2"),
        ({"field_of_view": "whole"}, "midbrain, wide"),
    ],
)
def test_wrong_arguments_are_named(tmp_path, change, words):
    with pytest.raises(InputError, match=words):
        make_susceptibility_cohort(tmp_path / "out", **{"subjects": 1, "seed": 0, **change})
    assert not (tmp_path / "out").exists()
