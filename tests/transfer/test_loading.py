from typing import Any

import pytest
import torch
from torch import Tensor

from neurograft.errors import InputError
from neurograft.networks import UnitNetwork
from neurograft.recipes.schema import TaskConfig
from neurograft.tasks import SegmentationTask
from neurograft.transfer import (
    LoadingReport,
    NetworkSide,
    TensorRow,
    load_source,
    output_names,
    plan_transfer,
    require_trainable_outputs,
    source_anchor,
)

LC_SN = ("background", "LC", "SN")


def state_of(network: UnitNetwork) -> dict[str, Tensor]:
    return {name: tensor.detach().clone() for name, tensor in network.state_dict().items()}


def load(
    target: UnitNetwork,
    source: UnitNetwork,
    outputs: tuple[str, ...],
    source_outputs: tuple[str, ...],
    strategy: str = "full",
    channels: tuple[str, ...] = ("T1",),
    source_channels: tuple[str, ...] = ("T1",),
    label_from: dict[str, str] | None = None,
) -> LoadingReport:
    return load_source(
        target,
        state_of(source),
        plan_transfer(strategy, target.units),
        NetworkSide(channels, outputs),
        NetworkSide(source_channels, source_outputs),
        label_from,
    )


def row_of(report: LoadingReport, tensor: str) -> TensorRow:
    return next(row for row in report.rows if row.tensor == tensor)


def output(network: UnitNetwork, image: Tensor) -> Tensor:
    with torch.no_grad():
        return network.eval()(image)


def noise(channels: int = 1) -> Tensor:
    return torch.randn((1, channels, 16, 16, 16), generator=torch.Generator().manual_seed(9))


def test_same_network_is_copied_whole(make_network) -> None:
    target, source = make_network(outputs=3, seed=1), make_network(outputs=3, seed=2)
    assert not torch.equal(output(target, noise()), output(source, noise()))
    report = load(target, source, LC_SN, LC_SN)
    assert torch.equal(output(target, noise()), output(source, noise()))
    assert all(torch.equal(tensor, target.state_dict()[name]) for name, tensor in source.state_dict().items())
    assert {row.action for row in report.rows} == {"copied"}
    assert [row.tensor for row in report.rows] == list(target.state_dict())
    assert report.counts() == {"copied": len(report.rows), "adapted": 0, "transplanted": 0, "reset": 0, "skipped": 0}
    assert report.fresh_outputs == ()
    stem = row_of(report, "down1.conv1.weight")
    assert (stem.unit, stem.source_shape, stem.target_shape) == ("down1", (2, 1, 3, 3, 3), (2, 1, 3, 3, 3))


def test_copies_do_not_share_memory_with_the_source(make_network) -> None:
    target, source = make_network(seed=1), make_network(seed=2)
    state = source.state_dict()
    side = NetworkSide(("T1",), ("background", "LC"))
    load_source(target, state, plan_transfer("full", target.units), side, side)
    with torch.no_grad():
        target.get_parameter("down1.conv1.weight").zero_()
    assert state["down1.conv1.weight"].any()


def test_scratch_copies_nothing(make_network) -> None:
    target, source = make_network(seed=1), make_network(seed=2)
    before = state_of(target)
    report = load(target, source, ("background", "LC"), ("background", "LC"), "scratch")
    assert all(torch.equal(before[name], tensor) for name, tensor in target.state_dict().items())
    assert {(row.action, row.why) for row in report.rows} == {("reset", "strategy copies nothing")}
    assert report.fresh_outputs == ("background", "LC")


@pytest.mark.parametrize(
    ("strategy", "reset"), [("reset_head", {"head"}), ("encoder_only", {"up1", "up2", "up3", "head"})]
)
def test_strategies_reset_their_units(make_network, strategy, reset) -> None:
    target, source = make_network(seed=1), make_network(seed=2)
    before = state_of(target)
    report = load(target, source, ("background", "LC"), ("background", "LC"), strategy)
    for row in report.rows:
        expected = before if row.unit in reset else source.state_dict()
        assert torch.equal(target.state_dict()[row.tensor], expected[row.tensor]), row.tensor
        assert (row.action, row.why) == (
            ("reset", f"strategy resets {row.unit}") if row.unit in reset else ("copied", "")
        )
    assert report.fresh_outputs == ("background", "LC")


# --- input channels


def test_one_channel_to_two(make_network) -> None:
    target, source = make_network(inputs=2, seed=1), make_network(inputs=1, seed=2)
    names = ("background", "LC")
    report = load(target, source, names, names, channels=("T1", "T2"))
    row = row_of(report, "down1.conv1.weight")
    assert (row.action, row.why) == ("adapted", "1 channels averaged and repeated to 2")
    stem, old = target.get_parameter("down1.conv1.weight"), source.get_parameter("down1.conv1.weight")
    for channel in (0, 1):
        assert torch.allclose(stem[:, channel], old[:, 0] / 2)
    image = noise()
    assert torch.allclose(output(target, image.expand(1, 2, 16, 16, 16)), output(source, image), atol=1e-5)


def test_two_channels_to_one(make_network) -> None:
    target, source = make_network(inputs=1, seed=1), make_network(inputs=2, seed=2)
    names = ("background", "LC")
    report = load(target, source, names, names, source_channels=("T1", "T2"))
    row = row_of(report, "down1.conv1.weight")
    assert (row.action, row.why) == ("adapted", "2 channels averaged to 1")
    old = source.get_parameter("down1.conv1.weight")
    assert torch.allclose(target.get_parameter("down1.conv1.weight")[:, 0], old[:, 0] + old[:, 1])
    image = noise()
    assert torch.allclose(output(target, image), output(source, image.expand(1, 2, 16, 16, 16)), atol=1e-5)


def test_channels_are_reordered_by_name(make_network) -> None:
    target, source = (make_network(inputs=3, norm="instance", seed=seed) for seed in (1, 2))
    names = ("background", "LC")
    report = load(target, source, names, names, channels=("FLAIR", "T1", "T2"), source_channels=("T1", "T2", "FLAIR"))
    row = row_of(report, "down1.conv1.weight")
    assert (row.action, row.why) == ("adapted", "channels reordered by name to FLAIR, T1, T2")
    image = noise(3)
    assert torch.allclose(output(target, image[:, [2, 0, 1]]), output(source, image), atol=1e-5)


def test_as_many_channels_under_other_names_are_copied_by_position(make_network) -> None:
    target, source = make_network(inputs=1, seed=1), make_network(inputs=1, seed=2)
    names = ("background", "LC")
    row = row_of(load(target, source, names, names, channels=("QSM",)), "down1.conv1.weight")
    assert (row.action, row.why) == ("copied", "channels by position: T1 -> QSM")
    assert torch.equal(target.get_parameter("down1.conv1.weight"), source.get_parameter("down1.conv1.weight"))


# --- output rows


@pytest.mark.parametrize(
    ("outputs", "source_outputs", "label_from", "rows", "fresh", "action"),
    [
        (LC_SN, LC_SN, {}, [0, 1, 2], (), "copied"),
        (("background", "SN", "LC"), LC_SN, {}, [0, 2, 1], (), "transplanted"),
        (("background", "SN"), LC_SN, {}, [0, 2], (), "transplanted"),
        (("background", "RN", "LC"), LC_SN, {}, [0, None, 1], ("RN",), "transplanted"),
        (
            ("background", "RN", "SN", "STN", "LC"),
            LC_SN,
            {},
            [0, None, 2, None, 1],
            ("RN", "STN"),
            "transplanted",
        ),
        (("background", "RN"), LC_SN, {"RN": "LC"}, [0, 1], (), "transplanted"),
        (("background", "LC", "SN"), LC_SN, {"LC": "SN"}, [0, 2, 2], (), "transplanted"),
        (("background", "LC"), ("background", "RN"), {}, [0, None], ("LC",), "transplanted"),
        (("LC", "SN"), ("LC", "SN"), {}, [0, 1], (), "copied"),
        (("SN", "LC"), ("LC", "SN"), {}, [1, 0], (), "transplanted"),
        (("RN", "SN"), ("LC", "SN"), {}, [None, 1], ("RN",), "transplanted"),
        (("SN",), ("LC",), {"SN": "LC"}, [0], (), "transplanted"),
        (("SN",), ("LC",), {}, [None], ("SN",), "reset"),
        (LC_SN, ("LC", "SN"), {}, [None, 0, 1], ("background",), "transplanted"),
    ],
)
def test_head_rows_move_by_name(make_network, outputs, source_outputs, label_from, rows, fresh, action) -> None:
    target, source = make_network(outputs=len(outputs), seed=1), make_network(outputs=len(source_outputs), seed=2)
    before = state_of(target)
    report = load(target, source, outputs, source_outputs, label_from=label_from)
    for name in ("head.weight", "head.bias"):
        for row, found in enumerate(rows):
            expected = before[name][row] if found is None else source.state_dict()[name][found]
            assert torch.equal(target.state_dict()[name][row], expected), (name, row)
        assert row_of(report, name).action == action
    assert report.fresh_outputs == fresh


def test_reason_of_a_transplant_names_rows_and_gaps(make_network) -> None:
    target, source = make_network(outputs=4, seed=1), make_network(outputs=3, seed=2)
    report = load(target, source, ("background", "RN", "STN", "LC"), LC_SN, label_from={"STN": "SN"})
    assert row_of(report, "head.bias").why == "rows background, SN -> STN, LC; random start: RN"


def test_reordered_head_gives_the_sources_outputs_in_another_order(make_network) -> None:
    target, source = make_network(outputs=3, seed=1), make_network(outputs=3, seed=2)
    load(target, source, ("background", "SN", "LC"), LC_SN)
    assert torch.allclose(output(target, noise()), output(source, noise())[:, [0, 2, 1]], atol=1e-6)


def test_sigmoid_from_a_softmax_decides_alike(make_network) -> None:
    target = make_network(outputs=2, norm="instance", seed=1)
    source = make_network(outputs=3, norm="instance", seed=2)
    with torch.no_grad():
        source.get_parameter("head.weight").normal_(generator=torch.Generator().manual_seed(3))
        source.get_parameter("head.bias").zero_()
    report = load(target, source, ("LC", "SN"), LC_SN)
    assert row_of(report, "head.weight").why == "rows LC, SN, each less background"
    assert report.fresh_outputs == ()
    image = torch.randn((1, 1, 16, 16, 16), generator=torch.Generator().manual_seed(4))
    softmax = SegmentationTask(TaskConfig(output="softmax"), ["LC", "SN"])
    sigmoid = SegmentationTask(TaskConfig(output="sigmoid"), ["LC", "SN"])
    expected = softmax.decide(softmax.activate(output(source, image))[0], 0.5)
    found = sigmoid.decide(sigmoid.activate(output(target, image))[0], 0.5)
    assert len(expected.unique()) > 1
    assert (expected == found).float().mean() > 0.999


@pytest.mark.parametrize(
    ("label_from", "message"),
    [
        ({"RN": "LC"}, "the target has no label 'RN'. Target labels: background, LC"),
        ({"LC": "RN"}, "the source has no label 'RN'. Source labels: background, LC"),
    ],
)
def test_label_from_an_unknown_label(make_network, label_from, message) -> None:
    with pytest.raises(InputError, match=message):
        load(make_network(), make_network(), ("background", "LC"), ("background", "LC"), label_from=label_from)


@pytest.mark.parametrize("strategy", ["reset_head", "encoder_only"])
def test_label_from_under_a_strategy_that_resets_the_head(make_network, strategy) -> None:
    target, source = make_network(), make_network()
    with pytest.raises(InputError, match="SN cannot start from a source label: strategy resets head"):
        load(target, source, ("background", "SN"), ("background", "LC"), strategy, label_from={"SN": "LC"})


def test_a_label_named_as_the_background_row(make_network) -> None:
    with pytest.raises(InputError, match="a label is named 'background'"):
        output_names(["CSF", "background"], "softmax")
    assert output_names(["CSF", "background"], "sigmoid") == ("CSF", "background")
    assert output_names(["LC", "SN"], "softmax") == LC_SN


# --- networks that differ


def test_wider_target_is_reported_tensor_by_tensor(make_network) -> None:
    target, source = make_network(channels=(2, 3, 4, 6), seed=1), make_network(channels=(2, 3, 4, 5), seed=2)
    before = state_of(target)
    report = load(target, source, ("background", "LC"), ("background", "LC"))
    row = row_of(report, "bottleneck.conv1.weight")
    assert (row.action, row.why) == ("reset", "shapes differ")
    assert (row.source_shape, row.target_shape) == ((5, 4, 3, 3, 3), (6, 4, 3, 3, 3))
    assert torch.equal(target.state_dict()["bottleneck.conv1.weight"], before["bottleneck.conv1.weight"])
    assert torch.equal(target.state_dict()["down3.conv1.weight"], source.state_dict()["down3.conv1.weight"])
    assert {row.unit for row in report.rows if row.action == "reset"} == {"bottleneck", "up1"}


def test_deeper_source_leaves_skipped_rows(make_network) -> None:
    target, source = make_network(channels=(2, 3, 4), seed=1), make_network(channels=(2, 3, 4, 5), seed=2)
    report = load(target, source, ("background", "LC"), ("background", "LC"))
    skipped = [row for row in report.rows if row.action == "skipped"]
    assert {row.unit for row in skipped} == {"down3", "up3"}
    assert {(row.why, row.target_shape) for row in skipped} == {("not in the target network", ())}
    assert report.counts()["skipped"] == len(skipped)


def test_other_norm_leaves_reset_statistics(make_network) -> None:
    target, source = make_network(norm="batch", seed=1), make_network(norm="instance", seed=2)
    report = load(target, source, ("background", "LC"), ("background", "LC"))
    row = row_of(report, "down1.norm1.running_mean")
    assert (row.action, row.why, row.source_shape) == ("reset", "not in the source", ())


@pytest.mark.parametrize("norm", ["batch", "instance"])
def test_nothing_copied_is_an_error(make_network, norm) -> None:
    # The scalars of a batch norm and the biases of a head fit any network; that is no transfer.
    target, source = make_network(channels=(6, 7, 8, 9), norm=norm), make_network(norm=norm)
    with pytest.raises(InputError, match="no tensor of the source fits"):
        load(target, source, ("background", "LC"), ("background", "LC"))


def test_empty_source_is_an_error(make_network) -> None:
    network = make_network()
    side = NetworkSide(("T1",), ("background", "LC"))
    with pytest.raises(InputError, match="nothing would be transferred"):
        load_source(network, {}, plan_transfer("full", network.units), side, side)


# --- what starts at random must learn


@pytest.mark.parametrize(
    ("strategy", "freed"),
    [
        ("full", False),
        ("decay(up1)", False),
        ("freeze(head)", False),
        ("lora", False),
        ("gradual", False),
        ("shallow", True),
        ("medium", True),
        ("first_layers(2)", True),
    ],
)
def test_random_rows_free_a_frozen_head(make_network, strategy, freed) -> None:
    target, source = make_network(outputs=3, seed=1), make_network(outputs=2, seed=2)
    plan = plan_transfer(strategy, target.units)
    report = load(target, source, LC_SN, ("background", "LC"), strategy)
    settled = require_trainable_outputs(plan, report, target)
    assert settled.rules["head"].learning_rate_scale == 1.0
    assert settled.notes == (("head learns although the strategy freezes it: SN start from random",) if freed else ())
    assert {name: rule for name, rule in settled.rules.items() if name != "head"} == {
        name: rule for name, rule in plan.rules.items() if name != "head"
    }


def test_known_rows_leave_the_plan_alone(make_network) -> None:
    target, source = make_network(seed=1), make_network(seed=2)
    for strategy in ("none", "shallow"):
        plan = plan_transfer(strategy, target.units)
        report = load(target, source, ("background", "LC"), ("background", "LC"), strategy)
        assert require_trainable_outputs(plan, report, target) is plan


def test_random_rows_that_nothing_trains_are_refused(make_network) -> None:
    target, source = make_network(outputs=3, seed=1), make_network(outputs=2, seed=2)
    plan = plan_transfer("none", target.units)
    report = load(target, source, LC_SN, ("background", "LC"), "none")
    with pytest.raises(InputError, match=r"no output for SN, and strategy none learns nothing.*--label-from"):
        require_trainable_outputs(plan, report, target)


@pytest.mark.parametrize("strategy", ["none", "freeze(up2)", "lora", "first_layers(1)"])
def test_random_tensors_that_the_plan_freezes_are_refused(make_network, strategy) -> None:
    target, source = make_network(channels=(2, 3, 4, 6)), make_network(channels=(2, 3, 4, 5))
    plan = plan_transfer(strategy, target.units)
    report = load(target, source, ("background", "LC"), ("background", "LC"), strategy)
    with pytest.raises(InputError, match=r"bottleneck\.conv1\.weight starts from random weights \(shapes differ\)"):
        require_trainable_outputs(plan, report, target)


@pytest.mark.parametrize("strategy", ["full", "shallow", "freeze(bottleneck)", "decay(head)", "gradual"])
def test_random_tensors_that_learn_are_accepted(make_network, strategy) -> None:
    target, source = make_network(channels=(2, 3, 4, 6)), make_network(channels=(2, 3, 4, 5))
    plan = plan_transfer(strategy, target.units)
    report = load(target, source, ("background", "LC"), ("background", "LC"), strategy)
    assert require_trainable_outputs(plan, report, target) is plan


def test_scratch_needs_no_source_to_be_settled(make_network) -> None:
    target = make_network()
    plan = plan_transfer("scratch", target.units)
    side = NetworkSide(("T1",), ("background", "LC"))
    report = load_source(target, {}, plan, side, NetworkSide((), ()))
    assert require_trainable_outputs(plan, report, target) is plan


def test_anchor_holds_copies_of_what_came_whole(make_network) -> None:
    target, source = make_network(inputs=2, outputs=3, seed=1), make_network(inputs=1, outputs=2, seed=2)
    report = load(target, source, LC_SN, ("background", "LC"), channels=("T1", "T2"))
    anchor = source_anchor(target, report)
    parameters = dict(target.named_parameters())
    assert set(anchor) == set(parameters) - {"head.weight", "head.bias"}
    assert torch.equal(anchor["down1.conv1.weight"], parameters["down1.conv1.weight"])
    kept = anchor["down2.conv1.weight"].clone()
    with torch.no_grad():
        parameters["down2.conv1.weight"].zero_()
    assert torch.equal(anchor["down2.conv1.weight"], kept)


def test_records_are_plain_rows(make_network) -> None:
    report = load(make_network(), make_network(), ("background", "LC"), ("background", "LC"))
    first: dict[str, Any] = report.to_records()[0]
    assert list(first) == ["tensor", "unit", "action", "why", "source_shape", "target_shape"]
    assert first["tensor"] == "down1.conv1.weight"
