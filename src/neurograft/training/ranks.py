"""Several processes that train one network: which of them this one is, and what they share.

Lightning starts the processes of this machine by running the command again, or finds those that torchrun or
SLURM have started; each is known by variables of its environment. The first one writes; the others read its plan and
its resume point, and keep what they write themselves in a folder that is thrown away.
"""

import json
import os
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from neurograft.errors import InputError
from neurograft.outputs import MARKER
from neurograft.recipes.schema import ComputeConfig, Recipe
from neurograft.tasks import SegmentationTask, Task
from neurograft.transfer import TransferPlan

PATIENCE_SECONDS = 600.0
"""For the first process to begin."""


@dataclass(frozen=True)
class Ranks:
    """One of several processes.

    Attributes:
        rank: its number; the first is 0.
        world: how many there are.
    """

    rank: int = 0
    world: int = 1

    @property
    def is_first(self) -> bool:
        """Whether this one writes."""
        return self.rank == 0


def ranks_of(config: ComputeConfig, environment: Mapping[str, str] = os.environ) -> Ranks:
    """Which process this is, by the variables of torchrun, SLURM or Lightning.

    Example:
        >>> ranks_of(ComputeConfig(devices=4, nodes=2), {"NODE_RANK": "1", "LOCAL_RANK": "3"})
        Ranks(rank=7, world=8)
    """
    world = config.devices * config.nodes
    if world == 1:
        return Ranks()
    if "RANK" in environment:
        return Ranks(int(environment["RANK"]), world)
    if "LOCAL_RANK" not in environment and "SLURM_PROCID" in environment:
        return Ranks(int(environment["SLURM_PROCID"]), world)
    local = int(environment.get("LOCAL_RANK", "0"))
    return Ranks(int(environment.get("NODE_RANK", "0")) * config.devices + local, world)


def require_divisible(recipe: Recipe, task: Task, plan: TransferPlan) -> None:
    """Refuse what several processes would compute otherwise than one.

    Raises:
        InputError: a batch that does not divide, another task than segmentation, single voxels, an adversary, or
            units that are freed as training goes on.
    """
    config, size = recipe.compute, recipe.sampling.batch_size
    world = config.devices * config.nodes
    if world == 1:
        return
    if size % world:
        raise InputError(
            f"a batch of {size} patches cannot be shared by {world} processes",
            "Make sampling.batch_size a multiple of compute.devices times compute.nodes",
        )
    if not isinstance(task, SegmentationTask) or recipe.sampling.kind == "voxels":
        raise InputError(
            "several processes train segmentation on patches only", "Set compute.devices=1 and compute.nodes=1"
        )
    if any(rule.release > 0 for rule in plan.rules.values()):
        raise InputError(
            f"several processes cannot free units as training goes on, as {plan.strategy!r} does",
            "Choose another strategy, or set compute.devices=1 and compute.nodes=1",
        )


def require_one_process(config: ComputeConfig, what: str) -> None:
    """Refuse several processes where the command that would be run again is more than one training.

    Args:
        config: of a training.
        what: is run, such as "a study".

    Raises:
        InputError: several are asked for.
    """
    if config.devices * config.nodes > 1:
        raise InputError(
            f"{what} runs each training in one process, and compute.devices times compute.nodes is "
            f"{config.devices * config.nodes}",
            "Leave compute.devices and compute.nodes out",
        )


@contextmanager
def other_folder(out: Path, identity: dict[str, Any]) -> Iterator[tuple[Path, Path]]:
    """For a process that is not the first: a folder to throw away, and the one that the first works in.

    Waits until the first has begun this very run.

    Raises:
        InputError: it does not begin.
    """
    final = out.resolve()
    first = final.with_name(f".{final.name}.partial")
    wanted = json.loads(json.dumps(identity))
    deadline = time.monotonic() + PATIENCE_SECONDS
    while _request(first) != wanted:
        if time.monotonic() > deadline:
            raise InputError("the first process has not begun this run", "See what it says; all must see --out", final)
        time.sleep(0.1)
    with tempfile.TemporaryDirectory(prefix="neurograft-rank-") as own:
        yield Path(own), first


def await_file(file: Path) -> None:
    """Wait for a file of the first process.

    Raises:
        InputError: it does not come.
    """
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not file.is_file():
        if time.monotonic() > deadline:
            raise InputError("the first process has not written it", "See what it says; all must see --out", file)
        time.sleep(0.1)


def _request(working: Path) -> Any:
    try:
        return json.loads((working / MARKER).read_text("utf-8")).get("request")
    except (OSError, ValueError, AttributeError):
        return None
