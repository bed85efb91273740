"""What happens between chunks of training: checkpoints, best weights, history."""

import math
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import torch
from lightning import LightningModule, Trainer
from lightning.pytorch.callbacks import Callback, Checkpoint, EarlyStopping
from lightning.pytorch.plugins.io import TorchCheckpointIO
from safetensors.torch import save

from neurograft.outputs import atomic_file, write_table
from neurograft.tasks import Figure
from neurograft.training.module import TRAINING_LOSS, FitModule


class CheckpointFile(TorchCheckpointIO):
    """Writes a checkpoint beside its place and moves it; Lightning's own way leads through the folder for temporaries.

    That folder may lie on another disk, which makes the move a copy, and a full disk an error that
    names a file which the user has never heard of.
    """

    def save_checkpoint(self, checkpoint: dict[str, Any], path: str | Path, storage_options: Any = None) -> None:
        """Write everything, or leave what was there."""
        with atomic_file(Path(path)) as temporary, temporary.open("wb") as file:
            try:
                torch.save(checkpoint, file)
            except RuntimeError as error:
                # On a full disk PyTorch fails once more over the file's own error.
                if isinstance(error.__context__, OSError):
                    raise error.__context__ from None
                raise


class BestWeights(Callback):
    """Keeps the weights of the best validation; among equals the first."""

    def __init__(self, path: Path, figure: Figure) -> None:
        self.path = path
        self.figure = figure
        self.best = -math.inf if figure.better == "higher" else math.inf
        self.step = 0
        self.last_seen = 0

    def on_validation_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Write the weights when the figure is the best so far."""
        value = trainer.callback_metrics[self.figure.column].item()
        self.last_seen = trainer.global_step
        if self.figure.is_better(value, self.best):
            self.best, self.step = value, trainer.global_step
            if not trainer.is_global_zero:
                return
            state = {
                name: t.detach().cpu().contiguous().clone() for name, t in _network_of(pl_module).state_dict().items()
            }
            # Not save_file: what it raises on a full disk is no OSError, and would pass for a failure of ours.
            with atomic_file(self.path) as temporary:
                temporary.write_bytes(save(state))

    def state_dict(self) -> dict[str, Any]:
        """For the checkpoint."""
        return {"best": self.best, "step": self.step, "last_seen": self.last_seen}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """From the checkpoint."""
        self.best, self.step, self.last_seen = state_dict["best"], state_dict["step"], state_dict["last_seen"]


class ResumePoint(Checkpoint):
    """Writes everything needed to go on, in one move, after a chunk.

    Not after every one where that takes long: a large network's weights and the optimiser's memory of them are written
    in what a few steps take. A write that took longer than `CHEAP_SECONDS` is followed by the next one once
    `TIMES_THE_WRITE` times as many seconds are over; earlier where the best weights have changed, which lie in a file
    of their own that must not be of another attempt's steps, and after the last chunk.

    Args:
        path: of the file.
        best: what keeps the best weights; ``None`` where nothing does.
        clock: in seconds.
    """

    CHEAP_SECONDS = 0.05
    TIMES_THE_WRITE = 50

    def __init__(
        self, path: Path, best: BestWeights | None = None, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self.path, self.best, self.clock = path, best, clock
        self._next, self._best_step = -math.inf, 0

    def on_train_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Write the file if it is time; a kill during it leaves the one before."""
        best_step = 0 if self.best is None else self.best.step
        is_last = trainer.should_stop or trainer.current_epoch + 1 == trainer.max_epochs
        # All processes write together, so that one of them says when.
        if not trainer.strategy.broadcast(is_last or best_step != self._best_step or self.clock() >= self._next):
            return
        self._best_step = best_step
        start = self.clock()
        trainer.save_checkpoint(self.path)
        seconds = self.clock() - start
        self._next = self.clock() + (self.TIMES_THE_WRITE * seconds if seconds > self.CHEAP_SECONDS else 0)


class Patience(EarlyStopping):
    """Stops when the validation figure has not got better for a while; a resumed run stays stopped."""

    def __init__(self, validations: int, figure: Figure) -> None:
        # A figure that is no number is one that is not better, and stops nothing by itself.
        super().__init__(figure.column, patience=validations, mode=figure.mode, check_finite=False)

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Stop again if the run was cut off after its last step and before its end."""
        if self.wait_count >= self.patience:
            trainer.should_stop = True


class History(Callback):
    """A row a chunk in ``metrics.csv``: step, loss, learning rate, validation figure."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.rows: list[dict[str, float]] = []

    def on_train_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Add the chunk's row; validation runs before this."""
        module = pl_module
        if not isinstance(module, FitModule):
            raise TypeError("the history is written for fits only")
        loss = torch.stack(module.chunk_losses).mean().item()
        rates = [group["lr"] for group in trainer.optimizers[0].param_groups]
        validated = bool(module.validation_scores)
        column = module.task.figure.column
        figure = trainer.callback_metrics[column].item() if validated else math.nan
        module.validation_scores = []
        self.rows.append(
            {"step": trainer.global_step, TRAINING_LOSS: loss, "learning_rate": max(rates), column: figure}
        )
        write_table(self.path, pd.DataFrame(self.rows))
        for logger in trainer.loggers:
            metrics = {name: value for name, value in self.rows[-1].items() if name != "step" and not math.isnan(value)}
            logger.log_metrics(metrics, trainer.global_step)

    def state_dict(self) -> dict[str, Any]:
        """For the checkpoint, so that a resumed run's file has every row once."""
        return {"rows": self.rows}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """From the checkpoint."""
        self.rows = list(state_dict["rows"])


def _network_of(module: LightningModule) -> torch.nn.Module:
    network = module.network
    if not isinstance(network, torch.nn.Module):
        raise TypeError("the module holds no network")
    return network
