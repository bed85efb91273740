import json

import pytest

from neurograft.cohorts import read_bids
from neurograft.errors import InputError

LABELS = "derivatives/manual"


@pytest.fixture
def dataset(tmp_path, save):
    """Lay out a BIDS dataset from file names; those of label maps hold values 1 and 5."""

    def lay_out(*names, participants=None):
        for folder in {
            tmp_path,
            *(tmp_path / "/".join(name.split("/")[:2]) for name in names if "derivatives" in name),
        }:
            folder.mkdir(parents=True, exist_ok=True)
            description = {"Name": folder.name, "BIDSVersion": "1.10.0"}
            (folder / "dataset_description.json").write_text(json.dumps(description))
        for name in names:
            save(name, labels=(1, 5) if "dseg" in name or "mask" in name else None)
        if participants:
            (tmp_path / "participants.tsv").write_text(participants)
        return tmp_path

    return lay_out


def test_images_labels_and_covariates_meet_by_subject(dataset):
    folder = dataset(
        "sub-01/anat/sub-01_T1w.nii.gz",
        "sub-1/anat/sub-1_T1w.nii.gz",
        "sub-01/anat/sub-01_FLAIR.nii.gz",
        f"{LABELS}/sub-01/anat/sub-01_dseg.nii.gz",
        participants="participant_id\tage\nsub-01\t70\n1\t71\n",
    )
    (folder / LABELS / "dseg.tsv").write_text("index\tname\tcolor\n1\tSNpc\tred\n5\tLC\tblue\n")
    cohort = read_bids(folder)
    first, second = cohort.cases
    assert (cohort.kind, cohort.channels, cohort.labels.names) == ("bids", ("T1w",), ["SNpc", "LC"])
    assert (first.id, first.subject, first.session) == ("sub-01", "01", None)
    assert first.label == folder / LABELS / "sub-01/anat/sub-01_dseg.nii.gz"
    assert first.label_state == "dense"
    assert first.entities["subject"] == "01"
    # Subjects 01 and 1 are two people.
    assert (second.subject, second.label, second.label_state) == ("1", None, "none")
    assert [case.covariates for case in cohort.cases] == [{"age": "70"}, {"age": "71"}]


def test_sessions_and_spaces_keep_label_maps_apart(dataset):
    folder = dataset(
        "sub-01/ses-a/anat/sub-01_ses-a_T1w.nii.gz",
        "sub-01/ses-b/anat/sub-01_ses-b_T1w.nii.gz",
        f"{LABELS}/sub-01/ses-a/anat/sub-01_ses-a_dseg.nii.gz",
        f"{LABELS}/sub-01/ses-a/anat/sub-01_ses-a_space-MNI_dseg.nii.gz",
        f"{LABELS}/sub-01/ses-b/anat/sub-01_ses-b_space-orig_dseg.nii.gz",
    )
    (folder / "sub-01/sub-01_sessions.tsv").write_text("session_id\tweeks\nses-a\t0\nses-b\t12\n")
    cohort = read_bids(folder)
    assert [case.id for case in cohort.cases] == ["sub-01_ses-a", "sub-01_ses-b"]
    assert [case.label.name for case in cohort.cases] == [
        "sub-01_ses-a_dseg.nii.gz",
        "sub-01_ses-b_space-orig_dseg.nii.gz",
    ]
    assert [case.covariates["weeks"] for case in cohort.cases] == ["0", "12"]
    assert cohort.labels.names == ["label-1", "label-5"]
    assert [case.session for case in read_bids(folder, {"ses": "ses-b"}).cases] == ["b"]


def test_an_image_with_a_space_takes_the_label_map_of_that_space(dataset):
    folder = dataset(
        "sub-01/anat/sub-01_T1w.nii.gz",
        "derivatives/prep/sub-01/anat/sub-01_space-MNI_desc-preproc_T1w.nii.gz",
        f"{LABELS}/sub-01/anat/sub-01_dseg.nii.gz",
        f"{LABELS}/sub-01/anat/sub-01_space-MNI_dseg.nii.gz",
    )
    case = read_bids(folder, {"space": "MNI"}).cases[0]
    assert case.images["T1w"].name == "sub-01_space-MNI_desc-preproc_T1w.nii.gz"
    assert case.label.name == "sub-01_space-MNI_dseg.nii.gz"
    assert read_bids(folder).cases[0].label.name == "sub-01_dseg.nii.gz"


def test_several_images_must_be_told_apart(dataset):
    folder = dataset(
        "sub-01/anat/sub-01_run-01_T1w.nii.gz",
        "sub-01/anat/sub-01_run-02_T1w.nii.gz",
        f"{LABELS}/sub-01/anat/sub-01_run-2_dseg.nii.gz",
    )
    with pytest.raises(InputError, match=r"2 T1w images: sub-01_run-01_T1w.nii.gz, sub-01_run-02"):
        read_bids(folder)
    assert read_bids(folder, {"run": "1"}).cases[0].label is None
    assert read_bids(folder, {"run": "02"}).cases[0].label is not None


def test_several_label_maps_must_be_told_apart(dataset):
    names = [f"derivatives/{who}/sub-01/anat/sub-01_desc-{who}_dseg.nii.gz" for who in ("ann", "ben")]
    folder = dataset("sub-01/anat/sub-01_T1w.nii.gz", *names)
    with pytest.raises(InputError, match="2 label maps"):
        read_bids(folder)
    assert read_bids(folder, {"label_desc": "ben"}).cases[0].label == folder / names[1]
    assert read_bids(folder, {"label_pipeline": "ann"}).cases[0].label == folder / names[0]


def test_masks_serve_where_there_is_no_dseg_but_brain_masks_do_not(dataset):
    folder = dataset(
        "sub-01/anat/sub-01_T1w.nii.gz",
        f"{LABELS}/sub-01/anat/sub-01_desc-brain_mask.nii.gz",
        f"{LABELS}/sub-01/anat/sub-01_label-lesion_mask.nii.gz",
    )
    assert read_bids(folder).cases[0].label.name == "sub-01_label-lesion_mask.nii.gz"
    asked = read_bids(folder, {"label_suffix": "mask", "label_desc": "brain"})
    assert asked.cases[0].label.name == "sub-01_desc-brain_mask.nii.gz"


def test_suffixes_are_channels_and_incomplete_cases_are_left_out(dataset, caplog):
    folder = dataset(
        "sub-01/anat/sub-01_T1w.nii.gz", "sub-01/anat/sub-01_FLAIR.nii.gz", "sub-02/anat/sub-02_T1w.nii.gz"
    )
    cohort = read_bids(folder, {"suffix": "FLAIR,T1w"})
    assert cohort.channels == tuple(cohort.cases[0].images) == ("FLAIR", "T1w")
    assert cohort.subjects == ("01",)
    assert "sub-02" in caplog.text
    assert len(read_bids(folder, {"suffix": ["T1w"]})) == 2


def test_a_pipeline_without_description_is_pointed_out(dataset, save, caplog):
    folder = dataset("sub-01/anat/sub-01_T1w.nii.gz")
    save(f"{LABELS}/sub-01/anat/sub-01_dseg.nii.gz", labels=(1,))
    assert read_bids(folder).cases[0].label is None
    assert "manual has no dataset_description.json" in caplog.text


@pytest.mark.parametrize(
    ("filters", "message"),
    [
        ({"suffix": "T2w"}, "no image matches T2w.*T1w"),
        ({"desc": "brain"}, "no image matches desc-brain_T1w"),
        ({"spaces": "MNI"}, "unknown BIDS filter 'spaces'.*Did you mean 'space'"),
        ({"suffix": "T1w,T1w"}, "each channel once"),
        ({"label_desc": "x"}, "no label map matches desc-x_dseg/mask"),
        ({"run": ["1", "2"]}, "takes one value"),
    ],
)
def test_filters_that_find_nothing_say_so(dataset, filters, message):
    with pytest.raises(InputError, match=message):
        read_bids(dataset("sub-01/anat/sub-01_T1w.nii.gz"), filters)


def test_two_label_tables_are_ambiguous(dataset):
    folder = dataset("sub-01/anat/sub-01_T1w.nii.gz", f"{LABELS}/sub-01/anat/sub-01_dseg.nii.gz")
    for name in ("desc-a_dseg.tsv", "desc-b_dseg.tsv"):
        (folder / LABELS / name).write_text("index\tname\n1\tSNpc\n")
    with pytest.raises(InputError, match="several tables may name the labels"):
        read_bids(folder)
    beside = folder / LABELS / "sub-01/anat/sub-01_dseg.tsv"
    beside.write_text("index\tname\n5\tLC\n")
    assert read_bids(folder).labels.names == ["LC"]


def test_the_miccai_2012_scans_load_as_they_are(shared_data):
    folder = shared_data / "miccai2012-train"
    if not folder.is_dir():
        pytest.skip(f"{folder} is not here")
    cohort = read_bids(folder)
    assert len(cohort) == len(cohort.subjects) == len(cohort.labelled()) == 15
    assert {case.entities["desc"] for case in cohort.cases} == {"brain"}
    assert cohort.labels.select(["Left Hippocampus", "Right Thalamus Proper"]).values == [48, 59]
    assert cohort.cases[0].covariates == {"age": "20", "sex": "F", "oasis_id": "OAS1_0061"}
