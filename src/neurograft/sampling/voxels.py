"""Batches for networks that answer for one voxel: chosen voxels, each once an epoch."""

import math
from collections.abc import Sequence
from functools import cached_property
from typing import Any, Self

import torch
from torch import Tensor

from neurograft.recipes.schema import AugmentationConfig
from neurograft.sampling.augmentation.intensity import apply_intensity, draw_intensity
from neurograft.sampling.augmentation.spatial import draw_spatial
from neurograft.sampling.batches import Batch, PatchBatches, hashed, step_generator
from neurograft.sampling.examples import TrainingCase
from neurograft.sampling.extraction import extract
from neurograft.sampling.patches import PatchDraw
from neurograft.sampling.planes import cut_case_planes
from neurograft.sampling.shell import sampled_voxels


class VoxelBatches(PatchBatches):
    """Batches of single voxels with their context, in a new order every epoch.

    The voxels are chosen once, from the seed (see `sampled_voxels`), and an epoch is all of them. As in
    `PatchBatches`, everything about a step comes from its number. For a network that reads no more than
    the planes through a voxel only these are cut, which spares nine tenths of the reading, unless the
    augmentation brings other voxels into them: then it gets the blocks.

    Args:
        cases: as in `PatchBatches`.
        arguments: the other arguments of `PatchBatches`.
        reads_planes: whether the network takes planes, (N, C, 3, d, h), in the place of blocks.
        held_share: share of the chosen voxels that no step sees, kept for validation; of each case.
        options: the other named arguments of `PatchBatches`.
    """

    def __init__(
        self,
        cases: Sequence[TrainingCase],
        *arguments: Any,
        reads_planes: bool = False,
        held_share: float = 0.0,
        **options: Any,
    ) -> None:
        super().__init__(cases, *arguments, **options)
        self.reads_planes = reads_planes
        self.held_share = held_share
        self.held = False
        self._order = (-1, torch.empty(0, dtype=torch.int64))

    @cached_property
    def _chosen(self) -> tuple[Tensor, Tensor]:
        """Case numbers and flat voxel indices, one each for every voxel of an epoch."""
        voxels = []
        for case in self.cases:
            generator = torch.Generator().manual_seed(hashed(f"{self.seed}/{case.id}/voxels"))
            found = sampled_voxels(case, self.sampling.shell_voxels, generator)
            if self.held_share:
                order = torch.randperm(len(found), generator=generator)
                held = round(self.held_share * len(found))
                found = found[order[:held] if self.held else order[held:]]
            voxels.append(found)
        counts = torch.tensor([len(found) for found in voxels])
        return torch.repeat_interleave(torch.arange(len(voxels)), counts), torch.cat(voxels)

    @property
    def voxels_per_epoch(self) -> int:
        """Voxels that an epoch shows."""
        return len(self._chosen[1])

    @property
    def steps_per_epoch(self) -> int:
        """Steps in which every chosen voxel is seen once; the last one may be smaller."""
        return max(1, math.ceil(self.voxels_per_epoch / self.sampling.batch_size))

    def batch(self, step: int) -> Batch:
        """The batch of a step, counted from 0; the same whenever it is asked for."""
        generator = step_generator(self.seed, step)
        patches = self._draws(step)
        intensity = draw_intensity(self.augmentation, len(patches), self.image_channels, generator)
        if self.reads_planes and _keeps_planes(self.augmentation):
            image = self._planes(patches)
            voxels = [self.cases[patch.case].target[tuple(int(place) for place in patch.centre)] for patch in patches]
            target = torch.stack(voxels).long().view(-1, 1, 1, 1).to(self.device)
            apply_intensity(image[:, : self.image_channels], intensity)
        else:
            image, target = self._blocks(patches, generator)
            apply_intensity(image[:, : self.image_channels], intensity)
        case_ids = tuple(self.cases[patch.case].id for patch in patches)
        seed = hashed(f"{self.seed}/{step}/task")
        return Batch(image, target, case_ids, covariates=self._covariates(patches), seed=seed)

    def unchanged(self, cases: Sequence[TrainingCase], seed: int) -> Self:
        """The chosen voxels of other cases, without augmentation."""
        other = super().unchanged(cases, seed)
        other.held_share = 0.0
        other._forget()
        return other

    def held_voxels(self, case: TrainingCase) -> Self:
        """The voxels of a case of the training that no step sees, without augmentation."""
        other = super().unchanged([case], self.seed)
        other.held = True
        other._forget()
        return other

    def _forget(self) -> None:
        """Drop what was worked out for other cases."""
        self.__dict__.pop("_chosen", None)
        self._order = (-1, torch.empty(0, dtype=torch.int64))

    def _draws(self, step: int) -> list[PatchDraw]:
        epoch, number = divmod(step, self.steps_per_epoch)
        if self._order[0] != epoch:
            generator = torch.Generator().manual_seed(hashed(f"{self.seed}/{epoch}/order"))
            self._order = (epoch, torch.randperm(self.voxels_per_epoch, generator=generator))
        size = self.sampling.batch_size
        chosen = self._order[1][number * size : (number + 1) * size]
        draws = []
        for case, flat in zip(*(part[chosen].tolist() for part in self._chosen), strict=True):
            _, height, width = self.cases[case].shape
            voxel = (flat // (height * width), flat // width % height, flat % width)
            draws.append(PatchDraw(case, (float(voxel[0]), float(voxel[1]), float(voxel[2])), voxel))
        return draws

    def _planes(self, patches: Sequence[PatchDraw]) -> Tensor:
        sides = self.context.block((1, 1, 1))
        channels = self.cases[0].image.shape[0]
        image = torch.zeros((len(patches), channels, 3, sides[0], sides[1]))
        for number, patch in enumerate(patches):
            voxel = (int(patch.centre[0]), int(patch.centre[1]), int(patch.centre[2]))
            cut_case_planes(self.cases[patch.case], voxel, self.context, image[number])
        return image.to(self.device)

    def _blocks(self, patches: Sequence[PatchDraw], generator: torch.Generator) -> tuple[Tensor, Tensor]:
        block = self.context.block((1, 1, 1))
        spatial = draw_spatial(self.augmentation, block, len(patches), generator, self._flip_axes)
        return extract(
            self.cases,
            patches,
            spatial,
            (1, 1, 1),
            self.mirror_pairs,
            self.device,
            self.spacing_mm,
            self._mirror_axis,
            self.context,
        )


def _keeps_planes(config: AugmentationConfig) -> bool:
    """Whether no change is asked for that would bring voxels from outside of a plane into it."""
    turns = (
        config.rotation_probability * any(config.rotation_degrees),
        config.scale_probability * (config.scale != (1.0, 1.0)),
        any(config.shear_degrees) * config.shear_probability,
        any(config.translation_voxels) * config.translation_probability,
        config.elastic_probability * config.elastic_displacement_voxels,
        len(config.flip_axes) * config.flip_probability,
        config.blur_probability,
    )
    return not any(turns)
