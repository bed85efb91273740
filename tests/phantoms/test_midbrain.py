import csv

import nibabel
import numpy as np
import pytest

from neurograft.cohorts.opening import open_cohort
from neurograft.errors import InputError
from neurograft.phantoms import make_midbrain_cohort, midbrain_subject
from neurograft.phantoms.groups import age_of, group_of
from neurograft.scoring.pairing import pair_cohort


@pytest.fixture(scope="module")
def table(tmp_path_factory):
    return make_midbrain_cohort(tmp_path_factory.mktemp("phantom") / "both", 2, seed=9, spacing_mm=1.2)


def rows_of(path):
    with path.open(encoding="utf-8") as file:
        return list(csv.DictReader(file, delimiter="\t"))


def test_files_hold_the_people_of_the_table(table):
    rows = rows_of(table)
    assert [row["subject"] for row in rows] == ["seed9n000", "seed9n001"]
    for index, row in enumerate(rows):
        person = midbrain_subject(index, 9, 1.2)
        image = nibabel.load(table.parent / row["image"])
        labels = nibabel.load(table.parent / row["label"])
        reference = nibabel.load(table.parent / row["reference_region"])
        assert np.array_equal(image.get_fdata(dtype=np.float32), person.image)
        assert np.array_equal(np.asarray(labels.dataobj), person.labels)
        assert np.array_equal(np.asarray(reference.dataobj) > 0, person.reference)
        for volume in (image, labels, reference):
            np.testing.assert_allclose(volume.affine, person.affine, atol=1e-5)
            assert nibabel.aff2axcodes(volume.affine) == ("R", "A", "S")
            assert (int(volume.header["qform_code"]), int(volume.header["sform_code"])) == (1, 1)
        assert float(row["true_contrast_ratio_lc"]) == pytest.approx(person.contrast_ratio["LC"], abs=1e-6)
        assert float(row["true_contrast_ratio_snpc"]) == pytest.approx(person.contrast_ratio["SNpc"], abs=1e-6)
    names = {int(row["index"]): row["name"] for row in rows_of(table.parent / "labels.tsv")}
    assert names == {1: "SNpc", 2: "LC"}


def test_the_same_seed_writes_the_same_bytes(table, tmp_path):
    again = make_midbrain_cohort(tmp_path / "again", 1, seed=9, spacing_mm=1.2)
    for row in rows_of(again):
        for column in ("image", "label", "reference_region"):
            assert (again.parent / row[column]).read_bytes() == (table.parent / row[column]).read_bytes()
    assert rows_of(again)[0] == rows_of(table)[0]


def test_only_the_chosen_structure_is_labelled(table, tmp_path):
    seen = []
    only_lc = make_midbrain_cohort(
        tmp_path / "lc",
        1,
        seed=9,
        structures=["LC"],
        spacing_mm=1.2,
        progress=lambda done, total: seen.append((done, total)),
    )
    row, both = rows_of(only_lc)[0], rows_of(table)[0]
    assert set(np.unique(np.asarray(nibabel.load(only_lc.parent / row["label"]).dataobj))) == {0, 2}
    assert (only_lc.parent / row["image"]).read_bytes() == (table.parent / both["image"]).read_bytes()
    assert [found["name"] for found in rows_of(only_lc.parent / "labels.tsv")] == ["LC"]
    assert seen == [(1, 1)]


def test_the_sides_of_lc_can_be_labelled_apart(table, tmp_path):
    apart = make_midbrain_cohort(tmp_path / "apart", 1, seed=9, spacing_mm=1.2, lc_sides=True, label="rater1")
    row, plain = rows_of(apart)[0], rows_of(table)[0]
    assert (apart.parent / row["image"]).read_bytes() == (table.parent / plain["image"]).read_bytes()
    names = {int(line["index"]): line["name"] for line in rows_of(apart.parent / "labels.tsv")}
    assert names == {1: "SNpc", 2: "left LC", 3: "right LC"}
    truth = nibabel.load(apart.parent / "truth" / row["label"].split("/")[-1])
    labels = np.asarray(truth.dataobj)
    merged = np.asarray(nibabel.load(table.parent / plain["label"]).dataobj)
    assert np.array_equal(np.where(labels == 3, 2, labels), merged)
    for value, sign in ((2, -1), (3, 1)):
        x_mm = nibabel.affines.apply_affine(truth.affine, np.argwhere(labels == value))[:, 0]
        assert len(x_mm) > 5
        assert (x_mm * sign > 0).all()
    drawn = np.asarray(nibabel.load(apart.parent / row["label"]).dataobj)
    assert set(np.unique(drawn)) == {0, 1, 2, 3}


def test_the_table_opens_as_a_cohort(table):
    cohort = open_cohort(table)
    assert list(cohort.labels.names) == ["SNpc", "LC"]
    assert list(cohort.subjects) == ["seed9n000", "seed9n001"]
    assert cohort.cases[0].reference_region is not None
    assert float(cohort.cases[0].covariates["true_contrast_ratio_lc"]) > 0


def test_raters_and_groups_leave_the_people_and_the_plain_columns_as_they_are(table, tmp_path):
    full = make_midbrain_cohort(tmp_path / "full", 2, seed=9, spacing_mm=1.2, raters=True)
    for row, plain in zip(rows_of(full), rows_of(table), strict=True):
        assert {**row, "label": ""} == {**plain, "label": ""}
        assert (full.parent / row["image"]).read_bytes() == (table.parent / plain["image"]).read_bytes()
        assert (full.parent / row["label"]).read_bytes() == (table.parent / plain["label"]).read_bytes()
        assert row["label"].startswith("truth/")
    grouped = rows_of(make_midbrain_cohort(tmp_path / "grouped", 3, seed=9, spacing_mm=1.2, age_groups=True))
    assert [row["group"] for row in grouped] == [group_of(index) for index in range(3)]
    assert {row["group"] for row in grouped} == {"older", "younger"}
    assert [float(row["age"]) for row in grouped] == [age_of(index, 9) for index in range(3)]
    assert list(grouped[0])[:-2] == list(rows_of(table)[0])


def test_a_raters_drawing_can_be_the_label_and_another_be_set_against_it(tmp_path):
    table = make_midbrain_cohort(tmp_path / "drawn", 2, seed=9, structures=["LC"], label="rater1")
    cohort = open_cohort(table)
    for case in cohort.cases:
        assert case.label.parent.name == "rater1"
    for other in ("truth", "rater2", "rater1-again"):
        pairs = pair_cohort(cohort, table.parent / other).pairs
        assert len(pairs) == 2
        for pair in pairs:
            own, theirs = (np.asarray(nibabel.load(path).dataobj) for path in (pair.reference, pair.prediction))
            assert set(np.unique(theirs)) == {0, 2}
            assert 0.3 < 2 * ((own == 2) & (theirs == 2)).sum() / ((own == 2).sum() + (theirs == 2).sum()) < 0.95


def test_the_wide_field_of_view_holds_windows_of_128(tmp_path):
    row = rows_of(make_midbrain_cohort(tmp_path / "wide", 1, seed=9, field_of_view="wide"))[0]
    image = nibabel.load(tmp_path / "wide" / row["image"])
    assert image.shape == (160, 160, 128)
    np.testing.assert_allclose(image.header.get_zooms(), 0.75)


def test_an_existing_cohort_is_kept_unless_overwriting_was_asked_for(table):
    before = table.read_bytes()
    with pytest.raises(InputError, match="exists"):
        make_midbrain_cohort(table.parent, 1, seed=1, spacing_mm=1.2)
    assert table.read_bytes() == before


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"subjects": 0}, "one subject or more"),
        ({"seed": -1}, "negative"),
        ({"structures": ["SN"]}, "SNpc, LC"),
        ({"structures": []}, "SNpc, LC"),
        ({"structures": "LC"}, "in a list"),
        ({"label": "rater3"}, "truth, rater1, rater2"),
        ({"field_of_view": "whole"}, "midbrain, wide"),
        ({"spacing_mm": 3.0}, "0.4 to 1.5 mm"),
    ],
)
def test_wrong_arguments_are_named(tmp_path, change, words):
    with pytest.raises(InputError, match=words):
        make_midbrain_cohort(tmp_path / "out", **{"subjects": 1, "seed": 0, **change})
    assert not (tmp_path / "out").exists()
