import copy
import math

import pytest
import torch

from neurograft.errors import InputError
from neurograft.recipes.schema import AdversaryConfig
from neurograft.sampling.batches import Batch
from neurograft.training.adversary import Adversary

SIZE = (16, 16, 1)


def make(batch_size: int = 2, size: tuple[int, int, int] = SIZE, **options) -> Adversary:
    settings = {"weight": 0.25, "from_step": 3, "channels": (2, 2, 2, 2), "noise_std": 0.0, "learning_rate": 0.5}
    config = AdversaryConfig(**{**settings, **options})
    return Adversary(config, lambda batch: batch.image, 1, size, batch_size, total_steps=10, seed=0)


def patches(seed: int = 0, size: tuple[int, int, int] = SIZE) -> Batch:
    image = torch.randn((2, 1, *size), generator=torch.Generator().manual_seed(seed))
    return Batch(image, torch.zeros((2, *size), dtype=torch.int64), ("a", "b"), seed=seed)


def test_before_its_step_the_error_alone_counts_and_nothing_is_learnt() -> None:
    adversary, batch = make(), patches()
    before = copy.deepcopy(adversary.state_dict())
    error = torch.tensor(2.0)
    assert adversary.network_loss(error, batch.image, batch, step=2) is error
    adversary.learn(batch.image, batch, step=2)
    assert all(torch.equal(before[name], tensor) for name, tensor in adversary.state_dict().items())


def test_the_networks_loss_by_hand() -> None:
    adversary, batch = make(), patches()
    made = patches(1).image.requires_grad_()
    logits = adversary.discriminator(batch.image, made).detach()
    looks_real = sum(math.log1p(math.exp(-value)) for value in logits.flatten().tolist()) / logits.numel()
    loss = adversary.network_loss(torch.tensor(2.0), made, batch, step=3)
    assert loss.item() == pytest.approx(0.75 * 2 + 0.25 * looks_real, rel=1e-5)
    loss.backward()
    assert made.grad is not None
    assert all(p.grad is None for p in adversary.discriminator.parameters()), "the network's step is not its own"


def test_it_learns_to_tell_the_two_apart() -> None:
    size = (64, 64, 1)
    adversary = make(size=size, learning_rate=0.5, weight_decay=0.0, channels=(4, 4, 4, 4))
    for step in range(3, 60):
        batch = patches(step, size)
        adversary.learn(batch.image.abs(), batch, step)
    batch = patches(1000, size)
    with torch.no_grad():
        real = adversary.discriminator(batch.image, batch.image).mean()
        made = adversary.discriminator(batch.image, batch.image.abs()).mean()
    assert real > made + 0.5


def test_noise_comes_from_the_batch_and_falls_to_nothing() -> None:
    adversary, batch = make(noise_std=5.0, from_step=0), patches()
    error = torch.zeros(())
    first, again, last = (adversary.network_loss(error, batch.image, batch, step).item() for step in (0, 0, 10))
    assert first == again != last
    silent = make(noise_std=0.0, from_step=0)
    assert silent.network_loss(error, batch.image, batch, 10).item() == pytest.approx(last)


def test_patches_that_leave_the_norms_nothing_to_compare() -> None:
    with pytest.raises(InputError, match="too few for its norms"):
        make(batch_size=1)
