"""The sums and their gradient against the same, written out operation by operation."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor
from torch.autograd import gradcheck

from neurograft.imaging.labels import IGNORE
from neurograft.tasks.softmax_sums import softmax_sums

AXES = (2, 3, 4)


def drawn(
    seed: int, classes: int, size: tuple[int, int, int], number: int, ignored: float, channels_last: bool
) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(seed)
    logits = 3 * torch.randn((number, classes, *size), generator=generator, dtype=torch.float64)
    if channels_last:
        logits = logits.to(memory_format=torch.channels_last_3d)
    target = torch.randint(0, classes, (number, *size), generator=generator)
    target[torch.rand(target.shape, generator=generator) < ignored] = IGNORE
    return logits.requires_grad_(), target


def written_out(logits: Tensor, target: Tensor, squared: bool) -> tuple[Tensor, ...]:
    known = (target != IGNORE).unsqueeze(1).to(logits)
    own = (target.unsqueeze(1) == torch.arange(logits.shape[1]).view(1, -1, 1, 1, 1)).to(logits)
    probabilities = logits.softmax(1)
    predicted = ((probabilities.square() if squared else probabilities) * known).sum(AXES)
    return (probabilities * own).sum(AXES), predicted, -(logits.log_softmax(1) * own).sum(AXES), own.sum(AXES)


@given(
    seed=st.integers(0, 1000),
    classes=st.sampled_from([2, 3, 6, 15, 16, 19]),
    size=st.tuples(*[st.integers(1, 5)] * 3),
    number=st.integers(1, 3),
    ignored=st.sampled_from([0.0, 0.4, 1.0]),
    channels_last=st.booleans(),
    squared=st.booleans(),
)
@settings(max_examples=60, deadline=None)
def test_sums_and_gradients_equal_the_written_out(
    seed: int,
    classes: int,
    size: tuple[int, int, int],
    number: int,
    ignored: float,
    channels_last: bool,
    squared: bool,
) -> None:
    logits, target = drawn(seed, classes, size, number, ignored, channels_last)
    sums = softmax_sums(logits, target, squared)
    found = (sums.overlap, sums.predicted, sums.surprise, sums.voxels)
    expected = written_out(logits, target, squared)
    weights = torch.randn((3, number, classes), generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
    for one, other in zip(found, expected, strict=True):
        torch.testing.assert_close(one, other)
    gradients = [
        torch.autograd.grad(sum((w * each).sum() for w, each in zip(weights, parts[:3], strict=True)), logits)[0]
        for parts in (found, expected)
    ]
    torch.testing.assert_close(*gradients)


@pytest.mark.parametrize("classes", [3, 16])
@pytest.mark.parametrize("channels_last", [False, True])
def test_the_gradient_lies_in_memory_as_the_logits_do(channels_last: bool, classes: int) -> None:
    logits, target = drawn(0, classes, (4, 3, 2), 2, 0.2, channels_last)
    (gradient,) = torch.autograd.grad(softmax_sums(logits, target).overlap.sum(), logits)
    assert gradient.stride() == logits.stride()


@pytest.mark.parametrize("channels_last", [False, True])
@pytest.mark.parametrize("squared", [False, True])
def test_the_gradient_is_that_of_finite_differences(channels_last: bool, squared: bool) -> None:
    logits, target = drawn(0, 3, (2, 3, 2), 2, 0.2, channels_last)

    def sums(values: Tensor) -> tuple[Tensor, ...]:
        found = softmax_sums(values, target, squared)
        return found.overlap, found.predicted, found.surprise

    assert gradcheck(sums, (logits,))


def test_a_class_that_is_all_but_excluded_costs_its_logit_and_not_infinity() -> None:
    logits = torch.tensor([0.0, -500.0]).view(1, 2, 1, 1, 1)
    assert float(softmax_sums(logits, torch.ones(1, 1, 1, 1, dtype=torch.long)).surprise[0, 1]) == 500.0


@pytest.mark.parametrize("channels_last", [False, True])
def test_half_precision_is_summed_in_single_and_its_gradient_lies_as_the_logits_do(channels_last: bool) -> None:
    logits, target = drawn(1, 4, (6, 5, 4), 2, 0.1, channels_last)
    coarse = logits.detach().bfloat16().requires_grad_()
    fine = coarse.detach().float().requires_grad_()
    gradients = []
    for values in (coarse, fine):
        sums = softmax_sums(values, target)
        assert sums.overlap.dtype == torch.float32
        gradients.append(torch.autograd.grad((sums.overlap + sums.surprise).sum(), values)[0])
    assert gradients[0].dtype == torch.bfloat16
    assert gradients[0].stride() == coarse.stride()
    torch.testing.assert_close(gradients[0], gradients[1].bfloat16())
