"""What is decided once for a training: how this machine computes it, its number of steps, and when it is looked at."""

import logging
import math
import time
from collections.abc import Sequence
from copy import deepcopy
from dataclasses import dataclass
from pathlib import Path

import torch
from pydantic import TypeAdapter

from neurograft.hardware import ComputeChoice, choose_compiling, choose_compute, outputs_of
from neurograft.networks import UnitNetwork
from neurograft.outputs import write_text
from neurograft.recipes.budget import parse_budget
from neurograft.recipes.schema import Recipe
from neurograft.sampling.batches import PatchBatches
from neurograft.tasks import Task
from neurograft.training.adversary import adversary_of
from neurograft.training.budget import expected_seconds, plan_steps
from neurograft.training.cases import PreparedCase
from neurograft.training.module import build_optimiser
from neurograft.training.validation import Scorer
from neurograft.transfer import TransferPlan, optimiser_groups, set_learning

logger = logging.getLogger(__name__)

PLAN = "plan.json"
"""Beside the resume point."""
LARGEST_CHUNK = 50
"""Steps between two resume points, at most."""
VALIDATIONS = 10
"""How often ``every: auto`` validates."""


@dataclass(frozen=True)
class FitPlan:
    """What is decided once for a run, and kept when it is resumed.

    Attributes:
        total_steps: of the training.
        chunk_steps: between resume points.
        chunks_between_validations: so many chunks.
        compute: how this machine trains.
    """

    total_steps: int
    chunk_steps: int
    chunks_between_validations: int
    compute: ComputeChoice

    @property
    def chunks(self) -> int:
        """Number of chunks, the last one perhaps shorter."""
        return math.ceil(self.total_steps / self.chunk_steps)


def fit_plan(
    file: Path,
    network: UnitNetwork,
    task: Task,
    transfer: TransferPlan,
    recipe: Recipe,
    batches: PatchBatches,
    validation: Sequence[PreparedCase],
) -> FitPlan:
    """The plan of an earlier attempt at this run, or a new one.

    Args:
        file: where the plan is, or will be.
        network: with source weights and adapters in place; it is not changed.
        task: what is learnt.
        transfer: what learns.
        recipe: budget, validation, compute.
        batches: the training patches; they are made on the chosen device from now on.
        validation: cases to choose the weights by; may be empty.
    """
    adapter = TypeAdapter(FitPlan)
    if file.is_file():
        return adapter.validate_json(file.read_bytes())
    compute = choose_compute(network, recipe.compute, recipe.sampling.patch_size, recipe.sampling.batch_size)
    budget = parse_budget(recipe.budget)
    compute = choose_compiling(
        network,
        recipe.compute,
        compute,
        recipe.sampling.patch_size,
        recipe.sampling.batch_size,
        lambda step: expected_seconds(budget, batches.steps_per_epoch, step),
    )
    logger.info("training on %s", compute.describe())
    torch.set_num_threads(compute.threads)
    batches.device = torch.device(compute.device)
    every = batches.steps_per_epoch if recipe.validation.every == "epoch" else recipe.validation.every

    def validations(steps: int) -> int:
        if not validation:
            return 0
        return min(steps, VALIDATIONS) if every == "auto" else math.ceil(steps / every)

    trial = _Trial(network, task, transfer, recipe, batches, compute, validation)
    total = plan_steps(
        budget,
        batches.steps_per_epoch,
        trial.step_seconds,
        trial.validation_seconds,
        validations,
    )
    between = math.ceil(total / VALIDATIONS) if every == "auto" else min(every, total)
    parts = math.ceil(between / LARGEST_CHUNK)
    plan = FitPlan(total, math.ceil(between / parts), parts, compute)
    write_text(file, adapter.dump_json(plan, indent=2).decode() + "\n")
    return plan


@dataclass(frozen=True, eq=False)
class _Trial:
    """Measures real work on a copy of the network, where it will train."""

    network: UnitNetwork
    task: Task
    transfer: TransferPlan
    recipe: Recipe
    batches: PatchBatches
    compute: ComputeChoice
    validation: Sequence[PreparedCase]

    def validation_seconds(self) -> float:
        """Of a look at all held-out cases, as the first one tells."""
        if not self.validation:
            return 0.0
        score = Scorer(self._copy().eval(), self.task, self.recipe, self.validation, self.batches)
        start = time.perf_counter()
        score(0)
        return (time.perf_counter() - start) * len(self.validation)

    def step_seconds(self) -> float:
        """Of a training step, batch included."""
        copy = self._copy()
        outputs_for = outputs_of(copy, self.compute.compiled)
        groups = optimiser_groups(copy, self.transfer, self.recipe.optimiser.learning_rate)
        optimiser = build_optimiser(groups, self.recipe.optimiser)
        set_learning(copy, self.transfer, progress=1.0)
        on_from = self.task.config.adversary.from_step
        adversary = adversary_of(self.task, copy, self.batches, on_from + 1)
        if adversary is not None:
            adversary.to(self.compute.device)
        self.batches.warm_up()
        times = []
        for step in range(5):
            start = time.perf_counter()
            batch = self.batches.batch(step)
            with torch.autocast(self.compute.device, torch.bfloat16, enabled=self.compute.precision == "bf16"):
                outputs = outputs_for(self.task.network_input(batch))
            loss = self.task.batch_loss(outputs, batch)
            if adversary is not None:
                # As if it were on from the first step: rather too few steps than too many.
                loss = adversary.network_loss(loss, outputs["main"], batch, on_from)
            loss.backward()
            if adversary is not None:
                adversary.learn(outputs["main"], batch, on_from)
            optimiser.step()
            optimiser.zero_grad()
            if self.compute.device == "cuda":
                torch.cuda.synchronize()
            times.append(time.perf_counter() - start)
        return sorted(times[1:])[len(times[1:]) // 2]

    def _copy(self) -> UnitNetwork:
        copy = deepcopy(self.network).to(self.compute.device)
        if self.compute.channels_last:
            copy.to(memory_format=torch.channels_last_3d)  # type: ignore[call-overload]
        return copy
