"""What is known of a batch's voxels, at full resolution or coarser."""

from dataclasses import dataclass

from torch import Tensor

from neurograft.imaging.labels import IGNORE


@dataclass(frozen=True, eq=False)
class Truth:
    """Classes of voxels, and where they are not known.

    Args:
        target: (N, D, H, W) class indices: 0 background, 1..n the labels, `IGNORE` where nothing is known.
        unknown: bool (N, labels, D, H, W): the labels that a voxel of class 0 may be after all,
            because nobody looked for them there; ``None`` where that never happens.
    """

    target: Tensor
    unknown: Tensor | None = None

    @property
    def annotated(self) -> Tensor:
        """(N, 1, D, H, W) float, 1 where something is known."""
        return (self.target != IGNORE).unsqueeze(1).float()

    def known_labels(self) -> Tensor:
        """(N, 1 or labels, D, H, W) float, 1 where it is known whether the voxel is the label."""
        return self.annotated if self.unknown is None else self.annotated * (~self.unknown)

    def coarser(self, factors: tuple[int, ...]) -> "Truth":
        """The truth at every `factors`-th voxel along each axis: a coarse voxel is what one of its fine voxels is."""
        d, h, w = factors
        unknown = None if self.unknown is None else self.unknown[:, :, ::d, ::h, ::w]
        return Truth(self.target[:, ::d, ::h, ::w], unknown)
