import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from neurograft.errors import InputError
from neurograft.imaging.labels import IGNORE, Label, LabelTable

TABLE = LabelTable.from_names({17: "Left-Hippocampus", 53: "Right-Hippocampus", 4: "Brain Stem"}, ignore_value=255)


def test_classes_follow_the_order_and_allow_gaps() -> None:
    data = np.array([0, 4, 17, 53, 255, 9], np.int32)
    classes = TABLE.to_classes(data)
    assert classes.dtype == np.int16
    assert classes.tolist() == [0, 3, 1, 2, IGNORE, 0]
    assert TABLE.unknown_values(data) == [9]
    assert TABLE.to_values(classes).tolist() == [0, 4, 17, 53, 255, 0]


def test_negative_and_very_large_values() -> None:
    table = LabelTable.from_names({-5: "below", 2_000_000_000: "above"})
    data = np.array([[-5, 0], [2_000_000_000, -6]])
    assert table.to_classes(data).tolist() == [[1, 0], [2, 0]]
    np.testing.assert_array_equal(table.to_values(table.to_classes(data)), [[-5, 0], [2_000_000_000, 0]])


def test_an_empty_table_makes_all_background() -> None:
    table = LabelTable(())
    assert table.to_classes(np.array([0, 1, 2])).tolist() == [0, 0, 0]
    assert table.names == []


def test_ignored_voxels_are_written_as_background_without_an_ignore_value() -> None:
    assert LabelTable.from_names({1: "a"}).to_values(np.array([IGNORE, 0, 1])).tolist() == [0, 0, 1]


def test_select_keeps_the_order_asked_for_and_knows_what_it_dropped() -> None:
    chosen = TABLE.select(["Brain Stem", "Left-Hippocampus"])
    data = np.array([4, 17, 53, 99])
    assert chosen.to_classes(data).tolist() == [1, 2, 0, 0]
    assert chosen.unknown_values(data) == [99]


def test_select_merges_under_a_new_name() -> None:
    merged = TABLE.select({"Hippocampus": ["Left-Hippocampus", "Right-Hippocampus"]})
    assert merged.labels == (Label("Hippocampus", (17, 53)),)
    classes = merged.to_classes(np.array([17, 53, 4]))
    assert classes.tolist() == [1, 1, 0]
    assert merged.to_values(classes).tolist() == [17, 17, 0]


def test_an_unknown_name_is_answered_with_the_nearest_and_all() -> None:
    with pytest.raises(InputError, match=r"Did you mean 'Left-Hippocampus'.*Brain Stem") as caught:
        TABLE.select(["Left-Hipocampus"])
    assert "Right-Hippocampus" in caught.value.mend
    with pytest.raises(InputError, match="stands for both"):
        TABLE.select({"a": ["Brain Stem"], "b": ["Brain Stem"]})


def test_impossible_tables_are_refused() -> None:
    for labels, message in (
        ((Label("a", (1,)), Label("b", (1,))), "value 1"),
        ((Label("a", (1,)), Label("a", (2,))), "twice"),
        ((Label("a", (0,)),), "background"),
        ((Label("a", ()),), "no value"),
    ):
        with pytest.raises(InputError, match=message):
            LabelTable(labels)
    with pytest.raises(InputError, match="to ignore"):
        LabelTable((Label("a", (1,)),), ignore_value=1)


def test_tsv_round_trip_and_foreign_columns(tmp_path: Path) -> None:
    path = tmp_path / "dseg.tsv"
    path.write_text("﻿name\tcolor\tindex\r\nbackground\t#0\t0\r\nLC\t#1\t2\r\nSNpc\t#2\t7\r\n\r\n", "utf-8")
    table = LabelTable.from_tsv(path)
    assert table.labels == (Label("LC", (2,)), Label("SNpc", (7,)))
    merged = table.select({"both": ["SNpc", "LC"]})
    merged.to_tsv(tmp_path / "out.tsv")
    assert (tmp_path / "out.tsv").read_text() == "index\tname\n7\tboth\n2\tboth\n"
    assert LabelTable.from_tsv(tmp_path / "out.tsv").labels == merged.labels


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("value\tname\n1\ta\n", "'index' is missing; found value, name"),
        ("", "'index' is missing; found none"),
        ("index,name\n1,a\n", "'index' is missing"),
        ("index\tname\none\ta\n", "'one' is no integer"),
        ("index\tname\n1\ta\n1\tb\n", "index 1 occurs twice"),
        ("index\tname\n1\n", "index 1 has no name"),
    ],
)
def test_broken_tables(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "labels.tsv"
    path.write_text(text)
    with pytest.raises(InputError, match=message) as caught:
        LabelTable.from_tsv(path)
    assert caught.value.file == path


def test_unreadable_tables(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="does not exist"):
        LabelTable.from_tsv(tmp_path / "none.tsv")
    with pytest.raises(InputError, match="cannot be read"):
        LabelTable.from_tsv(tmp_path)
    (tmp_path / "binary.tsv").write_bytes(b"\xff\xfe\x00\x81")
    with pytest.raises(InputError, match="cannot be read"):
        LabelTable.from_tsv(tmp_path / "binary.tsv")


def test_plain_data_round_trip() -> None:
    for table in (TABLE, TABLE.select(["Brain Stem"])):
        assert LabelTable.from_dict(json.loads(json.dumps(table.to_dict()))) == table


def test_mirror_pairs_are_classes() -> None:
    table = LabelTable.from_names({9: "Pons", 3: "Putamen_R", 2: "Putamen_L", 8: "Left Caudate"})
    assert table.mirror_pairs() == [(3, 2)]
    assert table.unpaired_sides() == ["Left Caudate"]


def test_real_label_table(shared_data: Path) -> None:
    table = LabelTable.from_tsv(shared_data / "miccai2012-train" / "derivatives" / "manual" / "dseg.tsv")
    pairs = {(table.names[left - 1], table.names[right - 1]) for left, right in table.mirror_pairs()}
    assert ("Left Hippocampus", "Right Hippocampus") in pairs
    assert table.unpaired_sides() == []


@pytest.mark.parametrize("name", ["not annotated", "Not annotated", "ignore"])
def test_a_row_names_the_value_of_voxels_that_nobody_annotated(tmp_path: Path, name: str) -> None:
    path = tmp_path / "labels.tsv"
    path.write_text(f"index\tname\n1\tLC\n9\t{name}\n")
    table = LabelTable.from_tsv(path)
    assert (table.names, table.ignore_value) == (["LC"], 9)
    assert table.to_classes(np.array([0, 1, 9])).tolist() == [0, 1, IGNORE]
    assert table.select(["LC"]).ignore_value == 9
    table.to_tsv(tmp_path / "again.tsv")
    assert LabelTable.from_tsv(tmp_path / "again.tsv") == table


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ("8\tignore\n9\tnot annotated\n", "values 8 and 9 both mark voxels that were not annotated"),
        ("0\tnot annotated\n", "value 0 marks voxels that were not annotated"),
    ],
)
def test_one_value_and_not_background_marks_what_was_not_annotated(tmp_path: Path, rows: str, message: str) -> None:
    path = tmp_path / "labels.tsv"
    path.write_text(f"index\tname\n1\tLC\n{rows}")
    with pytest.raises(InputError, match=message) as caught:
        LabelTable.from_tsv(path)
    assert caught.value.file == path


@example(values=[32718], low=-50, dtype=np.int16, seed=0)
@given(
    values=st.lists(st.integers(-40, 3_000_000), min_size=1, max_size=6, unique=True),
    low=st.sampled_from([-50, 0, 3, 2_999_990]),
    dtype=st.sampled_from([np.int16, np.uint8, np.int32, np.int64, np.float64]),
    seed=st.integers(0, 99),
)
def test_classes_are_those_of_a_plain_search(values: list[int], low: int, dtype: type, seed: int) -> None:
    table = LabelTable.from_names({value: f"l{value}" for value in values if value != 0} or {1: "x"})
    info = (0, 255) if dtype is np.uint8 else (-(2**15), 2**15 - 1) if dtype is np.int16 else (-(2**31), 2**31 - 1)
    generator = np.random.default_rng(seed)
    data = generator.choice([*values, *range(low, low + 12)], (3, 4, 5)).clip(*info).astype(dtype)
    expected = np.zeros(data.shape, np.int16)
    for number, value in enumerate(table.values, start=1):
        expected[data == value] = number
    found = table.to_classes(data)
    assert found.dtype == np.int16
    np.testing.assert_array_equal(found, expected)
