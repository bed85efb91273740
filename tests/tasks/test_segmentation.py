import math

import pytest
import torch

from neurograft.errors import InputError
from neurograft.imaging.labels import IGNORE
from neurograft.recipes.schema import TaskConfig
from neurograft.tasks import SegmentationTask, cross_entropy_loss, dice_loss
from neurograft.tasks.losses import one_hot

CONFIGS = [
    TaskConfig(output=output, loss=loss, dice_reduction=reduction, include_background=background)
    for output in ("softmax", "sigmoid")
    for loss in ("dice", "dice_ce")
    for reduction in ("batch", "sample")
    for background in (False, True)
]


def logits_of(task: SegmentationTask, seed: int = 0) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.randn((2, len(task.outputs), 4, 4, 4), generator=generator).requires_grad_()


def classes(seed: int = 1) -> torch.Tensor:
    return torch.randint(0, 3, (2, 4, 4, 4), generator=torch.Generator().manual_seed(seed))


@pytest.mark.parametrize(("output", "expected"), [("softmax", ("background", "LC", "SN")), ("sigmoid", ("LC", "SN"))])
def test_outputs_are_named(output, expected) -> None:
    assert SegmentationTask(TaskConfig(output=output), ["LC", "SN"]).outputs == expected


def test_softmax_refuses_a_label_named_as_its_own_row() -> None:
    with pytest.raises(InputError, match="background"):
        SegmentationTask(TaskConfig(), ["CSF", "background"])


@pytest.mark.parametrize("config", CONFIGS)
def test_unannotated_voxels_have_no_gradient(config) -> None:
    task = SegmentationTask(config, ["LC", "SN"])
    logits, target = logits_of(task), classes()
    target[:, 1] = IGNORE
    task.loss({"main": logits}, target).backward()
    assert logits.grad is not None
    assert not logits.grad[:, :, 1].any()
    assert logits.grad[:, :, 0].any()


@pytest.mark.parametrize("config", CONFIGS)
def test_nothing_annotated_costs_nothing(config) -> None:
    task = SegmentationTask(config, ["LC", "SN"])
    logits = logits_of(task)
    loss = task.loss({"main": logits}, torch.full((2, 4, 4, 4), IGNORE))
    loss.backward()
    assert loss.item() == pytest.approx(0.0, abs=1e-6)
    assert logits.grad is not None
    assert not logits.grad.any()


@pytest.mark.parametrize("config", CONFIGS)
def test_right_outputs_cost_less_than_wrong_ones(config) -> None:
    task = SegmentationTask(config, ["LC", "SN"])
    target = classes()
    first = 0 if config.output == "softmax" else 1
    right = (one_hot(target, len(task.outputs), first) - 0.5) * 40
    assert task.loss({"main": right}, target).item() == pytest.approx(0.0, abs=1e-4)
    assert task.loss({"main": -right}, target).item() > 0.9


def test_background_counts_in_the_dice_term_only_when_asked() -> None:
    target = classes()
    logits = logits_of(SegmentationTask(TaskConfig(), ["LC", "SN"])).detach()
    truth, annotated = one_hot(target, 3, 0), torch.ones(2, 1, 4, 4, 4)
    entropy = cross_entropy_loss(logits, truth, annotated, "softmax")
    for include, first in ((False, 1), (True, 0)):
        task = SegmentationTask(TaskConfig(include_background=include), ["LC", "SN"])
        expected = dice_loss(logits.softmax(1)[:, first:], truth[:, first:], annotated) + entropy
        assert task.loss({"main": logits}, target).item() == pytest.approx(expected.item(), abs=1e-6)


def test_loss_of_half_precision_outputs_is_taken_in_full_precision() -> None:
    task = SegmentationTask(TaskConfig(), ["LC", "SN"])
    loss = task.loss({"main": logits_of(task).bfloat16()}, classes())
    assert loss.dtype == torch.float32


def test_decision_of_a_softmax_is_the_most_probable_class() -> None:
    task = SegmentationTask(TaskConfig(output="softmax"), ["LC", "SN"])
    probabilities = torch.tensor([[0.4, 0.1, 0.2], [0.3, 0.6, 0.3], [0.3, 0.3, 0.5]]).view(3, 1, 1, 3)
    decided = task.decide(probabilities, threshold=0.9)
    assert decided.dtype == torch.int16
    assert decided.flatten().tolist() == [0, 1, 2]
    assert torch.equal(task.label_probabilities(probabilities), probabilities[1:])


@pytest.mark.parametrize(
    ("threshold", "expected"), [(0.5, [0, 1, 2, 2, 1]), (0.3, [1, 1, 2, 2, 1]), (0.85, [0, 1, 0, 0, 0])]
)
def test_decision_of_sigmoids_is_the_most_probable_above_the_threshold(threshold, expected) -> None:
    task = SegmentationTask(TaskConfig(output="sigmoid"), ["LC", "SN"])
    probabilities = torch.tensor([[0.4, 0.9, 0.2, 0.7, 0.5], [0.3, 0.6, 0.5, 0.8, 0.1]]).view(2, 1, 1, 5)
    decided = task.decide(probabilities, threshold)
    assert decided.dtype == torch.int16
    assert decided.flatten().tolist() == expected
    assert torch.equal(task.label_probabilities(probabilities), probabilities)


def test_activation() -> None:
    logits = torch.tensor([0.0, math.log(3.0)]).view(1, 2, 1, 1, 1)
    softmax = SegmentationTask(TaskConfig(output="softmax"), ["LC"])
    sigmoid = SegmentationTask(TaskConfig(output="sigmoid"), ["LC", "SN"])
    assert softmax.activate(logits).flatten().tolist() == pytest.approx([0.25, 0.75])
    assert sigmoid.activate(logits).flatten().tolist() == pytest.approx([0.5, 0.75])
