"""A labelled case as a training loop holds it: tensors of the prepared volume, whole."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property

import torch
from torch import Tensor

from neurograft.imaging.labels import IGNORE


@dataclass(eq=False)
class TrainingCase:
    """One prepared image with its target.

    Args:
        id: the case.
        subject: whose case it is; sampling is uniform over subjects.
        image: (C, D, H, W) float32, normalised.
        target: (D, H, W) int16 class indices: 0 background, 1..n the labels, `IGNORE` where
            nobody annotated, and codes below that where only some labels were looked for (see
            `neurograft.imaging.partial_classes`).
        unknown: what the codes point to: (rows, labels) bool, true for labels that a voxel with the row's
            code may still have; ``None`` where there are no codes.
        covariates: numbers known of the case, by name, such as its age.

    Raises:
        ValueError: image and target have different shapes.
    """

    id: str
    subject: str
    image: Tensor
    target: Tensor
    unknown: Tensor | None = field(default=None, kw_only=True)
    covariates: Mapping[str, float] = field(default_factory=dict, kw_only=True)

    def __post_init__(self) -> None:
        if self.image.ndim != 4 or self.image.shape[1:] != self.target.shape:
            raise ValueError(
                f"case {self.id}: image (C, D, H, W) is {tuple(self.image.shape)}, target {tuple(self.target.shape)}"
            )

    @cached_property
    def annotated_by_plane(self) -> Tensor:
        """(D,) int64: annotated voxels in each plane across the first axis."""
        return (self.target != IGNORE).flatten(1).sum(1).cpu()

    @cached_property
    def is_partly_annotated(self) -> bool:
        """Whether some voxels are annotated and some are not."""
        return 0 < int(self.annotated_by_plane.sum()) < self.target.numel()

    @property
    def shape(self) -> tuple[int, int, int]:
        """Voxels along each axis."""
        depth, height, width = self.target.shape
        return depth, height, width

    @cached_property
    def minimum(self) -> Tensor:
        """(C,) the smallest value of each channel: what lies outside of the volume."""
        return self.image.flatten(1).amin(dim=1)

    @cached_property
    def voxels_by_class(self) -> dict[int, Tensor]:
        """Flat indices (int32 where they fit, on the CPU) of each class's voxels, for the classes present from 1 on."""
        flat = self.target.flatten().cpu()
        indices = torch.nonzero(flat > 0).squeeze(1)
        classes, order = torch.sort(flat[indices], stable=True)
        present, counts = torch.unique_consecutive(classes, return_counts=True)
        fits = flat.numel() < 2**31
        sorted_indices = indices[order].to(torch.int32 if fits else torch.int64)
        groups = torch.split(sorted_indices, counts.tolist())
        return {int(value): group for value, group in zip(present, groups, strict=True)}
