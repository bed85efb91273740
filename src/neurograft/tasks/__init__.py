"""What is learnt: targets, losses and the decision that turns outputs into labels."""

from neurograft.tasks.losses import cross_entropy_loss, dice_loss
from neurograft.tasks.segmentation import SegmentationTask

__all__ = ["SegmentationTask", "cross_entropy_loss", "dice_loss"]
