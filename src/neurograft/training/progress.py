"""A bar in a terminal, plain lines elsewhere: step, loss, validation figure, time left."""

import math
import sys
import time

import torch
from lightning import LightningModule, Trainer
from lightning.pytorch.callbacks import Callback
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Column

from neurograft.tasks import Figure
from neurograft.training.module import FitModule

LINES = 10
"""Lines printed over a training where there is no terminal."""


class TrainingProgress(Callback):
    """Shows how a training goes on standard error.

    Args:
        total_steps: of the whole training.
        title: what is being trained.
        figure: what held-out cases are scored by.
    """

    def __init__(self, total_steps: int, title: str, figure: Figure) -> None:
        self.total_steps = total_steps
        self.title = title
        self.figure = figure
        self.console = Console(file=sys.stderr)
        self.bar: Progress | None = None
        self.loss = math.nan
        self.validation = math.nan
        self.started = 0.0
        self.first_step = 0
        self.lines = 0

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Open the bar."""
        self.started, self.first_step = time.monotonic(), trainer.global_step
        if self.first_step:
            self.console.print(
                f"{self.title}: continuing at step {self.first_step} of {self.total_steps}", highlight=False
            )
        if self.console.is_terminal:
            self.bar = Progress(
                TextColumn(self.title),
                BarColumn(bar_width=20),
                MofNCompleteColumn(),
                TextColumn("{task.fields[figures]}", table_column=Column(no_wrap=True)),
                TimeRemainingColumn(),
                console=self.console,
            )
            self.bar.start()
            self.bar.add_task("training", total=self.total_steps, completed=trainer.global_step, figures="")

    def on_train_batch_end(self, trainer: Trainer, *_: object) -> None:
        """Move the bar."""
        if self.bar is not None:
            self.bar.update(self.bar.task_ids[0], completed=trainer.global_step, figures=self._figures())

    def on_train_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Take the chunk's figures; without a terminal, print a line now and then."""
        if isinstance(pl_module, FitModule) and pl_module.chunk_losses:
            self.loss = torch.stack(pl_module.chunk_losses).mean().item()
        self.validation = float(trainer.callback_metrics.get(self.figure.column, math.nan))
        done = trainer.global_step
        if self.bar is None and done * LINES // self.total_steps > self.lines:
            self.lines = done * LINES // self.total_steps
            seconds = (time.monotonic() - self.started) / max(1, done - self.first_step) * (self.total_steps - done)
            self.console.print(
                f"{self.title}: step {done}/{self.total_steps}, {self._figures()}, {seconds:.0f} s left",
                highlight=False,
                soft_wrap=True,
            )

    def on_train_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Close the bar."""
        self._close()

    def on_exception(self, trainer: Trainer, pl_module: LightningModule, exception: BaseException) -> None:
        """Give the terminal back."""
        self._close()

    def _close(self) -> None:
        if self.bar is not None:
            self.bar.stop()
            self.bar = None

    def _figures(self) -> str:
        parts = []
        if not math.isnan(self.loss):
            parts.append(f"loss {self.loss:.4f}")
        if not math.isnan(self.validation):
            parts.append(f"validation {self.figure.name} {self.validation:.3f}")
        return ", ".join(parts)
