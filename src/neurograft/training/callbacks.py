"""What happens between chunks of training: checkpoints, best weights, history."""

import math
from pathlib import Path
from typing import Any

import lightning as L
import pandas as pd
import torch
from lightning.pytorch.callbacks import Callback, Checkpoint
from safetensors.torch import save_file

from neurograft.outputs import atomic_file
from neurograft.training.module import TRAINING_LOSS, VALIDATION_DICE, FitModule


class ResumePoint(Checkpoint):
    """Writes everything needed to go on, after every chunk, in one move."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def on_train_epoch_end(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        """Write the file; a kill during it leaves the one before."""
        with atomic_file(self.path) as temporary:
            trainer.save_checkpoint(temporary)


class BestWeights(Callback):
    """Keeps the weights of the best validation; among equals the first."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.best = -math.inf
        self.step = 0

    def on_validation_end(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        """Write the weights when the figure is the best so far."""
        value = trainer.callback_metrics[VALIDATION_DICE].item()
        if value > self.best:
            self.best, self.step = value, trainer.global_step
            state = {
                name: t.detach().cpu().contiguous().clone() for name, t in _network_of(pl_module).state_dict().items()
            }
            with atomic_file(self.path) as temporary:
                save_file(state, temporary)

    def state_dict(self) -> dict[str, Any]:
        """For the checkpoint."""
        return {"best": self.best, "step": self.step}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """From the checkpoint."""
        self.best, self.step = state_dict["best"], state_dict["step"]


class History(Callback):
    """A row a chunk in ``metrics.csv``: step, loss, learning rate, validation Dice."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.rows: list[dict[str, float]] = []

    def on_train_epoch_end(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        """Add the chunk's row; validation runs before this."""
        module = pl_module
        if not isinstance(module, FitModule):
            raise TypeError("the history is written for fits only")
        loss = torch.stack(module.chunk_losses).mean().item()
        rates = [group["lr"] for group in trainer.optimizers[0].param_groups]
        validated = bool(module.validation_scores)
        dice = trainer.callback_metrics[VALIDATION_DICE].item() if validated else math.nan
        module.validation_scores = []
        self.rows.append(
            {"step": trainer.global_step, TRAINING_LOSS: loss, "learning_rate": max(rates), VALIDATION_DICE: dice}
        )
        with atomic_file(self.path) as temporary:
            pd.DataFrame(self.rows).to_csv(temporary, index=False)
        for logger in trainer.loggers:
            metrics = {name: value for name, value in self.rows[-1].items() if name != "step" and not math.isnan(value)}
            logger.log_metrics(metrics, trainer.global_step)

    def state_dict(self) -> dict[str, Any]:
        """For the checkpoint, so that a resumed run's file has every row once."""
        return {"rows": self.rows}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """From the checkpoint."""
        self.rows = list(state_dict["rows"])


def _network_of(module: L.LightningModule) -> torch.nn.Module:
    network = module.network
    if not isinstance(network, torch.nn.Module):
        raise TypeError("the module holds no network")
    return network
