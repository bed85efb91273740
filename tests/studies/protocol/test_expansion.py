"""Cells follow from the protocol, each once, and change exactly when what decides them does."""

import json
import os
import shutil
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from neurograft.cohorts import open_cohort
from neurograft.errors import InputError
from neurograft.recipes import load_recipe
from neurograft.studies import cohorts
from neurograft.studies.cells.running import run_cell
from neurograft.studies.cells.training import people_of
from neurograft.studies.folder import StudyFolder
from neurograft.studies.protocol import load_protocol
from neurograft.studies.protocol.expansion import Plan
from neurograft.studies.run import Places, plan_study
from neurograft.training.request import TrainingRequest
from neurograft.training.run import train_model

TINY = {
    "budget": "1steps",
    "network.channels": [4, 8],
    "sampling.patch_size": [16, 16, 16],
    "validation.hold_out": 0,
    "validation.every": 1,
}

Planner = Callable[..., Plan]


@pytest.fixture
def planned(tree: dict[str, Any], balls: Path, tmp_path: Path) -> Planner:
    def plan(name: str = "study", places: Places | None = None, **changes: Any) -> Plan:
        whole = tree | changes
        file = tmp_path / f"{name}.yaml"
        file.write_text(yaml.safe_dump(whole))
        return plan_study(load_protocol(file), tmp_path / name, places or Places(balls))

    return plan


def changed(tree: dict[str, Any], **changes: Any) -> dict[str, Any]:
    return {"experiments": [tree["experiments"][0] | changes]}


def test_the_grid(planned: Planner) -> None:
    plan = planned()
    # A source, the source as it is, and two strategies at two sizes; each is scored, but the source.
    assert (plan.count("train"), plan.count("score"), plan.count("guard")) == (6, 5, 1)
    assert Counter((row["method"], row["size"]) for row in plan.readings) == {
        ("none", "0"): 1, ("scratch", "2"): 1, ("scratch", "4"): 1, ("full", "2"): 1, ("full", "4"): 1,
    }  # fmt: skip
    for cell in plan.cells.values():
        assert all(plan.cells[other].kind in ("train", "guard") for other in cell.after)
    order = list(plan.cells)
    assert all(order.index(other) < order.index(one) for one in order for other in plan.cells[one].after)


def test_folds_seeds_draws_and_sources_multiply(planned: Planner, tree: dict[str, Any]) -> None:
    one = tree["sources"]["one"] | {"people": "rest"}
    sources = {"one": one, "two": one | {"seed": 1}}
    grid = changed(
        tree, sizes=[2, 5], pool=6, folds=2, draw={"repeats": 3}, strategies=["scratch", "full"], sources=["one", "two"]
    )
    plan = planned(seeds=[0, 1], sources=sources, **grid)
    # Sizes, draws, seeds, folds; scratch once and full from each of two sources.
    splits = Counter(row["split"] for row in plan.readings)
    assert splits["test"] == splits["validation"] == 2 * 3 * 2 * 2 * (1 + 2)
    trained = {name for row in plan.readings for name in row["trained"]}
    # Draws of two out of six people may be the same, and are then trained on once.
    assert plan.count("train") == 2 + len(trained) <= 2 + splits["test"]
    assert {row["method"] for row in plan.readings} == {"scratch", "full from one", "full from two"}


def test_averaged_folds_are_scored_together(planned: Planner, tree: dict[str, Any]) -> None:
    plan = planned(**changed(tree, folds=2, fold_models="averaged", sizes=[4], strategies=["scratch"]))
    tested = [row for row in plan.readings if row["split"] == "test"]
    assert len(tested) == 1
    assert len(plan.cells[tested[0]["cell"]].spec["models"]) == 2


def test_a_variant_changes_only_its_own_cells(planned: Planner, tree: dict[str, Any], tmp_path: Path) -> None:
    before = planned("before")
    variant = {"slow": {"overrides": {"optimiser.learning_rate": 0.0001}, "strategies": ["full"]}}
    after = planned("after", **changed(tree, variants=variant))
    assert set(before.cells) < set(after.cells)
    new = [cell for name, cell in after.cells.items() if name not in before.cells and cell.kind == "train"]
    assert len(new) == 2
    folder = StudyFolder(tmp_path / "after")
    assert {folder.block(cell.spec["recipe"])["optimiser"]["learning_rate"] for cell in new} == {0.0001}


@pytest.mark.parametrize(
    ("changes", "kept"),
    [
        ({"title": "Another title"}, 12),
        ({"claims": [{"text": "t", "better": "full", "than": "scratch"}]}, 12),
        ({"comparison": {"draws": 99}}, 12),
        ({"scoring": {"measures": ["iou"]}}, 7),  # all but the scores
        ({"seeds": [1]}, 2),  # the guard, and the source, whose seed is its own
        ({"compute": {"device": "cpu", "threads": 2}}, 1),
    ],
)
def test_what_decides_a_cell(changes: dict[str, Any], kept: int, planned: Planner) -> None:
    before, after = planned("before"), planned("after", **changes)
    assert len(before.cells) == 12
    assert len(set(before.cells) & set(after.cells)) == kept


def test_another_image_changes_the_cells_of_its_person(planned: Planner, balls: Path, tmp_path: Path) -> None:
    before = planned("before")
    copy = tmp_path / "copy"
    shutil.copytree(balls, copy)
    again = planned("again", Places(copy))
    assert list(before.cells) == list(again.cells)  # where files lie decides nothing
    tested = StudyFolder(tmp_path / "before").block(
        next(c.spec["people"] for c in before.cells.values() if c.kind == "score")
    )
    person = min(tested)
    shutil.copy(
        copy / "p0_image.nii.gz" if person != "p0" else copy / "p1_image.nii.gz", copy / f"{person}_image.nii.gz"
    )
    after = planned("after", Places(copy))
    lost = {before.cells[name].kind for name in set(before.cells) - set(after.cells)}
    assert lost == {"score", "guard"}


def test_nobody_tested_is_learnt_from(planned: Planner, tree: dict[str, Any], tmp_path: Path) -> None:
    for people in ("apart", "rest", 2):
        sources = {"one": tree["sources"]["one"] | {"people": people}}
        plan = planned(f"study-{people}", sources=sources)
        folder = StudyFolder(tmp_path / f"study-{people}")
        tested = {
            subject for c in plan.cells.values() if c.kind == "score" for subject in folder.block(c.spec["people"])
        }
        learnt = {
            subject for c in plan.cells.values() if c.kind == "train" for subject in folder.block(c.spec["people"])
        }
        assert tested
        assert not tested & learnt
        source = next(c for c in plan.cells.values() if c.title.startswith("source"))
        pool = {
            s
            for c in plan.cells.values()
            if c.kind == "train" and c is not source
            for s in folder.block(c.spec["people"])
        }
        own = set(folder.block(source.spec["people"]))
        assert people == 2 or bool(own & pool) == (people == "rest")
        assert len(own) == {"apart": 2, "rest": 6, 2: 2}[people]
        shared = [c.spec["shared"] for c in plan.cells.values() if c.kind == "train" and c.spec["strategy"] == "full"]
        assert all(shared) == (people == "rest") or people == 2


def test_cohorts_by_bounds_and_given_paths(planned: Planner, tree: dict[str, Any], balls: Path, tmp_path: Path) -> None:
    cohorts = {"people": {"path": "nowhere.tsv", "where": {"site": "a"}}}
    small = changed(tree, sizes=[1], pool=1, test={"count": 1})
    plan = planned("site", Places(None, {"people": balls}), cohorts=cohorts, **small)
    folder = StudyFolder(tmp_path / "site")
    names = {subject for c in plan.cells.values() if c.kind != "guard" for subject in folder.block(c.spec["people"])}
    assert names <= {"p0", "p2", "p4", "p6"}
    for wrong, words in (
        ({"people": {"path": "nowhere.tsv"}}, "cohort 'people' is not there"),
        ({"people": {"path": "cohort.tsv", "where": {"sex": "f"}}}, "has no column 'sex'"),
        ({"people": {"path": "cohort.tsv", "where": {"site": "z"}}}, "nobody is left"),
        ({"people": {"path": "cohort.tsv", "where": {"site": ">x"}}}, "is no bound"),
    ):
        with pytest.raises(InputError, match=words):
            planned("wrong", Places(balls), cohorts=wrong)
    with pytest.raises(InputError, match="has no cohort 'others'"):
        planned("wrong", Places(balls, {"others": balls}))


def test_a_folder_keeps_its_study(planned: Planner, tmp_path: Path) -> None:
    planned("study")
    planned("study", seeds=[5])  # a study that grows
    with pytest.raises(InputError, match="holds another study"):
        planned("study", title="Something else")
    (tmp_path / "taken").mkdir()
    (tmp_path / "taken" / "thesis.txt").write_text("mine")
    with pytest.raises(InputError, match="no study's"):
        planned("taken")
    assert json.loads((tmp_path / "study" / "study.json").read_text())["protocol"]["seeds"] == [5]


def test_what_numbers_mean_decides_the_cells(planned: Planner, balls: Path, tmp_path: Path) -> None:
    """The same files under a table that names the numbers the other way round are another cohort."""
    before = planned("before")
    copy = tmp_path / "swapped"
    shutil.copytree(balls, copy)
    (copy / "labels.tsv").write_text("index\tname\n2\tone\n1\ttwo\n")
    after = planned("after", Places(copy))
    assert not {c.id for c in before.cells.values()} & {c.id for c in after.cells.values()}


def test_a_cohort_that_changes_after_planning_stops_its_cells(planned: Planner, balls: Path, tmp_path: Path) -> None:
    copy = tmp_path / "copy"
    shutil.copytree(balls, copy)
    plan = planned("study", Places(copy))
    folder = StudyFolder(tmp_path / "study")
    spec = next(c.spec for c in plan.cells.values() if c.kind == "score")
    assert set(people_of(folder, spec).subjects) == set(folder.block(spec["people"]))
    for file in copy.glob("*_image.nii.gz"):
        os.utime(file)  # copied, but the same
    people_of(folder, spec)
    person = min(folder.block(spec["people"]))
    kept = (copy / f"{person}_image.nii.gz").read_bytes()
    (copy / f"{person}_image.nii.gz").write_bytes(kept + b"\0")
    with pytest.raises(InputError, match=f"has changed since the study was planned: {person}"):
        people_of(folder, spec)
    (copy / f"{person}_image.nii.gz").write_bytes(kept)
    (copy / "labels.tsv").write_text("index\tname\n2\tone\n1\ttwo\n")
    cohorts._open.cache_clear()  # as another process, which has not read the table before
    with pytest.raises(InputError, match="has changed since the study was planned"):
        people_of(folder, spec)


def test_a_finished_model_that_knows_test_people_is_refused(
    planned: Planner, tree: dict[str, Any], balls: Path, tmp_path: Path
) -> None:
    recipe = load_recipe("default", [f"{key}={json.dumps(value)}" for key, value in TINY.items()])
    train_model(TrainingRequest(open_cohort(balls / "cohort.tsv").select_labels(["one"]), recipe, tmp_path / "known"))
    sources = {"one": {"model": str(tmp_path / "known")}}
    plan = planned("study", sources=sources)
    guard = next(cell for cell in plan.cells.values() if cell.kind == "guard")
    assert [model["name"] for model in guard.spec["models"]] == ["one"]
    outcome = run_cell(tmp_path / "study", guard.to_dict())
    assert outcome.status == "failed"
    assert "also among the test subjects" in outcome.error
    # A source that only a variant starts from does not escape the guard.
    own = {"v": {"sources": ["other"]}}
    plan = planned("own", sources=sources | {"other": sources["one"]}, **changed(tree, variants=own))
    guard = next(cell for cell in plan.cells.values() if cell.kind == "guard")
    assert [model["name"] for model in guard.spec["models"]] == ["one", "other"]
    with pytest.raises(InputError, match="names source 'none'"):
        planned("none", sources=sources, **changed(tree, variants={"v": {"sources": ["none"]}}))


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"comparison": {"reference": "scrach"}}, "no experiment has a method 'scrach'"),
        ({"claims": [{"text": "t", "better": "ful", "than": "scratch"}]}, "no experiment that it is about has both"),
        ({"target": {"measure": "hd95_max_voxel_mm", "value": 2}}, "not among those that are scored"),
        ({"target": {"value": 0.8, "label": "tow"}}, "no experiment scores 'tow'"),
        ({"target": {"value": 0.8, "label": "one"}}, "no experiment scores 'one'"),
        ({"target": {"measure": "icc:median intensity", "value": 0.8}}, "'median intensity' is not measured"),
    ],
)
def test_what_would_come_out_after_the_last_training_is_said_first(
    changes: dict[str, Any], words: str, planned: Planner
) -> None:
    with pytest.raises(InputError, match=words):
        planned("study", **changes)


@pytest.mark.parametrize(
    "changes",
    [
        {"target": {"value": 0.8, "label": "two"}},
        {"target": {"value": 0.8, "label": "mean"}},
        {"target": {"value": 0.8, "label": "both"}, "scoring": {"groups": {"both": ["two"]}}},
        {"target": {"value": 0.8, "label": "two", "measure": "icc:volume"}},
        {"target": {"value": 0.8, "measure": "icc:median intensity"}, "scoring": {"biomarkers": True}},
    ],
)
def test_targets_that_are_measured(changes: dict[str, Any], planned: Planner) -> None:
    scoring = changes.get("scoring", {})
    assert list(planned("study", **changes).cells) == list(planned("other", scoring=scoring).cells)


def test_the_source_as_it_is_has_the_draw_of_its_test_set(planned: Planner, tree: dict[str, Any]) -> None:
    own = changed(tree, test={"kind": "own", "count": 2}, pool="all", sizes=[6], draw={"repeats": 2})
    plan = planned(**own, sources={"one": tree["sources"]["one"] | {"people": "rest"}})
    assert [(row["test"], row["draw"]) for row in plan.readings if row["method"] == "none"] == [
        ("own of 6, draw 0", 0), ("own of 6, draw 1", 1),
    ]  # fmt: skip


def test_an_unknown_strategy_is_said_before_anything_runs(planned: Planner, tree: dict[str, Any]) -> None:
    with pytest.raises(InputError, match="unknown strategy 'frreze'"):
        planned("study", **changed(tree, strategies=["scratch", "frreze"]))


def test_a_plan_that_was_cut_off_is_made_again(planned: Planner, tmp_path: Path) -> None:
    plan = planned("study")
    (tmp_path / "study" / "study.json").unlink()
    (tmp_path / "study" / ".4711.partial.study.json").write_text("{")
    assert list(planned("study").cells) == list(plan.cells)


def by_sites(tree: dict[str, Any]) -> dict[str, Any]:
    """Mixed training: the people of one site, all of the other beside them."""
    sites = {name: {"path": "cohort.tsv", "where": {"site": name}} for name in "ab"}
    grid = changed(
        tree, cohort="a", sizes=[1, 2], pool=2, strategies=["scratch"], sources=[], label_from={}, folds=2,
        variants={"mixed": {"beside": "b"}},
    )  # fmt: skip
    return {"cohorts": sites, "sources": {}, **grid}


def test_mixed_training_has_all_of_another_cohort_beside_each_subset(
    planned: Planner, tree: dict[str, Any], tmp_path: Path
) -> None:
    plan = planned(**by_sites(tree))
    folder = StudyFolder(tmp_path / "study")
    mixed = [cell for cell in plan.cells.values() if cell.kind == "train" and "beside" in cell.spec]
    plain = [cell for cell in plan.cells.values() if cell.kind == "train" and "beside" not in cell.spec]
    assert len(mixed) == len(plain) == 3
    for cell in mixed:
        assert set(folder.block(cell.spec["beside"]["people"])) == {"p1", "p3", "p5", "p7"}
        assert len(folder.block(cell.spec["people"])) in (1, 2)
    guard = next(cell for cell in plan.cells.values() if cell.kind == "guard")
    assert {learners["cohort"] for learners in guard.spec["learners"]} == {"a", "b"}
    wrong = by_sites(tree)
    wrong["experiments"][0]["variants"] = {"mixed": {"beside": "c"}}
    with pytest.raises(InputError, match="variant mixed names cohort 'c'"):
        planned("wrong", **wrong)


def test_a_mixed_training_learns_from_both_and_holds_out_of_the_target(
    planned: Planner, tree: dict[str, Any], tmp_path: Path
) -> None:
    plan = planned(overrides=dict(TINY), **by_sites(tree))
    folder = StudyFolder(tmp_path / "study")
    cell = next(
        cell
        for cell in plan.cells.values()
        if cell.kind == "train" and "beside" in cell.spec and len(folder.block(cell.spec["people"])) == 2
    )
    assert run_cell(folder.root, cell.to_dict()).status == "done"
    # One of two of site a chooses the weights; the other and the four of site b are learnt from.
    assert folder.result(cell.id)["people"] == 5
    info = json.loads((folder.cell(cell.id) / "run" / "model" / "bundle.json").read_text())
    assert info["training"]["validation_subjects"] == 1
    assert {entry["name"] for entry in info["training_subjects"]} == {"a", "b"}


def test_mixed_training_may_start_from_a_source_of_the_cohort_it_is_mixed_with(
    planned: Planner, tree: dict[str, Any]
) -> None:
    """The source knows these people, and nobody is tested on them."""
    mixed = by_sites(tree)
    mixed["experiments"][0] |= {"sources": ["other"], "strategies": ["full"]}
    plan = planned(overrides=dict(TINY), **{**mixed, "sources": {"other": {"cohort": "b", "seed": 0}}})
    shared = {"beside" in cell.spec: cell.spec["shared"] for cell in plan.cells.values() if cell.spec.get("source")}
    assert shared == {True: True, False: False}


def test_several_processes_for_one_training_are_refused(planned: Planner, tree: dict[str, Any]) -> None:
    with pytest.raises(InputError, match="a study runs each training in one process"):
        planned(**changed(tree, overrides={**TINY, "compute.devices": 2}))


def test_no_two_cells_have_one_title(planned: Planner, tree: dict[str, Any]) -> None:
    two = {"test": {"kind": "folds", "folds": 2}, "pool": "all", "sizes": [3], "folds": 2, "draw": {"repeats": 2}}
    sources = {"one": tree["sources"]["one"] | {"people": "rest"}}
    for models in ("apart", "averaged"):
        plan = planned(models, seeds=[0, 1], sources=sources, **changed(tree, fold_models=models, **two))
        titles = Counter(cell.title for cell in plan.cells.values())
        assert not [title for title, count in titles.items() if count > 1]
