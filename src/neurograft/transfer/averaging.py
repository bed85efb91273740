"""Averaging the weights of a source with those of the model adapted from it.

The mean of the two often does as well on the new scans as the adapted model, and better on what only
the source has seen.

Reference:
    Wortsman et al. 2022, Robust fine-tuning of zero-shot models, section 3 (WiSE-FT).
"""

from collections.abc import Mapping

import torch
from torch import Tensor

from neurograft.networks import UnitNetwork, unit_of
from neurograft.transfer.loading import LoadingReport


def average_with_source(
    network: UnitNetwork, start: Mapping[str, Tensor], report: LoadingReport, outputs: tuple[str, ...], weight: float
) -> int:
    """Move an adapted network's weights back towards where they started, in place.

    Only what came from the source is averaged: a tensor, or a row of a head, that started from random weights
    keeps what it has learnt.

    Args:
        network: the adapted one.
        start: its state before it learnt: the source's weights as far as they fit.
        report: what was copied into that state.
        outputs: names of the head's rows.
        weight: of the adapted weights, in 0..1; 1 leaves them as they are.

    Returns:
        How many tensors were averaged, wholly or in part.
    """
    state = network.state_dict()
    changed = 0
    with torch.no_grad():
        for row in report.rows:
            if row.action in ("reset", "skipped"):
                continue
            tensor, before = state[row.tensor], start[row.tensor].to(state[row.tensor].device)
            if not tensor.is_floating_point():
                continue
            mean = torch.lerp(before, tensor, weight)
            if unit_of(row.tensor) in network.label_heads:
                learnt = [number for number, name in enumerate(outputs) if name in report.fresh_outputs]
                mean[learnt] = tensor[learnt]
            tensor.copy_(mean)
            changed += 1
    return changed
