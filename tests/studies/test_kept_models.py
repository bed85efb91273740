"""Weights go when nobody needs them, come back when somebody does, and no figure changes by it."""

import hashlib
from pathlib import Path
from typing import Any

import pytest
import yaml

from neurograft.studies.executors.inline import InlineExecutor
from neurograft.studies.folder import StudyFolder
from neurograft.studies.protocol import load_protocol
from neurograft.studies.results import study_results, write_results
from neurograft.studies.run import Places, plan_study, run_study
from neurograft.studies.scheduling import ScheduleResult
from neurograft.studies.status import study_status


def run(tree: dict[str, Any], data: Path, root: Path, **changes: Any) -> tuple[ScheduleResult, str]:
    file = root.with_suffix(".yaml")
    file.write_text(yaml.safe_dump(tree | changes))
    plan = plan_study(load_protocol(file), root, Places(data))
    result = run_study(plan, root, lambda: InlineExecutor(root))
    results = study_results(root)
    assert not result.failed
    assert results is not None
    write_results(results, root)
    tables = [(root / "results" / name).read_bytes() for name in ("scores.tsv", "comparisons.tsv", "answer.json")]
    return result, hashlib.sha256(b"".join(tables)).hexdigest()


def models(root: Path) -> set[str]:
    return {path.parts[-4] for path in root.glob("cells/*/*/run/model/model.safetensors")}


@pytest.fixture
def small(tree: dict[str, Any]) -> dict[str, Any]:
    tree["experiments"][0] |= {"sizes": [2], "strategies": ["scratch", "full"]}
    return tree


def test_models_that_no_cell_needs_are_dropped(small: dict[str, Any], balls: Path, tmp_path: Path) -> None:
    _, kept = run(small, balls, tmp_path / "all")
    assert len(models(tmp_path / "all")) == 3
    _, some = run(small, balls, tmp_path / "sources", keep_models="sources")
    cells = StudyFolder(tmp_path / "sources").cells()
    source = next(cell.id for cell in cells if cell.title.startswith("source "))
    assert models(tmp_path / "sources") == {source}
    _, none = run(small, balls, tmp_path / "none", keep_models="none")
    assert models(tmp_path / "none") == set()
    assert kept == some == none
    status = study_status(tmp_path / "none")
    assert (status.done, status.waiting) == (status.cells, 0)
    # Nothing is missing: nothing is trained again.
    again, _ = run(small, balls, tmp_path / "none", keep_models="none")
    assert (again.done, again.kept) == (0, len(cells))


def test_a_dropped_source_is_trained_again_for_a_new_cell(small: dict[str, Any], balls: Path, tmp_path: Path) -> None:
    run(small, balls, tmp_path / "grown", keep_models="none")
    small["experiments"][0] |= {"strategies": ["scratch", "full", "decay_whole"]}
    grown, figures = run(small, balls, tmp_path / "grown", keep_models="none")
    # The source, and the new training with its scoring.
    assert grown.done == 3
    assert models(tmp_path / "grown") == set()
    _, whole = run(small, balls, tmp_path / "whole")
    assert figures == whole
