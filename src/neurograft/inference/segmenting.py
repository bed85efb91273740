"""From a subject's images to classes on the images' own grid, by one model or several."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from neurograft.errors import InputError
from neurograft.imaging.preparation import PreparedImage, prepare_image, restore_probabilities
from neurograft.imaging.prior import Prior, with_prior
from neurograft.imaging.volume import Volume
from neurograft.inference.engines import PLAIN_TORCH, EngineRequest
from neurograft.inference.evidence import Evidence, EvidenceGatherer
from neurograft.inference.postprocessing import filter_components
from neurograft.inference.prior_region import near_prior, prior_of
from neurograft.inference.regions import (
    WHOLE,
    CoarseAnswer,
    Region,
    Truth,
    coarse_parts,
    cut_region,
    oracle_region,
    predicted_region,
    region_on,
)
from neurograft.inference.restoring import WayBack
from neurograft.inference.runners import Runners
from neurograft.inference.slabs import joined
from neurograft.inference.windows import WindowProgress, decide_classes, window_probabilities
from neurograft.models import Bundle
from neurograft.recipes.schema import Recipe
from neurograft.tasks import SegmentationTask

__all__ = ["Segmentation", "Segmenter", "decide_classes", "window_probabilities"]


@dataclass(frozen=True, eq=False)
class Segmentation:
    """What models say of a subject, on the grid of the subject's files.

    Attributes:
        classes: int16 of the source grid's shape.
        probabilities: float32 (labels, *shape), background left out; None unless asked for.
        region: the part of the image that was looked at.
        evidence: how certain the models were, as far as one grid of probabilities tells.
    """

    classes: NDArray[np.int16]
    probabilities: NDArray[np.float32] | None
    region: Region = WHOLE
    evidence: Evidence | None = None


class Segmenter:
    """One model, or several whose probabilities are averaged.

    Args:
        bundles: models that agree on labels, outputs and channels. The first one's decision and
            post-processing count.
        device: where networks run.
        locator: models that find the region for ``inference.region: predicted``; ``None`` lets
            these models find it themselves.
        engines: what runs the networks; PyTorch in single precision unless asked for more.
        scans: how many there will be, for ``auto`` to see whether another engine is worth its export.
        memory_mib: most memory for merged probabilities; ``None`` sets no bound.

    Raises:
        InputError: no model, models that do not agree, or a locator that reads other channels or a prior, or
            is not asked for.
    """

    def __init__(
        self,
        bundles: Sequence[Bundle],
        device: str = "cpu",
        locator: "Segmenter | None" = None,
        engines: EngineRequest = PLAIN_TORCH,
        scans: int = 1,
        memory_mib: float | None = None,
    ) -> None:
        if not bundles:
            raise InputError("no model was given", "Pass --model")
        first = bundles[0]
        for bundle in bundles:
            bundle.require_segmentation()
        for bundle in bundles[1:]:
            if (bundle.side, bundle.labels, bundle.folding) != (first.side, first.labels, first.folding):
                raise InputError(
                    f"differs from {first.path} in labels, outputs or channels, so the two cannot be averaged",
                    "Give models that were trained for the same labels and channels",
                    bundle.path,
                )
        self.recipes = [bundle.info.recipe for bundle in bundles]
        self.labels = first.labels
        self.channels = tuple(first.info.channels)
        self.task = SegmentationTask(first.info.recipe.task, first.labels.names, folding=first.folding)
        self.runners = Runners(bundles, self.task, device, engines, scans, memory_mib)
        self.locator = locator
        if locator is not None and self.recipes[0].inference.region != "predicted":
            raise InputError(
                f"a locator serves inference.region: predicted, and it is {self.recipes[0].inference.region}",
                "Set inference.region=predicted, or leave the locator out",
            )
        if locator is not None:
            if locator.recipes[0].preparation.prior != "none":
                raise InputError(
                    "the locator reads a prior, and finds the region in the image alone",
                    "Give a locator that was trained with preparation.prior=none",
                )
            self._locator_channels = _places_of(locator.channels, self.channels)

    def segment(
        self,
        volumes: Sequence[Volume],
        mask: Volume | None = None,
        keep_probabilities: bool = False,
        progress: WindowProgress | None = None,
        truth: Truth | None = None,
        prior: Prior | None = None,
    ) -> Segmentation:
        """Segment one subject.

        Probabilities are averaged on the prepared grid where all models prepare images alike,
        else on the grid of the files.

        Args:
            volumes: one a channel, in the models' order.
            mask: as in `prepare_image`.
            keep_probabilities: give the labels' probabilities too.
            progress: called with windows done and in all, pass by pass and model by model.
            truth: where the structures are, for ``inference.region: oracle`` and nothing else.
            prior: of the case, for models that read one.
        """
        recipe = self.recipes[0]
        prepared = _prepare(volumes, recipe, mask, prior)
        region = self._region(prepared, volumes, mask, progress, truth)
        gatherer = EvidenceGatherer(self.task, recipe.inference.threshold)
        if self._prepare_alike:
            prepared = cut_region(prepared, region)
            image = torch.from_numpy(prepared.data)
            back = WayBack.of(prepared)
            frames = None if prior is None else prior_of(image, recipe).numpy()
            slabs, plan = self.runners.slabs(image, progress)
            slabs = gatherer.watching(back.slabs(slabs, plan.axis, self._outside))
            if keep_probabilities:
                probabilities = joined(slabs, plan.axis, back.box.size)
                classes = self.task.decide(probabilities, recipe.inference.threshold)
            else:
                classes = self.runners.decided(slabs, plan.axis, back.box.size)
            near = back.mask(near_prior(frames, recipe.postprocessing))
            filtered = filter_components(classes.cpu().numpy(), recipe.postprocessing, back.voxel_volume_mm3, near)
            on_grid = back.on_files(filtered)
            evidence: Evidence | None = gatherer.evidence(filtered)
            restored = back.channels_on_files(probabilities.numpy(), self._outside) if keep_probabilities else None
        else:
            parts = []
            for number, (its, window) in enumerate(zip(self.recipes, self.runners.windows, strict=True)):
                own = _prepare(volumes, its, mask, prior)
                own = cut_region(own, region_on(region, prepared.grid, own.grid, window))
                answer = self.runners.probabilities(number, torch.from_numpy(own.data), its, progress)
                parts.append(torch.from_numpy(restore_probabilities(answer.numpy(), own, self._outside)))
            probabilities = self._mean(parts)
            volume_mm3 = volumes[0].grid.voxel_volume_mm3
            frames = None if prior is None else prior.frames
            on_grid = decide_classes(
                probabilities, self.task, recipe.inference, recipe.postprocessing, volume_mm3, frames
            )
            restored = probabilities.numpy() if keep_probabilities else None
            gatherer.add(probabilities)
            evidence = gatherer.evidence(on_grid)
        labels = None if restored is None else self.task.label_probabilities(torch.from_numpy(restored)).numpy()
        return Segmentation(on_grid, labels, region, evidence)

    def locate(
        self, prepared: PreparedImage, threshold: float, component_share: float, progress: WindowProgress | None = None
    ) -> CoarseAnswer:
        """Find the labels in a coarse pass: windows side by side, each place seen once.

        All models look where all prepare images alike, else the first one alone.

        Args:
            prepared: the image as the first model prepares it.
            threshold: probability from which on a voxel counts.
            component_share: as in `coarse_parts`.
            progress: as in `segment`.
        """
        image = torch.from_numpy(prepared.data)
        recipes = self.recipes if self._prepare_alike else self.recipes[:1]
        probabilities = self._mean(
            [self.runners.probabilities(number, image, _coarse(its), progress) for number, its in enumerate(recipes)]
        )
        parts = coarse_parts(
            self.task.label_probabilities(probabilities).numpy(),
            threshold,
            component_share,
            self.recipes[0].postprocessing,
            prepared.grid.voxel_volume_mm3,
        )
        return CoarseAnswer(parts, tuple(self.labels.names), prepared.grid)

    @property
    def _prepare_alike(self) -> bool:
        return all(recipe.preparation == self.recipes[0].preparation for recipe in self.recipes)

    def _region(
        self,
        prepared: PreparedImage,
        volumes: Sequence[Volume],
        mask: Volume | None,
        progress: WindowProgress | None,
        truth: Truth | None,
    ) -> Region:
        """The part of the first model's prepared image to segment."""
        config = self.recipes[0].inference
        windows = self.runners.windows
        smallest = (max(w[0] for w in windows), max(w[1] for w in windows), max(w[2] for w in windows))
        if config.region == "whole":
            return WHOLE
        if config.region == "prior":
            # Windows follow the prior themselves; the image is not cut.
            return Region("prior")
        if config.region == "oracle":
            return oracle_region(truth, prepared, config, smallest)
        shape = prepared.grid.shape
        if all(extent <= max(sizes) for extent, *sizes in zip(shape, config.region_size, smallest, strict=True)):
            return Region("predicted")
        seen = prepared
        if self.locator is not None:
            chosen = [volumes[place] for place in self._locator_channels]
            seen = prepare_image(chosen, self.locator.recipes[0].preparation, mask)
        answer = (self.locator or self).locate(seen, config.region_threshold, config.region_component_share, progress)
        return predicted_region(answer.on(prepared.grid), shape, config, smallest)

    @property
    def _outside(self) -> list[float]:
        """What the models say of what they are not shown."""
        background = 1.0 if self.task.config.output == "softmax" else 0.0
        return [background, *[0.0] * (len(self.task.outputs) - 1)]

    @staticmethod
    def _mean(parts: list[Tensor]) -> Tensor:
        return parts[0] if len(parts) == 1 else torch.stack(parts).mean(0)


def _prepare(volumes: Sequence[Volume], recipe: Recipe, mask: Volume | None, prior: Prior | None) -> PreparedImage:
    prepared = prepare_image(volumes, recipe.preparation, mask)
    if prior is None or recipe.preparation.prior == "none":
        return prepared
    return with_prior(prepared, prior.select(recipe.preparation.prior_labels or prior.names))


def _coarse(recipe: Recipe) -> Recipe:
    hasty = {"overlap": 0.0, "mirror_axes": ()}
    return recipe.model_copy(update={"inference": recipe.inference.model_copy(update=hasty)})


def _places_of(wanted: Sequence[str], channels: Sequence[str]) -> list[int]:
    """Where the locator's channels stand among the model's; the only one of each is the same whatever its name."""
    if len(wanted) == len(channels) == 1:
        return [0]
    if not set(wanted) <= set(channels):
        raise InputError(
            f"the locator reads the channels {', '.join(wanted)}; the model reads {', '.join(channels)}",
            "Give a locator that reads channels of the model",
        )
    return [list(channels).index(name) for name in wanted]
