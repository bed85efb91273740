"""What Dice and cross-entropy of a softmax need of the voxels, in a few passes over them.

Written out operation by operation, the loss of a network with many labels reads and writes its probabilities
more often than the network does its own features. Both losses depend on them by a few sums for each class,
whose gradient with respect to the logits is known.
"""

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable
from torch.nn import functional

from neurograft.imaging.labels import IGNORE


@dataclass(frozen=True, eq=False)
class SoftmaxSums:
    """Sums over annotated voxels, (N, K) each.

    Attributes:
        overlap: of a class's probability over its own voxels.
        predicted: of its probability, or of the square, over all voxels.
        surprise: of the negative logarithm of its probability over its own voxels.
        voxels: how many are its own.
    """

    overlap: Tensor
    predicted: Tensor
    surprise: Tensor
    voxels: Tensor


def softmax_sums(logits: Tensor, target: Tensor, squared: bool = False) -> SoftmaxSums:
    """Sum what the losses need.

    Args:
        logits: (N, K, D, H, W), of any floating type; sums are in single precision at least.
        target: (N, D, H, W) classes 0 to K - 1, `IGNORE` where nothing is known.
        squared: sum squares in ``predicted``.
    """
    return SoftmaxSums(*_Sums.apply(logits, target, squared))


_MANY_CLASSES = 16
"""From which on a softmax over neighbours in memory is as fast on a CPU as one over planes; below it takes some times
as long, being done number by number."""

_APART = 16
"""Columns that two samples' sums have at least: two threads that write into one line of the processor's cache wait for
each other, and took five to six times as long."""


class _Sums(torch.autograd.Function):
    """Rows of voxels with K columns where the logits lie like that in memory, else K rows of voxels.

    On a CPU the logits of few classes are turned into such rows too.
    """

    @staticmethod
    def forward(ctx: Any, logits: Tensor, target: Tensor, squared: bool) -> tuple[Tensor, ...]:
        classes = logits.shape[1]
        channels_last = not logits.is_contiguous() and logits.is_contiguous(memory_format=torch.channels_last_3d)
        last = channels_last and (classes >= _MANY_CLASSES or logits.device.type != "cpu")
        axis = 2 if last else 1
        flat = logits.movedim(1, 4).flatten(1, 3) if last else logits.flatten(2)
        precision = torch.promote_types(logits.dtype, torch.float32)
        # Apple's GPUs have no double precision.
        wide = precision if logits.device.type == "mps" else torch.float64
        truth = target.flatten(1).long()
        annotated = truth != IGNORE
        complete = bool(annotated.all())
        truth = torch.where(annotated, truth, 0)
        index = truth.unsqueeze(axis)
        # log_softmax has a fast path along the last axis for single precision alone.
        logs = functional.log_softmax(flat.to(precision), dim=axis)
        own_log = logs.gather(axis, index).squeeze(axis)
        probabilities = logs.exp_()
        own = probabilities.gather(axis, index).squeeze(axis)
        if not complete:
            probabilities *= annotated.unsqueeze(axis)
            own, own_log = own * annotated, own_log * annotated

        def by_class(values: Tensor) -> Tensor:
            sums = values.new_zeros((len(values), max(classes, _APART)), dtype=wide)
            return sums.scatter_add_(1, truth, values.to(wide))[:, :classes].to(precision)

        predicted = (probabilities.square() if squared else probabilities).sum(3 - axis)
        ctx.save_for_backward(probabilities, own, truth, annotated)
        ctx.axis, ctx.squared, ctx.complete = axis, squared, complete
        ctx.shape, ctx.dtype = logits.shape, logits.dtype
        ctx.memory_format = torch.channels_last_3d if channels_last else torch.contiguous_format
        voxels = by_class(annotated.to(precision))
        ctx.mark_non_differentiable(voxels)
        return by_class(own), predicted, -by_class(own_log), voxels

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None, None]:
        probabilities, own, truth, annotated = ctx.saved_tensors
        axis = ctx.axis
        of_overlap, of_predicted, of_surprise, _ = gradients
        overlap_here, surprise_here = (each.gather(1, truth) for each in (of_overlap, of_surprise))
        # With u the derivative by the probabilities, that by the logits is p (u - sum of p u); of a voxel's
        # surprise it is p, less 1 for its own class.
        by_probability = of_predicted.unsqueeze(3 - axis)
        if ctx.squared:
            by_probability = 2 * by_probability * probabilities
            mean = (probabilities * by_probability).sum(axis)
        elif axis == 2:
            mean = (probabilities @ of_predicted.unsqueeze(2)).squeeze(2)
        else:
            mean = (of_predicted.unsqueeze(1) @ probabilities).squeeze(1)
        gained = own * overlap_here
        result = by_probability + (surprise_here - mean - gained).unsqueeze(axis)
        result *= probabilities
        own_class = gained - surprise_here
        if not ctx.complete:
            own_class = own_class * annotated
        result.scatter_add_(axis, truth.unsqueeze(axis), own_class.unsqueeze(axis))
        result = result.to(ctx.dtype)
        number, classes, *size = ctx.shape
        if axis == 2:
            return result.reshape(number, *size, classes).movedim(4, 1), None, None
        return result.reshape(ctx.shape).contiguous(memory_format=ctx.memory_format), None, None
