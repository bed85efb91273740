"""Fit a network to prepared cases: plan once, train in chunks, resume where a chunk ended."""

import logging
import math
import time
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from lightning import LightningDataModule, LightningModule, Trainer
from lightning.pytorch.callbacks import Callback
from lightning.pytorch.loggers import TensorBoardLogger
from safetensors.torch import load_file
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from neurograft.networks import UnitNetwork
from neurograft.recipes.schema import Recipe
from neurograft.sampling.batches import Batch, PatchBatches
from neurograft.tasks import Task
from neurograft.training.adversary import adversary_of
from neurograft.training.callbacks import BestWeights, CheckpointFile, History, Patience, ResumePoint
from neurograft.training.cases import PreparedCase
from neurograft.training.gathering import has_batch_norm
from neurograft.training.module import FitModule
from neurograft.training.planning import PLAN, FitPlan, fit_plan
from neurograft.training.progress import TrainingProgress
from neurograft.training.ranks import Ranks, await_file, ranks_of, require_divisible
from neurograft.training.validation import Scorer
from neurograft.transfer import TransferPlan, set_learning

logger = logging.getLogger(__name__)

RESUME, BEST = "resume.ckpt", "best.safetensors"
"""What a training keeps while it runs."""


@dataclass(frozen=True)
class FitResult:
    """How a training ended.

    Attributes:
        steps: done.
        seconds: spent training and validating, interruptions not counted.
        kept: which weights: "last", or such as "best at step n, validation Dice x".
        plan: how it was run.
    """

    steps: int
    seconds: float
    kept: str
    plan: FitPlan


def fit(
    network: UnitNetwork,
    task: Task,
    transfer: TransferPlan,
    recipe: Recipe,
    batches: PatchBatches,
    validation: Sequence[PreparedCase],
    anchor: Mapping[str, Tensor],
    folder: Path,
    title: str,
    first_folder: Path | None = None,
) -> FitResult:
    """Train `network` in place.

    Everything that a step sees comes from its number, so a run that was cut off ends with the
    weights of one that was not.

    Args:
        network: with source weights and adapters in place.
        task: what is learnt.
        transfer: what learns.
        recipe: optimiser, budget, validation, inference.
        batches: the training patches.
        validation: cases to choose the weights by; may be empty.
        anchor: source weights for L2-SP.
        folder: for checkpoints and logs; what is there from an earlier attempt is continued.
        title: shown with the progress.
        first_folder: where several processes train this network and this is not the first of them, the folder of
            the first.
    """
    folder.mkdir(parents=True, exist_ok=True)
    ranks = ranks_of(recipe.compute)
    require_divisible(recipe, task, transfer)
    batches.share = (ranks.rank, ranks.world)
    if first_folder is not None:
        await_file(first_folder / PLAN)
    first_folder = first_folder or folder
    plan = fit_plan(first_folder / PLAN, network, task, transfer, recipe, batches, validation)
    torch.set_num_threads(plan.compute.threads)
    batches.device = torch.device(plan.compute.device)
    if plan.compute.channels_last:
        network.to(memory_format=torch.channels_last_3d)  # type: ignore[call-overload]
    score = Scorer(network, task, recipe, validation, batches)
    module = FitModule(
        network,
        task,
        transfer,
        recipe.optimiser,
        plan.total_steps,
        anchor,
        plan.compute,
        score,
        has_validation=bool(validation),
        adversary=adversary_of(task, network, batches, plan.total_steps),
        world=ranks.world,
        validation_cases=len(validation),
    )
    if ranks.world > 1:
        # Lightning looks once, when it begins, at what takes a gradient.
        set_learning(network, transfer, progress=0.0)
        if has_batch_norm(network):
            logger.warning("batch norm takes its statistics from each process's own share of a batch")
    best = BestWeights(folder / BEST, task.figure)
    clock = _Clock()
    callbacks: list[Callback] = [clock, History(folder / "metrics.csv")]
    if ranks.is_first:
        callbacks.append(TrainingProgress(plan.total_steps, title, task.figure))
    if validation:
        callbacks.append(best)
        if recipe.validation.early_stopping_patience is not None:
            callbacks.append(Patience(recipe.validation.early_stopping_patience, task.figure))
    resume = first_folder / RESUME
    callbacks.append(ResumePoint(resume, best if validation else None))
    trainer = _trainer(folder, recipe, plan, callbacks, bool(validation))
    data = _ChunkedData(batches, plan, len(validation), ranks)
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", module=r"lightning\..*")
        try:
            trainer.fit(module, datamodule=data, ckpt_path=resume if resume.is_file() else None, weights_only=True)
        except OSError as error:
            # The loggers report a full disk without saying where.
            if error.errno is not None and error.filename is None:
                error.filename = str(folder)
            raise
    kept = "last"
    if validation and recipe.validation.keep == "best" and ranks.is_first:
        kept = _keep_best(network, best, score, trainer.global_step, plan.compute.device)
    network.eval()
    return FitResult(trainer.global_step, clock.seconds, kept, plan)


def _keep_best(network: UnitNetwork, best: BestWeights, score: Scorer, last_step: int, device: str) -> str:
    """Give the network the best weights, the last ones included, and say which these are."""
    if best.last_seen < last_step:
        # The steps do not divide by the validations: the end has not been looked at yet. Lightning has left the
        # network on the CPU, and the patches are made where it trained.
        network.eval().to(device)
        figure = score.mean()
        network.to("cpu")
        if best.figure.is_better(figure, best.best):
            return f"best at step {last_step}, validation {best.figure.name} {figure:.4f}"
    if not best.step:
        return "last"
    network.load_state_dict(load_file(best.path))
    return f"best at step {best.step}, validation {best.figure.name} {best.best:.4f}"


class _Clock(Callback):
    """Seconds spent in training, summed over interruptions."""

    def __init__(self) -> None:
        self.before = 0.0
        self.started = 0.0

    @property
    def seconds(self) -> float:
        return self.before + (time.monotonic() - self.started if self.started else 0.0)

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        self.started = time.monotonic()

    def on_train_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        self.before, self.started = self.seconds, 0.0

    def state_dict(self) -> dict[str, Any]:
        return {"seconds": self.seconds}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        self.before = state_dict["seconds"]


class _Chunk(Dataset[Batch]):
    """The batches of one chunk of steps."""

    def __init__(self, batches: PatchBatches, first_step: int, steps: int) -> None:
        self.batches, self.first_step, self.steps = batches, first_step, steps

    def __len__(self) -> int:
        return self.steps

    def __getitem__(self, index: int) -> Batch:
        return self.batches.batch(self.first_step + index)


class _ChunkedData(LightningDataModule):
    """Gives Lightning a chunk of steps as an epoch, and validation cases by index."""

    def __init__(self, batches: PatchBatches, plan: FitPlan, validation_cases: int, ranks: Ranks) -> None:
        super().__init__()
        self.batches, self.plan, self.validation_cases, self.ranks = batches, plan, validation_cases, ranks

    def train_dataloader(self) -> DataLoader[Batch]:
        chunk = 0 if self.trainer is None else self.trainer.current_epoch
        first = chunk * self.plan.chunk_steps
        steps = min(self.plan.chunk_steps, self.plan.total_steps - first)
        return DataLoader(_Chunk(self.batches, first, steps), batch_size=None)

    def val_dataloader(self) -> DataLoader[int]:
        # As many for each process; those beyond the last case are nobody's.
        world = self.ranks.world
        end = math.ceil(self.validation_cases / world) * world
        return DataLoader(range(self.ranks.rank, end, world), batch_size=1)  # type: ignore[arg-type]


def _trainer(folder: Path, recipe: Recipe, plan: FitPlan, callbacks: list[Callback], has_validation: bool) -> Trainer:
    for name in ("lightning.pytorch", "lightning.fabric"):
        logging.getLogger(name).setLevel(logging.ERROR)
    return Trainer(
        accelerator={"cuda": "gpu"}.get(plan.compute.device, plan.compute.device),
        devices=recipe.compute.devices,
        num_nodes=recipe.compute.nodes,
        strategy=recipe.compute.strategy if recipe.compute.devices * recipe.compute.nodes > 1 else "auto",
        use_distributed_sampler=False,
        precision="bf16-mixed" if plan.compute.precision == "bf16" else "32-true",
        max_epochs=plan.chunks,
        check_val_every_n_epoch=plan.chunks_between_validations,
        limit_val_batches=1.0 if has_validation else 0,
        num_sanity_val_steps=0,
        reload_dataloaders_every_n_epochs=1,
        gradient_clip_val=recipe.optimiser.gradient_clip,
        enable_progress_bar=False,
        enable_model_summary=False,
        logger=TensorBoardLogger(folder, name="tensorboard", version=""),
        log_every_n_steps=10**9,
        callbacks=callbacks,
        plugins=[CheckpointFile()],
    )
