"""Weights of a cross-entropy by how common each class is, measured on the training cases."""

import logging
from collections.abc import Sequence

import numpy as np
import torch

from neurograft.recipes.schema import Recipe
from neurograft.sampling.examples import TrainingCase
from neurograft.tasks import SegmentationTask, Task

logger = logging.getLogger(__name__)


def with_class_weights(recipe: Recipe, cases: Sequence[TrainingCase], labels: int, slice_axis: int | None) -> Recipe:
    """Measure the weights where the recipe asks for them; a source's own are measured anew, as its labels differ.

    Args:
        recipe: any.
        cases: that are learnt from, and nobody's who is held out.
        labels: number of labels.
        slice_axis: the axis of the network's slices, if it sees slices.

    Returns:
        The recipe with the weights in ``task.class_weight_values``; the same one where nothing is to be done.
    """
    if recipe.task.class_weights == "none" or not cases:
        return recipe
    weights = limited(median_frequency_weights(cases, labels, slice_axis), recipe.task.class_weight_limit)
    logger.info("class weights, background first: %s", ", ".join(f"{weight:.3g}" for weight in weights))
    return recipe.model_copy(update={"task": recipe.task.model_copy(update={"class_weight_values": weights})})


def weighted(task: Task, recipe: Recipe) -> Task:
    """The same task with the weights that its recipe has by now."""
    if not isinstance(task, SegmentationTask) or task.config == recipe.task:
        return task
    return SegmentationTask(recipe.task, task.labels, task.age_scale, task.figure, task.folding)


def median_frequency_weights(cases: Sequence[TrainingCase], labels: int, slice_axis: int | None) -> tuple[float, ...]:
    """The median of all classes' frequencies, divided by the class's own.

    A class's frequency is its number of voxels, divided by the voxels of the pictures that show it. Pictures are
    a network's slices, or whole volumes. Voxels that nobody annotated do not count, nor do those that may be a
    label or not; a class that is nowhere gets weight 1.

    Args:
        cases: with targets (D, H, W).
        labels: number of labels.
        slice_axis: the array axis across which slices lie, or None.

    Returns:
        A weight for background and for each label, in the order of the classes.

    Reference:
        Eigen, Fergus 2015 (ICCV), section 4.4, and Badrinarayanan, Kendall, Cipolla 2017, "SegNet", section 4. P4
        names weights and prints no formula.
    """
    own, around = np.zeros(labels + 1), np.zeros(labels + 1)
    for case in cases:
        for classes in _pictures(case, slice_axis):
            counts = torch.bincount(classes[classes >= 0], minlength=labels + 1).numpy()
            own += counts
            around += (counts > 0) * counts.sum()
    present = own > 0
    frequencies = own[present] / around[present]
    weights = np.ones(labels + 1)
    weights[present] = np.median(frequencies) / frequencies
    return tuple(float(weight) for weight in weights)


def limited(weights: Sequence[float], limit: float | None) -> tuple[float, ...]:
    """Weights of which none is more than `limit` times the smallest; as they are without a limit.

    Example:
        >>> limited((0.5, 1.0, 50.0), 20)
        (0.5, 1.0, 10.0)
    """
    highest = float("inf") if limit is None else limit * min(weights)
    return tuple(min(weight, highest) for weight in weights)


def _pictures(case: TrainingCase, slice_axis: int | None) -> Sequence[torch.Tensor]:
    target = case.target.cpu().long()
    if slice_axis is None:
        return (target.flatten(),)
    return target.movedim(slice_axis, 0).flatten(1).unbind()
