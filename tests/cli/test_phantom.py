import pytest
from typer.testing import CliRunner

from neurograft.cli.phantom import app
from neurograft.cohorts.opening import open_cohort
from neurograft.errors import InputError


def run(*arguments):
    return CliRunner().invoke(app, [str(argument) for argument in arguments])


def test_midbrain_writes_the_cohort_that_was_asked_for(tmp_path):
    out = tmp_path / "nm"
    result = run(
        "midbrain", "--out", out, "--subjects", 2, "--seed", 4, "--structures", "LC", "--spacing", 1.2, "--label",
        "rater2", "--age-groups",
    )  # fmt: skip
    assert result.exit_code == 0, result.output
    assert result.stdout.strip() == str(out / "cohort.tsv")
    cohort = open_cohort(out / "cohort.tsv")
    assert len(cohort) == 2
    assert list(cohort.labels.names) == ["LC"]
    assert {case.label.parent.name for case in cohort.cases} == {"rater2"}
    assert {"group", "age"} <= set(cohort.cases[0].covariates)
    assert {path.name for path in out.iterdir() if path.is_dir()} >= {"truth", "rater1", "rater1-again", "rater2"}


def test_ageing_writes_both_channels(tmp_path):
    result = run("ageing", "--out", tmp_path / "age", "--subjects", 1, "--channels", "T1w, T2w", "--spacing", 4)
    assert result.exit_code == 0, result.output
    cohort = open_cohort(tmp_path / "age" / "cohort.tsv")
    assert cohort.channels == ("T1w", "T2w")
    assert 20 <= float(cohort.cases[0].covariates["age"]) <= 85


def test_susceptibility_writes_the_protocol_that_was_asked_for(tmp_path):
    out = tmp_path / "chi"
    result = run("susceptibility", "--out", out, "--subjects", 1, "--protocol", "source", "--label", "rater1")
    assert result.exit_code == 0, result.output
    assert result.stdout.strip() == str(out / "cohort.tsv")
    cohort = open_cohort(out / "cohort.tsv")
    assert list(cohort.labels.names) == ["RN", "SN-STN"]
    assert cohort.cases[0].label.parent.name == "rater1"
    assert {path.name for path in out.iterdir() if path.is_dir()} == {"images", "truth", "rater1", "rater2"}


def test_what_exists_is_replaced_only_when_asked(tmp_path):
    arguments = ("ageing", "--out", tmp_path / "age", "--subjects", 1, "--spacing", 4)
    assert run(*arguments).exit_code == 0
    assert isinstance(run(*arguments).exception, InputError)
    assert run(*arguments, "--overwrite").exit_code == 0


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("midbrain", "--label", "me"), "rater1"),
        (("susceptibility", "--protocol", "7T"), "source, target"),
        (("ageing", "--channels", "PD"), "T1w"),
        (("ageing", "--channels", ""), "T1w"),
    ],
)
def test_a_wrong_choice_is_named(tmp_path, arguments, words):
    found = run(*arguments, "--out", tmp_path / "out", "--subjects", 1).exception
    assert isinstance(found, InputError)
    assert words in str(found)
