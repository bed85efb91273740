"""The batch of any training step, from its number alone."""

import hashlib
import math
from collections.abc import Mapping, Sequence
from copy import copy
from dataclasses import dataclass, field
from typing import Self

import torch
from torch import Tensor

from neurograft.errors import InputError
from neurograft.imaging.context import Context
from neurograft.imaging.sides import pair_sides
from neurograft.phantoms.synthesis import Synthesiser
from neurograft.recipes.schema import AugmentationConfig, SamplingConfig, Size, Triple
from neurograft.sampling.augmentation.intensity import apply_intensity, draw_intensity
from neurograft.sampling.augmentation.spatial import draw_spatial, flipped_array_axes, kept_in_plane
from neurograft.sampling.examples import TrainingCase
from neurograft.sampling.extraction import NO_CONTEXT, extract
from neurograft.sampling.patches import PatchDraw, draw_patches
from neurograft.sampling.unknown import split_unknown


@dataclass(frozen=True, eq=False)
class Batch:
    """What one training step sees.

    Args:
        image: (N, C, d, h, w) float32, larger than the target by the network's context.
        target: (N, d, h, w) int64 class indices, `IGNORE` where nobody annotated.
        case_ids: the case of each patch.
        unknown: (N, labels, d, h, w) bool: true where the target says background, but nobody looked for
            the label; ``None`` where every label was looked for wherever any was.
        covariates: (N,) float32 by name, the numbers that are known of all cases.
        seed: for whatever else is drawn in this step.
    """

    image: Tensor
    target: Tensor
    case_ids: tuple[str, ...]
    unknown: Tensor | None = field(default=None, kw_only=True)
    covariates: Mapping[str, Tensor] = field(default_factory=dict, kw_only=True)
    seed: int = field(default=0, kw_only=True)


class PatchBatches:
    """Batches of augmented patches, without state.

    Everything about step ``n`` comes from a generator seeded by the seed and ``n``: a training may stop
    and resume anywhere, and a step can be looked at again, without running those before it.

    Args:
        cases: whole prepared volumes on one spacing, with as many channels each.
        sampling: patch size, batch size, chance of a target.
        augmentation: random changes to the patches.
        mirror_pairs: pairs of classes that are the left and right of one structure.
        seed: of the training.
        device: where patches are interpolated, changed and left.
        spacing_mm: voxel spacing of the cases.
        unpaired_sides: names of labels of one side that have no partner in the label table.
        orientation: anatomical codes of the array axes.
        context: what the network reads around a patch.
        slice_axis: the array axis of slices that must not be mixed.
        synthesiser: makes the images of cases that bring maps to make them from.

    Attributes:
        share: of several processes that share each batch, the number of this one, and how many there are. All draw
            the same batch; each makes its own part of it.

    Raises:
        InputError: there are no cases, they have different numbers of channels, or left-right flips are
            asked for while a label or a frame of the prior of one side has no partner.
    """

    def __init__(
        self,
        cases: Sequence[TrainingCase],
        sampling: SamplingConfig,
        augmentation: AugmentationConfig,
        mirror_pairs: Sequence[tuple[int, int]] = (),
        seed: int = 0,
        device: torch.device | str = "cpu",
        spacing_mm: Triple = (1.0, 1.0, 1.0),
        unpaired_sides: Sequence[str] = (),
        orientation: str = "RAS",
        context: Context = NO_CONTEXT,
        slice_axis: int | None = None,
        synthesiser: Synthesiser | None = None,
    ) -> None:
        if not cases:
            raise InputError("there is no case to train on", "give a cohort with at least one labelled case")
        channels = {case.image.shape[0]: case.id for case in cases}
        if len(channels) > 1:
            found = ", ".join(f"{count} in {case_id}" for count, case_id in sorted(channels.items()))
            raise InputError(
                f"training cases need the same number of image channels, got {found}",
                "give every case the same images, or leave out those that lack one",
            )
        unpaired_prior = pair_sides(cases[0].prior_names)[1]
        if "left-right" in augmentation.flip_axes and unpaired_prior:
            raise InputError(
                "augmentation.flip_axes has left-right, but these frames of the prior are of one side and have no "
                f"partner to change places with: {', '.join(unpaired_prior)}",
                "take left-right out of augmentation.flip_axes, or give the prior both sides of each structure",
            )
        if "left-right" in augmentation.flip_axes and unpaired_sides:
            raise InputError(
                "augmentation.flip_axes has left-right, but these labels of one side have no partner to change "
                f"places with: {', '.join(unpaired_sides)}",
                "take left-right out of augmentation.flip_axes, or give both sides of each structure in labels",
            )
        self.cases = tuple(cases)
        self.sampling = sampling
        self.augmentation = augmentation
        self.mirror_pairs = tuple(mirror_pairs)
        self.seed = seed
        self.device = torch.device(device)
        self.spacing_mm = spacing_mm
        self.context = context
        self.slice_axis = slice_axis
        self.synthesiser = synthesiser
        self.share = (0, 1)
        self._numbers = sorted(set.intersection(*(set(case.covariates) for case in self.cases)))
        self._flip_axes = flipped_array_axes(augmentation.flip_axes, orientation)
        self._mirror_axis = flipped_array_axes(["left-right"], orientation)[0]

    @property
    def image_channels(self) -> int:
        """Channels of the image, a prior's left out."""
        if self.synthesiser is not None and self.cases[0].generation is not None:
            return len(self.synthesiser.config.channels)
        return self.cases[0].image.shape[0] - self.cases[0].prior_channels

    @property
    def steps_per_epoch(self) -> int:
        """Steps in which the epoch's number of patches is seen, rounded up."""
        patches = len({case.subject for case in self.cases}) * self.sampling.patches_per_subject
        return max(1, math.ceil(patches / self.sampling.batch_size))

    def batch(self, step: int) -> Batch:
        """The batch of a step, counted from 0; the same whenever it is asked for."""
        generator = step_generator(self.seed, step)
        count, size = self.sampling.batch_size, self.sampling.patch_size
        patches = draw_patches(self.cases, count, self.sampling, generator)
        block = self.context.block(size)
        spatial = draw_spatial(self.augmentation, block, count, generator, self._flip_axes)
        if self.slice_axis is not None:
            spatial = [kept_in_plane(draw, self.slice_axis) for draw in spatial]
        intensity = draw_intensity(self.augmentation, count, self.image_channels, generator)
        rank, world = self.share
        mine = slice(rank * count // world, (rank + 1) * count // world)
        patches, spatial, intensity = patches[mine], spatial[mine], intensity[mine]
        image, target = extract(
            self.cases,
            patches,
            spatial,
            size,
            self.mirror_pairs,
            self.device,
            self.spacing_mm,
            self._mirror_axis,
            self.context,
        )
        image, target = self._made(image, target, patches, generator, count, mine, step)
        target, unknown = split_unknown(target, self.cases, patches, spatial, self.mirror_pairs, self._mirror_axis)
        case_ids = tuple(self.cases[patch.case].id for patch in patches)
        numbers = self._covariates(patches)
        seed = hashed(f"{self.seed}/{step}/task")
        apply_intensity(image[:, : self.image_channels], intensity)
        return Batch(image, target, case_ids, unknown=unknown, covariates=numbers, seed=seed)

    def _made(
        self,
        image: Tensor,
        target: Tensor,
        patches: Sequence[PatchDraw],
        generator: torch.Generator,
        count: int,
        mine: slice,
        step: int,
    ) -> tuple[Tensor, Tensor]:
        """Put made images in the place of the maps to make them from; what they do not show is background."""
        maps = [self.cases[patch.case].generation for patch in patches]
        voxels = [each.voxels for each in maps if each is not None]
        if self.synthesiser is None or not voxels:
            return image, target
        block: Size = (image.shape[2], image.shape[3], image.shape[4])
        draws = self.synthesiser.draw(count, block, self.spacing_mm, generator, step)[mine]
        made, seen = self.synthesiser.make(image[:, 0], draws, self.spacing_mm, voxels)
        answer = (slice(first, first + size) for first, size in zip(self.context.before, target.shape[1:], strict=True))
        return torch.cat([made, image[:, 1:]], 1), torch.where(seen[:, *answer], target, 0)

    def warm_up(self) -> None:
        """Make a batch with every change that may come, so that what is compiled when first needed is compiled."""
        every = copy(self)
        chances = [name for name in AugmentationConfig.model_fields if name.endswith("_probability")]
        on = {name: 1.0 for name in chances if getattr(self.augmentation, name) > 0}
        every.augmentation = self.augmentation.model_copy(update=on)
        every.batch(0)

    def unchanged(self, cases: Sequence[TrainingCase], seed: int) -> Self:
        """Patches of other cases, cut in the same way but without augmentation."""
        other = copy(self)
        other.cases = tuple(cases)
        other.seed = seed
        other.share = (0, 1)
        off = {name: 0.0 for name in AugmentationConfig.model_fields if name.endswith("_probability")}
        other.augmentation = self.augmentation.model_copy(update=off)
        return other

    def _covariates(self, patches: Sequence[PatchDraw]) -> dict[str, Tensor]:
        drawn = [self.cases[patch.case].covariates for patch in patches]
        return {name: torch.tensor([each[name] for each in drawn], device=self.device) for name in self._numbers}


def step_generator(seed: int, step: int) -> torch.Generator:
    """A CPU generator for one step; a hash keeps neighbouring seeds and steps unrelated."""
    return torch.Generator().manual_seed(hashed(f"{seed}/{step}"))


def hashed(text: str) -> int:
    """A seed, without a sign, from a text."""
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "big") >> 1
