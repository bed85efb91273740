import pytest
import torch
from torch import nn

from neurograft.networks import Unit, build_network
from neurograft.networks.unet3d import UNet3d
from neurograft.recipes.schema import NetworkConfig

SMALL = (2, 4)


def parameter_count(module: nn.Module) -> int:
    return sum(parameter.numel() for parameter in module.parameters())


# UNet3d(1, 1, (2, 4)), conv-norm-act, with norms:
#   down1       27*1*2 + 2*2 + 27*2*2 + 2*2           = 170
#   bottleneck  27*2*4 + 2*4 + 27*4*4 + 2*4           = 664
#   up1         4*2*8 + 2  +  27*4*2 + 4 + 27*2*2 + 4 = 398
#   head        2*1 + 1                               =   3
@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({"block_order": "conv-norm-act"}, 1235),
        ({"block_order": "conv-norm-act", "norm": "instance"}, 1235),
        ({"block_order": "conv-norm-act", "norm": "group"}, 1235),
        ({"block_order": "conv-act-norm"}, 1235 + 16),
        ({"block_order": "conv-norm-act", "norm": "none"}, 1235 - 32 + 16),
        ({"block_order": "conv-norm-act", "upsampling": "trilinear"}, 1235 - 64 + 8),
        ({"block_order": "conv-norm-act", "activation": "prelu"}, 1235 + 6),
        ({"block_order": "conv-norm-act", "activation": "silu"}, 1235),
        ({"block_order": "conv-norm-act", "in_channels": 3}, 1235 + 2 * 27 * 2),
        ({"block_order": "conv-norm-act", "out_channels": 5}, 1235 + 4 * 3),
    ],
    ids=lambda value: ",".join(map(str, value.values())) if isinstance(value, dict) else str(value),
)
def test_parameter_counts_by_hand(options: dict, expected: int) -> None:
    arguments = {"in_channels": 1, "out_channels": 1, "channels": SMALL, **options}
    assert parameter_count(UNet3d(**arguments)) == expected


def test_parameter_counts_of_the_papers_network_by_unit() -> None:
    network = UNet3d(1, 1)
    # A double convolution from a to b channels has 27 (a b + b b) weights, 2 b biases, 4 b of norms.
    expected = {
        "down1": 7_440,
        "down2": 41_664,
        "down3": 166_272,
        "bottleneck": 664_320,
        "up1": 65_600 + 332_160,
        "up2": 16_416 + 83_136,
        "up3": 4_112 + 20_832,
        "head": 17,
    }
    assert {unit.name: parameter_count(network.unit_module(unit.name)) for unit in network.units} == expected
    assert parameter_count(network) == 1_401_969


def test_units_of_the_papers_network() -> None:
    assert UNet3d(1, 1).units == (
        Unit("down1", "encoder", 0),
        Unit("down2", "encoder", 1),
        Unit("down3", "encoder", 2),
        Unit("bottleneck", "bottleneck", 3),
        Unit("up1", "decoder", 2),
        Unit("up2", "decoder", 1),
        Unit("up3", "decoder", 0),
        Unit("head", "head", 0),
    )


@pytest.mark.parametrize("norm", ["batch", "instance", "group", "none"])
@pytest.mark.parametrize("order", ["conv-act-norm", "conv-norm-act"])
@pytest.mark.parametrize("upsampling", ["transposed", "trilinear"])
@pytest.mark.parametrize(
    ("channels", "shape"), [((2, 3), (4, 6, 8)), ((2, 3, 4), (4, 8, 12)), ((2, 3, 4, 5), (8, 16, 8))]
)
def test_output_has_the_shape_of_the_input(norm, order, upsampling, channels, shape) -> None:
    network = UNet3d(2, 3, channels, norm=norm, block_order=order, upsampling=upsampling).eval()
    image = torch.randn((2, 2, *shape), generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        logits = network(image)
        outputs = network.outputs(image)
    assert logits.shape == (2, 3, *shape)
    assert torch.isfinite(logits).all()
    assert list(outputs) == ["main"]
    assert torch.equal(outputs["main"], logits)


@pytest.mark.parametrize("norm", ["batch", "instance", "group", "none"])
@pytest.mark.parametrize("activation", ["relu", "prelu"])
@pytest.mark.parametrize("upsampling", ["transposed", "trilinear"])
def test_every_tensor_belongs_to_exactly_one_unit(norm, activation, upsampling) -> None:
    network = UNet3d(1, 2, (2, 3, 4), norm=norm, activation=activation, upsampling=upsampling)
    by_module = {
        f"{unit.name}.{name}": unit.name
        for unit in network.units
        for name in network.unit_module(unit.name).state_dict()
    }
    found = {name: unit for unit, name, _ in network.tensors()}
    assert found == by_module
    assert list(found) == list(network.state_dict())
    assert len({id(tensor) for _, _, tensor in network.tensors()}) == len(found)
    assert {id(p) for p in network.parameters()} <= {id(tensor) for _, _, tensor in network.tensors()}
    assert set(found.values()) == {unit.name for unit in network.units}


def test_stride_and_padded_size() -> None:
    network = UNet3d(1, 1)
    assert network.stride == (8, 8, 8)
    assert network.padded_size((1, 8, 9)) == (8, 8, 16)
    assert UNet3d(1, 1, (2, 3)).padded_size((5, 6, 7)) == (6, 6, 8)


def test_stem_weights_are_those_that_see_the_image() -> None:
    network = UNet3d(3, 1, SMALL)
    assert network.stem_weights == ("down1.conv1.weight",)
    assert network.get_parameter("down1.conv1.weight").shape == (2, 3, 3, 3, 3)
    assert network.in_channels == 3


def test_skips_join_the_level_that_they_left() -> None:
    network = UNet3d(1, 1, (2, 3, 4), norm="none").eval()
    seen: dict[str, torch.Tensor] = {}
    for name in ("down1", "down2", "up1", "up2"):
        network.unit_module(name).register_forward_hook(
            lambda _, arguments, output, name=name: seen.update({f"{name} in": arguments, f"{name} out": output})
        )
    with torch.no_grad():
        network(torch.randn((1, 1, 8, 8, 8), generator=torch.Generator().manual_seed(1)))
    assert seen["up1 in"][1] is seen["down2 out"]
    assert seen["up2 in"][1] is seen["down1 out"]
    pooled = nn.functional.max_pool3d(seen["down1 out"], 2)
    assert torch.equal(seen["down2 in"][0], pooled)


def test_biases_start_at_zero_and_weights_do_not() -> None:
    for name, parameter in UNet3d(1, 1, SMALL).named_parameters():
        if name.endswith("bias"):
            assert not parameter.any(), name
        elif parameter.ndim > 1:
            assert parameter.std() > 0, name


@pytest.mark.parametrize("name", ["unet3d", "residual_unet3d"])
def test_without_skips_all_that_is_known_goes_through_the_bottleneck(name) -> None:
    config = NetworkConfig(name=name, channels=(2, 3, 4), skips="none")
    network = build_network(config, 1, 2, seed=0).eval()
    network.bottleneck.register_forward_hook(lambda _, __, output: torch.zeros_like(output))
    first, second = torch.randn((2, 1, 1, 8, 8, 8), generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        assert torch.equal(network(first), network(second))
        assert network(first).shape == (1, 2, 8, 8, 8)
    whole = build_network(config.model_copy(update={"skips": "all"}), 1, 2, seed=0).state_dict()
    shapes = {key: tensor.shape for key, tensor in network.state_dict().items()}
    differ = {key for key in shapes if shapes[key] != whole[key].shape}
    assert differ == {"up1.block.conv1.weight", "up2.block.conv1.weight"}
    with pytest.raises(ValueError, match=r"skips: none is for unet3d and residual_unet3d"):
        NetworkConfig(name="encoder3d", skips="none")
