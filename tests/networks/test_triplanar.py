"""P5's network: shapes and counts of the paper, and whole blocks against patch by patch."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn
from torch.nn import functional

from neurograft.errors import InputError
from neurograft.inference.sliding_window import sliding_window
from neurograft.networks import build_network
from neurograft.networks.triplanar import TriplanarNetwork, cut_planes
from neurograft.recipes.schema import NetworkConfig

SMALL = {"channels": (3, 4, 5), "dense_channels": (6, 9, 7)}


def network(inputs: int = 1, outputs: int = 3, prior: int = 0, **options) -> TriplanarNetwork:
    """In evaluation mode, every norm's statistics and scales with values of their own."""
    torch.manual_seed(0)
    made = TriplanarNetwork(inputs, outputs, prior, **{**SMALL, **options})
    for module in made.modules():
        if isinstance(module, nn.BatchNorm2d):
            nn.init.uniform_(module.running_mean, -0.5, 0.5)
            nn.init.uniform_(module.running_var, 0.5, 2.0)
            nn.init.uniform_(module.weight, -1.5, 1.5)
            nn.init.uniform_(module.bias, -0.5, 0.5)
        if isinstance(module, nn.PReLU):
            nn.init.uniform_(module.weight, 0.0, 0.5)
    return made.eval()


def by_patches(made: TriplanarNetwork, block: Tensor) -> Tensor:
    """One forward pass for each voxel, from the module's own layers: (N, K, d, h, w)."""
    sizes = [length - 31 for length in block.shape[2:]]
    answer = torch.empty((len(block), made.head.out_features, *sizes))
    for i in range(sizes[0]):
        for j in range(sizes[1]):
            for k in range(sizes[2]):
                patch = block[:, :, i : i + 32, j : j + 32, k : k + 32]
                image, prior = patch[:, : made.image_channels], patch[:, made.image_channels :, 16, 16, 16]
                found = []
                for plane, slices in (
                    ("axial", image[..., 16]),
                    ("coronal", image[..., 16, :]),
                    ("sagittal", image[:, :, 16]),
                ):
                    x = made.get_submodule(f"{plane}_conv1")(slices)
                    x = made.get_submodule(f"{plane}_conv2")(functional.max_pool2d(x, 2))
                    x = made.get_submodule(f"{plane}_conv3")(functional.max_pool2d(x, 2))
                    found.append(made.get_submodule(f"{plane}_dense")(x.flatten(1)))
                x = made.trunk1(torch.cat(found, 1))
                answer[:, :, i, j, k] = made.head(made.trunk2(torch.cat([x, prior], 1)))
    return answer


def test_the_papers_counts() -> None:
    made = TriplanarNetwork(1, 15, 15)
    weights = {"conv": 0, "dense": 0}
    for module in made.modules():
        if isinstance(module, nn.Conv2d | nn.Linear):
            kind = "conv" if isinstance(module, nn.Conv2d) else "dense"
            weights[kind] += sum(parameter.numel() for parameter in module.parameters())
    assert weights == {"conv": 141_480, "dense": 738_465}
    # One norm scale, one shift and one slope for each of 180 filters a branch; a slope for each dense feature.
    slopes = 3 * 180 * 3 + 3 * 180 + 540 + 270
    assert sum(parameter.numel() for parameter in made.parameters()) == 141_480 + 738_465 + slopes
    assert made.axial_dense.linear.in_features == 540
    assert made.trunk1.linear.in_features == 540
    assert made.trunk2.linear.in_features == 555
    assert TriplanarNetwork(1, 15).trunk2.linear.in_features == 540


def test_the_papers_sides() -> None:
    made = TriplanarNetwork(1, 15, 15).eval()
    seen = []
    for level in (1, 2, 3):
        for number in (1, 2)[: 1 if level == 3 else 2]:
            made.get_submodule(f"axial_conv{level}.conv{number}").register_forward_hook(
                lambda _, inputs, output: seen.extend([inputs[0].shape[-1], output.shape[-1]])
            )
    planes = torch.zeros(2, 16, 3, 32, 32)
    assert made(planes).shape == (2, 15, 1, 1, 1)
    assert seen == [32, 30, 30, 28, 14, 12, 12, 10, 5, 3]
    assert made.joined_features(planes).shape == (2, 555)


def test_units_go_level_by_level() -> None:
    units = network(prior=2).units
    assert [(unit.name, unit.role) for unit in units] == [
        *((f"{plane}_conv{level}", "encoder") for level in (1, 2, 3) for plane in ("axial", "coronal", "sagittal")),
        *((f"{plane}_dense", "bottleneck") for plane in ("axial", "coronal", "sagittal")),
        ("trunk1", "bottleneck"),
        ("trunk2", "decoder"),
        ("head", "head"),
    ]
    assert [unit.depth for unit in units] == [0] * 3 + [1] * 3 + [2] * 3 + [3] * 6
    named = {name for name, _ in network(prior=2).named_children()}
    assert named == {unit.name for unit in units}


@pytest.mark.parametrize(("inputs", "prior"), [(1, 0), (1, 3), (2, 4)])
def test_a_block_at_once_is_patch_by_patch(inputs: int, prior: int) -> None:
    made = network(inputs, prior=prior)
    block = torch.randn((2, inputs + prior, 31 + 3, 31 + 5, 31 + 4), generator=torch.Generator().manual_seed(1))
    with torch.no_grad():
        at_once, one_by_one = made(block), by_patches(made, block)
    assert at_once.shape == (2, 3, 3, 5, 4)
    assert at_once.std() > 0.05
    torch.testing.assert_close(at_once, one_by_one, atol=2e-5, rtol=1e-5)


def test_the_papers_network_at_once_is_patch_by_patch() -> None:
    made = network(1, 15, 15, channels=(20, 40, 60), dense_channels=(180, 540, 270))
    block = torch.randn((1, 16, 33, 32, 34), generator=torch.Generator().manual_seed(1))
    with torch.no_grad():
        torch.testing.assert_close(made(block), by_patches(made, block), atol=1e-4, rtol=1e-5)


@settings(max_examples=10, deadline=None)
@given(st.tuples(*[st.integers(1, 6)] * 3), st.integers(1, 4), st.integers(1, 400))
def test_blocks_agree_however_they_are_passed(size, voxels, pixels) -> None:
    """Neither the size of a block nor how much of it goes through at a time matters."""
    made = network(prior=2)
    block = torch.randn((1, 3, *(31 + length for length in size)), generator=torch.Generator().manual_seed(2))
    with torch.no_grad(), pytest.MonkeyPatch.context() as patch:
        whole = made(block)
        patch.setattr("neurograft.networks.triplanar_dense.VOXELS_A_PASS", voxels)
        patch.setattr("neurograft.networks.triplanar_dense.PIXELS_A_PASS", pixels)
        torch.testing.assert_close(made(block), whole, atol=1e-5, rtol=1e-5)
        # The last voxel answered for alone, with nothing but its own context.
        corner = block[:, :, size[0] - 1 :, size[1] - 1 :, size[2] - 1 :]
        torch.testing.assert_close(made(corner)[..., 0, 0, 0], whole[..., -1, -1, -1], atol=1e-5, rtol=1e-5)


@settings(max_examples=15, deadline=None)
@given(st.integers(0, 2**32 - 1), st.sampled_from([0.0, 0.02, 0.3, 1.0]), st.integers(1, 400))
def test_wanted_voxels_are_answered_as_all_are(seed: int, share: float, pixels: int) -> None:
    made = network(prior=2)
    generator = torch.Generator().manual_seed(seed)
    block = torch.randn((2, 3, 31 + 4, 31 + 6, 31 + 5), generator=generator)
    wanted = torch.rand((2, 4, 6, 5), generator=generator) < share
    with torch.no_grad(), pytest.MonkeyPatch.context() as patch:
        everything = made(block)
        patch.setattr("neurograft.networks.triplanar_dense.PIXELS_A_PASS", pixels)
        found = made(block, wanted)
    torch.testing.assert_close(found, everything * wanted[:, None], atol=1e-5, rtol=1e-5)


def test_windows_over_a_volume_see_zeros_beyond_it() -> None:
    made = network(prior=2)
    volume = torch.randn((3, 7, 9, 8), generator=torch.Generator().manual_seed(3))
    padded = functional.pad(volume, (16, 15) * 3)
    with torch.no_grad():
        expected = by_patches(made, padded[None])[0]
    found = sliding_window(volume, made, (4, 5, 8), 0.0, "uniform", 2, context=made.context)
    torch.testing.assert_close(found, expected, atol=2e-5, rtol=1e-5)


def test_planes_and_blocks_of_one_voxel_give_the_same() -> None:
    made = network(2, prior=3)
    blocks = torch.randn((4, 5, 32, 32, 32), generator=torch.Generator().manual_seed(4))
    planes = cut_planes(blocks)
    assert torch.equal(planes[:, :, 0], blocks[..., 16])
    assert torch.equal(planes[:, :, 1], blocks[..., 16, :])
    assert torch.equal(planes[:, :, 2], blocks[:, :, 16])
    for mode in (True, False):
        made.train(mode)
        torch.manual_seed(5)
        of_blocks = made(blocks)
        torch.manual_seed(5)
        assert torch.equal(made(planes), of_blocks)


@pytest.mark.parametrize(
    ("voxel", "heard"), [((16, 3, 3), True), ((3, 16, 3), True), ((3, 3, 16), True), ((3, 3, 3), False)]
)
def test_only_the_three_planes_are_read(voxel, heard) -> None:
    made = network()
    blocks = torch.randn((1, 1, 32, 32, 32), generator=torch.Generator().manual_seed(6))
    changed = blocks.clone()
    changed[0, 0, *voxel] += 10
    with torch.no_grad():
        assert torch.equal(made(blocks), made(changed)) is not heard


def test_the_prior_is_read_at_the_voxel_alone() -> None:
    made = network(prior=2)
    blocks = torch.rand((1, 3, 32, 32, 32), generator=torch.Generator().manual_seed(7))
    beside, there = blocks.clone(), blocks.clone()
    beside[0, 1, 16, 16, 17] += 1
    there[0, 1, 16, 16, 16] += 1
    with torch.no_grad():
        assert torch.equal(made(blocks), made(beside))
        assert not torch.equal(made(blocks), made(there))


def test_gradients_reach_every_weight_and_dropout_draws() -> None:
    made = network(prior=2, dropout=0.3).train()
    planes = torch.randn((6, 3, 3, 32, 32), generator=torch.Generator().manual_seed(8))
    first, second = made(planes), made(planes)
    assert not torch.equal(first, second)
    second.square().sum().backward()
    assert all(parameter.grad is not None for parameter in made.parameters())


def test_blocks_are_not_trained_on() -> None:
    with pytest.raises(ValueError, match="trained on single voxels"):
        network().train()(torch.zeros(1, 1, 33, 32, 32))


def test_the_recipe_reaches_the_network() -> None:
    config = NetworkConfig(name="triplanar", norm="batch", activation="prelu", dropout=0.1, **SMALL)
    made = build_network(config, 4, 5, seed=0, prior_channels=3)
    assert (made.image_channels, made.prior_channels, made.in_channels, made.dropout) == (1, 3, 4, 0.1)
    assert made.context.block((1, 1, 1)) == (32, 32, 32)
    assert (made.trunk1.linear.out_features, made.trunk2.linear.in_features) == (9, 12)
    with pytest.raises(InputError, match="Did you mean 'triplanar'"):
        build_network(config.model_copy(update={"name": "triplane"}), 1, 1, seed=0)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"channels": (3, 4)}, "three levels"),
        ({"norm": "instance"}, "batch norms and PReLUs"),
        ({"activation": "relu"}, "batch norms and PReLUs"),
        ({"age_head": "paper"}, "no side units"),
    ],
)
def test_what_a_recipe_cannot_ask_of_it(options, message) -> None:
    with pytest.raises(ValueError, match=message):
        NetworkConfig(**{"name": "triplanar", "norm": "batch", "activation": "prelu", **SMALL, **options})
