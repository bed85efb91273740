"""The Lightning module: one step, one validation, the optimiser, by the transfer plan."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Literal

import torch
from lightning import LightningModule
from torch import Tensor, distributed

from neurograft.errors import InputError
from neurograft.hardware import ComputeChoice, outputs_of
from neurograft.networks import UnitNetwork, unit_of
from neurograft.recipes.schema import OptimiserConfig
from neurograft.sampling.batches import Batch
from neurograft.tasks import Task
from neurograft.training.adversary import Adversary
from neurograft.training.gathering import joined_batch, joined_scores
from neurograft.training.schedule import Plateau, rate_factor
from neurograft.transfer import TransferPlan, optimiser_groups, set_learning, source_pull

TRAINING_LOSS = "training/loss"


class FitModule(LightningModule):
    """Fits a network to a task under a transfer plan.

    Args:
        network: with source weights and adapters in place.
        task: what the network sees, its loss, and the figure of held-out cases.
        plan: what learns, when and how fast.
        optimiser: the recipe's section.
        total_steps: of the whole training.
        anchor: source weights for the L2-SP penalty; used when the plan asks for it.
        compute: memory format of the batches, and whether steps are compiled.
        score: figure of one validation case, by its index, or NaN.
        has_validation: whether there are such cases; else a plateau is one of the training loss.
        adversary: who judges what an autoencoding task gives back, or None.
        world: processes that share each batch.
        validation_cases: how many there are, of which each process scores some.
    """

    def __init__(
        self,
        network: UnitNetwork,
        task: Task,
        plan: TransferPlan,
        optimiser: OptimiserConfig,
        total_steps: int,
        anchor: Mapping[str, Tensor],
        compute: ComputeChoice,
        score: Callable[[int], float],
        has_validation: bool,
        adversary: Adversary | None = None,
        world: int = 1,
        validation_cases: int = 0,
    ) -> None:
        super().__init__()
        self.network = network
        self.task = task
        self.plan = plan
        self.optimiser_config = optimiser
        self.total_steps = total_steps
        self.anchor = dict(anchor)
        self.channels_last = compute.channels_last
        self.network_outputs = outputs_of(network, compute.compiled)
        self.score = score
        self.has_validation = has_validation
        self.adversary = adversary
        self.judged: tuple[Tensor, Batch, int] | None = None
        self.plateau: Plateau | None = None
        if optimiser.schedule == "plateau":
            better: Literal["higher", "lower"] = task.figure.better if has_validation else "lower"
            self.plateau = Plateau(optimiser.plateau_factor, optimiser.plateau_patience, better)
        self.chunk_losses: list[Tensor] = []
        self.validation_scores: list[float] = []
        self.world = world
        self.validation_cases = validation_cases
        self.own_scores: dict[int, float] = {}

    def on_fit_start(self) -> None:
        """Refuse to share batches with processes that nobody has started.

        Raises:
            InputError: other than the recipe's number of processes run.
        """
        running = distributed.get_world_size() if distributed.is_available() and distributed.is_initialized() else 1
        if running != self.world:
            raise InputError(
                f"compute.devices times compute.nodes is {self.world}, and processes that run: {running}",
                "Start as many with srun --ntasks-per-node or torchrun; or, for SLURM to leave that to the command, "
                "set SLURM_JOB_NAME=interactive",
            )

    def on_train_batch_start(self, batch: Batch, batch_idx: int) -> None:
        """Let learn what the plan lets learn at this moment."""
        set_learning(self.network, self.plan, self.global_step / self.total_steps)

    def training_step(self, batch: Batch, batch_idx: int) -> Tensor:
        """The loss of a batch."""
        image = self.task.network_input(batch)
        if self.channels_last:
            image = image.to(memory_format=torch.channels_last_3d)
        progress = self.global_step / self.total_steps
        with torch.random.fork_rng(devices=[]):
            # What a network leaves out at random is the step's own too, or no run could be repeated or resumed.
            torch.manual_seed(batch.seed)
            outputs = self.network_outputs(image)
        if self.world > 1:
            outputs, batch = joined_batch(outputs, batch, self.world)
        loss = self.task.batch_loss(outputs, batch, progress)
        if self.adversary is not None:
            self.judged = (outputs["main"].detach(), batch, self.global_step)
            loss = self.adversary.network_loss(loss, outputs["main"], batch, self.global_step)
        told = loss.detach()
        # Each process's gradient is that of its own share of this one loss, and Lightning takes their mean.
        loss = loss * self.world
        if self.plan.l2sp_weight is not None:
            pull = source_pull(self.network, self.anchor, self.plan.l2sp_weight)
            loss, told = loss + pull, told + pull.detach()
        self.chunk_losses.append(told)
        return loss

    def on_train_batch_end(self, outputs: Any, batch: Batch, batch_idx: int) -> None:
        """Let the adversary learn from what the network has just made."""
        if self.adversary is not None and self.judged is not None:
            self.adversary.learn(*self.judged)
            self.judged = None

    def on_train_epoch_start(self) -> None:
        """Begin a new chunk."""
        self.chunk_losses = []

    def on_train_epoch_end(self) -> None:
        """Give the chunk's mean loss to the loggers, and the figure to watch to the plateau."""
        self.log(TRAINING_LOSS, torch.stack(self.chunk_losses).mean().cpu())
        if self.plateau is not None and self._validated_now():
            watched = self.task.figure.column if self.has_validation else TRAINING_LOSS
            if self.plateau.see(self.trainer.callback_metrics[watched].item()):
                # The schedule takes the new scale from its next step on; the rate of that step is set here.
                for group in self.trainer.optimizers[0].param_groups:
                    group["lr"] *= self.plateau.factor

    def _validated_now(self) -> bool:
        every = self.trainer.check_val_every_n_epoch or 1
        return (self.current_epoch + 1) % every == 0

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Keep the memory of the plateau and of the adversary."""
        if self.plateau is not None:
            checkpoint["plateau"] = self.plateau.state_dict()
        if self.adversary is not None:
            checkpoint["adversary"] = self.adversary.training_state()

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Give both their memory back."""
        if self.plateau is not None:
            self.plateau.load_state_dict(checkpoint["plateau"])
        if self.adversary is not None:
            self.adversary.load_training_state(checkpoint["adversary"])

    def transfer_batch_to_device(self, batch: Any, device: torch.device, dataloader_idx: int) -> Any:
        """Leave batches alone: patches are made where they are used."""
        return batch

    def on_validation_epoch_start(self) -> None:
        """Begin to collect."""
        self.validation_scores, self.own_scores = [], {}

    def validation_step(self, batch: Sequence[int], batch_idx: int) -> None:
        """Score validation cases; what lies beyond the last one only keeps processes in step."""
        self.own_scores |= {int(index): self.score(int(index)) for index in batch if index < self.validation_cases}

    def on_validation_epoch_end(self) -> None:
        """The mean over cases; those that say nothing do not count."""
        figure = self.task.figure
        self.validation_scores = list(self.own_scores.values())
        if self.world > 1:
            self.validation_scores = joined_scores(self.own_scores, self.validation_cases, self.device)
        mean = torch.tensor(self.validation_scores, dtype=torch.float64).nanmean()
        self.log(figure.column, mean.nan_to_num(figure.without_cases).float())

    def configure_gradient_clipping(
        self,
        optimizer: torch.optim.Optimizer,
        gradient_clip_val: int | float | None = None,
        gradient_clip_algorithm: str | None = None,
    ) -> None:
        """Clip by the norm of all gradients.

        Lightning's own refuses optimisers of one pass in half precision, whose gradients may be scaled; those of
        bfloat16 are not.
        """
        if gradient_clip_val is not None:
            weights = [weight for group in optimizer.param_groups for weight in group["params"]]
            torch.nn.utils.clip_grad_norm_(weights, gradient_clip_val)

    def configure_optimizers(self) -> Any:
        """One parameter group a learning part; the schedule steps with every batch."""
        config = self.optimiser_config
        groups = parameter_groups(self.network, self.plan, config)
        optimiser = build_optimiser(groups, config)

        def factor(step: int) -> float:
            return rate_factor(config, step, self.total_steps) * (self.plateau.scale if self.plateau else 1.0)

        schedule = torch.optim.lr_scheduler.LambdaLR(optimiser, factor)
        return {"optimizer": optimiser, "lr_scheduler": {"scheduler": schedule, "interval": "step"}}


def parameter_groups(network: UnitNetwork, plan: TransferPlan, config: OptimiserConfig) -> list[dict[str, Any]]:
    """The plan's parameter groups, the age head's at its own rate where it has one."""
    groups = optimiser_groups(network, plan, config.learning_rate)
    if config.age_learning_rate is not None:
        for group in groups:
            if unit_of(group["name"]) == "age":
                group["lr"] *= config.age_learning_rate / config.learning_rate
    return groups


def build_optimiser(groups: list[dict[str, Any]], config: OptimiserConfig) -> torch.optim.Optimizer:
    """The optimiser of a recipe over parameter groups."""
    decay = config.weight_decay
    if config.name == "sgd":
        return torch.optim.SGD(
            groups, lr=config.learning_rate, momentum=config.momentum, nesterov=config.momentum > 0, weight_decay=decay
        )
    kind = torch.optim.Adam if config.name == "adam" else torch.optim.AdamW
    # In one pass over the weights, where operation by operation it takes several.
    return kind(groups, lr=config.learning_rate, weight_decay=decay, fused=True)
