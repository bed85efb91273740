"""What is learnt: targets, losses and the decision that turns outputs into labels."""

from neurograft.tasks.age import AgeScale
from neurograft.tasks.losses import binary_cross_entropy_loss, cross_entropy_loss, dice_loss
from neurograft.tasks.segmentation import SegmentationTask

__all__ = ["AgeScale", "SegmentationTask", "binary_cross_entropy_loss", "cross_entropy_loss", "dice_loss"]
