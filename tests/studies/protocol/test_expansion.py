"""Cells follow from the protocol, each once, and change exactly when what decides them does."""

import json
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from neurograft.errors import InputError
from neurograft.studies.folder import StudyFolder
from neurograft.studies.protocol import load_protocol
from neurograft.studies.protocol.expansion import Plan
from neurograft.studies.run import Places, plan_study

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
    import shutil

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
