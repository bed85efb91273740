"""The figure of a held-out case, by which the weights are chosen."""

from collections.abc import Sequence

import torch

from neurograft.inference.prior_region import prior_of
from neurograft.inference.segmenting import decide_classes, window_probabilities
from neurograft.networks import UnitNetwork
from neurograft.recipes.schema import Recipe
from neurograft.sampling.batches import PatchBatches
from neurograft.sampling.voxels import VoxelBatches
from neurograft.tasks import SegmentationTask, Task
from neurograft.training.cases import PreparedCase, mean_dice

PATCHES_A_CASE = 16
"""Patches of a held-out case that are looked at where whole images are not segmented."""


class Scorer:
    """Scores held-out cases in full precision, as predict computes, whatever training runs in.

    Segmentation is scored by the mean Dice of the whole case, segmented as predict would on the prepared grid;
    where single voxels train, ``validation.figure`` may ask for those that would be sampled instead. Any other
    task is scored by its loss on patches of the case, the same ones each time, without augmentation.

    Args:
        network: in evaluation mode when it is asked.
        task: what it learns.
        recipe: window, decision and post-processing.
        cases: who is held out.
        batches: the training patches, which say how patches are cut.
    """

    def __init__(
        self,
        network: UnitNetwork,
        task: Task,
        recipe: Recipe,
        cases: Sequence[PreparedCase],
        batches: PatchBatches,
    ) -> None:
        self.network, self.task, self.recipe, self.cases, self.batches = network, task, recipe, cases, batches

    def __call__(self, index: int) -> float:
        """The figure of one case; NaN where it says nothing."""
        device = next(self.network.parameters()).device.type
        with torch.no_grad(), torch.autocast(device, enabled=False):
            if isinstance(self.batches, VoxelBatches) and self.recipe.validation.figure != "dice":
                return self._over_voxels(self.batches, self.cases[index])
            if isinstance(self.task, SegmentationTask):
                return self._dice(self.task, self.cases[index])
            return self._loss(self.cases[index], index)

    def mean(self) -> float:
        """The mean over cases; those that say nothing do not count."""
        return self.mean_of([self(index) for index in range(len(self.cases))])

    def mean_of(self, figures: Sequence[float]) -> float:
        """The mean of some cases' figures, as `mean` has it."""
        mean = torch.tensor(figures, dtype=torch.float64).nanmean()
        return float(mean.nan_to_num(self.task.figure.without_cases))

    def _dice(self, task: SegmentationTask, case: PreparedCase) -> float:
        probabilities = window_probabilities(self.network, task, case.example.image, self.recipe)
        prior = prior_of(case.example.image, self.recipe).cpu().numpy() if case.example.prior_channels else None
        classes = decide_classes(
            probabilities, task, self.recipe.inference, self.recipe.postprocessing, case.voxel_volume_mm3, prior
        )
        unknown = None if case.example.unknown is None else case.example.unknown.cpu().numpy()
        return mean_dice(case.example.target.cpu().numpy(), classes, range(1, len(task.labels) + 1), unknown)

    def _over_voxels(self, batches: VoxelBatches, case: PreparedCase) -> float:
        """Accuracy or loss over a case's chosen voxels: all of them, or those that training did not see."""
        recipe = self.recipe.validation
        shown = batches.held_voxels(case.example) if recipe.split == "voxel" else batches.unchanged([case.example], 0)
        total = 0.0
        for step in range(shown.steps_per_epoch if shown.voxels_per_epoch else 0):
            batch = shown.batch(step)
            outputs = self.network.outputs(batch.image)
            if recipe.figure == "accuracy":
                total += float((outputs["main"].argmax(1) == batch.target).sum())
            else:
                total += float(self.task.batch_loss(outputs, batch)) * len(batch.target)
        return total / shown.voxels_per_epoch if shown.voxels_per_epoch else float("nan")

    def _loss(self, case: PreparedCase, index: int) -> float:
        batches = self.batches.unchanged([case.example], seed=index)
        steps = -(-PATCHES_A_CASE // batches.sampling.batch_size)
        losses = []
        for step in range(steps):
            batch = batches.batch(step)
            outputs = self.network.outputs(self.task.network_input(batch))
            losses.append(float(self.task.batch_loss(outputs, batch)))
        return sum(losses) / steps
