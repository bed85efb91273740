"""Classification of patches: which labels a patch shows, read off its label map."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from torch import Tensor
from torch.nn import functional

from neurograft.imaging.labels import IGNORE
from neurograft.recipes.schema import TaskConfig
from neurograft.sampling.batches import Batch
from neurograft.tasks.protocol import Figure
from neurograft.transfer import head_rows

BINARY_CROSS_ENTROPY = Figure("cross-entropy", "validation/cross_entropy", "lower", float("inf"))


@dataclass(frozen=True)
class ClassificationTask:
    """Ties label names to a head's rows, each with a sigmoid of its own.

    Args:
        config: from how many voxels on a patch shows a label.
        labels: names of the labels, in the order of class indices 1, 2, ...

    Reference:
        P4, classification sources: class-wise binary cross-entropy over the structures that a slice shows. Its
        text also names a softmax, which several structures in one slice rule out.
    """

    config: TaskConfig
    labels: Sequence[str]

    @property
    def outputs(self) -> tuple[str, ...]:
        """Names of the head's rows, in order."""
        return head_rows(self.config, self.labels, ())

    @property
    def figure(self) -> Figure:
        """What held-out subjects are scored by."""
        return BINARY_CROSS_ENTROPY

    def network_input(self, batch: Batch) -> Tensor:
        """The patches as they are."""
        return batch.image

    def batch_loss(self, outputs: Mapping[str, Tensor], batch: Batch, progress: float = 1.0) -> Tensor:
        """Binary cross-entropy per label and patch of which it is known; `progress` changes nothing.

        Args:
            outputs: ``main`` holds logits (N, labels).
            batch: the patches.
            progress: share of the budget that has passed.
        """
        logits = outputs["main"].float()
        shown, known = shown_labels(batch.target, batch.unknown, len(self.labels), self.config.shown_from_voxels)
        error = functional.binary_cross_entropy_with_logits(logits, shown, reduction="none")
        return (error * known).sum() / known.sum().clamp(min=1)

    def activate(self, logits: Tensor) -> Tensor:
        """Logits (N, labels) to probabilities."""
        return logits.sigmoid()


def shown_labels(target: Tensor, unknown: Tensor | None, labels: int, from_voxels: int = 1) -> tuple[Tensor, Tensor]:
    """Which labels each patch shows, and of which labels that is known.

    A label that reaches the number of voxels is shown, whatever the rest of the patch may be. One that does not
    is known to be missing only if voxels that nobody looked at could not make up the number.

    Args:
        target: (N, D, H, W) class indices, `IGNORE` where nothing is known.
        unknown: bool (N, labels, D, H, W), labels that a background voxel may be after all.
        labels: number of labels.
        from_voxels: from so many on a label is shown.

    Returns:
        Two (N, labels) float tensors of zeros and ones.
    """
    axes = tuple(range(1, target.ndim))
    open_voxels = (target == IGNORE).sum(axes)[:, None].expand(-1, labels)
    if unknown is not None:
        open_voxels = open_voxels + unknown.flatten(2).sum(2)
    seen = functional.one_hot(target.clamp(min=0), labels + 1).sum(axes)[:, 1:]
    shown = seen >= from_voxels
    known = shown | (seen + open_voxels < from_voxels)
    return shown.float(), known.float()
