import pytest
import torch
from torch import nn

from neurograft.networks import Unit, build_network
from neurograft.networks.attention_gate import AttentionGate
from neurograft.networks.attention_unet2d import AttentionUNet2d
from neurograft.networks.label_branches import LabelBranches
from neurograft.networks.slices import volume_to_slices
from neurograft.recipes.schema import NetworkConfig

SMALL = (4, 5, 6, 7, 8)


def network(**options) -> AttentionUNet2d:
    torch.manual_seed(0)
    return AttentionUNet2d(**{"in_channels": 1, "out_channels": 3, "slice_axis": 1, "channels": SMALL, **options})


def shapes_of(model: AttentionUNet2d, image: torch.Tensor) -> dict[str, tuple[int, ...]]:
    found: dict[str, tuple[int, ...]] = {}
    for unit in model.units:
        model.unit_module(unit.name).register_forward_hook(
            lambda _, __, output, name=unit.name: found.update({name: tuple(output.shape)})
        )
    model.outputs(image)
    return found


def test_shapes_at_the_papers_crop() -> None:
    """96 x 96 becomes 6 x 6 in four stages (SPEC section 7)."""
    with torch.device("meta"):
        model = network(channels=(32, 64, 128, 256, 512), auxiliary_heads=2)
        found = shapes_of(model, torch.empty(1, 1, 96, 4, 96))
    sides = {
        "down1": (32, 96),
        "down2": (64, 48),
        "down3": (128, 24),
        "down4": (256, 12),
        "bottleneck": (512, 6),
        "up1": (256, 12),
        "up2": (128, 24),
        "up3": (64, 48),
        "up4": (32, 96),
        "head": (3, 96),
        "aux_head1": (3, 48),
        "aux_head2": (3, 24),
    }
    assert found == {name: (2, channels, side, side) for name, (channels, side) in sides.items()}
    assert sum(parameter.numel() for parameter in model.parameters()) == 8_681_421


def test_units() -> None:
    assert network(auxiliary_heads=1).units == (
        *(Unit(f"down{level + 1}", "encoder", level) for level in range(4)),
        Unit("bottleneck", "bottleneck", 4),
        *(Unit(f"up{number}", "decoder", 4 - number) for number in range(1, 5)),
        Unit("head", "head", 0),
        Unit("aux_head1", "side", 1),
    )


@pytest.mark.parametrize("attention_gates", ["all", "below_top", "none"])
@pytest.mark.parametrize("output_branches", ["shared", "labels"])
@pytest.mark.parametrize("upsampling", ["transposed", "trilinear"])
def test_every_tensor_belongs_to_one_unit_and_gets_a_gradient(attention_gates, output_branches, upsampling) -> None:
    model = network(
        attention_gates=attention_gates, output_branches=output_branches, upsampling=upsampling, auxiliary_heads=2
    )
    found = {name: unit for unit, name, _ in model.tensors()}
    assert list(found) == list(model.state_dict())
    assert set(found.values()) == {unit.name for unit in model.units}
    image = torch.randn((2, 1, 32, 4, 16), generator=torch.Generator().manual_seed(0))
    outputs = model.outputs(image)
    assert {name: tuple(output.shape[2:]) for name, output in outputs.items()} == {
        "main": (32, 2, 16),
        "aux_head1": (16, 2, 8),
        "aux_head2": (8, 2, 4),
    }
    torch.stack([output.square().mean() for output in outputs.values()]).sum().backward()
    assert {name for name, parameter in model.named_parameters() if parameter.grad is None} == set()


@pytest.mark.parametrize(("attention_gates", "gates"), [("all", 4), ("below_top", 3), ("none", 0)])
def test_gates_are_where_they_are_asked_for(attention_gates, gates) -> None:
    model = network(attention_gates=attention_gates)
    assert sum(isinstance(module, AttentionGate) for module in model.modules()) == gates
    if attention_gates == "below_top":
        assert "gate" not in dict(model.up4.named_children())


@pytest.mark.parametrize("norm", ["batch", "instance", "group", "none"])
@pytest.mark.parametrize("block_order", ["conv-act-norm", "conv-norm-act"])
def test_main_output_is_what_forward_gives(norm, block_order) -> None:
    model = network(norm=norm, block_order=block_order, activation="leaky_relu").eval()
    image = torch.randn((2, 1, 16, 5, 16), generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        assert torch.equal(model(image), model.outputs(image)["main"])
        # A slice's answer depends on itself and its neighbours, and on no other slice of the batch.
        assert torch.allclose(model(image)[:, :, :, 1:2], model(image[:, :, :, 1:4]), atol=1e-5)


def test_the_gate_by_its_formula() -> None:
    torch.manual_seed(0)
    gate = AttentionGate(4, 6)
    skip, gating = torch.randn(2, 4, 8, 6), torch.randn(2, 6, 4, 3)
    # A convolution of stride 2, as it is printed.
    strided = nn.Conv2d(4, 2, 1, stride=2, bias=False)
    strided.load_state_dict(gate.skip.state_dict())
    summed = (strided(skip) + gate.gating(gating)).relu()
    coarse = torch.sigmoid((summed * gate.weight.weight).sum(1, keepdim=True) + gate.weight.bias)
    weights = gate.attention(skip, gating)
    assert weights.shape == (2, 1, 8, 6)
    assert ((weights > 0) & (weights < 1)).all()
    # Bilinear between coarse centres: voxel 1 lies a quarter of the way from coarse voxel 0 to coarse voxel 1.
    rows = 0.75 * coarse[:, :, 0] + 0.25 * coarse[:, :, 1]
    assert torch.allclose(weights[:, :, 1, 1], 0.75 * rows[..., 0] + 0.25 * rows[..., 1], atol=1e-6)
    assert torch.allclose(gate(skip, gating), skip * weights)


def test_an_open_gate_lets_the_skip_pass() -> None:
    gate = AttentionGate(4, 6)
    nn.init.constant_(gate.weight.bias, 50.0)
    skip = torch.randn(1, 4, 8, 8)
    assert torch.allclose(gate(skip, torch.randn(1, 6, 4, 4)), skip, atol=1e-5)


def test_the_pyramid_sees_averages_of_the_image() -> None:
    model = network(channels=SMALL).eval()
    seen: dict[str, torch.Tensor] = {}
    for level in (2, 3, 4):
        model.get_submodule(f"down{level}.pyramid").register_forward_pre_hook(
            lambda _, inputs, level=level: seen.update({level: inputs[0]})
        )
    image = torch.randn((1, 1, 16, 3, 32), generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        model(image)
    slices = volume_to_slices(image, 1, 1)
    for level, factor in ((2, 2), (3, 4), (4, 8)):
        means = slices.unflatten(3, (-1, factor)).unflatten(2, (-1, factor)).mean((3, 5))
        assert torch.allclose(seen[level], means, atol=1e-6)


@pytest.mark.parametrize(("inputs", "neighbours"), [(1, 1), (2, 1), (3, 0), (1, 2)])
@pytest.mark.parametrize("encoder", ["plain", "resnet50"])
def test_stem_weights_are_all_that_see_the_image(inputs, neighbours, encoder) -> None:
    with torch.device("meta"):
        model = network(in_channels=inputs, neighbour_slices=neighbours, encoder=encoder)
    width = inputs * (2 * neighbours + 1)
    assert {model.get_parameter(name).shape[1] for name in model.stem_weights} == {width}
    assert len(model.stem_weights) == (4 if encoder == "plain" else 1)
    assert model.in_channels == inputs


def test_a_branch_is_a_row_of_each_tensor() -> None:
    torch.manual_seed(0)
    branches = LabelBranches(3, 2, 4)
    image = torch.randn(2, 3, 5, 6)
    found = branches(image)
    for row in range(2):
        first = nn.Conv2d(3, 4, 3, padding=1)
        first.weight.data = branches.conv_weight[row].detach().reshape(4, 3, 3, 3)
        first.bias.data = branches.conv_bias[row].detach()
        last = nn.Conv2d(4, 1, 1)
        last.weight.data = branches.out_weight[row].detach()[None, :, None, None]
        last.bias.data = branches.out_bias[row : row + 1].detach()
        assert torch.allclose(found[:, row : row + 1], last(first(image).relu()), atol=1e-5)
    assert {len(parameter) for parameter in branches.parameters()} == {2}


@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.float64, 1e-6), (torch.float32, 0.1)])
def test_channels_last_has_the_same_gradients(dtype, tolerance) -> None:
    """In single precision a strided 1x1 convolution of few channels would write beyond its memory.

    There PyTorch's batch norm sums channels that lie last with errors of 1e-5, which grow on the way.
    """
    config = NetworkConfig(
        name="attention_unet2d", slice_axis="axial", channels=(8, 16, 16, 16, 16), norm="batch", auxiliary_heads=2
    )
    generator = torch.Generator().manual_seed(0)
    image = torch.randn(6, 1, 64, 64, 4, generator=generator)
    gradients = []
    for memory in (torch.contiguous_format, torch.channels_last_3d):
        model = build_network(config, 1, 2, seed=1).to(dtype).to(memory_format=memory)  # type: ignore[call-overload]
        outputs = model.outputs(image.to(dtype).to(memory_format=memory))
        torch.stack([output.square().mean() for output in outputs.values()]).sum().backward()
        gradients.append({name: weight.grad for name, weight in model.named_parameters()})
    for name, gradient in gradients[0].items():
        assert (gradients[1][name] - gradient).norm() <= tolerance * gradient.norm() + 1e-5, name


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"auxiliary_heads": 4}, "4 decoder levels leave room for 3 auxiliary heads, not 4"),
        ({"encoder": "resnet50", "channels": (4, 5, 6)}, "a ResNet-50 has 5 levels, not 3"),
    ],
)
def test_what_does_not_fit(options, message) -> None:
    with pytest.raises(ValueError, match=message):
        network(**options)
