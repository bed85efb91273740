"""Losses over annotated voxels only."""

from typing import Literal

import torch
from torch import Tensor
from torch.nn import functional


def dice_loss(
    probabilities: Tensor,
    truth: Tensor,
    annotated: Tensor,
    reduction: Literal["batch", "sample"] = "batch",
    smoothing: float = 1e-5,
) -> Tensor:
    """One minus the soft Dice, averaged over channels (and over samples where they are kept apart).

    Args:
        probabilities: (N, K, D, H, W) in [0, 1].
        truth: (N, K, D, H, W), 0 or 1.
        annotated: (N, 1, D, H, W), 1 where the truth is known; other voxels do not count.
        reduction: ``batch`` sums over all patches before dividing, ``sample`` divides in each.
        smoothing: added to numerator and denominator, so that an absent label that is not
            predicted either costs nothing.

    Returns:
        A scalar in [0, 1].

    Reference:
        Bahador et al. (P1), loss; the reduction and the smoothing are not printed there.
    """
    probabilities, truth = probabilities * annotated, truth * annotated
    axes = (0, 2, 3, 4) if reduction == "batch" else (2, 3, 4)
    overlap = (probabilities * truth).sum(axes)
    total = probabilities.sum(axes) + truth.sum(axes)
    return 1 - ((2 * overlap + smoothing) / (total + smoothing)).mean()


def cross_entropy_loss(
    logits: Tensor, truth: Tensor, annotated: Tensor, output: Literal["softmax", "sigmoid"]
) -> Tensor:
    """Cross-entropy per annotated voxel; binary per channel for ``sigmoid``.

    Args:
        logits: (N, K, D, H, W).
        truth: (N, K, D, H, W), 0 or 1.
        annotated: (N, 1, D, H, W), 1 where the truth is known.
        output: which activation the logits stand before.

    Returns:
        A scalar; 0 when nothing is annotated.
    """
    if output == "softmax":
        per_voxel = -(functional.log_softmax(logits, dim=1) * truth).sum(1, keepdim=True)
    else:
        per_voxel = functional.binary_cross_entropy_with_logits(logits, truth, reduction="none").mean(1, keepdim=True)
    return (per_voxel * annotated).sum() / annotated.sum().clamp(min=1)


def one_hot(classes: Tensor, channels: int, first_class: int) -> Tensor:
    """Classes (N, D, H, W) to (N, channels, D, H, W): channel k is class ``first_class + k``."""
    wanted = torch.arange(first_class, first_class + channels, device=classes.device)
    return (classes.unsqueeze(1) == wanted.view(1, -1, 1, 1, 1)).float()
