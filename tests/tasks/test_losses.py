import math

import pytest
import torch
from monai.losses import DiceCELoss, DiceLoss
from torch import Tensor

from neurograft.tasks.losses import binary_cross_entropy_loss, cross_entropy_loss, dice_loss, log_softmax, one_hot


def drawn(classes: int, first_class: int = 0, seed: int = 0) -> tuple[Tensor, Tensor, Tensor]:
    """Logits (2, classes, 4, 5, 6), target (2, 4, 5, 6), all annotated."""
    generator = torch.Generator().manual_seed(seed)
    logits = torch.randn((2, classes, 4, 5, 6), generator=generator)
    target = torch.randint(0, classes + first_class, (2, 4, 5, 6), generator=generator)
    return logits, target, torch.ones(2, 1, 4, 5, 6)


@pytest.mark.parametrize("reduction", ["batch", "sample"])
@pytest.mark.parametrize("first", [0, 1])
def test_softmax_dice_equals_monai(reduction, first) -> None:
    logits, target, annotated = drawn(4)
    truth = one_hot(target, 4, 0)
    ours = dice_loss(logits.softmax(1)[:, first:], truth[:, first:], annotated, reduction, 1e-5)
    theirs = DiceLoss(
        include_background=first == 0,
        to_onehot_y=True,
        softmax=True,
        batch=reduction == "batch",
        smooth_nr=1e-5,
        smooth_dr=1e-5,
    )(logits, target.unsqueeze(1))
    assert ours.item() == pytest.approx(theirs.item(), abs=1e-6)


@pytest.mark.parametrize("reduction", ["batch", "sample"])
def test_sigmoid_dice_equals_monai(reduction) -> None:
    logits, target, annotated = drawn(3, first_class=1)
    truth = one_hot(target, 3, 1)
    ours = dice_loss(logits.sigmoid(), truth, annotated, reduction, 0.5)
    theirs = DiceLoss(sigmoid=True, batch=reduction == "batch", smooth_nr=0.5, smooth_dr=0.5)(logits, truth)
    assert ours.item() == pytest.approx(theirs.item(), abs=1e-6)


def test_dice_and_cross_entropy_equal_monai_for_softmax() -> None:
    logits, target, annotated = drawn(4)
    truth = one_hot(target, 4, 0)
    ours = dice_loss(logits.softmax(1), truth, annotated) + cross_entropy_loss(log_softmax(logits), truth, annotated)
    theirs = DiceCELoss(to_onehot_y=True, softmax=True, batch=True, smooth_nr=1e-5, smooth_dr=1e-5)
    assert ours.item() == pytest.approx(theirs(logits, target.unsqueeze(1)).item(), abs=1e-6)


def test_dice_and_cross_entropy_equal_monai_for_one_sigmoid() -> None:
    logits, target, annotated = drawn(1, first_class=1)
    truth = one_hot(target, 1, 1)
    ours = dice_loss(logits.sigmoid(), truth, annotated) + binary_cross_entropy_loss(logits, truth, annotated)
    theirs = DiceCELoss(sigmoid=True, batch=True, smooth_nr=1e-5, smooth_dr=1e-5)
    assert ours.item() == pytest.approx(theirs(logits, truth).item(), abs=1e-6)


def test_dice_by_hand_and_reductions_differ() -> None:
    probabilities = torch.tensor([[1.0, 0.5], [0.0, 0.5]]).view(2, 1, 1, 1, 2)
    truth = torch.tensor([[1.0, 0.0], [0.0, 1.0]]).view(2, 1, 1, 1, 2)
    annotated = torch.ones(2, 1, 1, 1, 2)
    # Together: 2 * 1.5 / (2 + 2). Apart: 2 * 1 / 2.5 and 2 * 0.5 / 1.5.
    assert dice_loss(probabilities, truth, annotated, "batch").item() == pytest.approx(1 - 0.75, abs=1e-4)
    apart = 1 - (2 / 2.5 + 1 / 1.5) / 2
    assert dice_loss(probabilities, truth, annotated, "sample").item() == pytest.approx(apart, abs=1e-4)


def test_cross_entropy_by_hand() -> None:
    logits = torch.tensor([[math.log(3.0), 0.0], [0.0, 0.0]]).view(1, 2, 1, 1, 2)
    truth = one_hot(torch.tensor([0, 1]).view(1, 1, 1, 2), 2, 0)
    annotated = torch.ones(1, 1, 1, 1, 2)
    # Probabilities of the truth: 3/4 and 1/2.
    expected = -(math.log(0.75) + math.log(0.5)) / 2
    assert cross_entropy_loss(log_softmax(logits), truth, annotated).item() == pytest.approx(expected, abs=1e-6)
    annotated[..., 1] = 0
    assert cross_entropy_loss(log_softmax(logits), truth, annotated).item() == pytest.approx(-math.log(0.75), abs=1e-6)


@pytest.mark.parametrize("reduction", ["batch", "sample"])
def test_absent_label_that_is_not_predicted_costs_nothing(reduction) -> None:
    nothing = torch.zeros(2, 1, 2, 2, 2)
    assert dice_loss(nothing, nothing, torch.ones(2, 1, 2, 2, 2), reduction).item() == 0.0


def test_masked_voxels_do_not_change_the_loss() -> None:
    logits, target, annotated = drawn(3)
    annotated[:, :, 2:] = 0
    truth = one_hot(target, 3, 0)
    cut, cut_truth, cut_annotated = logits[:, :, :2], truth[:, :, :2], annotated[:, :, :2]
    assert torch.allclose(
        dice_loss(logits.softmax(1), truth, annotated), dice_loss(cut.softmax(1), cut_truth, cut_annotated)
    )
    assert torch.allclose(
        cross_entropy_loss(log_softmax(logits), truth, annotated),
        cross_entropy_loss(log_softmax(cut), cut_truth, cut_annotated),
    )
    assert torch.allclose(
        binary_cross_entropy_loss(logits, truth, annotated),
        binary_cross_entropy_loss(cut, cut_truth, cut_annotated),
    )


def test_one_hot_by_hand() -> None:
    classes = torch.tensor([0, 1, 2, -1]).view(1, 1, 1, 4)
    assert one_hot(classes, 3, 0)[0, :, 0, 0].tolist() == [[1, 0, 0, 0], [0, 1, 0, 0], [0, 0, 1, 0]]
    assert one_hot(classes, 2, 1)[0, :, 0, 0].tolist() == [[0, 1, 0, 0], [0, 0, 1, 0]]
    assert one_hot(classes.to(torch.int16), 2, 1).dtype == torch.float32


@pytest.mark.parametrize("reduction", ["batch", "sample"])
def test_squared_denominators_equal_monai(reduction) -> None:
    logits, target, annotated = drawn(4)
    truth = one_hot(target, 4, 0)
    ours = dice_loss(logits.sigmoid(), truth, annotated, reduction, 1e-3, "squared")
    theirs = DiceLoss(sigmoid=True, squared_pred=True, batch=reduction == "batch", smooth_nr=1e-3, smooth_dr=1e-3)
    assert ours.item() == pytest.approx(theirs(logits, truth).item(), abs=1e-6)
    assert ours.item() != pytest.approx(dice_loss(logits.sigmoid(), truth, annotated, reduction, 1e-3).item(), abs=1e-3)


def test_binary_cross_entropy_is_a_mean_over_known_voxels_and_channels() -> None:
    logits = torch.tensor([[math.log(3.0), 0.0], [5.0, 0.0]]).view(1, 2, 1, 1, 2)
    truth = torch.tensor([[1.0, 0.0], [0.0, 1.0]]).view(1, 2, 1, 1, 2)
    known = torch.tensor([[1.0, 1.0], [0.0, 1.0]]).view(1, 2, 1, 1, 2)
    expected = -(math.log(0.75) + math.log(0.5) + math.log(0.5)) / 3
    assert binary_cross_entropy_loss(logits, truth, known).item() == pytest.approx(expected, abs=1e-6)


def test_marginal_softmax_by_hand() -> None:
    logits = torch.log(torch.tensor([0.1, 0.2, 0.3, 0.4])).view(1, 4, 1, 1, 1).expand(1, 4, 1, 1, 2)
    unknown = torch.zeros(1, 3, 1, 1, 2, dtype=torch.bool)
    unknown[0, 1, ..., 1] = unknown[0, 2, ..., 1] = True
    probabilities = log_softmax(logits, unknown).exp()
    assert probabilities[0, :, 0, 0, 0].tolist() == pytest.approx([0.1, 0.2, 0.3, 0.4])
    assert probabilities[0, 0, 0, 0, 1].item() == pytest.approx(0.1 + 0.3 + 0.4)
    assert probabilities[0, 1, 0, 0, 1].item() == pytest.approx(0.2)


def test_marginal_cross_entropy_pushes_the_known_label_only() -> None:
    logits = torch.zeros(1, 3, 1, 1, 1, requires_grad=True)
    unknown = torch.tensor([False, True]).view(1, 2, 1, 1, 1)
    truth = one_hot(torch.zeros(1, 1, 1, 1, dtype=torch.long), 3, 0)
    cross_entropy_loss(log_softmax(logits, unknown), truth, torch.ones(1, 1, 1, 1, 1)).backward()
    assert logits.grad is not None
    # Of -log((e^a + e^c) / sum): background and the unknown label rise alike, the excluded one falls.
    assert logits.grad.flatten().tolist() == pytest.approx([1 / 3 - 1 / 2, 1 / 3, 1 / 3 - 1 / 2], abs=1e-6)
