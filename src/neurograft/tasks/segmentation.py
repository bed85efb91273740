"""Segmentation: a class for each voxel, by softmax, or a mask for each label, by sigmoid; and age beside it."""

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor

from neurograft.recipes.schema import TaskConfig
from neurograft.sampling.batches import Batch
from neurograft.tasks.age import AgeScale, age_loss, scheduled_weight
from neurograft.tasks.boundary import boundary_loss
from neurograft.tasks.deep_supervision import supervised_scales
from neurograft.tasks.losses import (
    binary_cross_entropy_loss,
    cross_entropy_loss,
    cross_entropy_of_sums,
    dice_loss,
    dice_of_sums,
    log_softmax,
    one_hot,
)
from neurograft.tasks.protocol import DICE, Figure
from neurograft.tasks.softmax_sums import SoftmaxSums, softmax_sums
from neurograft.tasks.truth import Truth
from neurograft.transfer import Folding, output_names

NO_COVARIATES: Mapping[str, Tensor] = {}


class SegmentationTask:
    """Ties label names to a head's rows, the loss to both, and rows to a decision.

    Args:
        config: form of the output and the loss.
        labels: names of the labels, in the order of class indices 1, 2, ...
        age_scale: mean and standard deviation of the training ages, where age is learnt.
        figure: what held-out subjects are scored by; the mean Dice of their segmentations unless given.
        folding: how the labels come from a head that knows others; ``None`` where each has a row of its own. Only
            for a softmax, and not for training.

    Attributes:
        outputs: names of the probabilities that are decided on, which are the head's rows unless these are folded.
    """

    def __init__(
        self,
        config: TaskConfig,
        labels: Sequence[str],
        age_scale: AgeScale | None = None,
        figure: Figure = DICE,
        folding: Folding | None = None,
    ) -> None:
        self.config = config
        self.age_scale = age_scale
        self.labels = tuple(labels)
        self.outputs = output_names(self.labels, config.output)
        self.figure = figure
        self.folding = folding

    def network_input(self, batch: Batch) -> Tensor:
        """The patches as they are."""
        return batch.image

    def batch_loss(self, outputs: Mapping[str, Tensor], batch: Batch, progress: float = 1.0) -> Tensor:
        """`loss` of the batch's own targets."""
        return self.loss(outputs, batch.target, batch.unknown, batch.covariates, progress)

    def loss(
        self,
        outputs: Mapping[str, Tensor],
        target: Tensor,
        unknown: Tensor | None = None,
        covariates: Mapping[str, Tensor] = NO_COVARIATES,
        progress: float = 1.0,
    ) -> Tensor:
        """The loss of a batch.

        Args:
            outputs: ``main`` holds logits (N, K, D, H, W); ``aux_head1``, ... coarser ones; ``age`` (N,).
            target: class indices (N, D, H, W), `IGNORE` where nothing is known.
            unknown: bool (N, labels, D, H, W), labels that a background voxel may be after all.
            covariates: numbers (N,) of the patches' cases by name, where age is learnt.
            progress: share of the budget that has passed, for weights that rise.
        """
        config = self.config
        terms: list[Tensor] = []
        if config.train != "age":
            truth = Truth(target, unknown)
            scales = supervised_scales(
                outputs,
                truth,
                config.deep_supervision_weights,
                config.deep_supervision_targets,
                config.deep_supervision_normalise,
            )
            terms += [weight * self._loss_at_a_scale(logits, known) for weight, logits, known in scales]
            weight = scheduled_weight(config.boundary_weight, config.boundary_weight_schedule, progress)
            if weight > 0:
                terms.append(weight * self._boundary_loss(outputs["main"].float(), truth))
        if self.learns_age:
            weight = scheduled_weight(config.age_weight, config.age_weight_schedule, progress)
            ages = covariates[config.age_covariate].to(outputs["age"].device)
            terms.append(weight * age_loss(outputs["age"], ages, self._scale(), config.age_loss_unit))
        return torch.stack(terms).sum()

    def _loss_at_a_scale(self, logits: Tensor, truth: Truth) -> Tensor:
        """Dice, cross-entropy, or both, of logits (N, K, D, H, W)."""
        config = self.config
        softmax = config.output == "softmax"
        if softmax and truth.unknown is None and (config.dice_activation == "output" or config.loss == "ce"):
            return self._loss_of_sums(softmax_sums(logits, truth.target, config.dice_denominator == "squared"))
        logits = logits.float()
        annotated, known = truth.annotated, truth.known_labels()
        classes = one_hot(truth.target, len(self.outputs), first_class=0 if softmax else 1)
        logs = log_softmax(logits, truth.unknown) if softmax else logits
        if not softmax or config.dice_activation == "sigmoid":
            probabilities = logits.sigmoid()
        else:
            probabilities = logs.exp()
        if softmax and truth.unknown is not None:
            # With one sigmoid a channel a sum of probabilities has no meaning: background counts where all is known.
            of_background = known.amin(1, keepdim=True) if config.dice_activation == "sigmoid" else annotated
            known = torch.cat([of_background, known], dim=1)
        if config.loss == "ce" and softmax:
            return cross_entropy_loss(logs, classes, annotated, config.class_weight_values)
        if config.loss == "ce":
            return binary_cross_entropy_loss(logits, classes, known)
        counted = slice(1, None) if softmax and not config.include_background else slice(None)
        loss = dice_loss(
            probabilities[:, counted],
            classes[:, counted],
            known if known.shape[1] == 1 else known[:, counted],
            config.dice_reduction,
            config.dice_smoothing,
            config.dice_denominator,
        )
        if config.loss == "dice":
            return loss
        if softmax:
            return loss + cross_entropy_loss(logs, classes, annotated, config.class_weight_values)
        return loss + binary_cross_entropy_loss(logits, classes, known)

    def _loss_of_sums(self, sums: SoftmaxSums) -> Tensor:
        """The same where every voxel's class is known, or nothing about it is."""
        config = self.config
        terms = []
        if config.loss != "ce":
            counted = slice(None if config.include_background else 1, None)
            overlap, predicted, voxels = (each[:, counted] for each in (sums.overlap, sums.predicted, sums.voxels))
            terms.append(dice_of_sums(overlap, predicted, voxels, config.dice_reduction, config.dice_smoothing))
        if config.loss != "dice":
            terms.append(cross_entropy_of_sums(sums.surprise, sums.voxels, config.class_weight_values))
        return torch.stack(terms).sum()

    def _boundary_loss(self, logits: Tensor, truth: Truth) -> Tensor:
        labels = self.activate(logits)[:, len(self.outputs) - len(self.labels) :]
        return boundary_loss(labels, one_hot(truth.target, len(self.labels), first_class=1), truth.known_labels())

    def _scale(self) -> AgeScale:
        if self.age_scale is None:
            raise ValueError("the age loss needs the training ages' mean and standard deviation")
        return self.age_scale

    @property
    def learns_age(self) -> bool:
        """Whether the loss has an age term."""
        return self.config.age_weight > 0 and self.config.train != "segmentation"

    def with_age_scale(self, scale: AgeScale | None) -> "SegmentationTask":
        """The same task, with the scale of its ages."""
        return SegmentationTask(self.config, self.labels, scale, self.figure, self.folding)

    def activate(self, logits: Tensor) -> Tensor:
        """Logits (N, rows, ...) to probabilities (N, K, ...), as they are decided on."""
        softmax = self.config.output == "softmax" and self.config.decision == "most_probable"
        probabilities = logits.softmax(1) if softmax else logits.sigmoid()
        return probabilities if self.folding is None else self.folding.fold(probabilities)

    def decide(self, probabilities: Tensor, threshold: float) -> Tensor:
        """Probabilities (K, D, H, W) to class indices (D, H, W), int16.

        Softmax takes the most probable class. Sigmoid, and softmax rows decided one by one
        (``decision: channel_threshold``), take the most probable label among those at or above
        `threshold`, background where there is none.
        """
        if self.config.output == "softmax" and self.config.decision == "most_probable":
            # The first of equal ones, as argmax has it, in a fifth of the time on a CPU.
            return probabilities.max(0).indices.to(torch.int16)
        best, label = self.label_probabilities(probabilities).max(0)
        return torch.where(best >= threshold, label + 1, torch.zeros_like(label)).to(torch.int16)

    def label_probabilities(self, probabilities: Tensor) -> Tensor:
        """The rows that stand for labels: (labels, D, H, W), background left out."""
        return probabilities[1:] if self.config.output == "softmax" else probabilities
