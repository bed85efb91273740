import importlib
import logging
import multiprocessing
import platform
import subprocess
import sys
from pathlib import Path

import pytest

from neurograft.studies.executors import local

program = importlib.import_module("neurograft.cli.main")  # the package has a function of this name

CHURN = """
import resource
from neurograft.allocator import keep_freed_memory
kept = {keep} and keep_freed_memory()
def faults():
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt
bytearray(64 << 20)
before = faults()
for _ in range(10):
    bytearray(64 << 20)
print(int(kept), faults() - before)
"""


def churn(keep: bool) -> tuple[bool, int]:
    code = CHURN.format(keep=keep)
    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    kept, faults = map(int, done.stdout.split())
    return bool(kept), faults


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="not glibc, whose memory is left as it is")
def test_memory_that_was_freed_is_used_again_without_a_fault() -> None:
    kept, faults = churn(keep=True)
    assert kept
    assert faults < 100
    assert churn(keep=False)[1] > 100


@pytest.mark.parametrize("command", [*sorted(program.TRAINING), "predict", "evaluate", "--version"])
def test_the_program_asks_for_it_where_it_trains(command: str, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []
    monkeypatch.setattr(program, "keep_freed_memory", lambda: asked.append(command))
    # Too little to do anything with, but the command is known.
    refused = [] if command == "--version" else ["--no-such-option"]
    monkeypatch.setattr(sys, "argv", ["neurograft", command, *refused])
    with pytest.raises(SystemExit):
        program.main()
    assert asked == ([command] if command in program.TRAINING else [])


def test_commands_that_train_are_commands() -> None:
    names = {command.name for command in program.app.registered_commands}
    names |= {group.name for group in program.app.registered_groups}
    assert names >= program.TRAINING


def test_workers_ask_for_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []
    monkeypatch.setattr(local, "keep_freed_memory", lambda: asked.append("worker"))
    ours, theirs = multiprocessing.Pipe()
    ours.close()
    logger = logging.getLogger("neurograft")
    level = logger.level
    try:
        local._serve(theirs, str(tmp_path), 1.0)
    finally:
        logger.setLevel(level)
    assert asked == ["worker"]
