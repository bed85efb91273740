"""Low-rank adapters on convolutions, merged into plain weights when training is done."""

import torch
from torch import Tensor, nn
from torch.nn.utils import parametrize

from neurograft.networks import UnitNetwork
from neurograft.transfer.rules import TransferPlan


class LowRankUpdate(nn.Module):
    """Adds a rank-r matrix to a weight read as (first axis, all the others).

    Starts as no change: one factor is zero.

    Reference:
        Hu et al. 2022, LoRA, section 4.1, with alpha equal to the rank.
    """

    def __init__(self, shape: torch.Size, rank: int, generator: torch.Generator) -> None:
        super().__init__()
        rows, columns = shape[0], shape.numel() // shape[0]
        rank = min(rank, rows, columns)
        self.across = nn.Parameter(torch.randn(rank, columns, generator=generator) / columns**0.5)
        self.along = nn.Parameter(torch.zeros(rows, rank))

    def forward(self, weight: Tensor) -> Tensor:
        """The weight plus the low-rank update, in the weight's shape."""
        return weight + (self.along @ self.across).view(weight.shape)


def attach_adapters(network: UnitNetwork, plan: TransferPlan, seed: int) -> None:
    """Put adapters of ``plan.lora_rank`` on the convolutions and dense layers of all frozen units, in place."""
    if plan.lora_rank is None:
        return
    generator = torch.Generator().manual_seed(seed)
    for unit in network.units:
        if plan.rules[unit.name].learning_rate_scale > 0:
            continue
        for module in network.unit_module(unit.name).modules():
            if isinstance(module, nn.Conv2d | nn.Conv3d | nn.ConvTranspose2d | nn.ConvTranspose3d | nn.Linear):
                update = LowRankUpdate(module.weight.shape, plan.lora_rank, generator)
                parametrize.register_parametrization(module, "weight", update)


def merge_adapters(network: UnitNetwork) -> None:
    """Fold all adapters into the weights they change, in place; a no-op where there are none."""
    for module in network.modules():
        if parametrize.is_parametrized(module, "weight"):
            parametrize.remove_parametrizations(module, "weight", leave_parametrized=True)
