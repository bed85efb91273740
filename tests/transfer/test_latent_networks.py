"""P4's networks under every strategy, and from one task and domain to another."""

import pytest
import torch

from neurograft.networks import UnitNetwork, build_network, unit_of
from neurograft.networks.resnet_encoder2d import torchvision_name
from neurograft.recipes.schema import NetworkConfig
from neurograft.transfer import (
    NetworkSide,
    attach_adapters,
    frozen_tensor_names,
    load_encoder_weights,
    load_source,
    merge_adapters,
    optimiser_groups,
    plan_transfer,
    set_learning,
)

STRATEGIES = [
    "scratch",
    "full",
    "freeze(head)",
    "freeze(up2)",
    "decay(up2)",
    "reset_head",
    "encoder_only",
    "first_layers(2)",
    "gradual(0.5)",
    "lora(1)",
    "l2sp(0.1)",
]
ENCODER = {"stem", "layer1", "layer2", "layer3", "layer4", "latent"}
COLOURS = ("red", "green", "blue")


def network(name: str = "encoder_decoder2d", inputs: int = 1, outputs: int = 2, seed: int = 0) -> UnitNetwork:
    config = NetworkConfig(
        name=name,
        slice_axis="axial",
        neighbour_slices=0,
        channels=(4, 4, 4, 4, 4),
        norm="batch",
        stem_channels=4,
        classifier_features=6,
    )
    model = build_network(config, inputs, outputs, seed)
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for tensor in model.state_dict().values():
            noise = torch.rand(tensor.shape, generator=generator) * 0.1 + 0.05
            tensor.add_(noise) if tensor.is_floating_point() else tensor.fill_(7)
    return model


@pytest.mark.parametrize("name", ["encoder_decoder2d", "encoder_classifier2d"])
@pytest.mark.parametrize("strategy", STRATEGIES)
def test_frozen_tensors_stay_bit_identical(strategy, name) -> None:
    if name == "encoder_classifier2d":
        strategy = strategy.replace("up2", "fc")
    model = network(name)
    before = {key: tensor.clone() for key, tensor in model.state_dict().items()}
    plan = plan_transfer(strategy, model.units)
    attach_adapters(model, plan, seed=0)
    frozen = set(frozen_tensor_names(model, plan))
    optimiser = torch.optim.Adam(optimiser_groups(model, plan, 0.01), weight_decay=0.1)
    for step in range(2):
        set_learning(model, plan, step / 2)
        image = torch.randn((2, 1, 64, 32, 1), generator=torch.Generator().manual_seed(step))
        optimiser.zero_grad()
        model.outputs(image)["main"].square().mean().backward()
        optimiser.step()
    merge_adapters(model)
    moved = {key for key, tensor in model.state_dict().items() if not torch.equal(before[key], tensor)}
    if strategy.startswith("lora"):
        return
    assert moved & frozen == set()
    if strategy in ("scratch", "full", "encoder_only"):
        assert moved == set(before)


@pytest.mark.parametrize("source_name", ["encoder_decoder2d", "encoder_classifier2d"])
@pytest.mark.parametrize("channels", [("T1w",), COLOURS])
def test_the_encoder_of_any_source_moves_whole(source_name, channels) -> None:
    source = network(source_name, len(channels), 5, seed=1)
    target = network(seed=2)
    plan = plan_transfer("encoder_only", target.units)
    outputs = ("background", "lesion")
    report = load_source(
        target,
        source.state_dict(),
        plan,
        NetworkSide(("T1w",), outputs),
        NetworkSide(channels, [f"presence of {number}" for number in range(5)]),
    )
    theirs = source.state_dict()
    for row in report.rows:
        if row.action == "skipped":
            assert row.unit in ("fc", "head", "start", "up1", "up2", "up3", "up4")
        elif row.unit not in ENCODER:
            assert row.action == "reset"
        elif row.tensor == "stem.conv1.weight":
            assert row.action == ("copied" if channels == ("T1w",) else "adapted")
        else:
            assert row.action == "copied"
            assert torch.equal(target.state_dict()[row.tensor], theirs[row.tensor])
    assert {unit_of(row.tensor) for row in report.rows if row.action != "skipped"} >= ENCODER
    assert report.fresh_outputs == outputs


def test_weights_of_torchvision_fill_the_encoder_but_for_the_latent(tmp_path) -> None:
    source, target = network(inputs=3, seed=1), network("encoder_classifier2d", seed=2)
    before = {name: tensor.clone() for name, tensor in target.state_dict().items()}
    names = {name: torchvision_name(name) for name in source.state_dict()}
    checkpoint = {names[name]: tensor for name, tensor in source.state_dict().items() if names[name]}
    torch.save({**checkpoint, "fc.weight": torch.zeros(1000, 128)}, tmp_path / "imagenet.pth")
    report = load_encoder_weights(target, tmp_path / "imagenet.pth")
    rows = {row.tensor: row.action for row in report.rows}
    assert rows.pop("fc.weight") == "skipped"
    assert rows.pop("stem.conv1.weight") == "adapted"
    assert set(rows.values()) == {"copied"}
    for name, tensor in target.state_dict().items():
        if unit_of(name) in ("latent", "fc", "head"):
            assert torch.equal(tensor, before[name])
        elif name in rows:
            assert torch.equal(tensor, source.state_dict()[name])


def test_one_channel_answers_as_three_equal_ones_did() -> None:
    """P4 repeats a scan's channel three times; here the colours' weights are added up instead."""
    source, target = network(inputs=3, seed=1).eval(), network(inputs=1, seed=2).eval()
    sides = NetworkSide(("T1w",), ("a", "b")), NetworkSide(COLOURS, ("a", "b"))
    load_source(target, source.state_dict(), plan_transfer("full", target.units), *sides)
    image = torch.randn((2, 1, 32, 32, 2), generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        wanted, found = source(image.expand(-1, 3, -1, -1, -1)), target(image)
    assert (found - wanted).abs().max() <= 1e-4 * wanted.abs().max()
