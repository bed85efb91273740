"""Models that answer together: each with the engine that runs it, and their mean, slab by slab."""

import logging
from collections.abc import Iterator, Sequence
from math import prod

import torch
from torch import Tensor

from neurograft.imaging.grid import Shape
from neurograft.inference.engines import PLAIN_TORCH, ChosenEngine, Engine, EngineRequest, choose_engine
from neurograft.inference.engines.interface import describe
from neurograft.inference.slabs import HALF_PRECISION_ROUNDING, MergePlan, Slab, joined, mean_slabs, plan_merging
from neurograft.inference.sliding_window import window_starts
from neurograft.inference.windows import FIRST_AXIS_EXACT, WindowProgress, probability_slabs, window_size
from neurograft.models import Bundle
from neurograft.networks import UnitNetwork
from neurograft.recipes.schema import Recipe
from neurograft.tasks import SegmentationTask

logger = logging.getLogger(__name__)


class Runners:
    """The networks of several models, and what runs them.

    Args:
        bundles: the models.
        task: how logits become probabilities and classes.
        device: where networks lie.
        engines: what may run them.
        scans: how many there will be, for ``auto`` to see whether another engine is worth its export.
        memory_mib: most memory for merged probabilities; ``None`` sets no bound.

    Attributes:
        networks: in the models' order; without weights once another engine than PyTorch runs them.
        chosen: engines by the number of their model, chosen when the first image has come.
        plan: how the last image's windows were merged slab by slab.
    """

    def __init__(
        self,
        bundles: Sequence[Bundle],
        task: SegmentationTask,
        device: str,
        engines: EngineRequest = PLAIN_TORCH,
        scans: int = 1,
        memory_mib: float | None = None,
    ) -> None:
        self.bundles, self.task = tuple(bundles), task
        self.recipes = [bundle.info.recipe for bundle in bundles]
        self.networks: list[UnitNetwork] = [bundle.network().to(device) for bundle in bundles]
        self.engines, self.scans, self.memory_mib = engines, scans, memory_mib
        self.chosen: dict[int, ChosenEngine] = {}
        self.plan: MergePlan | None = None

    @property
    def windows(self) -> list[Shape]:
        """Each model's window."""
        return [window_size(network, recipe) for network, recipe in zip(self.networks, self.recipes, strict=True)]

    def slabs(self, image: Tensor, progress: WindowProgress | None) -> tuple[Iterator[Slab], MergePlan]:
        """The mean of all models' probabilities, slab by slab, and along which axis."""
        plan = plan_merging(_shape(image), self.windows, len(self.task.outputs), self.memory_mib)
        self._tell(plan)
        models = [
            probability_slabs(self._engine(number, image), network, self.task, image, recipe, plan, progress)
            for number, (network, recipe) in enumerate(zip(self.networks, self.recipes, strict=True))
        ]
        return mean_slabs(models, plan.axis), plan

    def decided(self, slabs: Iterator[Slab], axis: int, shape: Shape) -> Tensor:
        """Classes (D, H, W), int16, of slabs that are forgotten as soon as they are decided."""
        classes = torch.zeros(shape, dtype=torch.int16)
        for slab in slabs:
            thickness = slab.activations.shape[1 + axis]
            part = self.task.decide(slab.activations, self.recipes[0].inference.threshold)
            classes.narrow(axis, slab.start, thickness).copy_(part)
        return classes

    def probabilities(self, number: int, image: Tensor, recipe: Recipe, progress: WindowProgress | None) -> Tensor:
        """One model's probabilities (K, D, H, W) of a whole image, by a recipe that may differ in its overlap."""
        engine, network = self._engine(number, image), self.networks[number]
        slabs = probability_slabs(engine, network, self.task, image, recipe, FIRST_AXIS_EXACT, progress)
        return joined(slabs, 0, _shape(image))

    def _engine(self, number: int, image: Tensor) -> Engine:
        """What runs a model; chosen when the first image tells how much there is to do."""
        if number not in self.chosen:
            network, recipe, window = self.networks[number], self.recipes[number], self.windows[number]
            extents = [max(pair) for pair in zip(_shape(image), window, strict=True)]
            places = zip(extents, window, strict=True)
            windows = prod(len(window_starts(extent, side, recipe.inference.overlap)) for extent, side in places)
            found = choose_engine(self.bundles[number], network, self.task, window, self.engines, windows * self.scans)
            if self.engines != PLAIN_TORCH:
                logger.info("%s runs on %s: %s", self.bundles[number].info.name, describe(found.engine), found.reason)
            self.chosen[number] = found
            if found.engine.name != "torch":
                # The engine has weights of its own; what else is asked of the network needs none.
                network.to("meta")
        return self.chosen[number].engine

    def _tell(self, plan: MergePlan) -> None:
        """Say what the bound on memory means for an image, where that is another thing than for the last."""
        if self.memory_mib is not None and self.plan != plan:
            if plan.mib > self.memory_mib:
                logger.warning(
                    "merged probabilities take %.0f MiB even in half precision, more than the %.0f MiB allowed; "
                    "a smaller inference.window takes less",
                    plan.mib,
                    self.memory_mib,
                )
            elif not plan.is_exact:
                logger.info(
                    "merged probabilities are kept in half precision (%.0f MiB): each window over a voxel may change "
                    "its by %.2g of its value",
                    plan.mib,
                    HALF_PRECISION_ROUNDING,
                )
        self.plan = plan


def _shape(image: Tensor) -> Shape:
    return image.shape[1], image.shape[2], image.shape[3]
