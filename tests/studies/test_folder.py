"""What a study's folder says while others write into it, and after they were killed."""

import json
from pathlib import Path

from neurograft.studies.cells.cell import Cell
from neurograft.studies.executors.inline import InlineExecutor
from neurograft.studies.folder import StudyFolder
from neurograft.studies.scheduling import run_cells
from neurograft.studies.status import FailedCell, study_status


def test_half_written_failures_are_no_failures(tmp_path: Path) -> None:
    folder = StudyFolder(tmp_path)
    folder.record_failure(Cell("empty", {}, (), "a cell"), {"error": "no luck"})
    (tmp_path / "failed" / ".4711.partial.abc.json").write_text('{"title": "half')
    (tmp_path / "failed" / "def.json").symlink_to(tmp_path / "failed" / "gone.json")
    assert [failure["error"] for failure in folder.failed().values()] == ["no luck"]


def test_what_is_left_of_finished_cells_is_removed(tmp_path: Path) -> None:
    """A kill between the move that finishes a cell and the end of its worker leaves its working folder."""
    folder = StudyFolder(tmp_path)
    cells = [Cell("empty", {"value": number}, (), f"cell {number}") for number in range(2)]
    run_cells(cells[:1], folder, InlineExecutor(tmp_path))
    for cell in cells:
        left = folder.work / f"{cell.id}.0"
        left.mkdir(parents=True)
        (left / "claim.json").write_text(json.dumps({"host": "elsewhere", "pid": 1, "started": 1.0}))
    folder.clear_work(folder.finished())
    assert [left.name for left in folder.work.iterdir()] == [f"{cells[1].id}.0"]
    result = run_cells(cells, folder, InlineExecutor(tmp_path, lease_seconds=0.2))
    assert (result.kept, result.done) == (1, 1)
    assert not list(folder.work.iterdir())


def test_failures_are_counted_by_cell_and_not_by_title(tmp_path: Path) -> None:
    folder = StudyFolder(tmp_path)
    cells = [Cell("empty", {"fail": f"no luck {number}"}, (), "a cell") for number in range(3)]
    folder.write_lines(folder.plan, (cell.to_dict() for cell in cells))
    run_cells(cells, folder, InlineExecutor(tmp_path))
    status = study_status(tmp_path)
    expected = [FailedCell("a cell", f"no luck {number}") for number in range(3)]
    assert sorted(status.failed, key=lambda cell: cell.error) == expected
    assert status.waiting == 0
