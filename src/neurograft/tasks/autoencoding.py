"""Autoencoding: give a patch back, whole or what was hidden of it. No labels needed."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from torch import Tensor

from neurograft.imaging.context import Context
from neurograft.recipes.schema import TaskConfig
from neurograft.sampling.batches import Batch
from neurograft.tasks.hiding import hidden_cubes, hide
from neurograft.tasks.protocol import Figure
from neurograft.transfer import head_rows

RECONSTRUCTION_ERROR = Figure("reconstruction error", "validation/reconstruction_error", "lower", float("inf"))


@dataclass(frozen=True)
class AutoencodingTask:
    """Ties image channels to a head's rows: row k is the normalised intensity of channel k.

    Args:
        config: kind, error and what is hidden.
        channels: names of the image channels.
        context: what the network reads around the block that it answers for.

    Reference:
        Kramer 1991 for autoencoders. What is hidden, and that only hidden voxels count: He, Chen, Xie, Li,
        Dollár, Girshick 2022, "Masked autoencoders are scalable vision learners", sections 3 and 4.1. Theirs
        hides 0.75 of an image's patches from a transformer; a convolutional network wants to see more.
    """

    config: TaskConfig
    channels: Sequence[str]
    context: Context = field(default_factory=Context)

    @property
    def outputs(self) -> tuple[str, ...]:
        """Names of the head's rows, in order."""
        return head_rows(self.config, (), self.channels)

    @property
    def figure(self) -> Figure:
        """What held-out subjects are scored by."""
        return RECONSTRUCTION_ERROR

    def network_input(self, batch: Batch) -> Tensor:
        """The patches, for ``masked_autoencoding`` with their hidden voxels replaced."""
        hidden = self._hidden(batch)
        return batch.image if hidden is None else hide(batch.image, hidden)

    def batch_loss(self, outputs: Mapping[str, Tensor], batch: Batch, progress: float = 1.0) -> Tensor:
        """Mean error per voxel and channel, over hidden voxels where some are hidden; `progress` changes nothing."""
        difference = outputs["main"].float() - self.truth(batch)
        error = difference.abs() if self.config.reconstruction_error == "absolute" else difference.square()
        hidden = self._hidden(batch)
        if hidden is None:
            return error.mean()
        counted = self._answered(hidden).to(error)
        return (error * counted).sum() / (counted.sum() * error.shape[1]).clamp(min=1)

    def truth(self, batch: Batch) -> Tensor:
        """What the outputs shall be: the part of the patches that the network answers for."""
        return self._answered(batch.image)

    def activate(self, logits: Tensor) -> Tensor:
        """The rows as they are: they are intensities."""
        return logits

    def _hidden(self, batch: Batch) -> Tensor | None:
        if self.config.kind != "masked_autoencoding":
            return None
        return hidden_cubes(batch.image, self.config.hidden_cube_voxels, self.config.hidden_share, batch.seed)

    def _answered(self, block: Tensor) -> Tensor:
        for axis, (before, after) in enumerate(zip(self.context.before, self.context.after, strict=True), start=2):
            block = block.narrow(axis, before, block.shape[axis] - before - after)
        return block
