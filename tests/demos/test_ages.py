"""The age head's demonstration: its people, its figures beside the mean age, and its page."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from neurograft.cohorts import Case, Cohort, open_cohort
from neurograft.demos import ages as demo
from neurograft.demos.ages_page import BASELINE, _report, age_comparison, age_summary, write_ages
from neurograft.demos.run import run_demo
from neurograft.imaging.labels import LabelTable
from neurograft.phantoms.ageing import make_ageing_cohort

TINY = (
    "network.channels=[4,8,8]",
    "network.auxiliary_heads=1",
    "task.deep_supervision_weights=[1,0.5]",
    "sampling.patch_size=[16,16,16]",
    "sampling.batch_size=1",
    "inference.overlap=0",
    "validation.hold_out=0",
    "compute.precision=fp32",
    "compute.threads=1",
    "compute.device=cpu",
)


def made_ages(errors: dict[str, float], people: int = 12, seeds: int = 2) -> pd.DataFrame:
    """Ages of people about 50, each predicted with an error of one size and of either sign."""
    true = np.linspace(30, 70, people)
    rows = [
        {"way": way, "seed": seed, "split": "all", "case": f"c{n}", "subject": f"s{n}", "reference": age,
         "age": age + error * (1 if n % 2 else -1), "training_mean": 50.0}
        for way, error in errors.items() for seed in range(seeds) for n, age in enumerate(true)
    ]  # fmt: skip
    return pd.DataFrame(rows)


def test_the_table_has_the_errors_of_every_way_and_of_the_mean_age() -> None:
    ages = made_ages({"good": 2.0, "bad": 30.0})
    table = age_summary(ages).set_index("way")
    assert table.index.tolist() == ["good", "bad", BASELINE]
    assert table.loc["good", "mae"] == pytest.approx(2.0)
    baseline = np.abs(np.linspace(30, 70, 12) - 50).mean()
    assert table.loc[BASELINE, "mae"] == pytest.approx(baseline)
    assert table.loc["good", "mae_saved"] == pytest.approx(baseline - 2.0)
    assert table.loc[BASELINE, "sd_predicted"] == 0
    assert not table.loc["good", "collapsed"]


def test_the_page_has_the_same_errors_as_the_summary(tmp_path: Path) -> None:
    ages = made_ages({"good": 2.0, "bad": 30.0})
    # The second seed errs the other way: the mean of both answers would have no error at all.
    turned = ages["seed"] == 1
    ages.loc[turned, "age"] = 2 * ages.loc[turned, "reference"] - ages.loc[turned, "age"]
    report = _report(made_experiment(tmp_path), ages, age_comparison(ages), [], {})
    by_way = report.per_case.groupby("label")["absolute_error"].mean()
    expected = age_summary(ages).set_index("way")["mae"]
    assert by_way.to_dict() == pytest.approx({way: expected[way] for way in ("good", "bad")})
    assert report.paired["prediction"].to_numpy() == pytest.approx(report.paired["reference"].to_numpy())


def made_experiment(folder: Path) -> demo.AgeExperiment:
    cohort = Cohort("made", folder, "table", ("image",), LabelTable(()), ())
    return demo.AgeExperiment("made", "Made", cohort, (), (), (0, 1), (), "made")


def test_the_answer_says_who_beats_the_mean_age_and_who_does_not() -> None:
    table = age_comparison(made_ages({"good": 2.0, "bad": 30.0}))
    verdict = {(row["first"], row["second"]): row["verdict"] for row in table.to_dict("records")}
    assert f"good is better than {BASELINE}" in verdict["good", BASELINE]
    assert f"bad is worse than {BASELINE}" in verdict["bad", BASELINE]
    assert "good is better than bad" in verdict["good", "bad"]


def test_folds_with_means_of_their_own_have_no_common_one() -> None:
    ages = made_ages({"head": 2.0}, seeds=1)
    ages.loc[ages.index < 6, "training_mean"] = 55.0
    table = age_summary(ages).set_index("way")
    assert np.isnan(table.loc["head", "mae_saved"])
    true = np.linspace(30, 70, 12)
    expected = np.abs(true - np.where(np.arange(12) < 6, 55.0, 50.0)).mean()
    assert table.loc[BASELINE, "mae"] == pytest.approx(expected)


def test_the_phantom_experiment_tests_on_others(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    cohort = open_cohort(make_ageing_cohort(tmp_path / "people", 5, seed=3, spacing_mm=4.0))
    monkeypatch.setattr(demo, "PHANTOM_TEST", 2)
    (split,) = demo.phantom_experiment(cohort).splits
    assert len(split.tested) == 2
    assert set(split.learners) | set(split.tested) == set(cohort.subjects)
    assert not set(split.learners) & set(split.tested)


def test_the_best_that_volume_can_do_is_measured_on_the_very_people() -> None:
    rows = [(15.0, 30.0), (25.0, 50.0), (40.0, 60.0), (20.0, 45.0), (30.0, 52.0)]
    cases = tuple(
        Case(f"c{n}", f"c{n}", None, {}, covariates={"true_ventricle_volume_ml": str(volume), "age": str(age)})
        for n, (volume, age) in enumerate(rows)
    )
    cohort = Cohort("made", Path("made"), "table", ("image",), LabelTable(()), cases)
    learners, tested = cohort.of_subjects(["c0", "c1", "c2"]), cohort.of_subjects(["c3", "c4"])
    x, y = np.log([15.0, 25.0, 40.0]), np.array([30.0, 50.0, 60.0])
    slope = ((x - x.mean()) * (y - y.mean())).sum() / ((x - x.mean()) ** 2).sum()
    expected = [abs(y.mean() + slope * (np.log(v) - x.mean()) - age) for v, age in rows[3:]]
    assert demo.volume_error_years(learners, tested) == pytest.approx(np.mean(expected))


def test_every_real_person_is_tested_on_once_by_a_model_of_others(shared_data: Path) -> None:
    experiment = demo.real_experiment(open_cohort(shared_data / "miccai2012-train"))
    tested = [subject for split in experiment.splits for subject in split.tested]
    assert len(tested) == len(set(tested)) == 15
    assert all(not set(split.learners) & set(split.tested) for split in experiment.splits)
    assert all(len(split.learners) == 10 for split in experiment.splits)


@pytest.fixture(scope="module")
def out(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The demonstration on five phantoms and a step or two, without the real scans."""
    folder = tmp_path_factory.mktemp("ages") / "out"
    with pytest.MonkeyPatch.context() as patch:
        ways = (demo.WAYS[0], demo.Way("separated", (*demo.SEPARATE, "budget=1steps"), separate=True))
        for name, value in {
            "PHANTOM_PEOPLE": 5, "PHANTOM_TEST": 3, "SEEDS": (0,), "SHRUNK": TINY, "BUDGET": "2steps", "WAYS": ways,
        }.items():  # fmt: skip
            patch.setattr(demo, name, value)
        outcomes = run_demo("ages", folder, None, overwrite=False, command="neurograft demo --dataset ages")
    assert list(outcomes) == ["ages-phantom"]
    assert all(len(row) == len(outcomes["ages-phantom"].columns) for row in outcomes["ages-phantom"].rows)
    return folder


def test_the_demo_leaves_tables_a_page_and_models(out: Path) -> None:
    ages = pd.read_csv(out / "ages-phantom-ages.tsv", sep="\t")
    assert ages["way"].value_counts().to_dict() == {"constant weight": 3, "separated": 3}
    cohort = pd.read_csv(out / "phantoms" / "ageing" / "cohort.tsv", sep="\t")
    true = cohort.set_index("subject")["age"]
    assert ages["training_mean"].unique() == pytest.approx([true.iloc[:2].mean()])
    assert (ages["reference"].to_numpy() == true.reindex(ages["subject"]).to_numpy()).all()
    assert "mean age of the learners" in (out / "ages-phantom.md").read_text("utf-8")
    assert "<svg" in (out / "ages-phantom.html").read_text("utf-8")
    separated = out / "models" / "ages-phantom" / "separated-all-seed0"
    assert (separated / "model" / "model.safetensors").is_file()
    assert (separated.with_name(f"{separated.name}-segmentation") / "model").is_dir()


def test_finished_work_is_kept(out: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(demo, "train_model", None)
    monkeypatch.setattr(demo, "PHANTOM_TEST", 3)
    monkeypatch.setattr(demo, "SHRUNK", TINY)
    monkeypatch.setattr(demo, "SEEDS", (0,))
    monkeypatch.setattr(demo, "WAYS", demo.WAYS[:1])
    (experiment,) = demo.age_experiments(out / "phantoms", None)
    ages = demo.learn_ages(experiment, out / "models" / "ages-phantom")
    assert len(ages) == 3
    assert write_ages(experiment, ages, tmp_path, "again")
