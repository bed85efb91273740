import pytest
import torch
from torch import nn

from neurograft.networks import Unit, UnitNetwork, build_network
from neurograft.networks.encoder_classifier2d import EncoderClassifier2d
from neurograft.networks.encoder_decoder2d import EncoderDecoder2d
from neurograft.recipes.loading import load_recipe
from neurograft.recipes.schema import NetworkConfig
from neurograft.transfer import plan_transfer

SMALL = (4, 4, 6, 6, 8)
ENCODER = ("stem", "layer1", "layer2", "layer3", "layer4", "latent")


def decoder(inputs: int = 1, outputs: int = 3, seed: int = 0, axis: int = 2) -> EncoderDecoder2d:
    torch.manual_seed(seed)
    return EncoderDecoder2d(inputs, outputs, axis, channels=SMALL, stem_channels=4)


def classifier(inputs: int = 1, outputs: int = 3, seed: int = 0, features: int = 12) -> EncoderClassifier2d:
    torch.manual_seed(seed)
    return EncoderClassifier2d(inputs, outputs, 2, stem_channels=4, features=features)


def shapes_of(model: UnitNetwork, image: torch.Tensor) -> dict[str, tuple[int, ...]]:
    found: dict[str, tuple[int, ...]] = {}
    for unit in model.units:
        model.unit_module(unit.name).register_forward_hook(
            lambda _, __, output, name=unit.name: found.update({name: tuple(output.shape[1:])})
        )
    model.outputs(image)
    return found


def paper_network(recipe: str, channels: int, outputs: int) -> UnitNetwork:
    return build_network(load_recipe(recipe).network, channels, outputs, seed=0)


def test_256_becomes_8_then_16_then_256() -> None:
    """SPEC section 7; the latent is 16 x 16 x 4."""
    with torch.device("meta"):
        model = paper_network("p4-target", 1, 7)
        found = shapes_of(model, torch.empty(2, 1, 256, 256, 3))
    assert found == {
        "stem": (64, 128, 128),
        "layer1": (256, 64, 64),
        "layer2": (512, 32, 32),
        "layer3": (1024, 16, 16),
        "layer4": (2048, 8, 8),
        "latent": (4, 16, 16),
        "start": (256, 16, 16),
        "up1": (128, 32, 32),
        "up2": (64, 64, 64),
        "up3": (32, 128, 128),
        "up4": (16, 256, 256),
        "head": (7, 256, 256),
    }


def test_the_encoder_is_resnet50_and_the_decoder_has_ten_convolutions() -> None:
    with torch.device("meta"):
        model = paper_network("p4-segmentation", 3, 4)
    counts = {name: sum(p.numel() for p in model.unit_module(name).parameters()) for name in ENCODER}
    # torchvision's ResNet-50 has 25 557 032 parameters, of which its fully connected layer has 2 049 000.
    assert sum(counts.values()) - counts["latent"] == 25_557_032 - 2_049_000
    assert counts["latent"] == 2048 * 4 * 9 + 4
    layers = [
        layer
        for unit in model.units[len(ENCODER) :]
        for layer in model.unit_module(unit.name).modules()
        if isinstance(layer, nn.Conv2d | nn.ConvTranspose2d)
    ]
    assert [(type(layer), layer.kernel_size, layer.stride) for layer in layers] == [
        (nn.Conv2d, (3, 3), (1, 1)),
        (nn.Conv2d, (3, 3), (1, 1)),
        *[(nn.ConvTranspose2d, (3, 3), (2, 2)), (nn.Conv2d, (3, 3), (1, 1))] * 4,
    ]


def test_the_classifier_reads_the_whole_latent() -> None:
    with torch.device("meta"):
        model = paper_network("p4-classification", 1, 16)
        found = shapes_of(model, torch.empty(2, 1, 256, 256, 1))
    assert (found["latent"], found["fc"], found["head"]) == ((4, 16, 16), (2048,), (16,))
    assert model.fc.linear.in_features == 1024


def test_units() -> None:
    encoder = (
        Unit("stem", "encoder", 1),
        *(Unit(f"layer{number}", "encoder", number + 1) for number in range(1, 5)),
        Unit("latent", "bottleneck", 4),
    )
    assert decoder().units == (
        *encoder,
        Unit("start", "decoder", 4),
        *(Unit(f"up{number}", "decoder", 4 - number) for number in range(1, 5)),
        Unit("head", "head", 0),
    )
    assert classifier().units == (*encoder, Unit("fc", "decoder", 0), Unit("head", "head", 0))


@pytest.mark.parametrize("make", [decoder, classifier])
def test_encoder_only_copies_the_encoder_and_nothing_else(make) -> None:
    rules = plan_transfer("encoder_only", make().units).rules
    assert {name for name, rule in rules.items() if not rule.reset} == set(ENCODER)


def test_both_networks_have_the_same_encoder() -> None:
    def encoder_of(model: UnitNetwork) -> dict[str, tuple[int, ...]]:
        return {name: tuple(t.shape) for name, t in model.state_dict().items() if name.partition(".")[0] in ENCODER}

    assert encoder_of(decoder()) == encoder_of(classifier())


def test_a_volume_is_one_batch_of_its_slices() -> None:
    model = decoder(axis=1).eval()
    image = torch.randn(2, 1, 32, 3, 64, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        whole = model(image)
        for number in range(3):
            one = model(image[:, :, :, number : number + 1])
            torch.testing.assert_close(whole[:, :, :, number : number + 1], one, rtol=1e-4, atol=1e-5)


def test_a_block_shows_what_any_of_its_slices_shows() -> None:
    model = classifier().eval()
    image = torch.randn(2, 1, 32, 32, 3, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        single = torch.stack([model(image[..., number : number + 1]) for number in range(3)])
        found = model(image)
    assert found.shape == (2, 3)
    torch.testing.assert_close(found, single.amax(0), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("sides", [(32, 64), (512, 256)])
def test_the_classifier_takes_slices_of_any_size(sides) -> None:
    with torch.device("meta"):
        assert classifier().eval()(torch.empty(1, 1, *sides, 1)).shape == (1, 3)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({}, "sees slices"),
        ({"slice_axis": "axial"}, "five network.channels"),
        ({"slice_axis": "axial", "channels": SMALL}, "network.norm: batch"),
        ({"slice_axis": "axial", "channels": SMALL, "norm": "batch", "auxiliary_heads": 1}, "no side units"),
        ({"slice_axis": "axial", "channels": SMALL, "norm": "batch", "attention_gates": "none"}, "attention_unet2d's"),
    ],
)
def test_options_that_do_not_fit(options, message) -> None:
    with pytest.raises(ValueError, match=message):
        NetworkConfig(name="encoder_decoder2d", **options)


def test_other_networks_have_no_latent() -> None:
    with pytest.raises(ValueError, match=r"network\.latent_channels is encoder_decoder2d's"):
        NetworkConfig(name="unet3d", latent_channels=8)
