"""The tri-planar network under the strategies: P5's own, and that what is frozen stays bit for bit."""

import pytest
import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from neurograft.errors import InputError
from neurograft.networks import UnitNetwork, build_network
from neurograft.networks.triplanar import TriplanarNetwork
from neurograft.recipes.schema import NetworkConfig
from neurograft.transfer import (
    NetworkSide,
    attach_adapters,
    frozen_tensor_names,
    load_source,
    merge_adapters,
    optimiser_groups,
    parameter_parts,
    plan_transfer,
    require_trainable_outputs,
    set_learning,
)

STRATEGIES = [
    "scratch",
    "full",
    "freeze(head)",
    "freeze(axial_dense)",
    "decay(trunk1)",
    "decay_axial_conv1",
    "shallow",
    "medium",
    "deep",
    "reset_head",
    "encoder_only",
    "frozen_conv",
    "frozen_conv(code)",
    "first_layers(3)",
    "discriminative(0.7)",
    "gradual(0.5)",
    "lora(2)",
    "l2sp(0.1)",
]
PRIOR = ("background", "a", "b")


def network(prior: int = 3, seed: int = 0, inputs: int = 1) -> TriplanarNetwork:
    torch.manual_seed(seed)
    made = TriplanarNetwork(inputs, 3, prior, channels=(2, 3, 4), dense_channels=(5, 6, 7), dropout=0.0)
    with torch.no_grad():
        for tensor in made.state_dict().values():
            if tensor.is_floating_point():
                tensor.add_(torch.rand(tensor.shape) * 0.2 + 0.05)
            else:
                tensor.fill_(7)
    return made


def snapshot(made: nn.Module) -> dict[str, Tensor]:
    return {name: tensor.detach().clone() for name, tensor in made.state_dict().items()}


def train(made: UnitNetwork, plan, steps: int = 3) -> None:
    optimiser = torch.optim.AdamW(optimiser_groups(made, plan, 0.01), weight_decay=0.1)
    for step in range(steps):
        set_learning(made, plan, step / steps)
        generator = torch.Generator().manual_seed(step)
        planes = torch.rand((8, made.in_channels, 3, 32, 32), generator=generator)
        target = torch.randint(0, 3, (8, 1, 1, 1), generator=generator)
        optimiser.zero_grad()
        cross_entropy(made(planes), target).backward()
        optimiser.step()


def changed(before: dict[str, Tensor], made: nn.Module) -> set[str]:
    return {name for name, tensor in made.state_dict().items() if not torch.equal(before[name], tensor)}


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_frozen_tensors_stay_bit_identical_and_all_others_change(strategy) -> None:
    made = network()
    plan = plan_transfer(strategy, made.units)
    attach_adapters(made, plan, seed=0)
    held = [id(parameter) for part in parameter_parts(made, plan) for parameter in part.parameters]
    assert sorted(held) == sorted(id(parameter) for parameter in made.parameters())
    frozen = set(frozen_tensor_names(made, plan))
    before = snapshot(made)
    train(made, plan)
    found = changed(before, made)
    # A bias in front of a norm has no gradient but rounding's; a step of Adam moves it all the same.
    still = {name for name in set(before) - frozen - found if ".conv" not in name or not name.endswith("bias")}
    assert found & frozen == set()
    assert still == set()


def test_p5_freezes_convolutions_with_their_norms_and_slopes_and_starts_the_output_anew() -> None:
    plan = plan_transfer("frozen_conv", network().units)
    assert [name for name, rule in plan.rules.items() if rule.reset] == ["head"]
    made = network()
    before = snapshot(made)
    train(made, plan)
    assert {name.partition(".")[0] for name in changed(before, made)} == {
        "axial_dense",
        "coronal_dense",
        "sagittal_dense",
        "trunk1",
        "trunk2",
        "head",
    }


def test_p5s_code_freezes_the_convolutions_alone_and_resets_nothing() -> None:
    made = network()
    plan = plan_transfer("frozen_conv(code)", made.units)
    assert not any(rule.reset for rule in plan.rules.values())
    before = snapshot(made)
    train(made, plan)
    kept = set(before) - changed(before, made)
    assert kept == {
        name
        for name, module in made.named_modules()
        if isinstance(module, nn.Conv2d)
        for name in (f"{name}.weight", f"{name}.bias")
    }
    rates = {group["name"]: group["lr"] for group in optimiser_groups(made, plan, 0.5)}
    assert rates["axial_conv1.norm"] == rates["axial_conv1.activation"] == rates["axial_dense"] == 0.5
    assert "axial_conv1" not in rates
    with pytest.raises(InputError, match="variant must be paper or code"):
        plan_transfer("frozen_conv(theirs)", made.units)


def test_elsewhere_the_decoder_is_tuned() -> None:
    unet = build_network(NetworkConfig(channels=(2, 3, 4)), 1, 2, seed=0)
    rules = plan_transfer("frozen_conv", unet.units).rules
    assert [name for name, rule in rules.items() if rule.learns] == ["bottleneck", "up1", "up2", "head"]


def test_merged_adapters_are_seen_by_both_ways_through_the_network() -> None:
    made = network()
    plan = plan_transfer("lora(2)", made.units)
    attach_adapters(made, plan, seed=0)
    train(made, plan)
    made.eval()
    block = torch.rand((1, 4, 33, 32, 32), generator=torch.Generator().manual_seed(9))
    with torch.no_grad():
        adapted = made(block)
        torch.testing.assert_close(made(block[:, :, :32])[..., 0, 0, 0], adapted[..., 0, 0, 0])
        merge_adapters(made)
        torch.testing.assert_close(made(block), adapted)


def load(target: TriplanarNetwork, source: TriplanarNetwork, names, source_names, channels=("image",), strategy="full"):
    plan = plan_transfer(strategy, target.units)
    outputs = ("background", "a", "b")
    report = load_source(
        target,
        source.state_dict(),
        plan,
        NetworkSide(channels, outputs, names),
        NetworkSide(("image",), outputs, source_names),
    )
    require_trainable_outputs(plan, report, target)
    return {row.tensor: row for row in report.rows}


def test_columns_of_the_prior_move_by_name() -> None:
    source, target = network(seed=1), network(seed=2)
    rows = load(target, source, ("background", "b", "c"), PRIOR)
    row = rows["trunk2.linear.weight"]
    assert (row.action, row.why) == ("adapted", "frames of the prior by name; 0 for c")
    theirs, ours = source.trunk2.linear.weight, target.trunk2.linear.weight
    assert torch.equal(ours[:, :6], theirs[:, :6])
    assert torch.equal(ours[:, 6:], torch.stack([theirs[:, 6], theirs[:, 8], torch.zeros(7)], dim=1))
    assert {row.action for name, row in rows.items() if name != "trunk2.linear.weight"} == {"copied"}


def test_the_same_prior_is_copied() -> None:
    source, target = network(seed=1), network(seed=2)
    assert {row.action for row in load(target, source, PRIOR, PRIOR).values()} == {"copied"}
    assert changed(snapshot(source), target) == set()


@pytest.mark.parametrize(("ours", "theirs"), [(3, 0), (0, 3)])
def test_a_prior_comes_or_goes(ours, theirs) -> None:
    """A network that had none answers as before until it has learnt what to make of one."""
    source, target = network(theirs, seed=1), network(ours, seed=2)
    rows = load(target, source, PRIOR[:ours], PRIOR[:theirs])
    assert rows["trunk2.linear.weight"].action == "adapted"
    planes = torch.rand((2, 4, 3, 32, 32), generator=torch.Generator().manual_seed(3))
    if ours:
        with torch.no_grad():
            expected = source.eval()(planes[:, :1])
            torch.testing.assert_close(target.eval()(planes), expected)


def test_stems_of_all_branches_take_another_number_of_channels() -> None:
    source, target = network(seed=1), network(seed=2, inputs=2)
    rows = load(target, source, PRIOR, PRIOR, channels=("T1w", "T2w"))
    adapted = {name for name, row in rows.items() if row.action == "adapted"}
    assert adapted == set(target.stem_weights)
    assert torch.equal(target.trunk2.linear.weight, source.trunk2.linear.weight)


def test_other_networks_read_a_prior_as_channels() -> None:
    config = NetworkConfig(channels=(2, 3), norm="none")
    source, target = build_network(config, 1, 2, 1), build_network(config, 3, 2, 2, prior_channels=2)
    plan, outputs = plan_transfer("full", target.units), ("a", "b")
    report = load_source(
        target,
        source.state_dict(),
        plan,
        NetworkSide(("T1w",), outputs, ("background", "a")),
        NetworkSide(("image",), outputs),
    )
    stem = next(row for row in report.rows if row.tensor == "down1.conv1.weight")
    assert stem.action == "adapted"
    assert stem.why == "channels by position: image -> T1w; frames of the prior by name; 0 for background, a"
    image = torch.randn((1, 3, 4, 4, 4), generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        torch.testing.assert_close(target(image), source(image[:, :1]))
