import copy

import pytest
import torch
from torch import Tensor, nn

from neurograft.networks import UnitNetwork
from neurograft.recipes.schema import TaskConfig
from neurograft.tasks import SegmentationTask
from neurograft.transfer import (
    TransferPlan,
    attach_adapters,
    frozen_tensor_names,
    merge_adapters,
    optimiser_groups,
    parameter_parts,
    plan_transfer,
    set_learning,
    source_pull,
)

STRATEGIES = [
    "scratch",
    "full",
    "freeze(head)",
    "freeze(up2)",
    "freeze(bottleneck)",
    "decay(up2)",
    "decay_down1",
    "decay_whole",
    "shallow",
    "medium",
    "deep",
    "reset_head",
    "encoder_only",
    "frozen_conv",
    "frozen_conv(code)",
    "first_layers(2)",
    "discriminative(0.7)",
    "gradual(0.5)",
    "lora(2)",
    "l2sp(0.1)",
]
"""All that train; ``none`` has its own test."""

OPTIMISERS = {
    "adam": lambda groups: torch.optim.Adam(groups, weight_decay=0.1),
    "adamw": lambda groups: torch.optim.AdamW(groups, weight_decay=0.1),
    "sgd": lambda groups: torch.optim.SGD(groups, momentum=0.9, nesterov=True, weight_decay=0.1),
}
STEPS = 3


def snapshot(network: UnitNetwork) -> dict[str, Tensor]:
    return {name: tensor.detach().clone() for name, tensor in network.state_dict().items()}


def changed_names(before: dict[str, Tensor], network: UnitNetwork) -> set[str]:
    return {name for name, tensor in network.state_dict().items() if not torch.equal(before[name], tensor)}


def training_step(
    network: UnitNetwork,
    plan: TransferPlan,
    optimiser: torch.optim.Optimizer,
    anchor: dict[str, Tensor],
    progress: float,
    number: int,
) -> None:
    """A step as a training takes it, on data of its own."""
    set_learning(network, plan, progress)
    generator = torch.Generator().manual_seed(number)
    image = torch.randn((2, network.in_channels, 16, 16, 16), generator=generator)
    target = (image[:, 0] > 0.5).long()
    loss = SegmentationTask(TaskConfig(), ["LC"]).loss(network.outputs(image), target)
    if plan.l2sp_weight is not None:
        loss = loss + source_pull(network, anchor, plan.l2sp_weight)
    optimiser.zero_grad()
    loss.backward()
    nn.utils.clip_grad_norm_(network.parameters(), 12.0)
    optimiser.step()


def train(network: UnitNetwork, plan: TransferPlan, optimiser_name: str) -> None:
    anchor = {name: parameter.detach().clone() for name, parameter in network.named_parameters()}
    optimiser = OPTIMISERS[optimiser_name](optimiser_groups(network, plan, 0.01))
    for number in range(STEPS):
        training_step(network, plan, optimiser, anchor, number / STEPS, number)


@pytest.mark.parametrize("strategy", STRATEGIES)
@pytest.mark.parametrize("norm", ["batch", "instance"])
@pytest.mark.parametrize("optimiser_name", ["adam", "sgd"])
def test_frozen_tensors_stay_bit_identical_and_all_others_change(make_network, strategy, norm, optimiser_name) -> None:
    network = make_network(norm=norm)
    plan = plan_transfer(strategy, network.units)
    attach_adapters(network, plan, seed=0)
    frozen = set(frozen_tensor_names(network, plan))
    before = snapshot(network)
    train(network, plan, optimiser_name)
    changed = changed_names(before, network)
    assert changed & frozen == set()
    assert set(before) - frozen - changed == set()


@pytest.mark.parametrize("norm", ["batch", "instance", "group", "none"])
@pytest.mark.parametrize(
    ("strategy", "learning_units"),
    [
        ("freeze(up2)", {"up2", "up3", "head"}),
        ("shallow", {"down3", "bottleneck", "up1"}),
        ("medium", {"down2", "down3", "bottleneck", "up1", "up2"}),
    ],
)
def test_frozen_units_are_whole_units_running_statistics_included(make_network, norm, strategy, learning_units) -> None:
    network = make_network(norm=norm)
    plan = plan_transfer(strategy, network.units)
    before = snapshot(network)
    expected = {name for name in before if name.partition(".")[0] not in learning_units}
    assert set(frozen_tensor_names(network, plan)) == expected
    if norm == "batch":
        assert {"down1.norm1.running_mean", "down1.norm2.running_var", "down1.norm1.num_batches_tracked"} <= expected
    train(network, plan, "adamw")
    assert changed_names(before, network) == set(before) - expected


def test_first_layers_changes_norms_everywhere_and_weights_in_front_only(make_network) -> None:
    network = make_network(norm="batch")
    plan = plan_transfer("first_layers(2)", network.units)
    before = snapshot(network)
    train(network, plan, "adam")
    expected = {name for name in before if name.startswith(("down1.", "down2.")) or ".norm" in name}
    assert changed_names(before, network) == expected


def test_strategy_none_freezes_every_tensor(make_network) -> None:
    network = make_network()
    plan = plan_transfer("none", network.units)
    assert set(frozen_tensor_names(network, plan)) == set(network.state_dict())
    assert optimiser_groups(network, plan, 0.01) == []
    set_learning(network, plan, 0.0)
    before = snapshot(network)
    network(torch.randn((2, 1, 16, 16, 16), generator=torch.Generator().manual_seed(0)))
    assert changed_names(before, network) == set()
    assert not any(parameter.requires_grad for parameter in network.parameters())


@pytest.mark.parametrize("strategy", ["none", *STRATEGIES])
@pytest.mark.parametrize("norm", ["batch", "group"])
def test_parts_hold_every_parameter_once(make_network, strategy, norm) -> None:
    network = make_network(norm=norm)
    plan = plan_transfer(strategy, network.units)
    attach_adapters(network, plan, seed=0)
    held = [id(parameter) for part in parameter_parts(network, plan) for parameter in part.parameters]
    assert sorted(held) == sorted(id(parameter) for parameter in network.parameters())


def test_groups_carry_the_plans_rates(make_network) -> None:
    network = make_network()
    rates = {g["name"]: g["lr"] for g in optimiser_groups(network, plan_transfer("decay(up3)", network.units), 1e-3)}
    slow = ["down1", "down2", "down3", "bottleneck", "up1", "up2"]
    expected = {name: 1e-4 for unit in slow for name in (unit, f"{unit}.norm")}
    assert rates == pytest.approx({**expected, "up3": 1e-3, "up3.norm": 1e-3, "head": 1e-3})


def test_groups_of_first_layers_hold_norms_alone_behind_the_first_units(make_network) -> None:
    network = make_network()
    groups = optimiser_groups(network, plan_transfer("first_layers(1)", network.units), 1e-3)
    names = [group["name"] for group in groups]
    assert names == ["down1", *(f"{u}.norm" for u in ("down1", "down2", "down3", "bottleneck", "up1", "up2", "up3"))]
    assert {group["lr"] for group in groups} == {1e-3}


def test_a_tenth_of_the_rate_moves_weights_a_tenth_as_far(make_network) -> None:
    fast, slow = make_network(norm="instance"), make_network(norm="instance")
    start = snapshot(fast)
    moved = {}
    for name, network, strategy in (("fast", fast, "full"), ("slow", slow, "decay_whole")):
        plan = plan_transfer(strategy, network.units)
        optimiser = torch.optim.SGD(optimiser_groups(network, plan, 0.01))
        training_step(network, plan, optimiser, {}, 0.0, 0)
        moved[name] = {key: value - start[key] for key, value in network.state_dict().items()}
    for key, difference in moved["fast"].items():
        assert torch.allclose(difference, 10 * moved["slow"][key], rtol=1e-2, atol=1e-5), key


def test_gradual_releases_from_the_output_to_the_input(make_network) -> None:
    network = make_network(norm="batch")
    plan = plan_transfer("gradual(0.7)", network.units)
    order = ["head", "up3", "up2", "up1", "bottleneck", "down3", "down2", "down1"]
    optimiser = OPTIMISERS["adamw"](optimiser_groups(network, plan, 0.01))
    for steps in range(10):
        before = snapshot(network)
        # Half a step beyond each release, so that rounding decides nothing.
        training_step(network, plan, optimiser, {}, steps / 10 + 0.05, steps)
        changed = changed_names(before, network)
        released = set(order[: steps + 1])
        assert changed == {name for name in before if name.partition(".")[0] in released}, steps


def test_gradual_frees_the_head_at_once_and_the_rest_at_its_share(make_network) -> None:
    network = make_network()
    plan = plan_transfer("gradual(0.7)", network.units)
    for progress, learning in ((0.0, ["head"]), (0.099, ["head"]), (1.0, [unit.name for unit in network.units])):
        set_learning(network, plan, progress)
        found = {name.partition(".")[0] for name, parameter in network.named_parameters() if parameter.requires_grad}
        assert sorted(found) == sorted(learning)


def test_modes_of_norm_layers_follow_the_plan(make_network) -> None:
    network = make_network(norm="batch").eval()
    set_learning(network, plan_transfer("freeze(up3)", network.units), 0.0)
    modes = {name: m.training for name, m in network.named_modules() if isinstance(m, nn.BatchNorm3d)}
    assert {name for name, training in modes.items() if training} == {"up3.block.norm1", "up3.block.norm2"}
    set_learning(network, plan_transfer("full", network.units), 0.0)
    assert all(module.training for module in network.modules())


def test_source_pull_by_hand(make_network) -> None:
    network = make_network()
    anchor = {
        "head.bias": network.get_parameter("head.bias").detach() - torch.tensor([1.0, -2.0]),
        "down1.norm1.weight": network.get_parameter("down1.norm1.weight").detach() + 3.0,
    }
    # 0.1 / 2 * (1 + 4 + 9 + 9)
    penalty = source_pull(network, anchor, 0.1)
    assert penalty.item() == pytest.approx(1.15, rel=1e-5)
    penalty.backward()
    assert torch.allclose(network.get_parameter("head.bias").grad, torch.tensor([0.1, -0.2]), atol=1e-6)
    assert network.get_parameter("head.weight").grad is None
    assert source_pull(network, {}, 0.1).item() == 0.0


def test_strong_pull_keeps_weights_nearer_to_the_source(make_network) -> None:
    distance = {}
    for strategy in ("full", "l2sp(10)"):
        network = make_network(norm="instance")
        anchor = {name: parameter.detach().clone() for name, parameter in network.named_parameters()}
        plan = plan_transfer(strategy, network.units)
        optimiser = torch.optim.SGD(optimiser_groups(network, plan, 0.05))
        for number in range(5):
            training_step(network, plan, optimiser, anchor, number / 5, number)
        distance[strategy] = source_pull(network, anchor, 2.0).item()
    assert distance["l2sp(10)"] < distance["full"]


def test_merged_adapters_leave_frozen_biases_and_norms_as_they_were(make_network) -> None:
    network = make_network(norm="batch")
    source = copy.deepcopy(network.state_dict())
    plan = plan_transfer("lora(2)", network.units)
    attach_adapters(network, plan, seed=0)
    train(network, plan, "adamw")
    merge_adapters(network)
    state = network.state_dict()
    assert sorted(state) == sorted(source)
    changed = {name for name in state if not torch.equal(state[name], source[name])}
    convolutions = {name for name, tensor in source.items() if tensor.ndim == 5}
    assert changed == convolutions | {"head.bias"}


@pytest.mark.parametrize(
    ("strategy", "first_learning"),
    [("freeze(head)", "head"), ("freeze(up2)", "up2"), ("freeze(bottleneck)", "bottleneck")],
)
def test_autograd_begins_at_the_first_unit_that_learns(make_network, strategy, first_learning) -> None:
    network = make_network(norm="instance")
    set_learning(network, plan_transfer(strategy, network.units), progress=1.0)
    followed: dict[str, bool] = {}
    for unit in network.units:
        network.unit_module(unit.name).register_forward_hook(
            lambda module, given, answer, name=unit.name: followed.update({name: answer.requires_grad})
        )
    kept: list[int] = []
    with torch.autograd.graph.saved_tensors_hooks(lambda tensor: kept.append(tensor.numel()) or tensor, lambda t: t):
        network(torch.randn(1, network.in_channels, 16, 16, 16)).square().mean().backward()
    order = list(followed)
    place = order.index(first_learning)
    assert not any(followed[name] for name in order[:place])
    assert all(followed[name] for name in order[place:])
    frozen_kept = sum(kept)
    kept.clear()
    set_learning(network, plan_transfer("full", network.units), progress=1.0)
    with torch.autograd.graph.saved_tensors_hooks(lambda tensor: kept.append(tensor.numel()) or tensor, lambda t: t):
        network(torch.randn(1, network.in_channels, 16, 16, 16)).square().mean().backward()
    assert frozen_kept < 0.8 * sum(kept)
