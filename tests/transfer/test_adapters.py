import copy

import pytest
import torch
from torch import nn
from torch.nn.utils import parametrize

from neurograft.networks.convolution import ThreeWideConvolution3d
from neurograft.transfer import attach_adapters, merge_adapters, plan_transfer
from neurograft.transfer.adapters import LowRankUpdate


def image() -> torch.Tensor:
    return torch.randn((2, 1, 16, 16, 16), generator=torch.Generator().manual_seed(5))


def adapted(make_network, strategy: str = "lora(2)", seed: int = 0):
    network = make_network(norm="instance").eval()
    attach_adapters(network, plan_transfer(strategy, network.units), seed)
    return network


def updates(network: nn.Module) -> list[LowRankUpdate]:
    return [module for module in network.modules() if isinstance(module, LowRankUpdate)]


def test_adapters_start_as_no_change(make_network) -> None:
    with torch.no_grad():
        expected = make_network(norm="instance").eval()(image())
        assert torch.equal(adapted(make_network)(image()), expected)


def test_every_convolution_but_the_heads_is_adapted(make_network) -> None:
    network = adapted(make_network)
    found = {name for name, module in network.named_modules() if parametrize.is_parametrized(module)}
    convolutions = {
        name for name, module in network.named_modules() if isinstance(module, nn.Conv3d | nn.ConvTranspose3d)
    }
    assert found == convolutions - {"head"}
    # Three down and one bottleneck unit with two convolutions, three up units with three.
    assert len(found) == 4 * 2 + 3 * 3


def test_merged_network_gives_the_adapted_networks_output_and_a_plain_state(make_network) -> None:
    network = adapted(make_network)
    generator = torch.Generator().manual_seed(1)
    for update in updates(network):
        update.along.data.normal_(generator=generator)
    with torch.no_grad():
        expected = network(image())
        plain = make_network(norm="instance").eval()
        assert not torch.allclose(plain(image()), expected)
        merge_adapters(network)
        assert torch.allclose(network(image()), expected, atol=1e-6)
        assert sorted(network.state_dict()) == sorted(plain.state_dict())
        plain.load_state_dict(network.state_dict())
        assert torch.equal(plain(image()), network(image()))
    assert updates(network) == []
    assert type(network.get_submodule("down1.conv1")) is ThreeWideConvolution3d


def test_merging_a_plain_network_changes_nothing(make_network) -> None:
    network = make_network()
    before = copy.deepcopy(network.state_dict())
    merge_adapters(network)
    assert all(torch.equal(before[name], tensor) for name, tensor in network.state_dict().items())


def test_no_rank_no_adapters(make_network) -> None:
    assert updates(adapted(make_network, "freeze(up2)")) == []


def test_update_by_hand_and_of_the_rank_asked_for() -> None:
    update = LowRankUpdate(torch.Size((3, 2, 1, 1, 2)), 2, torch.Generator().manual_seed(0))
    assert update.along.shape == (3, 2)
    assert update.across.shape == (2, 4)
    update.across.data = torch.tensor([[1.0, 2.0, 3.0, 4.0], [0.0, 1.0, 0.0, 1.0]])
    update.along.data = torch.tensor([[1.0, 0.0], [0.0, 1.0], [2.0, -1.0]])
    weight = torch.full((3, 2, 1, 1, 2), 10.0)
    expected = torch.tensor([[11.0, 12, 13, 14], [10, 11, 10, 11], [12, 13, 16, 17]]).view(3, 2, 1, 1, 2)
    assert torch.equal(update(weight), expected)


@pytest.mark.parametrize(("shape", "rank", "expected"), [((2, 27), 8, 2), ((9, 3), 8, 3), ((9, 27), 8, 8)])
def test_rank_is_at_most_that_of_the_weight(shape, rank, expected) -> None:
    update = LowRankUpdate(torch.Size(shape), rank, torch.Generator().manual_seed(0))
    assert update.along.shape[1] == update.across.shape[0] == expected


def test_one_seed_gives_one_set_of_adapters(make_network) -> None:
    first, again, other = (updates(adapted(make_network, seed=seed))[0].across for seed in (1, 1, 2))
    assert torch.equal(first, again)
    assert not torch.equal(first, other)
