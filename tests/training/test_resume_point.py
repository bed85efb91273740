"""When a resume point is written: after each chunk where that is cheap, and not too often where it is not; and how."""

import errno
import pickle
import re
from itertools import pairwise
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch

from neurograft.training.callbacks import CheckpointFile, ResumePoint


class Clock:
    """Shows what it was set to."""

    def __init__(self) -> None:
        self.seconds = 1000.0

    def __call__(self) -> float:
        return self.seconds


def trainer_of(clock: Clock, write_seconds: float, written: list[float], decides: bool | None = None) -> Any:
    def save(path: Path) -> None:
        written.append(clock.seconds)
        clock.seconds += write_seconds

    strategy = SimpleNamespace(broadcast=lambda own: own if decides is None else decides)
    return SimpleNamespace(
        save_checkpoint=save, strategy=strategy, should_stop=False, current_epoch=0, max_epochs=10**6
    )


def chunks(write_seconds: float, chunk_seconds: float, count: int) -> list[float]:
    """Seconds at which files were written, from the end of the first chunk on."""
    clock, written = Clock(), []
    point, trainer = ResumePoint(Path("resume.ckpt"), clock=clock), trainer_of(clock, write_seconds, written)
    for _ in range(count):
        clock.seconds += chunk_seconds
        point.on_train_epoch_end(trainer, SimpleNamespace())
    return [moment - 1000 for moment in written]


@pytest.mark.parametrize("write_seconds", [0.0, 0.01, 0.05])
def test_a_cheap_one_is_written_after_every_chunk(write_seconds: float) -> None:
    assert len(chunks(write_seconds, 0.001, 20)) == 20


def test_a_dear_one_costs_two_per_cent_and_the_first_is_written_at_once() -> None:
    written = chunks(write_seconds=1.0, chunk_seconds=4.0, count=100)
    assert written[0] == pytest.approx(4.0)
    gaps = [later - earlier for earlier, later in pairwise(written)]
    assert min(gaps) >= 1 + 50, "a write, and fifty times its duration"
    assert max(gaps) <= 1 + 50 + 4, "and no more than a chunk later"


def test_slow_steps_are_kept_after_each_chunk_all_the_same() -> None:
    assert len(chunks(write_seconds=1.0, chunk_seconds=60.0, count=5)) == 5


def test_the_first_process_decides_for_all() -> None:
    clock, written = Clock(), []
    point = ResumePoint(Path("resume.ckpt"), clock=clock)
    point.on_train_epoch_end(trainer_of(clock, 1.0, written, decides=False), SimpleNamespace())
    assert not written
    point.on_train_epoch_end(trainer_of(clock, 1.0, written, decides=True), SimpleNamespace())
    point.on_train_epoch_end(trainer_of(clock, 1.0, written, decides=True), SimpleNamespace())
    assert len(written) == 2


def test_the_best_weights_are_never_ahead_of_it() -> None:
    clock, written, best = Clock(), [], SimpleNamespace(step=0)
    point = ResumePoint(Path("resume.ckpt"), best, clock)
    trainer = trainer_of(clock, 1.0, written)
    for step in (0, 0, 8, 8, 8, 20):
        best.step = step
        point.on_train_epoch_end(trainer, SimpleNamespace())
    assert len(written) == 3, "the first, and one for each change"


@pytest.mark.parametrize("end", [{"current_epoch": 10**6 - 1}, {"should_stop": True}])
def test_the_end_is_kept(end: dict[str, Any]) -> None:
    clock, written = Clock(), []
    point, trainer = ResumePoint(Path("resume.ckpt"), clock=clock), trainer_of(clock, 1.0, written)
    point.on_train_epoch_end(trainer, SimpleNamespace())
    point.on_train_epoch_end(trainer, SimpleNamespace())
    assert len(written) == 1
    vars(trainer).update(end)
    point.on_train_epoch_end(trainer, SimpleNamespace())
    assert len(written) == 2


@pytest.mark.parametrize("room", [100, 5_000, 399_000, 400_100])
def test_on_a_full_disk_the_one_before_stays_and_the_error_is_that_of_the_file(tmp_path: Path, room: int) -> None:
    resource = pytest.importorskip("resource", reason="limits of files are those of POSIX")
    path = tmp_path / "resume.ckpt"
    path.write_bytes(b"the one before")
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (room, before[1]))
    try:
        with pytest.raises(OSError, match=re.escape(str(path))) as found:
            CheckpointFile().save_checkpoint({"weights": torch.zeros(100_000)}, path)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert found.value.errno == errno.EFBIG
    assert [each.name for each in tmp_path.iterdir()] == [path.name]
    assert path.read_bytes() == b"the one before"


def test_what_cannot_be_written_for_another_reason_says_so(tmp_path: Path) -> None:
    with pytest.raises((AttributeError, pickle.PicklingError)):
        CheckpointFile().save_checkpoint({"weights": lambda: None}, tmp_path / "resume.ckpt")
    assert not list(tmp_path.iterdir())
