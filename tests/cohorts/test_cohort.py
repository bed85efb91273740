from pathlib import Path

import pytest

from neurograft.cohorts import Case, Cohort
from neurograft.errors import InputError
from neurograft.imaging.labels import LabelTable


def make_case(subject, session=None, label=True, state="dense"):
    case_id = f"{subject}_{session}" if session else subject
    return Case(
        case_id, subject, session, {"image": Path("i.nii")}, Path("l.nii") if label else None, label_state=state
    )


@pytest.fixture
def cohort():
    cases = (
        make_case("b"),
        make_case("a", "2"),
        make_case("a", "1", state={"LC": "none", "SNpc": "slices"}),
        make_case("c", label=False, state="none"),
        make_case("d", state={"LC": "none", "SNpc": "none"}),
    )
    return Cohort("x", Path("x.tsv"), "table", ("image",), LabelTable.from_names({1: "SNpc", 2: "LC"}), cases)


def test_subjects_are_listed_once_and_sorted(cohort):
    assert cohort.subjects == ("a", "b", "c", "d")
    assert len(cohort) == 5


def test_a_subject_brings_all_its_cases(cohort):
    assert [case.id for case in cohort.of_subjects(["a", "c"]).cases] == ["a_2", "a_1", "c"]


def test_an_unknown_subject_is_refused_with_those_there_are(cohort):
    with pytest.raises(InputError, match=r"no subject 'z'.*a, b, c, d"):
        cohort.of_subjects(["a", "z"])


def test_labelled_keeps_cases_with_any_annotated_label(cohort):
    assert [case.id for case in cohort.labelled().cases] == ["b", "a_2", "a_1"]


def test_label_states_are_asked_by_name(cohort):
    case = cohort.cases[2]
    assert [case.state_of(name) for name in ("SNpc", "LC", "other")] == ["slices", "none", "dense"]
    assert cohort.cases[0].state_of("LC") == "dense"


def test_another_label_table_leaves_the_cases_alone(cohort):
    chosen = cohort.with_labels(cohort.labels.select(["LC"]))
    assert chosen.labels.names == ["LC"]
    assert chosen.cases == cohort.cases
