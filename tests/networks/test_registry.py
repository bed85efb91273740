import pytest
import torch
from torch import nn

from neurograft.errors import InputError
from neurograft.networks import NETWORKS, build_network, unit_of
from neurograft.recipes.schema import NetworkConfig

SMALL = NetworkConfig(channels=(2, 3))


def test_every_option_of_the_recipe_reaches_the_network() -> None:
    config = NetworkConfig(
        channels=(2, 3, 4), norm="group", activation="silu", block_order="conv-act-norm", upsampling="trilinear"
    )
    network = build_network(config, 2, 5, seed=0)
    modules = [type(module) for module in network.modules()]
    assert nn.GroupNorm in modules
    assert nn.SiLU in modules
    assert nn.Upsample in modules
    assert [name for name, _ in network.get_submodule("down1").named_children()][:3] == ["conv1", "act1", "norm1"]
    assert [unit.name for unit in network.units] == ["down1", "down2", "bottleneck", "up1", "up2", "head"]
    assert network(torch.zeros(1, 2, 4, 4, 4)).shape == (1, 5, 4, 4, 4)


def test_one_seed_gives_one_set_of_weights() -> None:
    first, again, other = (build_network(SMALL, 1, 1, seed).state_dict() for seed in (3, 3, 4))
    assert all(torch.equal(first[name], again[name]) for name in first)
    assert not torch.equal(first["head.weight"], other["head.weight"])


def test_building_leaves_the_global_generator_alone() -> None:
    torch.manual_seed(11)
    expected = torch.rand(3)
    torch.manual_seed(11)
    build_network(SMALL, 1, 1, seed=5)
    assert torch.equal(torch.rand(3), expected)


def test_unknown_network_suggests_the_nearest() -> None:
    with pytest.raises(InputError, match=r"unknown network 'unet3'.*Did you mean 'unet3d'\?"):
        build_network(NetworkConfig(name="unet3"), 1, 1, seed=0)


def test_unit_of_a_tensor_is_the_first_part_of_its_name() -> None:
    assert unit_of("down1.conv1.parametrizations.weight.original") == "down1"
    assert unit_of("head.bias") == "head"


def test_head_names() -> None:
    assert build_network(SMALL, 1, 1, seed=0).head_names == ("head",)
    assert "unet3d" in NETWORKS


def test_every_option_reaches_the_residual_network() -> None:
    config = NetworkConfig(
        name="residual_unet3d",
        channels=(2, 3, 4),
        norm="group",
        activation="silu",
        upsampling="trilinear",
        auxiliary_heads=1,
        age_head="paper",
    )
    network = build_network(config, 2, 5, seed=0)
    modules = [type(module) for module in network.modules()]
    assert nn.GroupNorm in modules
    assert nn.SiLU in modules
    assert nn.Upsample in modules
    names = [unit.name for unit in network.units]
    assert names == ["stem", "down1", "bottleneck", "up1", "up2", "head", "aux_head1", "age"]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"auxiliary_heads": 1}, "unet3d has no side units"),
        ({"age_head": "code"}, "unet3d has no side units"),
        ({"name": "residual_unet3d", "block_order": "conv-act-norm"}, "norms before its activations"),
        ({"name": "residual_unet3d", "auxiliary_heads": 3}, "leave room for 2"),
    ],
)
def test_options_that_a_network_does_not_have(options, message) -> None:
    with pytest.raises(ValueError, match=message):
        NetworkConfig(**options)
