"""From a recipe's task section to a task."""

from collections.abc import Sequence
from typing import Literal

from neurograft.errors import InputError
from neurograft.imaging.context import Context
from neurograft.recipes.schema import TaskConfig
from neurograft.tasks.autoencoding import AutoencodingTask
from neurograft.tasks.classification import ClassificationTask
from neurograft.tasks.protocol import SEGMENTATION_FIGURES, Task
from neurograft.tasks.segmentation import SegmentationTask


def build_task(
    config: TaskConfig,
    labels: Sequence[str],
    channels: Sequence[str],
    figure: Literal["dice", "accuracy", "loss"] = "dice",
) -> Task:
    """The task of a recipe.

    Args:
        config: the recipe's section.
        labels: names of the labels, in the order of their classes; not looked at where images are given back.
        channels: names of the image channels.
        figure: what a segmentation of held-out subjects is scored by.

    Raises:
        InputError: labels are to be learnt, and there are none.
    """
    if config.reconstructs:
        return AutoencodingTask(config, tuple(channels))
    if not labels:
        raise InputError(
            f"task.kind: {config.kind} learns labels, and none is named", "Give a cohort with labels, or name them"
        )
    if config.kind == "classification":
        return ClassificationTask(config, tuple(labels))
    return SegmentationTask(config, labels, figure=SEGMENTATION_FIGURES[figure])


def with_context(task: Task, context: Context) -> Task:
    """The same task for a network that reads more than it answers for."""
    return AutoencodingTask(task.config, task.channels, context) if isinstance(task, AutoencodingTask) else task
