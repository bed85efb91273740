"""P2's network of slices under every strategy: what is copied, what stays bit for bit."""

import pytest
import torch
from torch import Tensor

from neurograft.networks.attention_unet2d import AttentionUNet2d
from neurograft.recipes.schema import TaskConfig
from neurograft.tasks import SegmentationTask
from neurograft.transfer import (
    NetworkSide,
    attach_adapters,
    frozen_tensor_names,
    load_source,
    merge_adapters,
    optimiser_groups,
    plan_transfer,
    set_learning,
)

CHANNELS = (2, 3, 4, 5, 6)
TASK = TaskConfig(output="sigmoid", deep_supervision_weights=(0.6, 0.3, 0.1))
STRATEGIES = [
    "scratch",
    "full",
    "freeze(head)",
    "freeze(up2)",
    "decay(up2)",
    "decay_whole",
    "shallow",
    "medium",
    "deep",
    "reset_head",
    "encoder_only",
    "first_layers(2)",
    "discriminative(0.7)",
    "gradual(0.5)",
    "lora(1)",
    "l2sp(0.1)",
]


def network(labels: int = 2, seed: int = 0, inputs: int = 1, **options) -> AttentionUNet2d:
    torch.manual_seed(seed)
    model = AttentionUNet2d(inputs, labels, **{"slice_axis": 2, "channels": CHANNELS, "auxiliary_heads": 2, **options})
    with torch.no_grad():
        # No tensor may start as zeros or ones, which a reset could not be told from.
        for tensor in model.state_dict().values():
            tensor.add_(torch.rand(tensor.shape) * 0.1 + 0.05) if tensor.is_floating_point() else tensor.fill_(7)
    return model


def train(model: AttentionUNet2d, strategy: str) -> set[str]:
    """Three steps; the names of the tensors that the plan froze."""
    plan = plan_transfer(strategy, model.units)
    attach_adapters(model, plan, seed=0)
    frozen = set(frozen_tensor_names(model, plan))
    optimiser = torch.optim.Adam(optimiser_groups(model, plan, 0.01), weight_decay=0.1)
    task = SegmentationTask(TASK, ["a", "b"])
    for number in range(3):
        set_learning(model, plan, number / 3)
        generator = torch.Generator().manual_seed(number)
        image = torch.randn((2, 1, 32, 64, 4), generator=generator)
        target = (image[:, 0, ..., 1:3] > 0.5).long() + (image[:, 0, ..., 1:3] > 1).long()
        optimiser.zero_grad()
        task.loss(model.outputs(image), target).backward()
        optimiser.step()
    merge_adapters(model)
    return frozen


def changed(before: dict[str, Tensor], model: AttentionUNet2d) -> set[str]:
    return {name for name, tensor in model.state_dict().items() if not torch.equal(before[name], tensor)}


@pytest.mark.parametrize(
    ("strategy", "encoder"),
    [*((strategy, "plain") for strategy in STRATEGIES), ("freeze(up2)", "resnet50"), ("shallow", "resnet50")],
)
def test_frozen_tensors_stay_bit_identical(strategy, encoder) -> None:
    model = network(encoder=encoder)
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    frozen = train(model, strategy)
    moved = changed(before, model)
    # Adapters change the weights that they are on.
    assert moved & frozen == set() or strategy.startswith("lora")
    if not strategy.startswith("lora"):
        assert set(before) - frozen - moved == set()


def test_side_heads_of_slices_learn_with_a_partly_frozen_network() -> None:
    rules = plan_transfer("medium", network().units).rules
    learning = {name for name, rule in rules.items() if rule.learns}
    assert learning == {"down3", "down4", "bottleneck", "up1", "up2", "aux_head1", "aux_head2"}


def sides(target: list[str], source: list[str], inputs=("image",), origin=("image",)) -> tuple[NetworkSide, ...]:
    return NetworkSide(inputs, target), NetworkSide(origin, source)


def test_all_but_the_outputs_move_between_orientations_and_label_sets() -> None:
    source, target = network(2, seed=1), network(3, seed=2, slice_axis=1)
    plan = plan_transfer("reset_head", target.units)
    report = load_source(target, source.state_dict(), plan, *sides(["RN", "SN", "STN"], ["RN", "SN-STN"]))
    outputs = {"head", "aux_head1", "aux_head2"}
    for row in report.rows:
        assert row.action == ("reset" if row.unit in outputs else "copied"), row
    assert report.fresh_outputs == ("RN", "SN", "STN")
    theirs = source.state_dict()
    for name, tensor in target.state_dict().items():
        if name.partition(".")[0] not in outputs:
            assert torch.equal(tensor, theirs[name]), name


def test_rows_of_label_branches_move_by_name() -> None:
    source = network(2, seed=1, output_branches="labels")
    target = network(3, seed=2, output_branches="labels")
    fresh = target.head.conv_weight[2].clone()
    plan = plan_transfer("full", target.units)
    report = load_source(
        target, source.state_dict(), plan, *sides(["STN", "RN", "SN"], ["RN", "SN-STN"]), {"STN": "SN-STN"}
    )
    assert report.fresh_outputs == ("SN",)
    for name in ("conv_weight", "conv_bias", "out_weight", "out_bias"):
        ours, theirs = getattr(target.head, name), getattr(source.head, name)
        assert torch.equal(ours[:2], theirs[[1, 0]]), name
    assert torch.equal(target.head.conv_weight[2], fresh)


def test_the_image_convolutions_adapt_channel_by_channel_and_keep_their_neighbours() -> None:
    source, target = network(seed=1, inputs=2), network(seed=2, inputs=2)
    plan, outputs = plan_transfer("full", target.units), ["a", "b"]
    load_source(target, source.state_dict(), plan, *sides(outputs, outputs, ("y", "x"), ("x", "y")))
    for name in target.stem_weights:
        ours, theirs = target.get_parameter(name), source.get_parameter(name)
        assert torch.equal(ours, theirs[:, [3, 4, 5, 0, 1, 2]]), name
    one = network(seed=1, inputs=1)
    load_source(target, one.state_dict(), plan, *sides(outputs, outputs, ("x", "y"), ("image",)))
    image = torch.randn((1, 1, 16, 16, 4), generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        found, wanted = target.eval()(image.expand(-1, 2, -1, -1, -1)), one.eval()(image)
    assert (found - wanted).abs().max() <= 1e-5 * wanted.abs().max()


def test_other_neighbours_are_told_apart_from_other_channels() -> None:
    source, target = network(seed=1, inputs=3, neighbour_slices=0), network(seed=2, inputs=1)
    plan, outputs = plan_transfer("full", target.units), ["a", "b"]
    report = load_source(target, source.state_dict(), plan, *sides(outputs, outputs, ("x",), ("x", "y", "z")))
    rows = {row.tensor: row for row in report.rows}
    for name in target.stem_weights:
        assert rows[name].action == "reset"
        assert "other neighbouring slices" in rows[name].why
