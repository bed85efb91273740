"""What a prediction says of its own certainty, gathered while slabs of probabilities pass by."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from neurograft.inference.slabs import Slab
from neurograft.tasks import SegmentationTask


@dataclass(frozen=True)
class Evidence:
    """Figures of each label, in the order of the classes 1, 2, ...

    Attributes:
        certainty: mean probability of the label over the voxels that were given it; NaN where there are none.
        kept: share of these voxels that the component filter left; NaN where there are none.
    """

    certainty: tuple[float, ...]
    kept: tuple[float, ...]


class EvidenceGatherer:
    """Gathers figures from slabs that are used elsewhere and forgotten there.

    Args:
        task: how probabilities become classes.
        threshold: for sigmoid outputs.
    """

    def __init__(self, task: SegmentationTask, threshold: float) -> None:
        self.task, self.threshold = task, threshold
        self.labels = len(task.labels)
        self._sums = torch.zeros(self.labels + 1, dtype=torch.float64)
        self._voxels = torch.zeros(self.labels + 1, dtype=torch.int64)

    def watching(self, slabs: Iterator[Slab]) -> Iterator[Slab]:
        """Pass slabs on, and remember how certain their labels are."""
        for slab in slabs:
            self.add(slab.activations)
            yield slab

    def add(self, probabilities: Tensor) -> None:
        """Remember how certain labels are in a part of the image, probabilities (K, D, H, W)."""
        best, label = self.task.label_probabilities(probabilities).max(0)
        if self.task.config.output == "softmax" and self.task.config.decision == "most_probable":
            decided = best > probabilities[0]
        else:
            decided = best >= self.threshold
        places, values = label[decided] + 1, best[decided].to(torch.float64)
        self._voxels += torch.bincount(places.cpu(), minlength=self.labels + 1)
        self._sums += torch.bincount(places.cpu(), values.cpu(), minlength=self.labels + 1)

    def evidence(self, filtered: NDArray[np.int16]) -> Evidence:
        """The figures, after all slabs have passed.

        Args:
            filtered: the classes of the same image that the component filter has left.
        """
        left = np.bincount(filtered.ravel().clip(0), minlength=self.labels + 1)
        voxels = self._voxels.numpy()
        with np.errstate(invalid="ignore"):
            certainty = (self._sums.numpy() / np.where(voxels, voxels, np.nan))[1:]
            kept = (left / np.where(voxels, voxels, np.nan))[1:]
        return Evidence(tuple(certainty.tolist()), tuple(np.minimum(kept, 1.0).tolist()))
