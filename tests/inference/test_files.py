import json
from pathlib import Path

import pytest

import neurograft
from neurograft.cohorts import Case, Cohort
from neurograft.imaging.labels import LabelTable
from neurograft.inference.files import mask_path, probability_paths, write_descriptions

TABLE = LabelTable.from_names({3: "Left-Hippocampus", 9: "LC"})


def cohort(kind: str) -> Cohort:
    return Cohort("study", Path("study"), kind, ("image",), LabelTable(()), ())


def case(**entities: str) -> Case:
    return Case("p01_2", "p01", "2", {"image": Path("x.nii.gz")}, entities=entities)


@pytest.mark.parametrize("kind", ["table", "decathlon", "files"])
def test_plain_names_are_the_cases(kind: str) -> None:
    assert mask_path(cohort(kind), case()) == Path("p01_2_dseg.nii.gz")
    assert probability_paths(cohort(kind), case(), ["LC"]) == [Path("p01_2_label-Lc_probseg.nii.gz")]


def test_bids_names_keep_the_entities_in_the_standards_order() -> None:
    scan = case(space="MNI", run="1", acquisition="tse", subject="p01", session="2", desc="brain", datatype="anat")
    stem = "sub-p01/ses-2/anat/sub-p01_ses-2_acq-tse_run-1_space-MNI"
    assert mask_path(cohort("bids"), scan) == Path(f"{stem}_desc-neurograft_dseg.nii.gz")
    assert probability_paths(cohort("bids"), scan, ["Left-Hippocampus"]) == [
        Path(f"{stem}_label-LeftHippocampus_desc-neurograft_probseg.nii.gz")
    ]
    assert mask_path(cohort("bids"), case(subject="9")) == Path("sub-9/anat/sub-9_desc-neurograft_dseg.nii.gz")


def test_no_two_labels_share_a_file() -> None:
    labels = ["SNr", "SNR", "A+", "A-", "SNr2"]
    words = ["Snr", "Snr2", "A", "A2", "Snr22"]
    expected = [Path(f"p01_2_label-{word}_probseg.nii.gz") for word in words]
    assert probability_paths(cohort("table"), case(), labels) == expected


def test_a_label_table_lies_beside_the_masks(tmp_path: Path) -> None:
    write_descriptions(tmp_path, cohort("table"), TABLE)
    assert [path.name for path in tmp_path.iterdir()] == ["labels.tsv"]
    assert LabelTable.from_tsv(tmp_path / "labels.tsv") == TABLE


def test_bids_results_are_a_derivative_dataset(tmp_path: Path) -> None:
    write_descriptions(tmp_path, cohort("bids"), TABLE)
    description = json.loads((tmp_path / "dataset_description.json").read_text())
    assert description["DatasetType"] == "derivative"
    assert description["GeneratedBy"] == [{"Name": "neurograft", "Version": neurograft.__version__}]
    assert LabelTable.from_tsv(tmp_path / "desc-neurograft_dseg.tsv") == TABLE
