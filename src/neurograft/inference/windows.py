"""One model's probabilities of a prepared image, window by window, and the classes decided from them."""

from collections.abc import Callable, Iterator

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from neurograft.imaging.grid import Shape
from neurograft.inference.engines import Engine, TorchEngine
from neurograft.inference.mirroring import mirrored
from neurograft.inference.postprocessing import filter_components
from neurograft.inference.prior_region import near_prior, wanted_voxels
from neurograft.inference.slabs import MergePlan, Slab, joined
from neurograft.inference.sliding_window import window_slabs
from neurograft.networks import UnitNetwork
from neurograft.recipes.schema import InferenceConfig, PostprocessingConfig, Recipe
from neurograft.sampling.examples import outside_values
from neurograft.tasks import SegmentationTask, Task

WindowProgress = Callable[[int, int], None]

FIRST_AXIS_EXACT = MergePlan(0, torch.float32, 0.0)
"""How images are merged of which all probabilities are kept."""


def window_size(network: UnitNetwork, recipe: Recipe) -> Shape:
    """Voxels of a window: the recipe's, or its training patch's, enlarged to what the network accepts."""
    first, second, third = network.padded_size(recipe.inference.window or recipe.sampling.patch_size)
    return first, second, third


def window_probabilities(
    network: UnitNetwork,
    task: Task,
    image: Tensor,
    recipe: Recipe,
    progress: WindowProgress | None = None,
) -> Tensor:
    """Probabilities of a prepared image by sliding window.

    Under ``inference.region: prior`` windows lie near the prior's labels, and all else is background.

    Args:
        network: in evaluation mode, on the device where it shall run.
        task: turns logits into probabilities.
        image: (C, D, H, W) on any device; the result is merged there.
        recipe: its window, or training patch size, enlarged to what the network accepts.
        progress: called with windows done and in all.

    Returns:
        float32 (K, D, H, W), on the image's device.
    """
    slabs = probability_slabs(TorchEngine(network), network, task, image, recipe, FIRST_AXIS_EXACT, progress)
    return joined(slabs, 0, (image.shape[1], image.shape[2], image.shape[3]))


def probability_slabs(
    engine: Engine,
    network: UnitNetwork,
    task: Task,
    image: Tensor,
    recipe: Recipe,
    plan: MergePlan,
    progress: WindowProgress | None = None,
) -> Iterator[Slab]:
    """The same slab by slab, for images whose probabilities shall never lie in memory all at once.

    Args:
        engine: runs the network.
        network: says what sizes it takes and what it reads around a window.
        task: turns logits into probabilities.
        image: (C, D, H, W).
        recipe: its window and region.
        plan: along which axis, and in which type sums are kept.
        progress: called with windows done and in all.
    """
    config = recipe.inference
    window = window_size(network, recipe)

    def answer(windows: Tensor, where: Tensor | None = None) -> Tensor:
        return task.activate(engine(windows, where))

    wanted = wanted_voxels(image, recipe)
    slabs = window_slabs(
        image,
        mirrored(answer, network, task, recipe),
        window,
        config.overlap,
        config.merge,
        config.batch_size,
        progress,
        network.context,
        wanted,
        plan.axis,
        plan.storage,
        # An age head is read while the network runs: each window counts.
        reuse=not network.has_age,
        outside=outside_values(image, len(recipe.preparation.prior_labels or ())),
    )
    for slab in slabs:
        if wanted is not None:
            thickness = slab.activations.shape[1 + plan.axis]
            outside = ~wanted.narrow(plan.axis, slab.start, thickness).to(slab.activations.device)
            slab.activations[:, outside] = 0
            if task.config.output == "softmax":
                slab.activations[0, outside] = 1
        yield slab


def decide_classes(
    probabilities: Tensor,
    task: SegmentationTask,
    inference: InferenceConfig,
    postprocessing: PostprocessingConfig,
    voxel_volume_mm3: float,
    prior: NDArray[np.float32] | None = None,
) -> NDArray[np.int16]:
    """Probabilities (K, D, H, W) to filtered classes (D, H, W), with the prior (P, D, H, W) where there is one."""
    classes = task.decide(probabilities, inference.threshold).cpu().numpy()
    return filter_components(classes, postprocessing, voxel_volume_mm3, near_prior(prior, postprocessing))
