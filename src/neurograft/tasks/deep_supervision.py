"""Outputs and truths of the scales that a network is supervised at."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Literal

from torch import Tensor

from neurograft.tasks.truth import Truth


def supervised_scales(
    outputs: Mapping[str, Tensor],
    truth: Truth,
    weights: Sequence[float],
    targets: Literal["downsampled", "upsampled"],
    normalise: bool,
) -> Iterator[tuple[float, Tensor, Truth]]:
    """Yield the weight, the logits and the truth of each scale that counts, the full one first.

    ``downsampled`` holds a coarse output against the truth at its own resolution, taken by nearest
    neighbour, so that a coarse voxel is unknown where its fine voxel is. ``upsampled`` repeats its
    logits to the full resolution instead.

    Args:
        outputs: ``main`` (N, K, D, H, W) and ``aux_head1``, ``aux_head2``, ..., each coarser by
            whole factors.
        truth: at full resolution.
        weights: of ``main``, ``aux_head1``, ...; a scale of weight 0 is left out.
        targets: of the two above.
        normalise: divide the weights by their sum.

    Raises:
        ValueError: there are more weights than outputs.

    Reference:
        Richter and Fetit 2022 (P3): lower weights for coarser outputs, targets down-sampled; its
        public code weighs 1, 0.5, 0.25, 0.125 and repeats the logits.
    """
    names = ["main", *(f"aux_head{number}" for number in range(1, len(weights)))]
    missing = [name for name in names if name not in outputs]
    if missing:
        raise ValueError(f"deep supervision has a weight for {', '.join(missing)}, which the network does not give")
    total = sum(weights) if normalise else 1.0
    full = outputs["main"].shape[2:]
    for name, weight in zip(names, weights, strict=True):
        if weight == 0:
            continue
        logits = outputs[name]
        factors = tuple(fine // coarse for fine, coarse in zip(full, logits.shape[2:], strict=True))
        if targets == "downsampled":
            yield weight / total, logits, truth.coarser(factors)
        else:
            # In single precision already, in which the gradients of what is repeated are then summed.
            logits = logits.float()
            for axis, factor in enumerate(factors, start=2):
                logits = logits.repeat_interleave(factor, dim=axis)
            yield weight / total, logits, truth
