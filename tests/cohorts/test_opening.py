import json

import pytest

from neurograft.cohorts import open_cohort
from neurograft.errors import InputError


def test_each_kind_is_recognised(tmp_path, save):
    save("a/x.nii")
    (tmp_path / "a/cohort.csv").write_text("subject,image\np,x.nii\n")
    save("b/sub-1/anat/sub-1_T1w.nii.gz")
    (tmp_path / "b/dataset_description.json").write_text('{"Name": "b", "BIDSVersion": "1.10.0"}')
    save("c/x.nii.gz")
    (tmp_path / "c/dataset.json").write_text(json.dumps({"training": ["x.nii.gz"], "labels": {}}))
    kinds = [open_cohort(tmp_path / name).kind for name in ("a", "a/cohort.csv", "b", "c", "c/dataset.json")]
    assert kinds == ["table", "table", "bids", "decathlon", "decathlon"]
    assert [open_cohort(tmp_path / name).name for name in "abc"] == ["a", "b", "c"]
    assert open_cohort(tmp_path / "b", "other", bids_filters={"suffix": "T1w"}).name == "other"


def test_anything_else_is_refused_with_what_a_cohort_can_be(tmp_path, save):
    save("images/x.nii.gz")
    (tmp_path / "empty").mkdir()
    for name, problem in [
        ("images", "not a cohort"),
        ("images/x.nii.gz", "not a cohort"),
        ("empty", "an empty folder"),
        ("nowhere", "no such file"),
    ]:
        with pytest.raises(InputError, match=f"{problem}.*table.*BIDS.*Decathlon"):
            open_cohort(tmp_path / name)


def test_options_of_another_kind_are_refused(tmp_path, save):
    save("x.nii")
    (tmp_path / "cohort.tsv").write_text("subject\timage\np\tx.nii\n")
    with pytest.raises(InputError, match="not a BIDS dataset"):
        open_cohort(tmp_path, bids_filters={"desc": "x"})
    (tmp_path / "cohort.tsv").unlink()
    (tmp_path / "dataset.json").write_text("{}")
    with pytest.raises(InputError, match="only be given with a table"):
        open_cohort(tmp_path, label_table="labels.tsv")
