"""The demonstrations, cut down to a few people and steps."""

import json
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from neurograft.cohorts import open_cohort
from neurograft.demos import midbrain, run_demo
from neurograft.demos.hippocampus import (
    LABELLED,
    TUNED_ON,
    domain_experiment,
    open_hippocampus,
    scratch_experiment,
    structure_experiment,
)
from neurograft.demos.run import summary_rows
from neurograft.errors import InputError
from neurograft.recipes import Recipe, load_recipe

Open = Callable[..., AbstractContextManager[Any]]


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The phantom demonstration with two people to learn from and two to test on."""

    def tiny(name: str, overrides: list[str]) -> Recipe:
        small = ["network.channels=[4,8,8]", "sampling.patch_size=[32,32,32]", "sampling.batch_size=1"]
        machine = ["compute.precision=fp32", "compute.channels_last=false", "compute.threads=1", "compute.device=cpu"]
        return load_recipe(name, [*overrides, *small, *machine])

    out = tmp_path_factory.mktemp("demo") / "out"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(midbrain, "SOURCE_PEOPLE", 2)
        patch.setattr(midbrain, "TARGET_PEOPLE", 4)
        patch.setattr(midbrain, "LABELLED", 2)
        patch.setattr(midbrain, "SOURCE_BUDGET", "6steps")
        patch.setattr(midbrain, "TARGET_BUDGET", "4steps")
        patch.setattr(midbrain, "load_recipe", tiny)
        run_demo("phantom", out, None, overwrite=False, command="neurograft demo")
    return out


def test_the_demo_leaves_tables_and_models(demo: Path) -> None:
    summary = pd.read_csv(demo / "midbrain-summary.tsv", sep="\t")
    assert summary["strategy"].tolist() == ["none", "scratch", "full", "decay(up2)"]
    assert set(summary["n_subjects"]) == {2}
    scores = pd.read_csv(demo / "midbrain-scores.tsv", sep="\t")
    assert len(scores) == 4 * 2
    biomarkers = pd.read_csv(demo / "midbrain-biomarkers.tsv", sep="\t")
    assert biomarkers["true_contrast_ratio"].between(0, 1).all()
    # The phantom's own masks recover its ratio but for partial volume, bias and noise.
    assert (biomarkers["manual_contrast_ratio"] - biomarkers["true_contrast_ratio"]).abs().max() < 0.12
    assert json.loads((demo / "answers.json").read_text())["midbrain"]
    assert (demo / "models" / "midbrain" / "full-2-seed0" / "model" / "model.safetensors").is_file()
    columns, rows = summary_rows(summary)
    assert all(len(row) == len(columns) for row in rows)


def test_learning_starts_from_the_source_and_the_twin_does_not(demo: Path) -> None:
    models = demo / "models" / "midbrain"
    adapted = json.loads((models / "full-2-seed0" / "model" / "bundle.json").read_text())
    twin = json.loads((models / "scratch-2-seed0" / "model" / "bundle.json").read_text())
    assert adapted["parent"]["name"] == "source-seed0"
    assert adapted["label_from"] == {"LC": "SNpc"}
    assert twin["parent"] is None


def test_the_page_opens_without_a_fault(demo: Path, opened: Open) -> None:
    with opened(demo / "midbrain.html") as page:
        assert "locus coeruleus" in page.title()
        for heading in ("Learning curves", "Slices", "Contrast ratio: recovered against true", "Provenance"):
            assert page.get_by_role("heading", name=heading).count() == 1
        text = page.locator("body").inner_text()
        assert "neurograft demo" in text
        assert "worst case" in text
        assert "best case" in text


def test_an_unknown_data_set_and_an_existing_output_are_refused(tmp_path: Path, demo: Path) -> None:
    with pytest.raises(InputError, match="phantom, msd-hippocampus"):
        run_demo("brain", tmp_path / "out", None, overwrite=False, command="")
    with pytest.raises(InputError, match="exists"):
        run_demo("phantom", demo, None, overwrite=False, command="")


def test_a_folder_without_the_scans_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="msd-hippocampus"):
        open_hippocampus(tmp_path)


def test_nobody_is_on_two_sides_of_the_hippocampus_experiments(shared_data: Path) -> None:
    cohort = open_cohort(shared_data / "msd-hippocampus")
    for experiment in (structure_experiment(cohort), scratch_experiment(cohort), domain_experiment(cohort)):
        comparison = experiment.comparison
        test = set(comparison.test.subjects)
        assert len(test) >= 10
        assert len(comparison.pool.subjects) >= LABELLED
        learners = [comparison.pool, comparison.source, comparison.everyone]
        for learner in filter(None, learners):
            assert test.isdisjoint(learner.subjects)
        if comparison.source is not None:
            assert set(comparison.pool.subjects).isdisjoint(comparison.source.subjects)
        assert TUNED_ON.isdisjoint(test)
    assert len(structure_experiment(cohort).comparison.test.subjects) >= 40
