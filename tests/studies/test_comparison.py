"""Strategies side by side, on tiny made scans."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import nibabel
import numpy as np
import pandas as pd
import pytest

from neurograft.cohorts import Cohort, open_cohort
from neurograft.errors import InputError
from neurograft.recipes.loading import override_recipe
from neurograft.recipes.schema import Recipe
from neurograft.studies.comparison import Arm, Comparison, ComparisonResult, run_comparison
from neurograft.studies.comparison_summary import (
    MEAN_LABEL,
    against_source,
    figures,
    short_of_everyone,
    summarise_comparison,
    verdicts,
)
from neurograft.studies.people import EVERYONE


def tiny_recipe(label: str) -> Recipe:
    return override_recipe(
        {
            "labels": [label],
            "budget": "3steps",
            "network": {"channels": [4, 8]},
            "sampling": {"patch_size": [16, 16, 16]},
            "compute": {"precision": "fp32", "channels_last": False, "threads": 1, "device": "cpu"},
            "validation": {"hold_out": 0},
        },
        [],
    )


@pytest.fixture
def make_cohort(tmp_path: Path) -> Callable[[str, int], Cohort]:
    def make(name: str, people: int) -> Cohort:
        folder = tmp_path / name
        folder.mkdir()
        generator = np.random.default_rng(list(name.encode()))
        rows = ["subject\timage\tlabel"]
        for person in range(people):
            label = np.zeros((16, 16, 16), np.uint8)
            label[3:8, 4:9, 4:9], label[9:14, 4:9, 4:9] = 1, 2
            image = generator.normal(100, 10, label.shape) + 60.0 * (label == 1) + 120.0 * (label == 2)
            for kind, data in (("image", image.astype(np.float32)), ("label", label)):
                nibabel.save(nibabel.Nifti1Image(data, np.eye(4)), folder / f"{name}{person}_{kind}.nii.gz")
            rows.append(f"{name}{person}\t{name}{person}_image.nii.gz\t{name}{person}_label.nii.gz")
        (folder / "cohort.tsv").write_text("\n".join(rows) + "\n")
        (folder / "labels.tsv").write_text("index\tname\n1\tone\n2\ttwo\n")
        return open_cohort(folder / "cohort.tsv", name=name)

    return make


@pytest.fixture
def comparison(make_cohort: Callable[[str, int], Cohort]) -> Comparison:
    source, pool = make_cohort("source", 2), make_cohort("pool", 3)
    return Comparison(
        source=source,
        source_recipe=tiny_recipe("one"),
        pool=pool,
        test=make_cohort("test", 2),
        recipe=tiny_recipe("two"),
        arms=(Arm("none", 0), Arm("scratch", 2), Arm("freeze(up1)", 2), Arm("scratch", EVERYONE)),
        seeds=(0, 1),
        everyone=pool,
        label_from={"two": "one"},
    )


def test_every_arm_and_seed_is_scored_and_finished_work_is_kept(comparison: Comparison, tmp_path: Path) -> None:
    told = []
    result = run_comparison(comparison, tmp_path / "out", lambda done, total, name: told.append((done, total, name)))
    assert len(result.scores) == 4 * 2 * 2
    assert set(result.scores["label"]) == {"two"}
    assert told[-1][:2] == (10, 10)
    written = {path: path.stat().st_mtime_ns for path in (tmp_path / "out").rglob("*.safetensors")}
    assert len(written) == 10
    again = run_comparison(comparison, tmp_path / "out")
    pd.testing.assert_frame_equal(again.scores, result.scores)
    assert all(path.stat().st_mtime_ns == time for path, time in written.items())


def test_overrides_change_one_arm_only(comparison: Comparison, tmp_path: Path) -> None:
    arms = (Arm("scratch", 1, {"budget": "2steps", "optimiser.name": "sgd"}), Arm("scratch", 2))
    result = run_comparison(replace(comparison, arms=arms, seeds=(0,)), tmp_path / "out")
    steps = result.runs.set_index(["strategy", "people"])["steps"]
    assert steps["scratch", "1"] == 2
    assert steps["scratch", "2"] == 3


def test_a_model_of_another_recipe_is_not_taken_for_one_of_this(comparison: Comparison, tmp_path: Path) -> None:
    first = replace(comparison, arms=(Arm("scratch", 1),), seeds=(0,))
    run_comparison(first, tmp_path / "out")
    longer = replace(first, arms=(Arm("scratch", 1, {"budget": "4steps"}),))
    with pytest.raises(InputError, match="another recipe"):
        run_comparison(longer, tmp_path / "out")


def test_sentences_name_one_person_few_and_everyone(comparison: Comparison, tmp_path: Path) -> None:
    arms = (Arm("scratch", 1), Arm("scratch", 2), Arm("scratch", EVERYONE))
    result = run_comparison(replace(comparison, source=None, arms=arms, seeds=(0,)), tmp_path / "out")
    summary = summarise_comparison(result)
    assert [sentence.split(", two: ")[0] for sentence in figures(summary)] == [
        "scratch, 1 person",
        "scratch, 2 people",
        "scratch, everyone",
    ]
    assert "scratch from 1 person " in short_of_everyone(summary)[0]


def test_a_test_person_elsewhere_is_refused(comparison: Comparison, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="test subjects"):
        run_comparison(replace(comparison, test=comparison.pool), tmp_path / "out")


def test_nobody_to_test_is_refused(comparison: Comparison, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no test subject"):
        run_comparison(replace(comparison, test=replace(comparison.test, cases=())), tmp_path / "out")


def test_several_processes_for_one_training_are_refused(comparison: Comparison, tmp_path: Path) -> None:
    two = comparison.recipe.model_copy(update={"compute": comparison.recipe.compute.model_copy(update={"devices": 2})})
    with pytest.raises(InputError, match="a comparison runs each training in one process"):
        run_comparison(replace(comparison, source_recipe=two), tmp_path / "out")


def made_result(dice: dict[tuple[str, str], dict[str, float]], labels: tuple[str, ...] = ("x",)) -> ComparisonResult:
    """Scores by (strategy, people) and subject, one case a subject, two seeds that differ by 0.02."""
    rows = [
        {
            "strategy": strategy,
            "people": people,
            "seed": seed,
            "subject": subject,
            "case": subject,
            "label": label,
            "dice": value + (0.01 if seed else -0.01),
            "status": "ok",
        }
        for (strategy, people), values in dice.items()
        for subject, value in values.items()
        for label in labels
        for seed in (0, 1)
    ]
    runs = [{"strategy": s, "people": p, "seconds": 10.0, "peak_memory_mib": 100} for s, p in dice]
    return ComparisonResult(pd.DataFrame(rows), pd.DataFrame(runs), {}, "stated")


def test_summary_by_hand() -> None:
    result = made_result(
        {
            ("none", "0"): {"a": 0.0, "b": 0.2, "c": 0.1},
            ("scratch", "5"): {"a": 0.5, "b": 0.6, "c": 0.7},
            ("full", "5"): {"a": 0.6, "b": 0.7, "c": 0.8},
        }
    )
    summary = summarise_comparison(result).set_index("strategy")
    assert summary.loc["full", "mean_dice"] == pytest.approx(0.7)
    assert summary.loc["full", "sd_dice"] == pytest.approx(0.1)
    assert summary.loc["full", "n_subjects"] == 3
    assert summary.loc["full", "seed_low"] == pytest.approx(0.69)
    assert summary.loc["full", "seed_high"] == pytest.approx(0.71)
    # Every subject gains exactly 0.1, so resampling subjects cannot change the difference.
    assert summary.loc["full", ["difference_to_scratch", "difference_low", "difference_high"]].tolist() == (
        pytest.approx([0.1, 0.1, 0.1])
    )
    assert np.isnan(summary.loc["scratch", "difference_to_scratch"])
    assert np.isnan(summary.loc["none", "difference_to_scratch"])


def test_verdicts_never_say_better_over_an_interval_with_zero() -> None:
    people = "abcdefgh"
    twin = dict.fromkeys(people, 0.5)
    result = made_result(
        {
            ("scratch", "5"): twin,
            ("better", "5"): {name: 0.6 + i / 100 for i, name in enumerate(people)},
            ("worse", "5"): {name: 0.4 + i / 100 for i, name in enumerate(people)},
            ("unsure", "5"): {name: 0.5 + (0.2 if i % 2 else -0.19) for i, name in enumerate(people)},
        }
    )
    said = verdicts(summarise_comparison(result))
    assert len(said) == 3
    assert said[0].startswith("5 people: Dice of x: better is better than scratch (difference +0.13")
    assert "worse is worse than scratch" in said[1]
    assert "no difference shown between unsure and scratch" in said[2]
    assert all("8 subjects" in sentence and "Holm over 3 comparisons" in sentence for sentence in said)


def test_a_difference_that_seeds_disagree_on_is_not_settled() -> None:
    people = "abcdefgh"
    result = made_result({("scratch", "5"): dict.fromkeys(people, 0.5), ("full", "5"): dict.fromkeys(people, 0.51)})
    seed = result.scores["seed"] == 1
    full = result.scores["strategy"] == "full"
    # Seed 0 gains 0.07, seed 1 loses 0.05: on average every person gains 0.01.
    scores = result.scores.assign(dice=result.scores["dice"] + 0.06 * (full & ~seed) - 0.06 * (full & seed))
    summary = summarise_comparison(replace(result, scores=scores))
    assert summary.set_index("strategy").loc["full", "difference_low"] > 0
    (said,) = verdicts(summary)
    assert said.startswith("5 people: Dice of x: not settled between full and scratch")
    assert "1 of 2 seeds" in said


def test_the_mean_of_labels_is_a_row_of_its_own() -> None:
    result = made_result({("scratch", "5"): {"a": 0.5, "b": 0.6}}, labels=("x", "y"))
    assert summarise_comparison(result)["label"].tolist() == ["x", "y", MEAN_LABEL]


def test_the_mean_of_labels_counts_a_case_in_which_one_label_is_empty() -> None:
    result = made_result({("scratch", "5"): {"a": 0.5, "b": 0.6}}, labels=("x", "y"))
    lost = (result.scores["case"] == "a") & (result.scores["label"] == "y")
    scores = result.scores.assign(
        status=result.scores["status"].where(~lost, "prediction-empty"), dice=result.scores["dice"].where(~lost, 0.0)
    )
    summary = summarise_comparison(replace(result, scores=scores)).set_index("label")
    assert summary["n_empty"].to_dict() == {"x": 0, "y": 2, MEAN_LABEL: 2}
    assert summary.loc[MEAN_LABEL, "mean_dice"] == pytest.approx((0.25 + 0.6) / 2)


def test_the_source_as_it_is_stands_beside_the_adapted() -> None:
    result = made_result({("none", "0"): {"a": 0.6}, ("scratch", "1"): {"a": 0.4}, ("full", "1"): {"a": 0.5}})
    assert against_source(summarise_comparison(result)) == [
        "The source as it is, without any label of the target, gives 0.600; against it full from 1 person -0.100."
    ]
    assert against_source(summarise_comparison(made_result({("scratch", "1"): {"a": 0.4}}))) == []


def test_everyone_is_the_ceiling_in_words() -> None:
    result = made_result({("scratch", "5"): {"a": 0.5}, ("scratch", EVERYONE): {"a": 0.6}})
    assert short_of_everyone(summarise_comparison(result)) == [
        "All labels outside the test set, from scratch, in the same budget give 0.600; scratch from 5 people -0.100."
    ]
