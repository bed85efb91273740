import pytest
import torch

from neurograft.networks.discriminator import PatchDiscriminator


@pytest.mark.parametrize(
    ("size", "first_stride", "regions"),
    [
        ((256, 256, 1), 1, (16, 16, 1)),
        ((256, 256, 1), 4, (4, 4, 1)),
        ((1, 64, 48), 1, (1, 4, 3)),
        ((32, 32, 32), 1, (2, 2, 2)),
        ((20, 17, 16), 1, (2, 2, 1)),
    ],
)
def test_regions_of_slices_and_of_volumes(size, first_stride, regions) -> None:
    network = PatchDiscriminator(1, size, (2, 3, 4, 5), first_stride)
    image = torch.zeros(2, 1, *size)
    with torch.no_grad():
        assert network(image, image).shape == (2, 1, *regions)


def test_parameters_of_the_papers_slices_by_hand() -> None:
    network = PatchDiscriminator(3, (256, 256, 1))
    convolutions = 25 * 6 * 64 + 64 + 25 * 64 * 128 + 25 * 128 * 256 + 16 * 256 * 512 + 16 * 512 + 1
    assert sum(p.numel() for p in network.parameters()) == convolutions + 2 * (128 + 256 + 512)


def test_a_network_of_slices_does_not_mix_them() -> None:
    network = PatchDiscriminator(1, (32, 32, 1), (2, 3, 4, 5)).eval()
    pair = torch.randn((1, 1, 32, 32, 2), generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        both = network(pair, pair)
        first = network(pair[..., :1], pair[..., :1])
    assert torch.allclose(both[..., :1], first, atol=1e-6)
