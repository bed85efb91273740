from collections.abc import Callable
from pathlib import Path

import pytest

from neurograft.cohorts import Cohort, check_cohort, fingerprint_cohort, open_cohort, open_scans, read_label_maps
from neurograft.cohorts.label_maps import read_generation_table
from neurograft.errors import InputError

STRUCTURES = (
    "index\tsegmentation_index\tsegmentation_name\tintensity_class\n"
    "0\t0\tbackground\t0\n"
    "24\t0\tbackground\t1\n"
    "25\t2\tleft white matter\t2\n"
    "2\t2\tleft white matter\t3\n"
    "41\t41\tright white matter\t4\n"
    "17\t17\tleft hippocampus\t5\n"
    "18\t18\tleft amygdala\t5\n"
)


@pytest.fixture
def folder(tmp_path: Path, save: Callable[..., Path]) -> Path:
    """Two label maps with a table of structures."""
    save("one.nii.gz", labels=(2, 25, 41, 17, 24))
    save("two.nii.gz", labels=(2, 2, 41, 18, 24))
    (tmp_path / "labels.tsv").write_text(STRUCTURES)
    return tmp_path


def test_a_folder_of_label_maps_is_a_cohort(folder: Path) -> None:
    cohort = open_cohort(folder)
    assert (cohort.kind, cohort.channels, cohort.subjects) == ("label-maps", (), ("one", "two"))
    assert [(case.images, case.label, case.label_state) for case in cohort.cases] == [
        ({}, folder / "one.nii.gz", "dense"),
        ({}, folder / "two.nii.gz", "dense"),
    ]


def test_structures_have_several_values_and_write_their_own(folder: Path) -> None:
    labels = open_cohort(folder).labels
    assert {label.name: label.values for label in labels.labels} == {
        "left white matter": (2, 25),
        "right white matter": (41,),
        "left hippocampus": (17,),
        "left amygdala": (18,),
    }
    assert labels.other_values == (24,)
    assert labels.mirror_pairs() == [(1, 2)]


def test_intensity_classes_stay_what_they_are_under_any_selection(folder: Path) -> None:
    cohort = open_cohort(folder)
    expected = [
        ("", (24,), False),
        ("left white matter", (25,), False),
        ("left white matter", (2,), True),
        ("right white matter", (41,), True),
        ("left hippocampus", (17, 18), True),
    ]
    for chosen in (cohort, cohort.select_labels(["left amygdala"])):
        assert chosen.intensity_classes is not None
        assert [(one.structure, one.values, one.is_whole) for one in chosen.intensity_classes.classes] == expected


def test_a_structure_whose_number_the_maps_do_not_use_has_its_first_value(tmp_path: Path) -> None:
    """Its class is a whole structure, which is looked up by its name."""
    (tmp_path / "labels.tsv").write_text(
        "index\tsegmentation_index\tsegmentation_name\n1002\t7\tleft white matter\n1003\t7\tleft white matter\n"
    )
    labels, classes = read_generation_table(tmp_path / "labels.tsv")
    assert labels.labels[0].values == (1002, 1003)
    assert [(one.values, one.is_whole) for one in classes.classes] == [((1002,), True), ((1003,), False)]


def test_the_plain_form_of_the_table(tmp_path: Path) -> None:
    (tmp_path / "labels.tsv").write_text(
        "index\tname\tintensity_class\n1\tcortex\tgrey\n2\tputamen\tgrey\n3\tskull\t\n"
    )
    labels, classes = read_generation_table(tmp_path / "labels.tsv")
    assert labels.names == ["cortex", "putamen", "skull"]
    assert [one.values for one in classes.classes] == [(1, 2), (3,)]


def test_masks_beside_a_plain_label_table_are_no_cohort(folder: Path) -> None:
    (folder / "labels.tsv").write_text("index\tname\n2\twhite matter\n")
    with pytest.raises(InputError, match="not a cohort"):
        open_cohort(folder)


def test_a_table_without_images_is_a_cohort_of_label_maps(folder: Path) -> None:
    (folder / "cohort.tsv").write_text("subject\tlabel\tage\nx\tone.nii.gz\t7\ny\ttwo.nii.gz\t8\n")
    cohort = open_cohort(folder / "cohort.tsv")
    assert (cohort.channels, [case.images for case in cohort.cases]) == ((), [{}, {}])
    assert cohort.intensity_classes is not None
    assert cohort.cases[1].covariates == {"age": "8"}


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ("subject\tlabel\tage\nx\tone.nii.gz\t7\ny\t\t8\n", "row 3: neither image nor label"),
        ("subject\tlabel\nx\tone.nii.gz\ny\tone.nii.gz\n", "rows 2 and 3 give the same label"),
        ("subject\tlabel\timge\nx\tone.nii.gz\ttwo.nii.gz\n", "'image'.*missing.*Is it column 'imge'"),
    ],
)
def test_tables_without_images_that_cannot_be_used(folder: Path, rows: str, message: str) -> None:
    (folder / "cohort.tsv").write_text(rows)
    with pytest.raises(InputError, match=message):
        open_cohort(folder / "cohort.tsv")


@pytest.mark.parametrize(
    ("table", "message"),
    [
        ("index\tcolour\n1\tred\n", "columns are index, colour"),
        ("", "columns are none"),
        (STRUCTURES + "2\t2\tleft white matter\t9\n", "index 2 occurs twice"),
        (STRUCTURES + "x\t2\tleft white matter\t9\n", "index 'x' is no integer"),
        (STRUCTURES + "9\t2\tright white matter\t9\n", "structure 2 is called"),
    ],
)
def test_tables_of_structures_that_cannot_be_used(tmp_path: Path, table: str, message: str) -> None:
    (tmp_path / "labels.tsv").write_text(table)
    with pytest.raises(InputError, match=message):
        read_generation_table(tmp_path / "labels.tsv")


def test_an_empty_folder_and_two_files_of_one_name(folder: Path, save: Callable[..., Path]) -> None:
    save("one.nii", labels=(2,))
    with pytest.raises(InputError, match="several files are named one"):
        read_label_maps(folder)
    for file in folder.glob("*.nii*"):
        file.unlink()
    with pytest.raises(InputError, match="no label maps"):
        read_label_maps(folder)


def test_checking_finds_copies_and_says_that_there_are_no_images(folder: Path, save: Callable[..., Path]) -> None:
    save("three.nii.gz", labels=(2, 25, 41, 17, 24))
    report = check_cohort(open_cohort(folder))
    assert [row.shape for row in report.rows] == [(6, 7, 8)] * 3
    assert report.rows[0].volume_mm3["left white matter"] == 2
    texts = [(problem.severity, problem.text) for problem in report.problems]
    assert ("note", "these are label maps without images") in texts
    assert sum("same image as case one" in text for _, text in texts) == 1


def test_people_are_told_apart_by_their_voxels_alone(folder: Path) -> None:
    cohort = open_cohort(folder)
    images = [image for (image,) in fingerprint_cohort(cohort).subjects.values()]
    assert images[0].voxels != images[1].voxels
    assert not any(image.signature.any() for image in images)


def test_label_maps_are_no_scans_to_predict_on(folder: Path) -> None:
    assert open_scans(folder, ["image"]).channels == ()


def test_the_label_maps_that_images_are_usually_made_from(shared_data: Path) -> None:
    cohort: Cohort = open_cohort(shared_data / "brain-label-maps")
    assert (len(cohort), len(cohort.labels), cohort.labels.unpaired_sides()) == (20, 31, [])
    assert cohort.intensity_classes is not None
    assert len(cohort.intensity_classes) == 47
