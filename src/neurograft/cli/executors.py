"""What runs many pieces of work side by side, as commands name it: ``--executor``, ``--workers``, ``--cluster``."""

import os
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from neurograft.studies.executors.base import Executor

WorkersOption = Annotated[
    int | None,
    typer.Option(min=1, help="Cells side by side.  [default: as many as cores and memory carry]", show_default=False),
]
ClusterOption = Annotated[str, typer.Option(help="For dask: local, a scheduler's address, or a YAML file.")]
PartsExecutorOption = Annotated[
    str | None,
    typer.Option(
        "--executor",
        help="Divide the scans into parts for local (processes of this machine) or dask.",
        show_default=False,
    ),
]


def executor_of(
    kind: str, cluster: str, workers: int | None, threads: int, memory_mib: int, device: str
) -> "tuple[Callable[[Path], Executor], int]":
    """What starts an executor for a folder of cells, and how many it runs side by side.

    Args:
        kind: ``local`` or ``dask``.
        cluster: for dask.
        workers: side by side; ``None`` as many as fit, or as the cluster's file says.
        threads: of a worker.
        memory_mib: that a cell may need.
        device: ``cpu`` leaves GPUs alone.

    Raises:
        InputError: an unknown kind, or a file that describes no cluster.
    """
    from neurograft.errors import InputError
    from neurograft.studies.executors.local import LocalExecutor, fitting_workers

    if kind == "local":
        count = workers or fitting_workers(threads, memory_mib)
        return partial(LocalExecutor, workers=count, threads=threads, gpus=_gpus(device)), count
    if kind == "dask":
        from neurograft.studies.executors.dask_cluster import DaskExecutor, load_cluster

        config = load_cluster(cluster)
        if workers is not None:
            config = config.model_copy(update={"workers": workers})
        return partial(DaskExecutor, config=config, threads=threads, memory_mib=memory_mib), config.workers
    raise InputError(f"--executor {kind!r} is unknown", "Choose local or dask")


def _gpus(device: str) -> list[str]:
    """The GPUs that this process may use, by the names that ``CUDA_VISIBLE_DEVICES`` has for them."""
    if device == "cpu":
        return []
    import torch

    count = torch.cuda.device_count()
    given = os.environ.get("CUDA_VISIBLE_DEVICES")
    if given is None:
        return [str(number) for number in range(count)]
    # Of several parts of one GPU a process sees the first alone, so they are not to be counted.
    return [name.strip() for name in given.split(",")] if count else []
