"""Several cohorts as one: labels by name, channels, names, and who is who."""

import logging
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from neurograft.cohorts import Cohort, combine_cohorts, fingerprint_cohort, open_cohort, shared_with
from neurograft.cohorts.combining import fingerprint_parts
from neurograft.errors import InputError
from neurograft.imaging.files import read_label_map

Save = Callable[..., Path]


def table(save: Save, name: str, labels: dict[int, str], people: int = 2, column: str = "image", **more: str) -> Cohort:
    """A cohort of random images whose label maps hold every value once."""
    rows = ["\t".join(["subject", column, "label", *more])]
    for number in range(people):
        save(f"{name}/{number}.nii.gz")
        save(f"{name}/{number}_dseg.nii.gz", labels=tuple(labels))
        rows.append("\t".join([f"{number:02d}", f"{number}.nii.gz", f"{number}_dseg.nii.gz", *more.values()]))
    folder = save(f"{name}/0.nii.gz").parent
    (folder / "cohort.tsv").write_text("\n".join(rows) + "\n")
    lines = [f"{value}\t{label}" for value, label in labels.items()]
    (folder / "labels.tsv").write_text("\n".join(["index\tname", *lines]) + "\n")
    return open_cohort(folder)


def test_labels_are_those_of_all_cohorts_with_each_ones_values(save: Save, caplog: pytest.LogCaptureFixture) -> None:
    first = table(save, "first", {5: "caudate", 9: "putamen", 2: "pons"})
    second = table(save, "second", {1: "putamen", 5: "thalamus", 3: "caudate"})
    with caplog.at_level(logging.INFO):
        both = combine_cohorts([first, second])
    assert both.labels.names == ["caudate", "putamen"]
    assert "pons" in caplog.text
    assert "thalamus" in caplog.text
    for case in both.cases:
        assert case.labels is not None
        assert case.label is not None
        assert case.labels.names == both.labels.names
        classes = case.labels.to_classes(read_label_map(case.label).data)
        # In either file the first voxels hold the values in the order of its own table.
        expected = [1, 2, 0] if case.origin == ("first", case.subject.removeprefix("first_")) else [2, 0, 1]
        assert classes.flat[:3].tolist() == expected
        assert not np.any(classes.flat[3:])


def test_a_selection_or_merger_holds_for_every_part(save: Save) -> None:
    both = combine_cohorts(
        [table(save, "a", {5: "caudate", 9: "putamen"}), table(save, "b", {1: "putamen", 3: "caudate"})]
    ).select_labels({"striatum": ["caudate", "putamen"]})
    assert {case.labels.values == [5, 9] or case.labels.values == [3, 1] for case in both.cases} == {True}  # type: ignore[union-attr]
    assert all(case.labels.names == ["striatum"] for case in both.cases)  # type: ignore[union-attr]


def test_people_of_one_name_stay_apart_and_keep_where_they_came_from(save: Save) -> None:
    both = combine_cohorts([table(save, "a", {1: "x"}, scanner="GE"), table(save, "b", {1: "x"})])
    assert both.subjects == ("a_00", "a_01", "b_00", "b_01")
    assert [case.origin for case in both.cases] == [("a", "00"), ("a", "01"), ("b", "00"), ("b", "01")]
    assert both.cases[0].covariates == {"cohort": "a", "scanner": "GE"}
    assert len({case.id for case in both.cases}) == 4
    assert both.name == "a + b"


def test_fingerprints_are_those_of_the_parts(save: Save) -> None:
    first, second = table(save, "a", {1: "x"}), table(save, "b", {1: "x"})
    parts = fingerprint_parts(combine_cohorts([first, second]))
    assert [part.to_dict() for part in parts] == [fingerprint_cohort(one).to_dict() for one in (first, second)]
    # By identifier too, which content alone would not give: the same person in another scan of cohort a.
    assert shared_with(parts[0], fingerprint_cohort(table(save, "a", {1: "x"}, people=1)))
    assert [part.to_dict() for part in fingerprint_parts(first)] == [fingerprint_cohort(first).to_dict()]


def test_single_channels_of_different_names_are_the_same(save: Save) -> None:
    both = combine_cohorts([table(save, "a", {1: "x"}), table(save, "b", {1: "x"}, column="image_T1w")])
    assert both.channels == ("image",)
    assert all(set(case.images) == {"image"} for case in both.cases)


def test_one_cohort_is_itself(save: Save) -> None:
    only = table(save, "a", {1: "x"})
    assert combine_cohorts([only]) is only


def test_what_cannot_be_joined_is_refused(save: Save) -> None:
    first = table(save, "a", {1: "x"})
    with pytest.raises(InputError, match="two cohorts are called 'a'"):
        combine_cohorts([first, first])
    with pytest.raises(InputError, match="no label name in common"):
        combine_cohorts([first, table(save, "b", {1: "y"})])
    two = table(save, "c", {1: "x"}, column="image_T1w", image_T2w="0.nii.gz")
    with pytest.raises(InputError, match="has the channels T1w, T2w"):
        combine_cohorts([first, two])
    maps = save("maps/one.nii.gz", labels=(1,)).parent
    (maps / "cohort.tsv").write_text("subject\tlabel\none\tone.nii.gz\n")
    (maps / "labels.tsv").write_text("index\tname\n1\tx\n")
    with pytest.raises(InputError, match="phantom synthetic"):
        combine_cohorts([first, open_cohort(maps)])
