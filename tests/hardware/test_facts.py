"""What a machine has, and the traps in it."""

from dataclasses import replace
from pathlib import Path

import psutil
import pytest
import torch

from neurograft.hardware import MachineFacts, known_traps, machine_facts

SOUND = MachineFacts("a machine", 8, 8, 32.0, 20.0, ("avx2",), (), {"torch": "2.13.0", "openvino": "2026.1.0"})


def written(root: Path, name: str, text: str) -> None:
    file = root / name
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(text)


def test_limits_of_a_container_count(tmp_path: Path) -> None:
    written(tmp_path, "sys/fs/cgroup/cpu.max", "50000 100000\n")
    written(tmp_path, "sys/fs/cgroup/memory.max", f"{2**30}\n")
    written(tmp_path, "proc/cpuinfo", "processor : 0\nflags\t\t: fpu avx2 avx512_bf16 sse\n")
    facts = machine_facts(tmp_path)
    assert (facts.cores, facts.memory_gib, facts.instructions) == (0.5, 1.0, ("avx2", "avx512_bf16"))
    assert facts.free_memory_gib <= 1.0
    assert facts.threads == torch.get_num_threads()
    assert facts.versions["torch"] == torch.__version__


@pytest.mark.parametrize("text", ["max 100000\n", "", "two"])
def test_without_limits_the_machine_counts(text: str, tmp_path: Path) -> None:
    written(tmp_path, "sys/fs/cgroup/cpu.max", text)
    written(tmp_path, "sys/fs/cgroup/memory.max", "max\n")
    facts = machine_facts(tmp_path)
    assert facts.cores >= 1
    assert facts.cores == int(facts.cores)
    assert facts.memory_gib == pytest.approx(psutil.virtual_memory().total / 2**30)
    assert facts.instructions == ()


def test_a_sound_machine_has_no_trap() -> None:
    assert known_traps(SOUND) == []


@pytest.mark.parametrize(
    ("change", "word"),
    [
        ({"versions": SOUND.versions | {"torch": "2.9.1"}}, "slow at 3D convolutions"),
        ({"threads": 16}, "may use 8 cores"),
        ({"threads": 2}, "2 of 8 cores"),
        ({"memory_gib": 4.0}, "4.0 GiB"),
        ({"versions": {"torch": "2.13.0"}}, "OpenVINO is absent"),
        ({"accelerators": ("H200",), "versions": SOUND.versions | {"torch": "2.13.0+cpu"}}, "build for the CPU"),
    ],
)
def test_each_trap_is_seen_alone(change: dict, word: str) -> None:
    (trap,) = known_traps(replace(SOUND, **change))
    assert word in trap.problem
    assert trap.mend


def test_a_share_of_a_core_still_runs_one_thread() -> None:
    (trap,) = known_traps(replace(SOUND, cores=0.5, threads=2))
    assert trap.mend == "Set OMP_NUM_THREADS=1"
