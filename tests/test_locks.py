import json
import multiprocessing
import os
import platform
import signal
from pathlib import Path

import psutil
import pytest

from neurograft.errors import InputError
from neurograft.locks import exclusive
from neurograft.outputs import staged_directory


def _hold(lock: Path, ready: "multiprocessing.synchronize.Event") -> None:
    with exclusive(lock, lock):
        ready.set()
        signal.pause()


def test_a_second_writer_is_refused_until_the_first_is_dead(tmp_path: Path) -> None:
    lock = tmp_path / "lock"
    context = multiprocessing.get_context("spawn")
    ready = context.Event()
    holder = context.Process(target=_hold, args=(lock, ready))
    holder.start()
    assert ready.wait(60)
    with pytest.raises(InputError, match=f"process {holder.pid} on "), exclusive(lock, tmp_path):
        pass
    assert holder.pid is not None
    os.kill(holder.pid, signal.SIGKILL)
    holder.join()
    assert lock.exists(), "a killed process leaves its lock"
    with exclusive(lock, tmp_path):
        assert json.loads(lock.read_text())["pid"] == os.getpid()
    assert list(tmp_path.iterdir()) == []


def test_a_number_given_to_another_process_does_not_hold_the_lock(tmp_path: Path) -> None:
    lock = tmp_path / "lock"
    started = psutil.Process(os.getppid()).create_time() - 1000
    lock.write_text(json.dumps({"host": platform.node(), "pid": os.getppid(), "started": started}))
    with exclusive(lock, tmp_path):
        pass


@pytest.mark.parametrize("text", ["", "{", "[]", '{"host": "", "pid": "x"}'])
def test_a_damaged_lock(text: str, tmp_path: Path) -> None:
    lock = tmp_path / "lock"
    lock.write_text(text.replace('""', f'"{platform.node()}"'))
    with exclusive(lock, tmp_path):
        pass


def test_a_lock_of_another_machine_is_left_to_the_user(tmp_path: Path) -> None:
    lock = tmp_path / "lock"
    lock.write_text(json.dumps({"host": "elsewhere", "pid": 1, "started": 0.0}))
    with pytest.raises(InputError, match="delete"), exclusive(lock, tmp_path):
        pass
    assert lock.exists()


def test_one_output_has_one_writer(tmp_path: Path) -> None:
    with (
        staged_directory(tmp_path / "run", {"seed": 1}),
        pytest.raises(InputError, match="is writing here"),
        staged_directory(tmp_path / "run", {"seed": 1}),
    ):
        pass
    assert [path.name for path in tmp_path.iterdir()] == ["run"]
