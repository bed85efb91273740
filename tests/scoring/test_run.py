"""Files against files, from folders and cohorts, with hand-computed figures."""

import json
import math
from pathlib import Path

import nibabel as nib
import numpy as np
import pandas as pd
import pytest

from neurograft.errors import InputError
from neurograft.evaluation.policies import Policies
from neurograft.imaging.labels import LabelTable
from neurograft.scoring.options import ScoringOptions
from neurograft.scoring.run import Evaluation, score_files

AFFINE = np.diag([0.5, 1.0, 2.0, 1.0])
QUICK = ScoringOptions(draws=50)


def write(path: Path, values: list[int], affine: np.ndarray = AFFINE) -> None:
    """Write a label map of eight voxels in a row, 1 mm3 each."""
    path.parent.mkdir(parents=True, exist_ok=True)
    data = np.array(values, dtype=np.int16).reshape(8, 1, 1)
    nib.Nifti1Image(data, affine).to_filename(path)


def of_labels(scores: Evaluation) -> pd.DataFrame:
    """Rows of single labels, without those of groups and means."""
    rows = scores.tables.per_case
    return rows[rows["kind"] == "label"].reset_index(drop=True)


def dice_summary(scores: Evaluation) -> pd.DataFrame:
    rows = scores.tables.summary
    return rows[(rows["kind"] == "label") & (rows["measure"] == "dice")]


@pytest.fixture
def folders(tmp_path: Path) -> tuple[Path, Path]:
    reference, prediction = tmp_path / "reference", tmp_path / "prediction"
    write(reference / "c1.nii.gz", [1, 1, 1, 1, 2, 2, 0, 0])
    write(reference / "c2.nii.gz", [0, 0, 1, 1, 0, 0, 0, 0])
    write(prediction / "c1.nii.gz", [1, 1, 0, 0, 2, 2, 2, 2])
    write(prediction / "c2.nii.gz", [0, 0, 1, 1, 0, 0, 0, 0])
    return reference, prediction


def write_labels(folder: Path, rows: dict[int, str]) -> None:
    lines = ["index\tname", *(f"{value}\t{name}" for value, name in rows.items())]
    (folder / "labels.tsv").write_text("\n".join(lines) + "\n", "utf-8")


def test_two_folders(folders: tuple[Path, Path]) -> None:
    calls: list[tuple[int, int]] = []
    scores = score_files(*folders, options=QUICK, progress=lambda done, total: calls.append((done, total)))
    assert scores.labels == ("label-1", "label-2")
    rows = of_labels(scores).set_index(["case", "label"])
    assert rows.loc[("c1", "label-1"), "dice"] == pytest.approx(2 * 2 / 6)
    assert rows.loc[("c1", "label-2"), "dice"] == pytest.approx(2 * 2 / 6)
    assert rows.loc[("c1", "label-2"), "volume_difference_mm3"] == pytest.approx(2.0)
    assert rows.loc[("c2", "label-1"), "dice"] == 1.0
    assert rows.loc[("c2", "label-2"), "status"] == "both-empty"
    assert math.isnan(rows.loc[("c2", "label-2"), "dice"])
    assert dice_summary(scores)["n"].tolist() == [2, 1]
    assert dice_summary(scores)["n_both_empty"].tolist() == [0, 1]
    assert calls == [(1, 2), (2, 2)]


def test_missing_prediction(folders: tuple[Path, Path]) -> None:
    reference, prediction = folders
    (prediction / "c2.nii.gz").unlink()
    with pytest.raises(InputError, match="1 of 2 cases have no prediction: c2"):
        score_files(reference, prediction)
    scores = score_files(reference, prediction, options=ScoringOptions(Policies(missing="score-zero"), draws=50))
    missing = of_labels(scores)[of_labels(scores)["case"] == "c2"]
    assert missing["status"].tolist() == ["prediction-missing"] * 2
    assert missing["dice"].tolist() == [0.0, 0.0]
    assert dice_summary(scores)["mean"].iloc[0] == pytest.approx(2 / 6)
    assert dice_summary(scores)["n_missing"].tolist() == [1, 1]


def test_other_grid_is_refused(folders: tuple[Path, Path]) -> None:
    reference, prediction = folders
    write(prediction / "c1.nii.gz", [1, 1, 0, 0, 2, 2, 2, 2], np.diag([0.6, 1.0, 2.0, 1.0]))
    with pytest.raises(InputError, match="does not lie on the grid of its reference") as error:
        score_files(reference, prediction)
    assert error.value.file == prediction / "c1.nii.gz"


def test_labels_are_matched_by_name(folders: tuple[Path, Path], caplog: pytest.LogCaptureFixture) -> None:
    reference, prediction = folders
    write_labels(reference, {1: "SNpc", 2: "LC"})
    write(prediction / "c1.nii.gz", [0, 0, 0, 0, 7, 7, 0, 0])
    write(prediction / "c2.nii.gz", [0] * 8)
    write_labels(prediction, {7: "LC"})
    scores = score_files(reference, prediction, options=QUICK)
    assert scores.labels == ("LC",)
    assert of_labels(scores)["dice"].tolist()[0] == 1.0
    assert "the predictions do not have them: SNpc" in caplog.text
    (prediction / "labels.tsv").rename(prediction / "desc-neurograft_dseg.tsv")
    assert of_labels(score_files(reference, prediction, options=QUICK)).equals(of_labels(scores))
    write_labels(prediction, {7: "red nucleus"})
    with pytest.raises(InputError, match="no label in common: SNpc, LC against red nucleus"):
        score_files(reference, prediction)


def test_selected_and_merged_labels(folders: tuple[Path, Path]) -> None:
    reference, prediction = folders
    table = LabelTable.from_names({1: "SNpc", 2: "LC"})
    assert score_files(reference, prediction, table.select(["LC"]), options=QUICK).labels == ("LC",)
    merged = score_files(reference, prediction, table.select({"both": ["SNpc", "LC"]}), options=QUICK)
    assert of_labels(merged)["dice"].tolist() == [pytest.approx(2 * 4 / 12), 1.0]


def test_prediction_with_foreign_values_only_is_refused(folders: tuple[Path, Path]) -> None:
    reference, prediction = folders
    write(prediction / "c1.nii.gz", [255, 255, 255, 0, 0, 0, 0, 0])
    with pytest.raises(InputError, match=r"only values that the label table does not have: \[255\]"):
        score_files(reference, prediction)


def test_label_in_no_reference_is_refused(folders: tuple[Path, Path]) -> None:
    with pytest.raises(InputError, match="none of the labels red nucleus occurs"):
        score_files(*folders, LabelTable.from_names({1: "SNpc", 2: "LC", 9: "red nucleus"}).select(["red nucleus"]))


def write_cohort(folder: Path) -> Path:
    write(folder / "images" / "scan-a.nii.gz", [5] * 8)
    write(folder / "images" / "scan-b.nii.gz", [5] * 8)
    write(folder / "images" / "scan-c.nii.gz", [5] * 8)
    write(folder / "a" / "label.nii.gz", [1, 1, 1, 1, 2, 2, 0, 0])
    write(folder / "b" / "label.nii.gz", [1, 1, 0, 0, 0, 0, 0, 0])
    write_labels(folder, {1: "SNpc", 2: "LC"})
    rows = [
        "subject\tsession\timage\tlabel\tlabel_state",
        "ann\t1\timages/scan-a.nii.gz\ta/label.nii.gz\tdense",
        "ann\t2\timages/scan-b.nii.gz\tb/label.nii.gz\tSNpc=dense;LC=none",
        "bob\t1\timages/scan-c.nii.gz\t\tnone",
    ]
    (folder / "cohort.tsv").write_text("\n".join(rows) + "\n", "utf-8")
    return folder / "cohort.tsv"


@pytest.mark.parametrize("names", [("scan-a", "scan-b"), ("ann_1", "ann_2")])
def test_cohort_with_label_states(tmp_path: Path, names: tuple[str, str]) -> None:
    table = write_cohort(tmp_path / "cohort")
    for name in names:
        write(tmp_path / "out" / f"{name}.nii.gz", [1, 1, 0, 0, 2, 2, 0, 0])
    scores = score_files(table, tmp_path / "out", options=QUICK)
    rows = list(of_labels(scores)[["subject", "label", "dice"]].itertuples(index=False, name=None))
    assert rows == [("ann", "SNpc", pytest.approx(2 / 3)), ("ann", "LC", 1.0), ("ann", "SNpc", 1.0)]
    assert dice_summary(scores)["n_subjects"].tolist() == [1, 1]


def test_bids_derivatives_are_a_folder_of_label_maps(tmp_path: Path) -> None:
    for name, kind in (("manual", [1] * 8), ("neurograft", [1] * 4 + [0] * 4)):
        folder = tmp_path / name
        write(folder / "sub-1" / "anat" / f"sub-1_desc-{name}_dseg.nii.gz", kind)
        description = {"Name": name, "BIDSVersion": "1.9.0", "DatasetType": "derivative"}
        (folder / "dataset_description.json").write_text(json.dumps(description), "utf-8")
    scores = score_files(tmp_path / "manual", tmp_path / "neurograft", options=QUICK)
    assert scores.pairing.how == "by BIDS entities"
    assert of_labels(scores).loc[0, "dice"] == pytest.approx(2 * 4 / 12)
    assert of_labels(scores).loc[0, "subject"] == "1"


def test_real_label_maps_against_themselves(shared_data: Path, tmp_path: Path) -> None:
    truth = shared_data / "msd-hippocampus" / "labelsTr"
    some = sorted(truth.glob("hippocampus_*.nii.gz"))[:3]
    for file in some:
        (tmp_path / file.name).symlink_to(file)
    scores = score_files(tmp_path, tmp_path, options=QUICK)
    assert (of_labels(scores)["dice"] == 1).all()
    assert dice_summary(scores)["n"].tolist() == [3, 3]
    volumes = nib.load(some[0]).get_fdata()
    assert of_labels(scores).loc[0, "reference_mm3"] == pytest.approx(float((volumes == 1).sum()), rel=1e-6)
