"""A study that is cut off again and again ends with the tables of one that ran through."""

import errno
import hashlib
import json
import os
import subprocess
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import yaml

from neurograft.errors import InputError
from neurograft.studies.cells import claims
from neurograft.studies.cells.running import run_cell
from neurograft.studies.executors.base import Executor
from neurograft.studies.executors.dask_cluster import ClusterConfig, DaskExecutor
from neurograft.studies.executors.inline import InlineExecutor
from neurograft.studies.executors.local import LocalExecutor
from neurograft.studies.folder import StudyFolder
from neurograft.studies.protocol import load_protocol
from neurograft.studies.results import study_results, write_results
from neurograft.studies.run import Places, plan_study, run_study

STUDY = """
import json, os, signal, sys, time
from pathlib import Path
import numpy as np
import torch
from neurograft.studies.executors.inline import InlineExecutor
from neurograft.studies.folder import StudyFolder
from neurograft.studies.protocol import load_protocol
from neurograft.studies.results import study_results, write_results
from neurograft.studies.run import Places, plan_study, run_study
import neurograft.studies.cells.training, neurograft.studies.cells.scoring, neurograft.studies.cells.guarding

torch.set_num_threads(1)
protocol, data = Path(sys.argv[1]), Path(sys.argv[2])

def study(out):
    plan = plan_study(load_protocol(protocol), out, Places(data))
    result = run_study(plan, out, lambda: InlineExecutor(out))
    assert not result.failed, result.failed
    write_results(study_results(out), out)

def start(out):
    child = os.fork()
    if child:
        return child
    os.setsid()
    with open(os.devnull, "w") as silence:
        os.dup2(silence.fileno(), 1)
        os.dup2(silence.fileno(), 2)
    try:
        study(out)
    except BaseException as error:
        Path("error.txt").write_text(repr(error))
        os._exit(1)
    os._exit(0)

def finish(child):
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])

# As nobody has run anything in this process, it can be forked.
begun = time.monotonic()
assert finish(start(Path("undisturbed"))) == 0, Path("error.txt").read_text()
duration = time.monotonic() - begun
cells = len(StudyFolder(Path("undisturbed")).finished())
moments, kills = np.random.default_rng(5), 0
for share in (0.0, 0.15, 0.3, 0.5, 0.7):
    child = start(Path("killed"))
    # So far by what is finished, which does not hang on the machine's mood, then a random part of a cell's time.
    while len(StudyFolder(Path("killed")).finished()) < share * cells and not os.waitpid(child, os.WNOHANG)[0]:
        time.sleep(0.002)
    time.sleep(duration / cells * moments.uniform(0, 1))
    os.kill(child, signal.SIGKILL)
    assert finish(child) == -signal.SIGKILL
    kills += 1
assert finish(start(Path("killed"))) == 0, Path("error.txt").read_text()
print(json.dumps({"kills": kills, "seconds": duration}))
"""


def outcome(root: Path) -> dict[str, str]:
    """Hashes of all that must not depend on what happened on the way."""
    files = [root / "results" / name for name in ("scores.tsv", "summary.tsv", "comparisons.tsv", "answer.json")]
    files += sorted(root.glob("cells/*/*/run/model/model.safetensors"))
    assert len(files) > 8
    return {str(file.relative_to(root)): hashlib.sha256(file.read_bytes()).hexdigest() for file in files}


def write_protocol(tree: dict[str, Any], folder: Path) -> Path:
    tree["overrides"]["budget"] = "12steps"
    file = folder / "protocol.yaml"
    file.write_text(yaml.safe_dump(tree))
    return file


def test_sigkill_to_the_study_at_random_moments(tree: dict[str, Any], balls: Path, tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", STUDY, str(write_protocol(tree, tmp_path)), str(balls)],
        cwd=tmp_path,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    assert json.loads(done.stdout.splitlines()[-1])["kills"] == 5
    assert outcome(tmp_path / "killed") == outcome(tmp_path / "undisturbed")
    assert not list((tmp_path / "killed" / "work").iterdir())


def test_a_training_that_fails_goes_on_from_its_resume_point(
    tree: dict[str, Any], balls: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(claims, "BEAT_SECONDS", 0.05)
    folder = StudyFolder(tmp_path / "study")
    plan = plan_study(load_protocol(write_protocol(tree, tmp_path)), folder.root, Places(balls))
    cell = next(one for one in plan.cells.values() if one.kind == "train" and one.spec["source"] is None)

    def partial_run() -> Path:
        return next(folder.work.glob(f"{cell.id}.*")) / "out" / ".run.partial"

    def fail_with(name: str, error: Exception) -> None:
        def fail(*_: object) -> None:
            raise error

        with monkeypatch.context() as patch:
            patch.setattr(f"neurograft.training.run.{name}", fail)
            assert run_cell(folder.root, cell.to_dict()).status == "failed"

    fail_with("save_bundle", OSError(errno.ENOSPC, "No space left on device"))
    written = (partial_run() / "resume.ckpt").stat().st_mtime_ns
    # A scan that cannot be read for a moment.
    fail_with("fingerprint_parts", InputError("cannot be read", "Restore the file"))
    assert (partial_run() / "resume.ckpt").stat().st_mtime_ns == written
    # What began with other settings, as from a source that was trained again since, can only begin anew.
    marker = partial_run() / ".neurograft.json"
    content = json.loads(marker.read_text())
    marker.write_text(json.dumps({"request": content["request"] | {"source": "another"}}))
    assert run_cell(folder.root, cell.to_dict()).status == "done"
    assert folder.result(cell.id)["steps"] == 12
    assert not list(folder.work.iterdir())


@pytest.mark.slow
def test_sigkill_to_workers_while_they_train(tree: dict[str, Any], balls: Path, tmp_path: Path) -> None:
    """First attempts at trainings are killed with their workers, local ones and those of Dask."""
    protocol = load_protocol(write_protocol(tree, tmp_path))
    executors: dict[str, Callable[[Path], Executor]] = {
        # What runs through may run in this very process: that is quicker.
        "undisturbed": InlineExecutor,
        "local": partial(LocalExecutor, workers=2),
        "dask": partial(DaskExecutor, config=ClusterConfig(workers=2)),
    }
    outcomes = []
    for name, executor in executors.items():
        root = tmp_path / name
        plan = plan_study(protocol, root, Places(balls))
        killer = None
        if name != "undisturbed":
            # A worker of Dask takes long to come back.
            kills = {"local": 2, "dask": 1}[name]
            killer = subprocess.Popen([sys.executable, "-c", _KILLER, str(root), str(kills)])
        result = run_study(plan, root, partial(executor, root))
        if killer is not None:
            killer.terminate()
            killer.wait()
        assert not result.failed
        results = study_results(root)
        assert results is not None
        write_results(results, root)
        outcomes.append(outcome(root))
        attempts = [StudyFolder(root).result(cell)["attempt"] for cell in StudyFolder(root).finished()]
        assert (max(attempts) > 1) == (name != "undisturbed")
    assert outcomes[0] == outcomes[1] == outcomes[2]


_KILLER = """
import json, os, signal, sys, time
from pathlib import Path
work, shot = Path(sys.argv[1]) / "work", []
while len(shot) < int(sys.argv[2]):
    time.sleep(0.005)
    for claim in work.glob("*.0/claim.json") if work.is_dir() else ():
        cell = claim.parent.name
        partial = claim.parent / "out" / ".run.partial"
        if cell not in shot and (partial / "plan.json").is_file():
            try:
                os.kill(json.loads(claim.read_text())["pid"], signal.SIGKILL)
            except (OSError, ValueError):
                continue
            shot.append(cell)
            time.sleep(1)
            break
"""
