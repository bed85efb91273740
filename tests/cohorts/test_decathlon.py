import json

import pytest

from neurograft.cohorts import read_decathlon
from neurograft.cohorts.known_datasets import hippocampus_families, hippocampus_subject
from neurograft.errors import InputError


@pytest.fixture
def folder(tmp_path, save):
    """Write a Decathlon folder of the named cases; keywords replace parts of dataset.json."""

    def write(*cases, subjects=None, **parts):
        training = []
        for case in cases:
            save(f"imagesTr/{case}.nii.gz")
            save(f"labelsTr/{case}.nii.gz", labels=(1, 2))
            training.append({"image": f"./imagesTr/{case}.nii.gz", "label": f"./labelsTr/{case}.nii.gz"})
        content = {
            "name": "Test",
            "modality": {"0": "MRI"},
            "labels": {"0": "background", "1": "Anterior", "2": "Posterior"},
            "training": training,
        }
        (tmp_path / "dataset.json").write_text(json.dumps({**content, **parts}))
        if subjects:
            (tmp_path / "subjects.tsv").write_text(subjects)
        return tmp_path

    return write


def test_subjects_and_covariates_come_from_the_table(folder):
    path = folder("c1", "c2", "c3", subjects="case\tsubject\tsite\nc3\tq\tB\nc1\tp\tA\nc2\tp\tA\nelse\tx\tC\n")
    cohort = read_decathlon(path)
    assert [(case.id, case.subject, case.covariates["site"]) for case in cohort.cases] == [
        ("c1", "p", "A"),
        ("c2", "p", "A"),
        ("c3", "q", "B"),
    ]
    assert (cohort.name, cohort.kind, cohort.channels) == (path.name, "decathlon", ("MRI",))
    assert cohort.labels.names == ["Anterior", "Posterior"]
    assert cohort.cases[0].label == path / "labelsTr/c1.nii.gz"


def test_without_a_table_each_case_is_a_subject_and_this_is_said(folder, caplog):
    assert read_decathlon(folder("c1", "c2")).subjects == ("c1", "c2")
    assert "each of its 2 cases counts as a subject" in caplog.text


def test_labels_may_be_listed_by_name(folder):
    path = folder("c1", labels={"background": 0, "LC": 2, "SNpc": 1}, channel_names={"0": "NM"}, modality=None)
    cohort = read_decathlon(path)
    assert dict(zip(cohort.labels.names, cohort.labels.values, strict=True)) == {"LC": 2, "SNpc": 1}
    assert cohort.channels == ("NM",)


def test_the_public_hippocampus_download_is_paired_without_a_table(folder):
    cohort = read_decathlon(folder("hippocampus_003", "hippocampus_004", "hippocampus_006", name="Hippocampus"))
    assert [case.subject for case in cohort.cases] == ["002", "002", "003"]
    assert [case.covariates for case in cohort.cases] == [{"intensity_family": "B"}] * 3


@pytest.mark.parametrize(
    ("parts", "message"),
    [
        ({"training": []}, "'training' is empty"),
        ({"training": None}, "no list 'training'"),
        ({"training": [{"label": "x"}]}, "entry 0 of 'training' names no image"),
        ({"training": [{"image": "imagesTr/c9.nii.gz"}]}, r"1 of the files listed do not exist.*c9"),
        ({"training": ["imagesTr/c1.nii.gz", "./imagesTr/c1.nii.gz"]}, "'c1' is listed twice"),
        ({"modality": {"0": "T1", "1": "FLAIR"}}, "several modalities"),
        ({"labels": ["a", "b"]}, "'labels' must map"),
        ({"labels": {"LC": "one"}}, "'labels' must map"),
    ],
)
def test_faults_in_the_list_are_named(folder, parts, message):
    with pytest.raises(InputError, match=message):
        read_decathlon(folder("c1", **parts))


@pytest.mark.parametrize(
    ("subjects", "message"),
    [("case,subject\nc1,p\n", "'case' and 'subject' are expected"), ("case\tsubject\nc2\tp\n", "the first is 'c1'")],
)
def test_faults_in_the_table_of_subjects_are_named(folder, subjects, message):
    with pytest.raises(InputError, match=message):
        read_decathlon(folder("c1", subjects=subjects))


def test_broken_json_is_named(tmp_path):
    with pytest.raises(InputError, match="no such file"):
        read_decathlon(tmp_path)
    (tmp_path / "dataset.json").write_text("{")
    with pytest.raises(InputError, match="not valid JSON"):
        read_decathlon(tmp_path)


def test_the_real_hippocampus_crops_and_the_rules_about_them(shared_data):
    path = shared_data / "msd-hippocampus"
    if not path.is_dir():
        pytest.skip(f"{path} is not here")
    cohort = read_decathlon(path)
    assert (len(cohort), len(cohort.subjects)) == (207, 134)
    assert all(hippocampus_subject(case.id) == case.subject for case in cohort.cases)
    families = hippocampus_families({case.id: case.images["MRI"] for case in cohort.cases})
    assert families == {case.id: case.covariates["intensity_family"] for case in cohort.cases}
