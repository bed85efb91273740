from pathlib import Path

import pytest

from neurograft.cohorts.label_matching import match_labels, read_label_matches, write_label_matches
from neurograft.cohorts.structure_names import number_in, structure_name, structure_of_number
from neurograft.errors import InputError
from neurograft.imaging.labels import LabelTable

SOURCE = [
    f"{side} {name}"
    for name in ("thalamus", "hippocampus", "accumbens area", "ventral DC")
    for side in ("left", "right")
] + ["3rd ventricle", "brain-stem"]


def started(names: dict[int, str]) -> dict[str, tuple[str, ...]]:
    return {match.target: match.sources for match in match_labels(LabelTable.from_names(names), SOURCE)}


@pytest.mark.parametrize(
    ("name", "sources"),
    [
        ("left thalamus", ("left thalamus",)),
        ("Left-Thalamus-Proper", ("left thalamus",)),
        ("L_Thal", ("left thalamus",)),
        ("Right Accumbens Area", ("right accumbens area",)),
        ("Right-VentralDC", ("right ventral DC",)),
        ("hippocampus_rh", ("right hippocampus",)),
        ("Hippocampus", ("left hippocampus", "right hippocampus")),
        ("Brain Stem", ("brain-stem",)),
        ("Third Ventricle", ("3rd ventricle",)),
        ("Left Brainstem", ("brain-stem",)),
        ("anterior hippocampus", ("left hippocampus", "right hippocampus")),
        ("Left hippocampal tail", ("left hippocampus",)),
        ("LC", ()),
        ("Anterior", ()),
        ("Left Insula", ()),
    ],
)
def test_names_meet_however_they_are_written(name: str, sources: tuple[str, ...]) -> None:
    assert started({5: name}) == {name: sources}


def test_numbers_without_names_are_those_of_the_table_that_knows_more_of_them() -> None:
    # 47 and 48 are hippocampi in Neuromorphometrics's table; in FreeSurfer's, 47 is the right cerebellum's cortex.
    assert started({47: "label-47", 48: "label-48"}) == {
        "label-47": ("right hippocampus",),
        "label-48": ("left hippocampus",),
    }
    assert started({17: "label-17", 53: "label-53", 47: "label-47"}) == {
        "label-17": ("left hippocampus",),
        "label-53": ("right hippocampus",),
        "label-47": (),
    }
    assert started({1: "label-1"}) == {"label-1": ()}


def test_a_number_says_nothing_beside_a_name() -> None:
    assert started({17: "LC"}) == {"LC": ()}
    assert number_in("label-17") == 17
    assert number_in("area 17") is None


def test_both_tables_give_each_number_once() -> None:
    for numbering in ("freesurfer", "neuromorphometrics"):
        found = [structure_of_number(number, numbering) for number in range(1, 100)]
        known = [name for name in found if name is not None]
        assert len(set(known)) == len(known) > 30
    assert structure_of_number(53, "freesurfer") == structure_of_number(47, "neuromorphometrics")
    assert structure_of_number(53, "freesurfer") == structure_name("Right-Hippocampus")


def test_real_tables_of_the_fourteen_structures(shared_data: Path) -> None:
    table = shared_data / "miccai2012-train" / "derivatives" / "manual" / "dseg.tsv"
    structures = ("Accumbens Area", "Amygdala", "Caudate", "Hippocampus", "Pallidum", "Putamen", "Thalamus Proper")
    wanted = [f"{side} {name}" for name in structures for side in ("Left", "Right")]
    maps = shared_data / "brain-label-maps" / "labels.tsv"
    source = sorted({line.split("\t")[2] for line in maps.read_text().splitlines()[1:]} - {"background"})
    found = match_labels(LabelTable.from_tsv(table).select(wanted), source)
    assert [match.sources for match in found] == [
        (match.target.lower().replace("thalamus proper", "thalamus"),) for match in found
    ]


def test_table_is_written_edited_and_read(tmp_path: Path) -> None:
    path = tmp_path / "labels-from.tsv"
    write_label_matches(path, match_labels(LabelTable.from_names({1: "Hippocampus", 2: "LC"}), SOURCE))
    assert path.read_text() == (
        "target\tsource\thow\n"
        "Hippocampus\tleft hippocampus + right hippocampus\tsame structure, both sides\n"
        "LC\t\tnone\n"
    )
    assert read_label_matches(path) == {"Hippocampus": "left hippocampus + right hippocampus", "LC": ""}
    with pytest.raises(InputError, match="--overwrite"):
        write_label_matches(path, ())


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("", "cannot be read"),
        ("target\thow\na\tb\n", "column source is missing"),
        ("target\tsource\na\tb\na\tc\n", "occurs twice"),
        ("target\tsource\n\tb\n", "no name"),
    ],
)
def test_spoilt_tables_are_refused(tmp_path: Path, text: str, problem: str) -> None:
    path = tmp_path / "labels-from.tsv"
    path.write_text(text)
    with pytest.raises(InputError, match=problem) as error:
        read_label_matches(path)
    assert str(path) in str(error.value)
