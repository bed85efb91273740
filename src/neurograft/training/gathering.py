"""What several processes that train one network tell each other, beside the gradients that Lightning exchanges."""

from collections.abc import Mapping
from dataclasses import replace

import torch
from torch import Tensor, distributed, nn

from neurograft.sampling.batches import Batch


def joined_batch(outputs: Mapping[str, Tensor], batch: Batch, world: int) -> tuple[dict[str, Tensor], Batch]:
    """The outputs and targets of all processes, so that a loss over a whole batch is one.

    Gradients flow into this process's outputs alone: times the number of processes, the mean of gradients that
    they take among themselves is the gradient of the loss of the whole batch.

    Args:
        outputs: of this process's share, each (n, ...).
        batch: its share.
        world: number of processes, all with shares of one size.
    """
    joined = {name: _gathered(outputs[name], world, keeps_gradient=True) for name in sorted(outputs)}
    labels = torch.tensor([0 if batch.unknown is None else batch.unknown.shape[1]], device=batch.target.device)
    distributed.all_reduce(labels, distributed.ReduceOp.MAX)
    unknown = None
    if int(labels):
        own = batch.unknown
        if own is None:
            n, *size = batch.target.shape
            own = torch.zeros((n, int(labels), *size), dtype=torch.bool, device=batch.target.device)
        unknown = _gathered(own.to(torch.uint8), world).bool()
    covariates = {name: _gathered(batch.covariates[name], world) for name in sorted(batch.covariates)}
    return joined, replace(batch, target=_gathered(batch.target, world), unknown=unknown, covariates=covariates)


def joined_scores(scores: Mapping[int, float], count: int, device: torch.device) -> list[float]:
    """The figures of all validation cases in their order, each computed by one of the processes."""
    values = torch.zeros(count, dtype=torch.float64, device=device)
    for index, value in scores.items():
        values[index] = value
    distributed.all_reduce(values)
    return [float(value) for value in values]


def has_batch_norm(network: nn.Module) -> bool:
    """Whether a network's statistics would be those of a process's share."""
    return any(isinstance(module, nn.modules.batchnorm._BatchNorm) for module in network.modules())


def _gathered(own: Tensor, world: int, keeps_gradient: bool = False) -> Tensor:
    own = own.contiguous()
    parts = [torch.empty_like(own) for _ in range(world)]
    distributed.all_gather(parts, own.detach())
    if keeps_gradient:
        parts[distributed.get_rank()] = own
    return torch.cat(parts)
