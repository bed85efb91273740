"""P3's network under P3's and P1's strategies: what learns, what is copied, what stays bit for bit."""

import pytest
import torch
from torch import Tensor

from neurograft.errors import InputError
from neurograft.networks.residual_unet3d import ResidualUNet3d
from neurograft.recipes.schema import TaskConfig
from neurograft.tasks import AgeScale, SegmentationTask
from neurograft.transfer import (
    NetworkSide,
    attach_adapters,
    frozen_tensor_names,
    load_source,
    merge_adapters,
    optimiser_groups,
    plan_transfer,
    require_trainable_outputs,
    set_learning,
)

CHANNELS = (2, 3, 4, 5, 6, 7)
ENCODER = ["stem", "down1", "down2", "down3", "down4", "bottleneck"]
DECODER = ["up1", "up2", "up3", "up4", "up5", "head"]
SIDE = ["aux_head1", "aux_head2", "aux_head3", "age"]
TASK = TaskConfig(include_background=True, deep_supervision_weights=(1.0, 0.5, 0.25, 0.125), age_weight=0.1)


def network(
    labels: int = 2, seed: int = 0, auxiliary_heads: int = 3, age: bool = True, inputs: int = 1
) -> ResidualUNet3d:
    torch.manual_seed(seed)
    return ResidualUNet3d(
        inputs, labels + 1, CHANNELS, auxiliary_heads=auxiliary_heads, age_head="paper" if age else "none"
    )


def train(model: ResidualUNet3d, strategy: str, steps: int = 2, task_config: TaskConfig = TASK) -> None:
    plan = plan_transfer(strategy, model.units)
    attach_adapters(model, plan, seed=0)
    optimiser = torch.optim.SGD(optimiser_groups(model, plan, 0.05), momentum=0.9, nesterov=True, weight_decay=0.01)
    task = SegmentationTask(task_config, ["a", "b"], AgeScale(40.0, 2.0))
    for number in range(steps):
        set_learning(model, plan, (number + 0.5) / steps)
        generator = torch.Generator().manual_seed(number)
        image = torch.randn((2, 1, 64, 32, 32), generator=generator)
        target = (image[:, 0] > 0.5).long() + (image[:, 0] > 1).long()
        ages = {"age": torch.tensor([38.0, 43.0])}
        optimiser.zero_grad()
        task.loss(model.outputs(image), target, covariates=ages).backward()
        optimiser.step()
    merge_adapters(model)


def changed_units(before: dict[str, Tensor], model: ResidualUNet3d) -> set[str]:
    state = model.state_dict()
    return {name.partition(".")[0] for name in state if not torch.equal(before[name], state[name])}


@pytest.mark.parametrize(
    ("strategy", "learning"),
    [
        ("none", []),
        ("shallow", ["bottleneck", "down4", "up1", *SIDE]),
        ("medium", ["bottleneck", "down4", "down3", "up1", "up2", *SIDE]),
        ("deep", ["bottleneck", "down4", "down3", "down2", "down1", "up1", "up2", "up3", "up4", *SIDE]),
        ("full", [*ENCODER, *DECODER, *SIDE]),
        ("scratch", [*ENCODER, *DECODER, *SIDE]),
        ("freeze(age)", SIDE),
    ],
)
def test_papers_table_of_units_and_frozen_tensors_stay_bit_identical(strategy, learning) -> None:
    model = network()
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    plan = plan_transfer(strategy, model.units)
    assert {name for name, rule in plan.rules.items() if rule.learns} == set(learning)
    expected = {name for name in before if name.partition(".")[0] not in learning}
    assert set(frozen_tensor_names(model, plan)) == expected
    if learning:
        train(model, strategy)
    assert changed_units(before, model) == set(learning)


@pytest.mark.parametrize("frontier", [*ENCODER, *DECODER])
@pytest.mark.parametrize("family", ["freeze", "decay"])
def test_p1s_families_at_every_frontier(family, frontier) -> None:
    order = [*ENCODER, *DECODER]
    reached = set(order[order.index(frontier) :]) | set(SIDE)
    rules = plan_transfer(f"{family}({frontier})", network().units).rules
    slow = {"freeze": 0.0, "decay": 0.1}[family]
    assert {name: rule.learning_rate_scale for name, rule in rules.items()} == {
        name: 1.0 if name in reached else slow for name in [*order, *SIDE]
    }


def test_p1s_names() -> None:
    units = network().units
    down1 = plan_transfer("decay_down1", units).rules
    assert {name for name, rule in down1.items() if rule.learning_rate_scale != 1} == {"down1"}
    assert {rule.learning_rate_scale for rule in plan_transfer("decay_whole", units).rules.values()} == {0.1}


def test_age_alone_learns_its_own_unit_only() -> None:
    model = network()
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    train(model, "freeze(age)", task_config=TASK.model_copy(update={"train": "age", "age_weight": 1.0}))
    assert changed_units(before, model) == {"age"}


def test_side_units_are_outputs_to_every_family() -> None:
    units = network().units
    assert [n for n, rule in plan_transfer("reset_head", units).rules.items() if rule.reset] == ["head", *SIDE]
    rates = {n: rule.learning_rate_scale for n, rule in plan_transfer("discriminative(0.5)", units).rules.items()}
    assert (rates["head"], rates["up5"], rates["age"], rates["aux_head1"]) == (1, 0.5, 1, 1)
    releases = {n: rule.release for n, rule in plan_transfer("gradual(0.5)", units).rules.items()}
    assert (releases["head"], releases["age"], releases["stem"]) == (0, 0, 0.5)
    model = network()
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    train(model, "lora(1)")
    assert {"head.bias", "aux_head1.bias", "age.linear.bias"} <= {
        name for name, tensor in model.state_dict().items() if not torch.equal(before[name], tensor)
    }


def copied(strategy: str, target: ResidualUNet3d, source: ResidualUNet3d, labels: list[str], origin: list[str]):
    plan = plan_transfer(strategy, target.units)
    sides = NetworkSide(["image"], ["background", *labels]), NetworkSide(["image"], ["background", *origin])
    report = load_source(target, source.state_dict(), plan, *sides)
    return report, require_trainable_outputs(plan, report, target)


def test_rows_of_auxiliary_heads_move_by_label_name() -> None:
    target, source = network(seed=1), network(seed=2)
    report, _ = copied("full", target, source, ["b", "a"], ["a", "b"])
    for name in ("head", "aux_head1", "aux_head3"):
        ours, theirs = target.unit_module(name).weight, source.unit_module(name).weight
        assert torch.equal(ours, theirs[[0, 2, 1]]), name
    assert report.fresh_outputs == ()
    assert report.fresh_side_units == ()


def test_new_label_frees_heads_and_auxiliary_heads() -> None:
    target, source = network(seed=1), network(seed=2)
    report, plan = copied("first_layers(2)", target, source, ["a", "c"], ["a", "b"])
    assert report.fresh_outputs == ("c",)
    assert report.fresh_side_units == ("aux_head1", "aux_head2", "aux_head3")
    freed = {name for name, rule in plan.rules.items() if rule.learning_rate_scale == 1}
    assert freed == {"stem", "down1", "head", "aux_head1", "aux_head2", "aux_head3"}


def test_source_without_side_units() -> None:
    plain = network(seed=2, auxiliary_heads=0, age=False)
    target = network(seed=1)
    report, plan = copied("freeze(up5)", target, plain, ["a", "b"], ["a", "b"])
    assert report.fresh_outputs == ()
    assert report.fresh_side_units == tuple(SIDE)
    assert plan.notes == ()
    report, plan = copied("first_layers(1)", target, plain, ["a", "b"], ["a", "b"])
    assert {name for name, rule in plan.rules.items() if rule.learning_rate_scale == 1} == {"stem", *SIDE}
    assert [note.split()[0] for note in plan.notes] == SIDE


def test_strategy_none_takes_random_auxiliary_heads_but_no_random_age() -> None:
    plain = network(seed=2, auxiliary_heads=0, age=False)
    copied("none", network(seed=1, age=False), plain, ["a", "b"], ["a", "b"])
    with pytest.raises(InputError, match=r"age\.conv1\.weight starts from random weights"):
        copied("none", network(seed=1), plain, ["a", "b"], ["a", "b"])


def test_both_convolutions_on_the_image_adapt_to_its_channels() -> None:
    source, target = network(seed=2, inputs=1), network(seed=1, inputs=3)
    plan = plan_transfer("full", target.units)
    outputs = ["background", "a", "b"]
    report = load_source(
        target, source.state_dict(), plan, NetworkSide(["x", "y", "z"], outputs), NetworkSide(["image"], outputs)
    )
    assert {row.tensor for row in report.rows if row.action == "adapted"} == set(target.stem_weights)
    image = torch.randn((1, 1, 64, 32, 32), generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        same = target.eval()(image.expand(1, 3, -1, -1, -1))
        assert torch.allclose(same, source.eval()(image), atol=1e-4)
