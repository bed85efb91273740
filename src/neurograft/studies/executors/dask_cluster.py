"""Cells on a Dask cluster: on this machine, at an address, or through a batch system."""

import logging
import os
import uuid
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from importlib import import_module
from pathlib import Path
from typing import Any, Literal

import yaml
from pydantic import Field, PositiveInt, ValidationError, model_validator

from neurograft.errors import InputError
from neurograft.recipes.schema.base import Section
from neurograft.studies.cells.cell import Cell
from neurograft.studies.cells.claims import LEASE_SECONDS
from neurograft.studies.cells.running import Outcome, run_cell
from neurograft.studies.executors.base import MOST_ATTEMPTS, vanished

logger = logging.getLogger(__name__)

ClusterKind = Literal["local", "address", "slurm", "sge", "pbs", "lsf", "oar", "htcondor", "moab", "kubernetes"]

_QUEUES = {
    "slurm": "SLURMCluster",
    "sge": "SGECluster",
    "pbs": "PBSCluster",
    "lsf": "LSFCluster",
    "oar": "OARCluster",
    "htcondor": "HTCondorCluster",
    "moab": "MoabCluster",
}
"""Kind -> class of dask-jobqueue."""


class ClusterConfig(Section):
    """What a file for ``--cluster`` says."""

    kind: ClusterKind = "local"
    address: str | None = None
    """Of a scheduler that runs already, for ``kind: address``."""
    workers: PositiveInt = 2
    """Cells that run side by side; jobs, for a batch system."""
    fewest_workers: int | None = Field(None, ge=0)
    """Let the number of jobs move between this and ``workers`` with the work there is."""
    options: dict[str, Any] = Field(default_factory=dict)
    """For the cluster's class, such as ``queue``, ``account``, ``walltime``, ``memory``, ``cores``."""

    @model_validator(mode="after")
    def _complete(self) -> "ClusterConfig":
        if (self.kind == "address") != (self.address is not None):
            raise ValueError("an address belongs to kind: address, which needs it")
        return self


def load_cluster(source: str) -> ClusterConfig:
    """Read what a user gives for ``--cluster``: ``local``, a scheduler's address, or a YAML file.

    Raises:
        InputError: no such file, or one that is no description of a cluster.
    """
    if source == "local":
        return ClusterConfig()
    if "://" in source:
        return ClusterConfig(kind="address", address=source)
    file = Path(source)
    try:
        tree = yaml.safe_load(file.read_text("utf-8"))
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise InputError(
            f"cannot be read as the description of a cluster: {error}",
            "Give local, an address such as tcp://host:8786, or a YAML file",
            file,
        ) from error
    try:
        return ClusterConfig.model_validate(tree)
    except ValidationError as error:
        first = error.errors()[0]
        key = ".".join(map(str, first["loc"]))
        message = first["msg"].removeprefix("Value error, ")
        raise InputError(
            f"{f'{key}: ' if key else ''}{message}", f"Keys: {', '.join(ClusterConfig.model_fields)}", file
        ) from error


@dataclass
class DaskExecutor:
    """Workers of a Dask cluster.

    A worker that vanishes is the scheduler's concern: the cell is run again elsewhere, at most
    `MOST_ATTEMPTS` times, and continues in the study's folder where the lost one was.

    Attributes:
        root: the study's folder, which every worker must see under this path.
        config: the cluster.
        threads: of computation in each worker.
        memory_mib: for a worker.
        lease_seconds: see `neurograft.studies.cells.claims`.
    """

    root: Path
    config: ClusterConfig
    threads: int = 1
    memory_mib: int = 3000
    lease_seconds: float = LEASE_SECONDS
    _futures: dict[Any, Cell] = field(default_factory=dict)
    _lost: dict[str, int] = field(default_factory=dict)
    _name: str = field(default_factory=lambda: uuid.uuid4().hex)

    def __post_init__(self) -> None:
        import dask
        from distributed import Client

        dask.config.set(
            {
                "distributed.scheduler.allowed-failures": MOST_ATTEMPTS - 1,
                # What a worker holds are a few lines of text; its memory is that of a training.
                "distributed.worker.memory.target": False,
                "distributed.worker.memory.spill": False,
                "distributed.worker.memory.pause": False,
                "distributed.worker.memory.terminate": False,
                "distributed.nanny.pre-spawn-environ": dict.fromkeys(
                    ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"), self.threads
                ),
            }
        )
        self._cluster = _start_cluster(self.config, self.threads, self.memory_mib)
        self._client = Client(self.config.address if self._cluster is None else self._cluster)
        logger.info("Dask scheduler at %s", self._client.scheduler.address if self._client.scheduler else "?")

    @property
    def workers(self) -> int:
        """Workers that are there now, or are awaited."""
        known = len(self._client.scheduler_info(n_workers=-1)["workers"])
        return max(known, self.config.workers if self._cluster is not None else 1)

    @property
    def capacity(self) -> int:
        """Two cells a worker, so that none waits for the next one to be handed over."""
        return 2 * self.workers

    @property
    def address(self) -> str:
        """Of the scheduler."""
        return str(self._client.scheduler_info(n_workers=0)["address"])

    def submit(self, cell: Cell) -> None:
        """Hand a cell to the scheduler."""
        future = self._client.submit(
            run_cell,
            os.fspath(self.root.resolve()),
            cell.to_dict(),
            self.lease_seconds,
            # Another study at the same scheduler may have the same cell, and its result in another folder.
            key=f"{cell.id}-{self._name}-{self._lost.get(cell.id, 0)}",
            pure=False,
        )
        self._futures[future] = cell

    def outcomes(self) -> Iterator[Outcome]:
        """Wait until one cell or more have ended."""
        from distributed import wait
        from distributed.client import FuturesCancelledError
        from distributed.scheduler import KilledWorker

        if not self._futures:
            return
        with suppress(FuturesCancelledError):
            wait(list(self._futures), return_when="FIRST_COMPLETED")
        for future in [future for future in self._futures if future.status != "pending"]:
            cell = self._futures.pop(future)
            try:
                yield future.result()
            except KilledWorker:
                yield vanished(cell, MOST_ATTEMPTS)
            except Exception as error:
                # Cancelled with its scheduler's connection, or not to be sent to a worker at all.
                self._lost[cell.id] = self._lost.get(cell.id, 0) + 1
                if self._lost[cell.id] >= MOST_ATTEMPTS:
                    yield Outcome(cell.id, "failed", error=f"Dask: {error}")
                else:
                    self.submit(cell)

    def close(self) -> None:
        """Leave the scheduler, and end the cluster if it was started here."""
        self._client.close()
        if self._cluster is not None:
            self._cluster.close()


def _start_cluster(config: ClusterConfig, threads: int, memory_mib: int) -> Any:
    """Start what the file describes; ``None`` for a scheduler that runs already."""
    if config.kind == "address":
        return None
    if config.kind == "local":
        from distributed import LocalCluster

        given: Mapping[str, Any] = {"dashboard_address": None, "memory_limit": 0, **config.options}
        return LocalCluster(n_workers=config.workers, threads_per_worker=1, processes=True, **given)
    if config.kind == "kubernetes":
        try:
            operator = import_module("dask_kubernetes.operator")
        except ImportError as error:
            raise InputError(
                "a Kubernetes cluster needs the package dask-kubernetes", "Install it with pip install dask-kubernetes"
            ) from error
        cluster = operator.KubeCluster(n_workers=config.workers, **config.options)
    else:
        import dask
        import dask_jobqueue

        given = {"cores": threads, "processes": 1, "memory": f"{memory_mib}MiB", **config.options}
        # A job's cores are for the threads of one cell, not for as many cells; of two such numbers the last holds.
        usual = dask.config.get(f"jobqueue.{config.kind}.worker-extra-args", ())
        given["worker_extra_args"] = [*given.get("worker_extra_args", usual), "--nthreads", "1"]
        cluster = getattr(dask_jobqueue, _QUEUES[config.kind])(**given)
    if config.fewest_workers is None:
        cluster.scale(config.workers)
    else:
        cluster.adapt(minimum=config.fewest_workers, maximum=config.workers)
    return cluster
