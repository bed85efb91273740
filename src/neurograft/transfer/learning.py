"""From a plan to what learns: parameter groups, frozen tensors and the mode of norm layers."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from neurograft.networks import UnitNetwork
from neurograft.networks.blocks import NORM_TYPES
from neurograft.transfer.adapters import LowRankUpdate
from neurograft.transfer.rules import TransferPlan, UnitRule


@dataclass(frozen=True)
class ParameterPart:
    """The parameters of one unit that share a learning-rate scale."""

    name: str
    scale: float
    release: float
    parameters: tuple[nn.Parameter, ...]


def parameter_parts(network: UnitNetwork, plan: TransferPlan) -> list[ParameterPart]:
    """Split the parameters by unit and, inside a unit, into weights, norms, activations and adapters.

    Activations stand apart only where they learn and the weights do not.

    Frozen parts are included with scale 0, so that the parts always cover the network.
    """
    parts = []
    for unit in network.units:
        rule = plan.rules[unit.name]
        weights: list[nn.Parameter] = []
        norms: list[nn.Parameter] = []
        adapters: list[nn.Parameter] = []
        activations: list[nn.Parameter] = []
        for module in network.unit_module(unit.name).modules():
            mine = tuple(module.parameters(recurse=False))
            if isinstance(module, NORM_TYPES):
                norms += mine
            elif isinstance(module, LowRankUpdate):
                adapters += mine
            elif isinstance(module, nn.PReLU) and rule.activation_scale != rule.learning_rate_scale:
                activations += mine
            else:
                weights += mine
        for suffix, scale, parameters in (
            ("", rule.learning_rate_scale, weights),
            (".norm", rule.norm_scale, norms),
            (".activation", rule.activation_scale, activations),
            (".lora", 1.0, adapters),
        ):
            if parameters:
                parts.append(ParameterPart(unit.name + suffix, scale, rule.release, tuple(parameters)))
    return parts


def optimiser_groups(network: UnitNetwork, plan: TransferPlan, learning_rate: float) -> list[dict[str, Any]]:
    """Parameter groups for a torch optimiser: one a learning part, none for frozen ones."""
    return [
        {"params": list(part.parameters), "lr": learning_rate * part.scale, "name": part.name}
        for part in parameter_parts(network, plan)
        if part.scale > 0
    ]


def set_learning(network: UnitNetwork, plan: TransferPlan, progress: float) -> None:
    """Put the network in the state that the plan wants at a moment of training, in place.

    What does not learn takes no gradient, and norm layers that do not learn are in evaluation
    mode, so that their statistics stay as they are.

    Args:
        network: with adapters in place where the plan has them.
        plan: what learns, and when.
        progress: share of the budget that has passed, 0 to 1.
    """
    network.train()
    for part in parameter_parts(network, plan):
        for parameter in part.parameters:
            parameter.requires_grad_(part.scale > 0 and progress >= part.release)
    for unit in network.units:
        if not _norm_learns(plan.rules[unit.name], progress):
            for module in network.unit_module(unit.name).modules():
                if isinstance(module, NORM_TYPES):
                    module.eval()


def _norm_learns(rule: UnitRule, progress: float) -> bool:
    return rule.norm == "train" and progress >= rule.release


def frozen_tensor_names(network: UnitNetwork, plan: TransferPlan) -> list[str]:
    """Names of the tensors that training must leave bit-identical, buffers included.

    With adapters in place, a weight's own name is that of its unadapted original.
    """
    learning = {
        id(parameter) for part in parameter_parts(network, plan) if part.scale > 0 for parameter in part.parameters
    }
    names = []
    for unit, name, tensor in network.tensors():
        is_buffer = not isinstance(tensor, nn.Parameter)
        if plan.rules[unit].norm == "frozen" if is_buffer else id(tensor) not in learning:
            names.append(name)
    return names


def source_pull(network: UnitNetwork, anchor: Mapping[str, Tensor], weight: float) -> Tensor:
    """The L2-SP penalty: half of `weight` times the squared distance from the source weights.

    Reference:
        Li, Grandvalet, Davoine 2018, eq. 2, its first term.
    """
    total = torch.zeros((), device=next(network.parameters()).device)
    for name, parameter in network.named_parameters():
        if name in anchor:
            total = total + (parameter - anchor[name].to(parameter.device)).square().sum()
    return weight / 2 * total
