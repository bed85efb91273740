"""Deep Image Prior: a network fitted to one image from random weights, with a few slices drawn.

No training set, no source: the only knowledge is what the shape of a convolutional network makes it find
first. The network learns to give back the image and, where somebody drew, the labels; elsewhere its labels
are what follows from features that also explain the image.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from neurograft.hardware import choose_compute
from neurograft.imaging.labels import IGNORE
from neurograft.networks import UnitNetwork
from neurograft.networks.unet3d import UNet3d
from neurograft.recipes.schema import ComputeConfig, TaskConfig
from neurograft.tasks import SegmentationTask

ANY_COMPUTE = ComputeConfig()
NOISE_RANGE = 0.1
"""The fixed input is drawn uniformly from 0 to this."""


@dataclass(frozen=True)
class ImagePrior:
    """How the network is fitted.

    Attributes:
        steps: after which it stops; too many, and it learns the image's noise.
        start: what the network sees: fixed noise, or the image itself.
        noise_channels: of fixed noise.
        input_noise: standard deviation of noise that is added to the input anew in every step, as a share of
            the input's own.
        label_weight: of the labels' loss against the image's mean squared error.
        averaged_share: part of the steps, at the end, whose answers are averaged.
        channels: of the network, from the finest level to the bottleneck.
        learning_rate: of Adam.

    Reference:
        Ulyanov, Vedaldi, Lempitsky 2018, "Deep image prior", section 3 and supplementary: uniform noise up to
        0.1, Adam at 0.01, noise on the input, answers averaged over steps. That labels are fitted beside the
        image is ours.
    """

    steps: int = 300
    start: Literal["noise", "image"] = "image"
    noise_channels: int = 8
    input_noise: float = 1 / 30
    label_weight: float = 1.0
    averaged_share: float = 0.25
    channels: tuple[int, ...] = (8, 16, 32)
    learning_rate: float = 0.01


@dataclass(frozen=True, eq=False)
class ImagePriorFit:
    """What came of it.

    Attributes:
        classes: int16 (D, H, W), the most probable class everywhere.
        image_error: mean squared error of the image at the end, in units of its own variance where it was
            normalised to one.
        label_loss: of the drawn voxels at the end.
        drawn_voxels: how many there were.
    """

    classes: NDArray[np.int16]
    image_error: float
    label_loss: float
    drawn_voxels: int


def fit_image_prior(
    image: NDArray[np.float32],
    classes: NDArray[np.integer],
    labels: tuple[str, ...],
    config: ImagePrior,
    seed: int,
    compute: ComputeConfig = ANY_COMPUTE,
    progress: Callable[[int, int], None] | None = None,
) -> ImagePriorFit:
    """Fit a network to one image and its few drawn voxels.

    Args:
        image: (D, H, W), normalised.
        classes: (D, H, W), `IGNORE` where nobody looked.
        labels: names of the classes 1, 2, ...
        config: how.
        seed: of weights and noise.
        compute: what is not left open is not tried on this machine.
        progress: called with steps done and in all.

    Raises:
        ValueError: no voxel is drawn.
    """
    drawn = int((classes != IGNORE).sum())
    if not drawn:
        raise ValueError("no voxel is annotated")
    task = SegmentationTask(TaskConfig(), labels)
    generator = torch.Generator().manual_seed(seed)
    network = _network(config, len(task.outputs), seed)
    depth, height, width = image.shape
    choice = choose_compute(network, compute, (depth, height, width), batch_size=1)
    torch.set_num_threads(choice.threads)
    layout = torch.channels_last_3d if choice.channels_last else torch.contiguous_format
    truth = torch.from_numpy(image)[None, None].float()
    target = torch.from_numpy(np.asarray(classes, np.int64))[None].to(choice.device)
    start = _start(truth, network, config, generator)
    truth = truth.to(choice.device)
    network.to(choice.device).to(memory_format=layout)  # type: ignore[call-overload]
    optimiser = torch.optim.Adam(network.parameters(), lr=config.learning_rate)
    averaged_from = config.steps - max(1, round(config.averaged_share * config.steps))
    mean = torch.zeros((len(task.outputs), *image.shape))
    network.train()
    for step in range(config.steps):
        noise = torch.randn(start.shape, generator=generator) * (config.input_noise * start.std())
        seen = (start + noise).to(choice.device).contiguous(memory_format=layout)
        with torch.autocast(choice.device, torch.bfloat16, enabled=choice.precision == "bf16"):
            answer = network(seen)
        answer = answer[:, :, :depth, :height, :width].float()
        image_error = functional.mse_loss(answer[:, :1], truth)
        label_loss = task.loss({"main": answer[:, 1:]}, target)
        optimiser.zero_grad()
        (image_error + config.label_weight * label_loss).backward()
        optimiser.step()
        if step >= averaged_from:
            mean += task.activate(answer[:, 1:].detach())[0].cpu()
        if progress is not None:
            progress(step + 1, config.steps)
    decided = task.decide(mean, threshold=0.5).numpy()
    return ImagePriorFit(decided, image_error.item(), label_loss.item(), drawn)


def _network(config: ImagePrior, label_rows: int, seed: int) -> UnitNetwork:
    """Random weights; without skips where the input is noise, which skips would carry to the output."""
    inputs = config.noise_channels if config.start == "noise" else 1
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return UNet3d(
            inputs,
            1 + label_rows,
            channels=config.channels,
            norm="batch",
            activation="leaky_relu",
            block_order="conv-norm-act",
            upsampling="trilinear",
            skips=config.start == "image",
        )


def _start(truth: Tensor, network: UnitNetwork, config: ImagePrior, generator: torch.Generator) -> Tensor:
    """The network's fixed input, enlarged to a size that it accepts."""
    depth, height, width = truth.shape[2:]
    size = network.padded_size((depth, height, width))
    if config.start == "noise":
        return NOISE_RANGE * torch.rand((1, config.noise_channels, *size), generator=generator)
    after = [0 for _ in range(6)]
    for axis in range(3):
        after[2 * (2 - axis) + 1] = size[axis] - truth.shape[2 + axis]
    return functional.pad(truth, after, mode="replicate")
