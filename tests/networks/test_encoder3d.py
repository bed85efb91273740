import torch

from neurograft.networks import build_network
from neurograft.networks.encoder3d import Encoder3d
from neurograft.recipes.schema import NetworkConfig


def test_its_tensors_are_the_encoders_of_the_unet() -> None:
    config = NetworkConfig(channels=(2, 3, 4), norm="batch")
    whole = build_network(config, 1, 2, seed=0).state_dict()
    encoder = build_network(config.model_copy(update={"name": "encoder3d"}), 1, 2, seed=0)
    shapes = {name: tensor.shape for name, tensor in encoder.state_dict().items() if not name.startswith("head")}
    assert shapes == {name: t.shape for name, t in whole.items() if name.startswith(("down", "bottleneck"))}
    assert [unit.name for unit in encoder.units] == ["down1", "down2", "bottleneck", "head"]


def test_features_are_those_of_the_unets_bottleneck() -> None:
    config = NetworkConfig(channels=(2, 3, 4))
    whole = build_network(config, 1, 2, seed=0).eval()
    encoder = build_network(config.model_copy(update={"name": "encoder3d"}), 1, 5, seed=1).eval()
    shared = {k: v for k, v in whole.state_dict().items() if k.startswith(("down", "bottleneck"))}
    encoder.load_state_dict(shared, strict=False)
    features = []
    whole.bottleneck.register_forward_hook(lambda _, __, output: features.append(output))
    image = torch.randn((3, 1, 8, 12, 4), generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        whole(image)
        assert torch.allclose(encoder(image), encoder.head(features[0].mean((2, 3, 4))), atol=1e-6)
        assert encoder(image).shape == (3, 5)


def test_parameters_by_hand() -> None:
    encoder = Encoder3d(1, 3, channels=(2, 4), norm="none", block_order="conv-act-norm")
    down = (27 * 2 + 2) + (27 * 2 * 2 + 2)
    bottleneck = (27 * 2 * 4 + 4) + (27 * 4 * 4 + 4)
    assert sum(p.numel() for p in encoder.parameters()) == down + bottleneck + (4 * 3 + 3)
