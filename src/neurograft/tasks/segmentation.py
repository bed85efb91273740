"""Segmentation: a class for each voxel, by softmax, or a mask for each label, by sigmoid."""

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor

from neurograft.imaging.labels import IGNORE
from neurograft.recipes.schema import TaskConfig
from neurograft.tasks.losses import cross_entropy_loss, dice_loss, one_hot
from neurograft.transfer import output_names


class SegmentationTask:
    """Ties label names to a head's rows, the loss to both, and rows to a decision.

    Args:
        config: form of the output and the loss.
        labels: names of the labels, in the order of class indices 1, 2, ...

    Attributes:
        outputs: names of the head's rows.
    """

    def __init__(self, config: TaskConfig, labels: Sequence[str]) -> None:
        self.config = config
        self.labels = tuple(labels)
        self.outputs = output_names(self.labels, config.output)

    def loss(self, outputs: Mapping[str, Tensor], target: Tensor) -> Tensor:
        """The loss of a batch.

        Args:
            outputs: ``main`` holds logits (N, K, D, H, W).
            target: class indices (N, D, H, W), `IGNORE` where nothing is known.
        """
        logits = outputs["main"].float()
        annotated = (target != IGNORE).unsqueeze(1).float()
        softmax = self.config.output == "softmax"
        truth = one_hot(target, len(self.outputs), first_class=0 if softmax else 1)
        counted = slice(1, None) if softmax and not self.config.include_background else slice(None)
        loss = dice_loss(
            self.activate(logits)[:, counted],
            truth[:, counted],
            annotated,
            self.config.dice_reduction,
            self.config.dice_smoothing,
        )
        if self.config.loss == "dice_ce":
            loss = loss + cross_entropy_loss(logits, truth, annotated, self.config.output)
        return loss

    def activate(self, logits: Tensor) -> Tensor:
        """Logits (N, K, ...) to probabilities."""
        return logits.softmax(1) if self.config.output == "softmax" else logits.sigmoid()

    def decide(self, probabilities: Tensor, threshold: float) -> Tensor:
        """Probabilities (K, D, H, W) to class indices (D, H, W), int16.

        Softmax takes the most probable class. Sigmoid takes the most probable label among those
        at or above `threshold`, background where there is none.
        """
        if self.config.output == "softmax":
            return probabilities.argmax(0).to(torch.int16)
        best, label = probabilities.max(0)
        return torch.where(best >= threshold, label + 1, torch.zeros_like(label)).to(torch.int16)

    def label_probabilities(self, probabilities: Tensor) -> Tensor:
        """The rows that stand for labels: (labels, D, H, W), background left out."""
        return probabilities[1:] if self.config.output == "softmax" else probabilities
