"""Losses over voxels whose truth is known."""

from collections.abc import Sequence
from typing import Literal

import torch
from torch import Tensor
from torch.nn import functional


def dice_loss(
    probabilities: Tensor,
    truth: Tensor,
    known: Tensor,
    reduction: Literal["batch", "sample"] = "batch",
    smoothing: float = 1e-5,
    denominator: Literal["sum", "squared"] = "sum",
) -> Tensor:
    """One minus the soft Dice, averaged over channels (and over samples where they are kept apart).

    Args:
        probabilities: (N, K, D, H, W) in [0, 1].
        truth: (N, K, D, H, W), 0 or 1.
        known: (N, 1 or K, D, H, W), 1 where the truth (of the channel) is known; other voxels do not count.
        reduction: ``batch`` sums over all patches before dividing, ``sample`` divides in each.
        smoothing: added to numerator and denominator, so that an absent label that is not
            predicted either costs nothing.
        denominator: sums of the values, or of their squares.

    Returns:
        A scalar in [0, 1].

    Reference:
        Bahador et al. (P1), loss; the reduction and the smoothing are not printed there. Squares:
        Milletari, Navab, Ahmadi 2016, V-Net, section 3; P3's public code.
    """
    probabilities, truth = probabilities * known, truth * known
    axes = (2, 3, 4)
    predicted = (probabilities.square() if denominator == "squared" else probabilities).sum(axes)
    return dice_of_sums((probabilities * truth).sum(axes), predicted, truth.sum(axes), reduction, smoothing)


def dice_of_sums(
    overlap: Tensor, predicted: Tensor, voxels: Tensor, reduction: Literal["batch", "sample"], smoothing: float
) -> Tensor:
    """`dice_loss` from what it needs of the voxels, (N, K) each.

    Args:
        overlap: sums of a channel's probability over its own voxels.
        predicted: of its probability, or of the square, over all voxels.
        voxels: how many are its own.
        reduction: as above.
        smoothing: as above.
    """
    if reduction == "batch":
        overlap, predicted, voxels = (sums.sum(0) for sums in (overlap, predicted, voxels))
    return 1 - ((2 * overlap + smoothing) / (predicted + voxels + smoothing)).mean()


def cross_entropy_loss(
    log_probabilities: Tensor, truth: Tensor, annotated: Tensor, class_weights: Sequence[float] | None = None
) -> Tensor:
    """Cross-entropy per annotated voxel.

    Args:
        log_probabilities: (N, K, D, H, W), as `log_softmax` gives them.
        truth: (N, K, D, H, W), 0 or 1.
        annotated: (N, 1, D, H, W), 1 where something is known.
        class_weights: what a voxel counts by its class, K numbers; the mean is one of weights, so that it stays
            a cross-entropy per voxel.

    Returns:
        A scalar; 0 when nothing is annotated.
    """
    per_voxel = -(log_probabilities * truth).sum(1, keepdim=True)
    if class_weights is not None:
        of_class = truth.new_tensor(class_weights).view(1, -1, 1, 1, 1)
        weights = annotated * (of_class * truth).sum(1, keepdim=True)
        return (per_voxel * weights).sum() / weights.sum().clamp(min=torch.finfo(weights.dtype).tiny)
    return (per_voxel * annotated).sum() / annotated.sum().clamp(min=1)


def cross_entropy_of_sums(surprise: Tensor, voxels: Tensor, class_weights: Sequence[float] | None = None) -> Tensor:
    """`cross_entropy_loss` from what it needs of the voxels, (N, K) each.

    Args:
        surprise: sums of the negative logarithm of a class's probability over its own voxels.
        voxels: how many are its own.
        class_weights: as above.
    """
    if class_weights is None:
        return surprise.sum() / voxels.sum().clamp(min=1)
    weights = voxels.new_tensor(class_weights)
    return (surprise * weights).sum() / (voxels * weights).sum().clamp(min=torch.finfo(voxels.dtype).tiny)


def binary_cross_entropy_loss(logits: Tensor, truth: Tensor, known: Tensor) -> Tensor:
    """Binary cross-entropy per known voxel and channel.

    Args:
        logits: (N, K, D, H, W).
        truth: (N, K, D, H, W), 0 or 1.
        known: (N, 1 or K, D, H, W), 1 where the truth (of the channel) is known.

    Returns:
        A scalar; 0 when nothing is known.
    """
    known = known.expand_as(logits)
    per_voxel = functional.binary_cross_entropy_with_logits(logits, truth, reduction="none")
    return (per_voxel * known).sum() / known.sum().clamp(min=1)


def log_softmax(logits: Tensor, unknown: Tensor | None = None) -> Tensor:
    """Logarithms of softmax probabilities, the unknown labels' counted as background.

    A voxel that may be background or any of some labels that nobody looked for has, as far as the
    truth goes, one class for all of them, whose probability is their sum.

    Args:
        logits: (N, K, D, H, W), background first.
        unknown: bool (N, K - 1, D, H, W), the labels that a background voxel may be after all.

    Returns:
        (N, K, D, H, W); the first channel is that sum's logarithm.

    Reference:
        Fang, Yan 2020, "Multi-organ segmentation over partially labeled datasets"; Shi, Xiao, Chen,
        Zhou 2021, "Marginal loss and exclusion loss for partially supervised multi-organ segmentation".
    """
    logs = functional.log_softmax(logits, dim=1)
    if unknown is None:
        return logs
    left_out = functional.pad(~unknown, (0, 0, 0, 0, 0, 0, 1, 0), value=False)
    background = logs.masked_fill(left_out, -torch.inf).logsumexp(1, keepdim=True)
    return torch.cat([background, logs[:, 1:]], dim=1)


def one_hot(classes: Tensor, channels: int, first_class: int) -> Tensor:
    """Classes (N, D, H, W) to (N, channels, D, H, W): channel k is class ``first_class + k``."""
    wanted = torch.arange(first_class, first_class + channels, device=classes.device)
    return (classes.unsqueeze(1) == wanted.view(1, -1, 1, 1, 1)).float()
