"""What a training step sees: patches of prepared volumes, placed, cut and changed at random."""

from neurograft.sampling.batches import Batch, PatchBatches
from neurograft.sampling.examples import TrainingCase

__all__ = ["Batch", "PatchBatches", "TrainingCase"]
