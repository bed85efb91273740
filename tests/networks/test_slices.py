import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor, nn

from neurograft.imaging.context import Context
from neurograft.inference.sliding_window import sliding_window
from neurograft.networks.slices import SliceNetwork, slices_to_volume, volume_to_slices
from neurograft.networks.units import Unit


class Mixer(SliceNetwork):
    """One 3x3 convolution over a slice and its neighbours."""

    def __init__(self, in_channels: int, slice_axis: int, neighbour_slices: int = 1) -> None:
        super().__init__(in_channels, slice_axis, neighbour_slices, 2)
        self.units = (Unit("head", "head", 0),)
        self.head = nn.Conv2d(self.slice_channels, 2, 3, padding=1)

    def slice_logits(self, slices: Tensor) -> Tensor:
        return self.head(slices)

    def slice_outputs(self, slices: Tensor) -> dict[str, Tensor]:
        main = self.head(slices)
        return {"main": main, "aux_head1": main[..., ::2, ::2]}


@given(
    st.integers(0, 2),
    st.integers(0, 2),
    st.integers(1, 2),
    st.integers(1, 3),
    st.tuples(st.integers(1, 4), st.integers(1, 4), st.integers(1, 4)),
)
def test_every_slice_has_its_neighbours_as_channels(axis, neighbours, samples, channels, answer) -> None:
    size = [length + 2 * neighbours * (number == axis) for number, length in enumerate(answer)]
    image = torch.randn(samples, channels, *size)
    slices = volume_to_slices(image, axis, neighbours)
    in_plane = [length for number, length in enumerate(answer) if number != axis]
    width = 2 * neighbours + 1
    assert slices.shape == (samples * answer[axis], channels * width, *in_plane)
    for sample in range(samples):
        for place in range(answer[axis]):
            for channel in range(channels):
                for offset in range(width):
                    wanted = image[sample, channel].select(axis, place + offset)
                    found = slices[sample * answer[axis] + place, channel * width + offset]
                    assert torch.equal(found, wanted)


@given(st.integers(0, 2), st.integers(1, 3))
def test_stacking_undoes_cutting(axis, samples) -> None:
    image = torch.randn(samples, 4, 3, 5, 2)
    assert torch.equal(slices_to_volume(volume_to_slices(image, axis, 0), axis, samples), image)


@pytest.mark.parametrize("axis", [0, 1, 2])
def test_a_block_is_answered_as_its_slices_one_by_one(axis) -> None:
    torch.manual_seed(0)
    network = Mixer(2, axis).eval()
    answer = (4, 6, 8)
    image = torch.randn(2, 2, *network.context.block(answer))
    together = network(image)
    assert together.shape == (2, 2, *answer)
    for place in range(answer[axis]):
        alone = network(image.narrow(2 + axis, place, 3))
        assert torch.allclose(together.narrow(2 + axis, place, 1), alone, atol=1e-6)
    coarse = network.outputs(image)["aux_head1"].shape[2:]
    assert coarse == tuple(length if number == axis else length // 2 for number, length in enumerate(answer))


def test_context_stride_and_padded_size() -> None:
    network = Mixer(1, 1)
    assert network.context == Context((0, 1, 0), (0, 1, 0), "edge")
    assert network.stride == (2, 1, 2)
    assert network.padded_size((5, 7, 9)) == (6, 7, 10)
    assert Mixer(1, 0, neighbour_slices=2).context.block((1, 4, 4)) == (5, 4, 4)
    assert Mixer(3, 0, neighbour_slices=0).slice_channels == 3


@pytest.mark.parametrize("axis", [0, 1, 2])
@pytest.mark.parametrize("window", [(4, 4, 4), (6, 2, 8)])
def test_a_volume_is_the_same_by_any_windows_along_the_slice_axis(axis, window) -> None:
    """Neighbours come from the volume, and its first and last slice stand for those beyond it."""
    torch.manual_seed(0)
    network = Mixer(1, axis).eval()
    image = torch.randn(1, 6, 6, 8)
    window = tuple(image.shape[1 + number] if number != axis else length for number, length in enumerate(window))
    found = sliding_window(image, network, window, 0, "uniform", context=network.context)
    edges = [0] * 6
    edges[2 * (2 - axis)] = edges[2 * (2 - axis) + 1] = 1
    padded = nn.functional.pad(image[None], edges, mode="replicate")
    assert torch.allclose(found, network(padded)[0].detach(), atol=1e-6)


def test_the_memory_format_of_volumes_is_taken_as_that_of_slices() -> None:
    network = Mixer(4, 2).to(memory_format=torch.channels_last_3d)
    assert network.head.weight.is_contiguous(memory_format=torch.channels_last)
    image = torch.randn(2, 4, 4, 4, 3).to(memory_format=torch.channels_last_3d)
    plain = Mixer(4, 2)
    plain.load_state_dict(network.state_dict())
    assert torch.allclose(network(image), plain(image), atol=1e-6)
    assert network.to(torch.float64).head.weight.dtype == torch.float64
