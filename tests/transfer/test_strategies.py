from typing import Any

import pytest

from neurograft.errors import InputError
from neurograft.networks import Unit
from neurograft.networks.unet3d import UNet3d
from neurograft.transfer import STRATEGIES, UnitRule, plan_transfer

UNITS = UNet3d(1, 1, (2, 2, 2, 2)).units
NAMES = ["down1", "down2", "down3", "bottleneck", "up1", "up2", "up3", "head"]

SIX_LEVELS = (
    Unit("stem", "encoder", 0),
    *(Unit(f"down{level}", "encoder", level) for level in (1, 2, 3, 4)),
    Unit("bottleneck", "bottleneck", 5),
    *(Unit(f"up{number}", "decoder", 5 - number) for number in (1, 2, 3, 4, 5)),
    Unit("head", "head", 0),
    *(Unit(f"aux_head{number}", "side", number) for number in (1, 2, 3)),
)
"""The network of P3: input block, four down, bottleneck, five up, output block, auxiliary heads."""


def scales(strategy: str) -> list[float]:
    rules = plan_transfer(strategy, UNITS).rules
    assert list(rules) == NAMES
    return [rule.learning_rate_scale for rule in rules.values()]


#                       down1 down2 down3 bott  up1   up2   up3   head
@pytest.mark.parametrize(
    ("strategy", "expected"),
    [
        ("scratch",       [1,    1,    1,    1,    1,    1,    1,    1]),
        ("full",          [1,    1,    1,    1,    1,    1,    1,    1]),
        ("none",          [0,    0,    0,    0,    0,    0,    0,    0]),
        ("reset_head",    [1,    1,    1,    1,    1,    1,    1,    1]),
        ("encoder_only",  [1,    1,    1,    1,    1,    1,    1,    1]),
        ("frozen_conv",   [0,    0,    0,    1,    1,    1,    1,    1]),
        ("frozen_conv(code)", [0, 0,   0,    1,    1,    1,    1,    1]),
        ("l2sp",          [1,    1,    1,    1,    1,    1,    1,    1]),
        ("gradual",       [1,    1,    1,    1,    1,    1,    1,    1]),
        ("lora",          [0,    0,    0,    0,    0,    0,    0,    1]),
        ("freeze(head)",  [0,    0,    0,    0,    0,    0,    0,    1]),
        ("freeze(out)",   [0,    0,    0,    0,    0,    0,    0,    1]),
        ("freeze(up3)",   [0,    0,    0,    0,    0,    0,    1,    1]),
        ("freeze(up2)",   [0,    0,    0,    0,    0,    1,    1,    1]),
        ("freeze(up1)",   [0,    0,    0,    0,    1,    1,    1,    1]),
        ("freeze(bottleneck)", [0, 0,  0,    1,    1,    1,    1,    1]),
        ("freeze(down3)", [0,    0,    1,    1,    1,    1,    1,    1]),
        ("freeze(down2)", [0,    1,    1,    1,    1,    1,    1,    1]),
        ("freeze(down1)", [1,    1,    1,    1,    1,    1,    1,    1]),
        ("decay(head)",   [0.1,  0.1,  0.1,  0.1,  0.1,  0.1,  0.1,  1]),
        ("decay(up3)",    [0.1,  0.1,  0.1,  0.1,  0.1,  0.1,  1,    1]),
        ("decay(up2)",    [0.1,  0.1,  0.1,  0.1,  0.1,  1,    1,    1]),
        ("decay(up1)",    [0.1,  0.1,  0.1,  0.1,  1,    1,    1,    1]),
        ("decay(bottleneck)", [0.1, 0.1, 0.1, 1,   1,    1,    1,    1]),
        ("decay(down3)",  [0.1,  0.1,  1,    1,    1,    1,    1,    1]),
        ("decay(down2)",  [0.1,  1,    1,    1,    1,    1,    1,    1]),
        ("decay(down1)",  [1,    1,    1,    1,    1,    1,    1,    1]),
        ("decay(up3, scale=0.5)", [0.5, 0.5, 0.5, 0.5, 0.5, 0.5, 1,  1]),
        ("decay(frontier=up3, scale=1e-2)", [0.01, 0.01, 0.01, 0.01, 0.01, 0.01, 1, 1]),
        ("decay_down1",   [0.1,  1,    1,    1,    1,    1,    1,    1]),
        ("decay_up2",     [1,    1,    1,    1,    1,    0.1,  1,    1]),
        ("decay_out",     [1,    1,    1,    1,    1,    1,    1,    0.1]),
        ("decay_whole",   [0.1,  0.1,  0.1,  0.1,  0.1,  0.1,  0.1,  0.1]),
        ("shallow",       [0,    0,    1,    1,    1,    0,    0,    0]),
        ("medium",        [0,    1,    1,    1,    1,    1,    0,    0]),
        ("deep",          [0,    1,    1,    1,    1,    1,    0,    0]),
        ("first_layers",  [1,    1,    0,    0,    0,    0,    0,    0]),
        ("first_layers(1)", [1,  0,    0,    0,    0,    0,    0,    0]),
        ("first_layers(count=8)", [1, 1, 1,  1,    1,    1,    1,    1]),
        ("discriminative(0.5)", [1 / 128, 1 / 64, 1 / 32, 1 / 16, 1 / 8, 1 / 4, 1 / 2, 1]),
        ("discriminative(1)", [1, 1,   1,    1,    1,    1,    1,    1]),
        ("  freeze ( up3 ) ", [0, 0,   0,    0,    0,    0,    1,    1]),
    ],
)  # fmt: skip
def test_learning_rate_scales(strategy: str, expected: list[float]) -> None:
    assert scales(strategy) == pytest.approx(expected, rel=1e-12)


@pytest.mark.parametrize(
    ("strategy", "expected"),
    [
        ("shallow", {"down4", "bottleneck", "up1", "aux_head1", "aux_head2", "aux_head3"}),
        ("medium", {"down4", "bottleneck", "up1", "aux_head1", "aux_head2", "aux_head3", "down3", "up2"}),
        ("deep", {unit.name for unit in SIX_LEVELS} - {"stem", "up5", "head"}),
        ("full", {unit.name for unit in SIX_LEVELS}),
        ("none", set()),
        ("freeze(up4)", {"up4", "up5", "head", "aux_head1", "aux_head2", "aux_head3"}),
        ("freeze(head)", {"head", "aux_head1", "aux_head2", "aux_head3"}),
    ],
)
def test_units_that_train_in_the_network_of_p3(strategy: str, expected: set[str]) -> None:
    assert {name for name, rule in plan_transfer(strategy, SIX_LEVELS).rules.items() if rule.learns} == expected


def test_inside_out_keeps_full_resolution_frozen_in_the_smallest_network() -> None:
    units = UNet3d(1, 1, (2, 2)).units
    for strategy in ("shallow", "medium", "deep"):
        assert [n for n, rule in plan_transfer(strategy, units).rules.items() if rule.learns] == ["bottleneck"]


@pytest.mark.parametrize("strategy", ["none", "freeze(up2)", "shallow", "medium", "deep", "lora(2)"])
def test_units_that_do_not_learn_keep_their_norms(strategy: str) -> None:
    for rule in plan_transfer(strategy, UNITS).rules.values():
        assert rule.norm == ("frozen" if rule.learning_rate_scale == 0 else "train")
        assert rule.norm_scale == rule.learning_rate_scale


def test_first_layers_frees_all_norms_at_the_full_rate() -> None:
    rules = plan_transfer("first_layers(2)", UNITS).rules
    assert {rule.norm for rule in rules.values()} == {"train"}
    assert [rule.norm_scale for rule in rules.values()] == [1.0] * 8
    assert all(rule.learns for rule in rules.values())


@pytest.mark.parametrize(
    ("strategy", "reset"),
    [
        ("reset_head", ["head"]),
        ("encoder_only", ["up1", "up2", "up3", "head"]),
        ("frozen_conv", ["head"]),
        ("frozen_conv(code)", []),
        ("full", []),
        ("freeze(up1)", []),
        ("scratch", []),
    ],
)
def test_units_that_are_reset(strategy: str, reset: list[str]) -> None:
    assert [name for name, rule in plan_transfer(strategy, UNITS).rules.items() if rule.reset] == reset


@pytest.mark.parametrize(
    ("strategy", "expected"),
    [
        ("gradual(0.7)", [0.7, 0.6, 0.5, 0.4, 0.3, 0.2, 0.1, 0.0]),
        ("gradual", [0.5, 3 / 7, 2.5 / 7, 2 / 7, 1.5 / 7, 1 / 7, 0.5 / 7, 0.0]),
        ("full", [0.0] * 8),
    ],
)
def test_release_of_units(strategy: str, expected: list[float]) -> None:
    releases = [rule.release for rule in plan_transfer(strategy, UNITS).rules.values()]
    assert releases == pytest.approx(expected)


@pytest.mark.parametrize(
    ("strategy", "copies", "rank", "weight", "trains"),
    [
        ("scratch", False, None, None, True),
        ("none", True, None, None, False),
        ("full", True, None, None, True),
        ("lora", True, 4, None, True),
        ("lora(2)", True, 2, None, True),
        ("lora(rank=3)", True, 3, None, True),
        ("l2sp", True, None, 0.01, True),
        ("l2sp(1e-3)", True, None, 0.001, True),
    ],
)
def test_what_else_a_plan_says(strategy, copies, rank, weight, trains) -> None:
    plan = plan_transfer(strategy, UNITS)
    assert (plan.strategy, plan.copies, plan.lora_rank, plan.l2sp_weight, plan.trains) == (
        strategy,
        copies,
        rank,
        weight,
        trains,
    )
    assert plan.notes == ()


def test_every_strategy_is_tested_here() -> None:
    tested = {"scratch", "none", "full", "freeze", "decay", "shallow", "medium", "deep", "reset_head", "encoder_only"}
    assert set(STRATEGIES) == tested | {"frozen_conv", "first_layers", "discriminative", "gradual", "lora", "l2sp"}


@pytest.mark.parametrize(
    ("strategy", "message"),
    [
        ("freze(up2)", r"unknown strategy 'freze\(up2\)'.*Did you mean 'freeze'\?"),
        ("ful", r"Did you mean 'full'\?"),
        ("xyzzy", r"unknown strategy 'xyzzy'\. Strategies: scratch, none, full"),
        ("freeze(up2", "unknown strategy"),
        ("", "unknown strategy"),
        ("freeze(bottelneck)", r"no unit 'bottelneck'.*Did you mean 'bottleneck'.*Units, input to output: down1"),
        ("decay(up9)", "no unit 'up9'"),
        ("decay_bottelneck", r"Did you mean 'bottleneck'\?"),
        ("freeze", r"missing.*frontier.*frontiers here: down1, down2.*head"),
        ("freeze()", "frontier"),
        ("freeze(up2, up3)", "too many"),
        ("freeze(up2, frontier=up3)", "multiple values"),
        ("decay(up2, scal=0.5)", r"unexpected.*'scal'.*Did you mean 'scale'\? Arguments of decay: frontier, scale"),
        ("full(1)", "Arguments of full: none"),
        ("lora(4, units=3)", "multiple values"),
        ("decay(up2, scale=0)", r"scale must lie in \(0, 1\]"),
        ("decay(up2, scale=2)", r"scale must lie in \(0, 1\]"),
        ("decay(up2, scale=nan)", r"scale must lie in \(0, 1\]"),
        ("decay(up2, scale=low)", r"decay's scale must be a number, got 'low'"),
        ("decay(up2, scale=[)", r"must be a number, got '\['"),
        ("lora(0)", "rank must be at least 1"),
        ("lora(4.5)", "lora's rank must be a whole number, got '4.5'"),
        ("lora(true)", "whole number"),
        ("first_layers(0)", "takes 1 to 8 units"),
        ("first_layers(9)", "takes 1 to 8 units"),
        ("first_layers(1.5)", "whole number"),
        ("discriminative(0)", "decay must lie"),
        ("discriminative(1.1)", "decay must lie"),
        ("gradual(0)", "between 0 and 1"),
        ("gradual(1)", "between 0 and 1"),
        ("gradual(nan)", "between 0 and 1"),
        ("l2sp(0)", "must be positive"),
        ("l2sp(nan)", "must be positive"),
        ("l2sp(inf)", "must be positive"),
    ],
)
def test_what_cannot_be_used_is_refused_with_a_mend(strategy: str, message: str) -> None:
    with pytest.raises(InputError, match=message):
        plan_transfer(strategy, UNITS)


@pytest.mark.parametrize(
    ("rule", "norm_scale", "learns"),
    [
        (UnitRule(), 1.0, True),
        (UnitRule(learning_rate_scale=0.1), 0.1, True),
        (UnitRule(learning_rate_scale=0.0, norm="train"), 1.0, True),
        (UnitRule(learning_rate_scale=0.0, norm="frozen"), 0.0, False),
        (UnitRule(learning_rate_scale=1.0, norm="frozen"), 0.0, True),
    ],
)
def test_unit_rules(rule: UnitRule, norm_scale: float, learns: bool) -> None:
    assert (rule.norm_scale, rule.learns) == (norm_scale, learns)


def test_freeing_a_unit_changes_no_other() -> None:
    plan = plan_transfer("none", UNITS)
    freed = plan.freeing("head", "because")
    changed: dict[str, Any] = {name: rule for name, rule in freed.rules.items() if rule != plan.rules[name]}
    assert changed == {"head": UnitRule()}
    assert freed.notes == ("because",)
    assert list(freed.rules) == NAMES
