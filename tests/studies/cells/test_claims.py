"""One worker a cell; a dead one's cell is taken over, a living one's is not."""

import json
import os
import platform
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from neurograft.studies.cells import claims, running
from neurograft.studies.cells.cell import Cell
from neurograft.studies.cells.claims import CLAIM, ClaimLostError, claimed, holder_of, is_gone, require_claim
from neurograft.studies.folder import StudyFolder


def dead_process() -> dict[str, object]:
    """A process of this machine that has ended."""
    process = subprocess.Popen([sys.executable, "-c", ""])
    process.wait()
    return {"host": platform.node(), "pid": process.pid, "started": 1.0}


def left_behind(work: Path, holder: dict[str, object], attempt: int = 0) -> Path:
    folder = work / f"cell.{attempt}"
    folder.mkdir(parents=True)
    (folder / CLAIM).write_text(json.dumps(holder))
    (folder / "progress").write_text("half")
    return folder


def test_the_folder_of_a_dead_worker_is_continued_at_once(tmp_path: Path) -> None:
    left = left_behind(tmp_path, dead_process())
    (left / "run").mkdir()
    (left / "run" / ".model.partial.lock").write_text("held by the dead")
    start = time.monotonic()
    with claimed(tmp_path, "cell", tmp_path / "done") as folder:
        assert folder == tmp_path / "cell.1"
        assert (folder / "progress").read_text() == "half"
        assert not list(folder.rglob("*.lock"))
        assert time.monotonic() - start < 2
    assert not left.exists()


def test_a_worker_of_another_machine_is_given_its_lease(tmp_path: Path) -> None:
    left_behind(tmp_path, {"host": "elsewhere", "pid": 1, "started": 1.0})
    start = time.monotonic()
    with claimed(tmp_path, "cell", tmp_path / "done", lease_seconds=0.6) as folder:
        assert 0.5 < time.monotonic() - start < 5
        assert folder == tmp_path / "cell.1"


def test_a_worker_that_beats_keeps_its_cell_until_it_is_done(tmp_path: Path) -> None:
    left = left_behind(tmp_path, {"host": "elsewhere", "pid": 1, "started": 1.0})
    stop = threading.Event()

    def beat() -> None:
        while not stop.wait(0.05):
            os.utime(left / CLAIM)

    beating = threading.Thread(target=beat)
    beating.start()
    threading.Timer(1.0, (tmp_path / "done").touch).start()
    try:
        with claimed(tmp_path, "cell", tmp_path / "done", lease_seconds=0.5) as folder:
            assert folder is None
    finally:
        stop.set()
        beating.join()


def test_who_was_taken_over_may_not_go_on(tmp_path: Path) -> None:
    with claimed(tmp_path, "cell", tmp_path / "done") as folder:
        assert folder is not None
        require_claim(folder)
        os.rename(folder, tmp_path / "cell.1")
        with pytest.raises(ClaimLostError):
            require_claim(folder)
        (tmp_path / "cell.1" / CLAIM).write_text(json.dumps(dead_process()))
        with pytest.raises(ClaimLostError):
            require_claim(tmp_path / "cell.1")


def test_a_folder_without_claim_is_taken_after_a_moment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("neurograft.studies.cells.claims.BEAT_SECONDS", 0.1)
    (tmp_path / "cell.0").mkdir()
    with claimed(tmp_path, "cell", tmp_path / "done") as folder:
        assert folder == tmp_path / "cell.1"


def test_nothing_is_known_of_other_machines(tmp_path: Path) -> None:
    assert is_gone(dead_process())
    assert not is_gone({"host": "elsewhere", "pid": 1, "started": 1.0})
    assert holder_of(tmp_path) is None


def test_a_claim_does_not_bring_back_a_folder_that_was_taken(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        claims._write_claim(tmp_path / "cell.1", dead_process())
    assert not list(tmp_path.iterdir())


def test_who_was_taken_over_leaves_the_other_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its work fails for want of its folder: that is no failure of the cell, and the other's folder stays."""
    from neurograft.studies.cells import kinds

    folder, cell = StudyFolder(tmp_path), Cell("empty", {"value": 7}, (), "a cell")
    other = {"host": "elsewhere", "pid": 1, "started": 1.0}
    finished = json.dumps({"value": 7})

    def finish() -> None:
        assert (folder.work / f"{cell.id}.1" / "progress").read_text() == "theirs"
        # At once, as a worker publishes: whoever waits for the file reads it the moment it is there.
        made = tmp_path / "made"
        made.mkdir()
        (made / "result.json").write_text(finished)
        folder.cell(cell.id).parent.mkdir(parents=True)
        os.rename(made, folder.cell(cell.id))

    def taken_from_under(context: kinds.CellContext) -> dict[str, object]:
        theirs = folder.work / f"{cell.id}.1"
        os.rename(context.output.parent, theirs)
        (theirs / CLAIM).write_text(json.dumps(other))
        (theirs / "progress").write_text("theirs")
        threading.Timer(0.5, finish).start()
        (context.output / "weights").write_text("ours")
        return {}

    monkeypatch.setattr(running, "work_of", lambda kind: taken_from_under)
    outcome = running.run_cell(tmp_path, cell.to_dict())
    assert outcome.status == "kept"
    assert folder.result(cell.id) == {"value": 7}
    assert not folder.failed()
    assert (folder.work / f"{cell.id}.1" / "progress").read_text() == "theirs"


def test_a_cell_that_failed_goes_on_with_what_it_left(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from neurograft.studies.cells import kinds

    monkeypatch.setattr(claims, "BEAT_SECONDS", 0.05)
    folder, cell = StudyFolder(tmp_path), Cell("empty", {}, (), "a cell")
    found = []

    def work(context: kinds.CellContext) -> dict[str, object]:
        progress = context.output / "progress"
        found.append(progress.read_text() if progress.is_file() else "")
        progress.write_text(f"{found[-1]}half")
        if len(found) == 1:
            raise OSError("No space left on device")
        return {}

    monkeypatch.setattr(running, "work_of", lambda kind: work)
    assert running.run_cell(tmp_path, cell.to_dict()).status == "failed"
    assert [holder_of(left) for left in folder.work.iterdir()] == [None]
    assert running.run_cell(tmp_path, cell.to_dict()).status == "done"
    assert found == ["", "half"]
    assert not list(folder.work.iterdir())
    assert not folder.failed()


def test_threads_of_one_process_take_turns(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from neurograft.studies.cells import kinds

    inside, most = 0, 0

    def work(context: kinds.CellContext) -> dict[str, object]:
        nonlocal inside, most
        inside += 1
        most = max(most, inside)
        time.sleep(0.1)
        inside -= 1
        return {}

    monkeypatch.setattr(running, "work_of", lambda kind: work)
    cells = [Cell("empty", {"value": number}) for number in range(3)]
    threads = [threading.Thread(target=running.run_cell, args=(tmp_path, cell.to_dict())) for cell in cells]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert StudyFolder(tmp_path).finished() == {cell.id for cell in cells}
    assert most == 1


def test_what_a_finished_cell_left_behind_is_tidied_up(tmp_path: Path) -> None:
    cell = Cell("empty", {"value": 3}, (), "cell")
    assert running.run_cell(tmp_path, cell.to_dict()).status == "done"
    left, theirs = (StudyFolder(tmp_path).work / f"{cell.id}.{attempt}" for attempt in (0, 1))
    for folder, holder in ((left, dead_process()), (theirs, {"host": "elsewhere", "pid": 1, "started": 1.0})):
        folder.mkdir()
        (folder / CLAIM).write_text(json.dumps(holder))
    assert running.run_cell(tmp_path, cell.to_dict()).status == "kept"
    assert not left.exists(), "its worker was lost after publishing"
    assert theirs.exists()
    assert StudyFolder(tmp_path).result(cell.id)["value"] == 3
