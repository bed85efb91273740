"""Pairing looks only at names; the files may be empty."""

from pathlib import Path

import pytest

from neurograft.errors import InputError
from neurograft.scoring.pairing import Pairing, bids_entities, pair_files


def touch(folder: Path, *names: str) -> Path:
    for name in names:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    return folder


def as_names(pairing: Pairing, root: Path) -> dict[str, str | None]:
    return {
        pair.case: None if pair.prediction is None else pair.prediction.relative_to(root).as_posix()
        for pair in pairing.pairs
    }


def test_same_file_names(tmp_path: Path) -> None:
    reference = touch(tmp_path / "r", "c1.nii.gz", "c2.nii.gz", "notes.txt")
    prediction = touch(tmp_path / "p", "c1.nii.gz", "c2_dseg.nii", "c1_probabilities.nii.gz", ".hidden.nii.gz")
    pairing = pair_files(reference, prediction)
    assert as_names(pairing, prediction) == {"c1": "c1.nii.gz", "c2": "c2_dseg.nii"}
    assert pairing.how == "by file name; every reference file counts as one person"
    assert [path.name for path in pairing.unused] == ["c1_probabilities.nii.gz"]


def test_missing_prediction_stays_in_the_list(tmp_path: Path) -> None:
    reference = touch(tmp_path / "r", "c1.nii.gz", "c10.nii.gz")
    pairing = pair_files(reference, touch(tmp_path / "p", "c10.nii.gz"))
    assert as_names(pairing, tmp_path / "p") == {"c1": None, "c10": "c10.nii.gz"}
    assert [pair.case for pair in pairing.missing] == ["c1"]


def test_same_names_in_subject_folders(tmp_path: Path) -> None:
    reference = touch(tmp_path / "r", "s1/label.nii.gz", "s2/label.nii.gz")
    prediction = touch(tmp_path / "p", "s2/label.nii.gz", "s1/label.nii.gz")
    expected = {"s1_label": "s1/label.nii.gz", "s2_label": "s2/label.nii.gz"}
    assert as_names(pair_files(reference, prediction), prediction) == expected


def test_bids_entities_in_common(tmp_path: Path) -> None:
    reference = touch(
        tmp_path / "r",
        "sub-01/ses-1/anat/sub-01_ses-1_desc-manual_dseg.nii.gz",
        "sub-01/ses-2/anat/sub-01_ses-2_desc-manual_dseg.nii.gz",
        "sub-01/ses-2/anat/sub-01_ses-2_T1w.nii.gz",
    )
    prediction = touch(
        tmp_path / "p",
        "sub-01/ses-2/anat/sub-01_ses-2_space-T1w_desc-neurograft_dseg.nii.gz",
        "sub-01/ses-1/anat/sub-01_ses-1_space-T1w_desc-neurograft_dseg.nii.gz",
        "sub-01/ses-1/anat/sub-01_ses-1_space-T1w_label-LC_probseg.nii.gz",
    )
    pairing = pair_files(reference, prediction)
    assert [(pair.subject, pair.prediction.name[:12]) for pair in pairing.pairs if pair.prediction] == [
        ("01", "sub-01_ses-1"),
        ("01", "sub-01_ses-2"),
    ]
    assert pairing.how == "by BIDS entities"


def test_two_predictions_for_one_reference_are_refused(tmp_path: Path) -> None:
    reference = touch(tmp_path / "r", "sub-01_dseg.nii.gz")
    prediction = touch(tmp_path / "p", "sub-01_run-1_desc-a_dseg.nii.gz", "sub-01_run-2_desc-a_dseg.nii.gz")
    with pytest.raises(InputError, match=r"several predictions fit case 'sub-01_dseg': sub-01_run-1"):
        pair_files(reference, prediction)
    reference = touch(tmp_path / "r2", "c1.nii.gz")
    with pytest.raises(InputError, match="several predictions fit case 'c1'"):
        pair_files(reference, touch(tmp_path / "p2", "c1.nii.gz", "c1.mgz"))


def test_one_prediction_for_two_references_is_refused(tmp_path: Path) -> None:
    reference = touch(tmp_path / "r", "sub-01_run-1_dseg.nii.gz", "sub-01_run-2_dseg.nii.gz")
    with pytest.raises(InputError, match="fits two cases"):
        pair_files(reference, touch(tmp_path / "p", "sub-01_desc-x_dseg.nii.gz"))


def test_nothing_in_common_names_both_sides(tmp_path: Path) -> None:
    reference = touch(tmp_path / "r", "c1.nii.gz")
    with pytest.raises(InputError, match=r"predictions are called other\.nii\.gz.*after the cases: c1"):
        pair_files(reference, touch(tmp_path / "p", "other.nii.gz"))


def test_one_file_against_one_file(tmp_path: Path) -> None:
    touch(tmp_path, "truth.nii.gz", "guess.nii.gz")
    pairing = pair_files(tmp_path / "truth.nii.gz", tmp_path / "guess.nii.gz")
    assert as_names(pairing, tmp_path) == {"truth": "guess.nii.gz"}
    assert pairing.how.startswith("as given")


def test_a_list_of_references(tmp_path: Path) -> None:
    touch(tmp_path / "r", "c1.nii.gz", "c2.nii.gz", "c3.nii.gz")
    prediction = touch(tmp_path / "p", "c1.nii.gz", "c3.nii.gz")
    pairing = pair_files([tmp_path / "r" / "c1.nii.gz", tmp_path / "r" / "c3.nii.gz"], prediction)
    assert as_names(pairing, prediction) == {"c1": "c1.nii.gz", "c3": "c3.nii.gz"}


@pytest.mark.parametrize("which", ["reference", "prediction"])
def test_empty_and_absent_folders(tmp_path: Path, which: str) -> None:
    full, empty = touch(tmp_path / "full", "c1.nii.gz"), tmp_path / "empty"
    arguments = (empty, full) if which == "reference" else (full, empty)
    with pytest.raises(InputError, match="there is no such file or folder"):
        pair_files(*arguments)
    empty.mkdir()
    with pytest.raises(InputError, match="no reference label map" if which == "reference" else "holds no prediction"):
        pair_files(*arguments)


def test_names_that_are_not_bids(tmp_path: Path) -> None:
    assert bids_entities(tmp_path / "hippocampus_001.nii.gz") == {}
    assert bids_entities(tmp_path / "scan-3_T1w.nii.gz") == {}
