"""What is learnt: targets, losses and the decision that turns outputs into labels."""

from neurograft.tasks.age import AgeScale
from neurograft.tasks.autoencoding import AutoencodingTask
from neurograft.tasks.building import build_task, with_context
from neurograft.tasks.classification import ClassificationTask
from neurograft.tasks.losses import binary_cross_entropy_loss, cross_entropy_loss, dice_loss
from neurograft.tasks.protocol import Figure, Task
from neurograft.tasks.segmentation import SegmentationTask

__all__ = [
    "AgeScale",
    "AutoencodingTask",
    "ClassificationTask",
    "Figure",
    "SegmentationTask",
    "Task",
    "binary_cross_entropy_loss",
    "build_task",
    "cross_entropy_loss",
    "dice_loss",
    "with_context",
]
