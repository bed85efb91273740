"""A discriminator in training: its term in the network's loss, and its own steps."""

import logging
import math
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from neurograft.errors import InputError
from neurograft.networks import UnitNetwork
from neurograft.networks.discriminator import PatchDiscriminator
from neurograft.recipes.schema import AdversaryConfig, Size
from neurograft.sampling.batches import Batch, PatchBatches
from neurograft.tasks import AutoencodingTask, Task

logger = logging.getLogger(__name__)


class Adversary(nn.Module):
    """Tells real patches from reconstructions, and is told in turn.

    The network takes a step against the discriminator as it is; then the discriminator takes one on the same
    patches. Both steps come from the batch alone, noise included, so that a training can be resumed.

    Args:
        config: the recipe's section.
        truth: gives the images (N, C, D, H, W) of a batch that the network is to give back.
        image_channels: of a patch.
        patch_size: voxels of a patch.
        batch_size: patches a step.
        total_steps: of the whole training.
        seed: of the discriminator's weights.

    Raises:
        InputError: patches so small that the discriminator's norms would have nothing to compare.

    Reference:
        Goodfellow et al. 2014, "Generative adversarial nets"; P4, self-supervised sources: 0.996 of the mean
        absolute error and 0.004 of this term, with the discriminator switched on late.
    """

    def __init__(
        self,
        config: AdversaryConfig,
        truth: Callable[[Batch], Tensor],
        image_channels: int,
        patch_size: Size,
        batch_size: int,
        total_steps: int,
        seed: int,
    ) -> None:
        super().__init__()
        self.config = config
        self.truth = truth
        self.total_steps = total_steps
        regions = math.prod(math.ceil(side / (config.first_stride * 16)) for side in patch_size)
        if regions * batch_size == 1:
            raise InputError(
                f"of one patch of {' x '.join(map(str, patch_size))} voxels the discriminator leaves one voxel, too "
                "few for its norms",
                "Enlarge sampling.patch_size or sampling.batch_size, or set task.adversary.first_stride=1",
            )
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            self.discriminator = PatchDiscriminator(image_channels, patch_size, config.channels, config.first_stride)
        self.optimiser = torch.optim.SGD(
            self.discriminator.parameters(), lr=config.learning_rate, weight_decay=config.weight_decay
        )

    def is_on(self, step: int) -> bool:
        """Whether the discriminator takes part in a step, counted from 0."""
        return step >= self.config.from_step

    def network_loss(self, error: Tensor, reconstruction: Tensor, batch: Batch, step: int) -> Tensor:
        """The network's loss: the error, and the part of it that goes to looking real.

        Args:
            error: the task's loss.
            reconstruction: (N, C, D, H, W), what the network made of the batch.
            batch: the patches.
            step: counted from 0; before the discriminator is on, the error alone counts.
        """
        if not self.is_on(step):
            return error
        self.discriminator.requires_grad_(False)
        logits = self._judged(self.truth(batch), reconstruction, step, batch.seed)
        weight = self.config.weight
        return (1 - weight) * error + weight * _cross_entropy(logits, 1.0)

    def learn(self, reconstruction: Tensor, batch: Batch, step: int) -> None:
        """Take the discriminator's step on a batch; nothing before it is on."""
        if not self.is_on(step):
            return
        self.discriminator.requires_grad_(True)
        image = self.truth(batch)
        made = self._judged(image, reconstruction.detach(), step, batch.seed)
        real = self._judged(image, image, step, batch.seed + 1)
        loss = (_cross_entropy(made, 0.0) + _cross_entropy(real, self.config.real_label)) / 2
        self.optimiser.zero_grad()
        loss.backward()
        self.optimiser.step()

    def training_state(self) -> dict[str, Any]:
        """What a resumed training needs beside the weights, which are the module's."""
        return self.optimiser.state_dict()

    def load_training_state(self, state: dict[str, Any]) -> None:
        """Take over what `training_state` gave."""
        self.optimiser.load_state_dict(state)

    def _judged(self, image: Tensor, candidate: Tensor, step: int, seed: int) -> Tensor:
        spread = self.config.noise_std * (1 - step / self.total_steps)
        candidate = candidate.float()
        if spread > 0:
            generator = torch.Generator(image.device).manual_seed(seed)
            noise = torch.randn(candidate.shape, generator=generator, device=image.device)
            candidate = candidate + spread * noise
        return self.discriminator(image, candidate).float()


def _cross_entropy(logits: Tensor, answer: float) -> Tensor:
    return functional.binary_cross_entropy_with_logits(logits, torch.full_like(logits, answer))


def adversary_of(task: Task, network: UnitNetwork, batches: PatchBatches, total_steps: int) -> Adversary | None:
    """The discriminator that the recipe asks for."""
    config, sampling = task.config.adversary, batches.sampling
    if config.weight == 0 or not isinstance(task, AutoencodingTask):
        return None
    if config.from_step >= total_steps:
        logger.warning(
            "task.adversary.from_step is %d, and the training has %d steps: the adversary never takes part",
            config.from_step,
            total_steps,
        )
    return Adversary(
        config,
        task.truth,
        network.in_channels,
        sampling.patch_size,
        sampling.batch_size,
        total_steps,
        batches.seed,
    )
