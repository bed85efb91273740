"""A Dask cluster on this machine gives the numbers of this machine's processes, killed workers or not."""

import hashlib
import os
import re
import signal
import threading
import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import psutil
import pytest
import yaml

from neurograft.errors import InputError
from neurograft.studies.cells.cell import Cell
from neurograft.studies.executors.dask_cluster import ClusterConfig, DaskExecutor, load_cluster
from neurograft.studies.executors.inline import InlineExecutor
from neurograft.studies.folder import StudyFolder
from neurograft.studies.protocol import load_protocol
from neurograft.studies.results import study_results, write_results
from neurograft.studies.run import Places, plan_study, run_study
from neurograft.studies.scheduling import run_cells


def test_what_a_user_may_give_as_a_cluster(tmp_path: Path) -> None:
    assert load_cluster("local").kind == "local"
    assert load_cluster("tcp://somewhere:8786").address == "tcp://somewhere:8786"
    file = tmp_path / "cluster.yaml"
    file.write_text(yaml.safe_dump({"kind": "slurm", "workers": 40, "options": {"queue": "long"}}))
    assert load_cluster(str(file)).options == {"queue": "long"}
    for text, words in (
        ("kind: address", "an address belongs"),
        ("kind: hadoop", "kind"),
        ("wokers: 3", "wokers"),
        ("- 1", "valid dictionary"),
    ):
        file.write_text(text)
        with pytest.raises(InputError, match=words):
            load_cluster(str(file))
    with pytest.raises(InputError, match="cannot be read"):
        load_cluster(str(tmp_path / "nowhere.yaml"))


@pytest.mark.parametrize(
    ("kind", "submit"), [("slurm", "#SBATCH -p long"), ("pbs", "#PBS -q long"), ("sge", "#$ -q long")]
)
def test_batch_systems_are_asked_in_their_own_words(kind: str, submit: str, monkeypatch: pytest.MonkeyPatch) -> None:
    import dask_jobqueue

    from neurograft.studies.executors import dask_cluster

    asked: dict[str, Any] = {}
    name = dask_cluster._QUEUES[kind]
    whole = getattr(dask_jobqueue, name)

    class Asked(whole):  # type: ignore[misc,valid-type]
        def scale(self, workers: int) -> None:
            # Closing asks for none.
            asked.setdefault("workers", workers)
            asked["script"] = self.job_script()

    monkeypatch.setattr(dask_jobqueue, name, Asked)
    options = {
        "queue": "long",
        "walltime": "01:00:00",
        "interface": "lo",
        "worker_extra_args": ["--lifetime", "55m"],
        "scheduler_options": {"dashboard_address": None},
    }
    config = ClusterConfig.model_validate({"kind": kind, "workers": 7, "options": options})
    cluster = dask_cluster._start_cluster(config, threads=2, memory_mib=4000)
    cluster.close()
    assert asked["workers"] == 7
    assert submit in asked["script"]
    # A job has two cores for one cell at a time.
    assert re.findall(r"--nthreads (\d+)", asked["script"])[-1] == "1"
    assert "--lifetime 55m" in asked["script"]


@pytest.fixture
def scheduler() -> Iterator[ClusterConfig]:
    """A scheduler that runs already, with a worker of two threads in this process."""
    from distributed import LocalCluster

    with LocalCluster(n_workers=1, threads_per_worker=2, processes=False, dashboard_address=None) as cluster:
        yield ClusterConfig(kind="address", address=cluster.scheduler_address)


def test_two_studies_at_one_scheduler_have_their_results_each(scheduler: ClusterConfig, tmp_path: Path) -> None:
    cell = Cell("empty", {"value": 7, "seconds": 0.3}, (), "a cell of both")
    executors = [DaskExecutor(tmp_path / name, scheduler) for name in ("one", "other")]
    for executor in executors:
        executor.submit(cell)
    for executor in executors:
        with executor._client.as_current():
            assert [outcome.status for outcome in executor.outcomes()] == ["done"]
        executor.close()
        assert StudyFolder(executor.root).result(cell.id)["value"] == 7


def test_cells_that_are_cancelled_with_the_connection_are_handed_over_again(
    scheduler: ClusterConfig, tmp_path: Path
) -> None:
    folder = StudyFolder(tmp_path)
    cells = [Cell("empty", {"value": n, "seconds": 0.3}, (), f"cell {n}") for n in range(2)]
    executor = DaskExecutor(tmp_path, scheduler)
    submit, handed_over = executor.submit, []

    def submit_and_cancel_once(cell: Cell) -> None:
        submit(cell)
        handed_over.append(cell.id)
        if len(handed_over) == len(cells):
            # What the client does to all that it waits for when the scheduler is gone.
            executor._client.cancel(list(executor._futures))

    executor.submit = submit_and_cancel_once  # type: ignore[method-assign]
    result = run_cells(cells, folder, executor)
    executor.close()
    assert (result.done, result.failed) == (2, {})
    assert sorted(handed_over) == sorted(2 * [cell.id for cell in cells])


def _given(executor: Any) -> Any:
    return executor


@pytest.mark.slow
def test_three_workers_give_the_numbers_of_one_process(tree: dict[str, Any], balls: Path, tmp_path: Path) -> None:
    tree["experiments"][0]["sizes"] = [2]
    (tmp_path / "protocol.yaml").write_text(yaml.safe_dump(tree))
    protocol = load_protocol(tmp_path / "protocol.yaml")
    hashes = []
    for name in ("inline", "dask"):
        root = tmp_path / name
        plan = plan_study(protocol, root, Places(balls))
        config = ClusterConfig(workers=3)
        executor = InlineExecutor(root) if name == "inline" else DaskExecutor(root, config)
        result = run_study(plan, root, partial(_given, executor))
        assert not result.failed
        results = study_results(root)
        assert results is not None
        write_results(results, root)
        files = [root / "results" / table for table in ("scores.tsv", "summary.tsv", "comparisons.tsv", "answer.json")]
        hashes.append([hashlib.sha256(file.read_bytes()).hexdigest() for file in files])
    assert hashes[0] == hashes[1]


@pytest.mark.slow
def test_a_worker_that_is_killed_loses_no_cell(tmp_path: Path) -> None:
    folder = StudyFolder(tmp_path)
    cells = [Cell("empty", {"value": n, "seconds": 0.1}, (), f"cell {n}") for n in range(30)]
    executor = DaskExecutor(tmp_path, ClusterConfig(workers=3))
    kills = 0

    def kill() -> None:
        nonlocal kills
        while kills < 2:
            time.sleep(0.3)
            holders = list(folder.work.glob("*.0")) if folder.finished() else []
            nannies = psutil.Process().children(recursive=True)
            workers = [child for child in nannies if "spawn_main" in " ".join(child.cmdline())]
            if holders and workers:
                os.kill(workers[kills % len(workers)].pid, signal.SIGKILL)
                kills += 1

    killer = threading.Thread(target=kill)
    killer.start()
    result = run_cells(cells, folder, executor)
    killer.join()
    executor.close()
    assert kills == 2
    assert (result.done, result.failed) == (30, {})
    assert sorted(folder.result(cell.id)["value"] for cell in cells) == list(range(30))
