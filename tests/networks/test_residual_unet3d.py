import pytest
import torch
from monai.networks.nets import DynUNet
from torch import Tensor

from neurograft.networks import Unit
from neurograft.networks.age_head import AgeHead
from neurograft.networks.residual_unet3d import ResidualUNet3d

PAPER = (32, 64, 128, 256, 320, 320)
SMALL = (4, 6, 8, 10)


def dynunet(inputs: int, outputs: int, channels: tuple[int, ...], heads: int) -> DynUNet:
    levels = len(channels)
    return DynUNet(
        3,
        inputs,
        outputs,
        kernel_size=[3] * levels,
        strides=[1] + [2] * (levels - 1),
        upsample_kernel_size=[2] * (levels - 1),
        filters=list(channels),
        norm_name=("INSTANCE", {"affine": True}),
        act_name=("leakyrelu", {"negative_slope": 0.01, "inplace": True}),
        res_block=True,
        deep_supervision=heads > 0,
        deep_supr_num=max(heads, 1),
    )


def weights_of(theirs: DynUNet, ours: ResidualUNet3d) -> dict[str, Tensor]:
    """MONAI's weights under our names; it joins features before skips, we do the reverse."""
    levels = len([unit for unit in ours.units if unit.role != "side"]) // 2
    blocks = {"input_block": "stem", "bottleneck": "bottleneck"}
    blocks |= {f"downsamples.{i}": f"down{i + 1}" for i in range(levels)}
    found: dict[str, Tensor] = {}
    for name, tensor in theirs.state_dict().items():
        if name.startswith("skip_layers"):
            continue  # the same tensors a second time
        block, _, rest = name.partition(".")
        if block in ("downsamples", "upsamples", "deep_supervision_heads"):
            number, _, rest = rest.partition(".")
            block = f"{block}.{number}"
        rest = rest.replace(".conv.", ".")
        if block in blocks:
            rest = rest.replace("conv3.", "shortcut.0.").replace("norm3.", "shortcut.1.")
            found[f"{blocks[block]}.{rest}"] = tensor
        elif block.startswith("upsamples"):
            rest = rest.replace("transp_conv.", "up.").replace("conv_block.", "block.")
            if rest == "block.conv1.weight":
                features, skip = tensor.chunk(2, dim=1)
                tensor = torch.cat([skip, features], dim=1)
            found[f"up{int(block.split('.')[1]) + 1}.{rest}"] = tensor
        elif block.startswith("deep_supervision_heads"):
            found[f"aux_head{int(block.split('.')[1]) + 1}.{rest.replace('conv.', '')}"] = tensor
        else:
            found[f"head.{rest.replace('conv.', '')}"] = tensor
    return found


@pytest.mark.parametrize("inputs", [1, 2])
def test_equals_monais_network_with_its_weights(inputs) -> None:
    theirs, ours = dynunet(inputs, 3, SMALL, 2), ResidualUNet3d(inputs, 3, SMALL, auxiliary_heads=2)
    ours.load_state_dict(weights_of(theirs, ours))
    image = torch.randn((2, inputs, 16, 24, 16), generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        assert torch.allclose(ours.eval()(image), theirs.eval()(image), atol=1e-5)
        found = ours.outputs(image)
        stacked = theirs.train()(image)
    assert list(found) == ["main", "aux_head1", "aux_head2"]
    assert torch.allclose(found["main"], stacked[:, 0], atol=1e-5)
    # MONAI repeats its coarse outputs to full size.
    for number, factor in ((1, 2), (2, 4)):
        coarse = found[f"aux_head{number}"]
        assert coarse.shape == (2, 3, *(side // factor for side in (16, 24, 16)))
        full = torch.nn.functional.interpolate(coarse, size=(16, 24, 16), mode="nearest")
        assert torch.allclose(full, stacked[:, number], atol=1e-5)


def test_the_papers_network_has_as_many_parameters_as_monais() -> None:
    with torch.device("meta"):
        theirs, ours = dynunet(2, 10, PAPER, 3), ResidualUNet3d(2, 10, auxiliary_heads=3)
    counts = [sum(parameter.numel() for parameter in network.parameters()) for network in (theirs, ours)]
    assert counts == [31_424_680, 31_424_680]


def test_shapes_at_the_papers_patch_size() -> None:
    with torch.device("meta"):
        network = ResidualUNet3d(2, 10, auxiliary_heads=3, age_head="code")
        sides: dict[str, tuple[int, ...]] = {}
        for unit in network.units:
            network.unit_module(unit.name).register_forward_hook(
                lambda _, __, output, name=unit.name: sides.update({name: tuple(output.shape)})
            )
        network.outputs(torch.empty(1, 2, 128, 128, 128))
    expected = {
        "stem": (32, 128),
        "down1": (64, 64),
        "down2": (128, 32),
        "down3": (256, 16),
        "down4": (320, 8),
        "bottleneck": (320, 4),
        "up1": (320, 8),
        "up2": (256, 16),
        "up3": (128, 32),
        "up4": (64, 64),
        "up5": (32, 128),
        "head": (10, 128),
        "aux_head1": (10, 64),
        "aux_head2": (10, 32),
        "aux_head3": (10, 16),
    }
    assert sides.pop("age") == (1,)
    assert sides == {name: (1, channels, side, side, side) for name, (channels, side) in expected.items()}


def test_units_of_the_papers_network() -> None:
    with torch.device("meta"):
        units = ResidualUNet3d(2, 10, auxiliary_heads=3, age_head="paper").units
    assert units == (
        Unit("stem", "encoder", 0),
        *(Unit(f"down{level}", "encoder", level) for level in (1, 2, 3, 4)),
        Unit("bottleneck", "bottleneck", 5),
        *(Unit(f"up{number}", "decoder", 5 - number) for number in (1, 2, 3, 4, 5)),
        Unit("head", "head", 0),
        *(Unit(f"aux_head{number}", "side", number) for number in (1, 2, 3)),
        Unit("age", "side", 5),
    )


@pytest.mark.parametrize("norm", ["batch", "instance", "group", "none"])
@pytest.mark.parametrize("activation", ["leaky_relu", "prelu"])
@pytest.mark.parametrize("upsampling", ["transposed", "trilinear"])
def test_every_tensor_belongs_to_one_unit_and_gets_a_gradient(norm, activation, upsampling) -> None:
    network = ResidualUNet3d(1, 2, SMALL, norm, activation, upsampling, auxiliary_heads=2, age_head="paper")
    found = {name: unit for unit, name, _ in network.tensors()}
    assert list(found) == list(network.state_dict())
    assert set(found.values()) == {unit.name for unit in network.units}
    image = torch.randn((2, 1, 16, 16, 16), generator=torch.Generator().manual_seed(0))
    outputs = network.outputs(image)
    assert outputs["age"].shape == (2,)
    torch.stack([output.square().mean() for output in outputs.values()]).sum().backward()
    without = {name for name, parameter in network.named_parameters() if parameter.grad is None}
    assert without == set()


def test_main_output_alone_leaves_side_units_out() -> None:
    network = ResidualUNet3d(1, 2, SMALL, auxiliary_heads=2, age_head="paper").eval()
    network.age.register_forward_hook(lambda *_: pytest.fail("the age head ran"))
    with torch.no_grad():
        assert network(torch.zeros(1, 1, 8, 8, 16)).shape == (1, 2, 8, 8, 16)


@pytest.mark.parametrize("inputs", [1, 3])
def test_stem_weights_are_those_that_see_the_image(inputs) -> None:
    network = ResidualUNet3d(inputs, 1, SMALL)
    assert network.stem_weights == ("stem.conv1.weight", "stem.shortcut.0.weight")
    assert {network.get_parameter(name).shape[1] for name in network.stem_weights} == {inputs}
    # As many channels in as out: the shortcut is the image itself.
    assert ResidualUNet3d(4, 1, SMALL).stem_weights == ("stem.conv1.weight",)


def test_stride_follows_the_depth() -> None:
    with torch.device("meta"):
        assert ResidualUNet3d(1, 1).stride == (32, 32, 32)
    assert ResidualUNet3d(1, 1, (2, 3)).padded_size((5, 6, 7)) == (6, 6, 8)


def test_smallest_network() -> None:
    network = ResidualUNet3d(1, 1, (2, 3)).eval()
    assert [unit.name for unit in network.units] == ["stem", "bottleneck", "up1", "head"]
    assert network(torch.zeros(1, 1, 4, 4, 4)).shape == (1, 1, 4, 4, 4)


def test_more_auxiliary_heads_than_levels() -> None:
    assert ResidualUNet3d(1, 1, SMALL, auxiliary_heads=2).label_heads == ("head", "aux_head1", "aux_head2")
    with pytest.raises(ValueError, match="4 levels leave room for 2 auxiliary heads, not 3"):
        ResidualUNet3d(1, 1, SMALL, auxiliary_heads=3)


def test_age_head_of_the_code_by_its_numbers() -> None:
    with torch.device("meta"):
        head = AgeHead(320, "code")
        shapes = {name: tuple(parameter.shape) for name, parameter in head.named_parameters()}
        assert head(torch.empty(5, 320, 4, 4, 4)).shape == (5,)
        with pytest.raises(ValueError, match=r"4 x 4 x 4, got \(6, 6, 6\)"):
            head(torch.empty(5, 320, 6, 6, 6))
    assert shapes["conv1.weight"] == (512, 320, 3, 3, 3)
    assert shapes["linear.weight"] == (1, 4096)


@pytest.mark.parametrize("side", [1, 3, 4, 6, 9])
def test_age_head_of_the_paper_takes_any_bottleneck(side) -> None:
    head = AgeHead(5, "paper")
    generator = torch.Generator().manual_seed(0)
    assert head(torch.randn((3, 5, side, side, side + 1), generator=generator)).shape == (3,)
    assert head.linear.weight.shape == (1, 8)
    if side == 4:
        x = torch.randn((1, 5, 4, 4, 4), generator=generator)
        assert head.conv2(head.act1(head.conv1(x))).shape == (1, 8, 1, 1, 1)


def test_age_head_of_the_paper_can_say_less_than_the_mean() -> None:
    head = AgeHead(5, "paper")
    torch.nn.init.constant_(head.linear.bias, -3.0)
    torch.nn.init.zeros_(head.linear.weight)
    assert head(torch.zeros(1, 5, 4, 4, 4)).item() == -3.0
