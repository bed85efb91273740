"""A labelled case as a training loop holds it: tensors of the prepared volume, whole."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Literal

import torch
from torch import Tensor

from neurograft.imaging.labels import IGNORE
from neurograft.imaging.sides import pair_sides
from neurograft.phantoms.synthesis import GenerationMap


@dataclass(frozen=True, eq=False)
class Layer:
    """A volume that patches are cut from.

    Attributes:
        volume: (C, D, H, W).
        interpolation: how it is read between voxels.
        minimum: (C,) what lies outside of it.
    """

    volume: Tensor
    interpolation: Literal["bilinear", "nearest"]
    minimum: Tensor

    @property
    def shape(self) -> tuple[int, int, int]:
        """Voxels along each axis."""
        _, depth, height, width = self.volume.shape
        return depth, height, width


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
        prior_channels: how many of the image's channels, the last ones, are a prior's: probabilities, which
            no change of intensity touches.
        prior_names: what these channels are probabilities of, so that a left-right flip can swap their sides.
        generation: what to make images of the case from; ``image`` then has none but the prior's channels.
        quality: of its labels, 0 to 1.

    Raises:
        ValueError: image, target and what images are made from have different shapes.
    """

    id: str
    subject: str
    image: Tensor
    target: Tensor
    unknown: Tensor | None = field(default=None, kw_only=True)
    covariates: Mapping[str, float] = field(default_factory=dict, kw_only=True)
    prior_channels: int = field(default=0, kw_only=True)
    prior_names: tuple[str, ...] = field(default=(), kw_only=True)
    generation: GenerationMap | None = field(default=None, kw_only=True)
    quality: float = field(default=1.0, kw_only=True)

    def __post_init__(self) -> None:
        if self.image.ndim != 4 or self.image.shape[1:] != self.target.shape:
            raise ValueError(
                f"case {self.id}: image (C, D, H, W) is {tuple(self.image.shape)}, target {tuple(self.target.shape)}"
            )
        if self.generation is not None and self.generation.classes.shape != self.target.shape:
            raise ValueError(
                f"case {self.id}: images are made from {tuple(self.generation.classes.shape)}, "
                f"target {tuple(self.target.shape)}"
            )

    @property
    def layers(self) -> tuple["Layer", ...]:
        """What patches are cut from: the map to make images from, if there is one, then the image."""
        image = Layer(self.image, "bilinear", self.minimum)
        if self.generation is None:
            return (image,)
        # Around a map of classes there is air, whether or not the crop has left any.
        classes = Layer(self.generation.classes[None], "nearest", torch.zeros(1))
        return (classes, image) if len(self.image) else (classes,)

    @cached_property
    def annotated_by_plane(self) -> Tensor:
        """(D,) int64: annotated voxels in each plane across the first axis."""
        return (self.target != IGNORE).flatten(1).sum(1).cpu()

    @cached_property
    def is_partly_annotated(self) -> bool:
        """Whether some voxels are annotated and some are not."""
        return 0 < int(self.annotated_by_plane.sum()) < self.target.numel()

    @cached_property
    def mirrored_prior(self) -> tuple[int, ...]:
        """For each of the prior's channels the one that stands in its place in a mirrored image."""
        order = list(range(self.prior_channels))
        for left, right in pair_sides(self.prior_names)[0]:
            order[left], order[right] = right, left
        return tuple(order)

    @property
    def shape(self) -> tuple[int, int, int]:
        """Voxels along each axis."""
        depth, height, width = self.target.shape
        return depth, height, width

    @cached_property
    def minimum(self) -> Tensor:
        """(C,) the smallest value of each channel: what lies outside of the volume."""
        return outside_values(self.image, self.prior_channels)

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


def outside_values(image: Tensor, prior_channels: int) -> Tensor:
    """(C,) what lies outside of an image (C, D, H, W), of whose channels so many, the last ones, are a prior's."""
    values = image.amin(dim=(1, 2, 3))
    if prior_channels:
        # Beyond the volume the prior is sure of background, which is its first channel.
        values[-prior_channels:] = 0
        values[-prior_channels] = 1
    return values
