"""Values between voxels, beside SciPy's."""

from collections.abc import Callable

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.ndimage import map_coordinates

from neurograft.sampling.interpolation import Mode, gather, interpolate, with_surroundings

SIZES = st.tuples(*[st.integers(2, 7)] * 3)
WAYS = pytest.mark.parametrize("fill", [interpolate, gather], ids=["loop", "tensors"])
Fill = Callable[[torch.Tensor, torch.Tensor, Mode, torch.Tensor], None]


def places(shape: tuple[int, int, int], count: tuple[int, int, int], seed: int, beyond: float = 2.0) -> torch.Tensor:
    """Some inside of a volume, some outside."""
    generator = np.random.default_rng(seed)
    last = np.array(shape)[:, None, None, None] - 1
    return torch.from_numpy(generator.uniform(-beyond, last + beyond, (3, *count)).astype(np.float32))


def volume(shape: tuple[int, int, int], channels: int, seed: int) -> torch.Tensor:
    return torch.from_numpy(np.random.default_rng(seed).normal(size=(channels, *shape)).astype(np.float32))


def interpolated(fill: Fill, volume: torch.Tensor, places: torch.Tensor, mode: Mode) -> torch.Tensor:
    out = volume.new_empty((len(volume), *places.shape[1:]))
    fill(volume, places, mode, out)
    return out


@WAYS
@settings(deadline=None)
@given(shape=SIZES, count=SIZES, channels=st.integers(1, 3), seed=st.integers(0, 99))
def test_linear_is_scipys_order_one(
    fill: Fill, shape: tuple[int, int, int], count: tuple[int, int, int], channels: int, seed: int
) -> None:
    data, where = volume(shape, channels, seed), places(shape, count, seed + 1)
    before = where.clone()
    found = interpolated(fill, data, where, "bilinear")
    assert found.shape == (channels, *count)
    assert torch.equal(where, before), "places are not the function's to change"
    for channel, expected in zip(found, data.double().numpy(), strict=True):
        wanted = map_coordinates(expected, where.double().numpy(), order=1, mode="nearest")
        np.testing.assert_allclose(channel.numpy(), wanted, atol=2e-5)


@WAYS
@settings(deadline=None)
@given(shape=SIZES, seed=st.integers(0, 99))
def test_voxels_centres_have_the_voxels_own_values(fill: Fill, shape: tuple[int, int, int], seed: int) -> None:
    data = volume(shape, 2, seed)
    centres = torch.stack(torch.meshgrid(*[torch.arange(length).float() for length in shape], indexing="ij"))
    assert torch.equal(interpolated(fill, data, centres, "bilinear"), data)
    assert torch.equal(interpolated(fill, data, centres, "nearest"), data)


@WAYS
@pytest.mark.parametrize("kind", [torch.int16, torch.int64, torch.float32])
def test_nearest_keeps_the_type_and_takes_the_even_one_of_two(fill: Fill, kind: torch.dtype) -> None:
    line = torch.arange(6).to(kind).reshape(1, 6, 1, 1).expand(1, 6, 2, 2)
    along = torch.tensor([-3.0, -0.4, 0.4, 0.5, 1.5, 2.5, 2.6, 4.9, 5.4, 9.0])
    where = torch.zeros((3, len(along), 1, 1))
    where[0, :, 0, 0] = along
    found = interpolated(fill, line, where, "nearest")
    assert found.dtype == kind
    assert found.flatten().tolist() == [0, 0, 0, 0, 2, 2, 3, 5, 5, 5]


@WAYS
@pytest.mark.parametrize("mode", ["bilinear", "nearest"])
def test_volumes_of_more_voxels_than_single_precision_counts(fill: Fill, mode: Mode) -> None:
    data = torch.zeros((1, 300, 300, 200))
    spots = [(299, 299, 199), (299, 299, 198), (298, 299, 199), (150, 150, 101), (281, 7, 93)]
    for value, spot in enumerate(spots, start=1):
        data[0, *spot] = value
    where = torch.tensor(spots, dtype=torch.float32).T[:, :, None, None].contiguous()
    assert interpolated(fill, data, where, mode).flatten().tolist() == [1, 2, 3, 4, 5]


@WAYS
@settings(deadline=None)
@given(shape=SIZES, seed=st.integers(0, 99))
def test_beyond_a_volume_lies_what_was_laid_around_it(fill: Fill, shape: tuple[int, int, int], seed: int) -> None:
    data, where = volume(shape, 2, seed), places(shape, (4, 3, 5), seed)
    outside = torch.tensor([7.0, -3.0])[:, None, None, None]
    found = interpolated(fill, with_surroundings(data, outside), where + 1, "bilinear")
    for channel, expected, value in zip(found, data.double().numpy(), (7.0, -3.0), strict=True):
        wanted = map_coordinates(expected, where.double().numpy(), order=1, mode="grid-constant", cval=value)
        np.testing.assert_allclose(channel.numpy(), wanted, atol=5e-5)
    edge = interpolated(fill, with_surroundings(data, None), where + 1, "bilinear")
    torch.testing.assert_close(edge, interpolated(fill, data, where, "bilinear"), atol=2e-5, rtol=0)


@WAYS
def test_a_volume_of_one_voxel_can_be_read_with_its_surroundings(fill: Fill) -> None:
    single = torch.tensor([[[[5]]]], dtype=torch.int16)
    where = torch.tensor([0.0, 0.4, 0.6])[None, :, None, None].expand(3, 3, 1, 1)
    zeros = with_surroundings(single, torch.zeros((1, 1, 1, 1)))
    assert interpolated(fill, zeros, where + 1, "nearest").flatten().tolist() == [5, 5, 0]
    assert interpolated(fill, with_surroundings(single, None), where + 1, "nearest").flatten().tolist() == [5, 5, 5]


@settings(deadline=None)
@given(shape=SIZES, seed=st.integers(0, 99), flipped=st.booleans())
def test_a_part_of_a_larger_volume_is_read_as_its_copy_and_filled_into_a_part(
    shape: tuple[int, int, int], seed: int, flipped: bool
) -> None:
    larger = volume(tuple(length + 3 for length in shape), 3, seed)
    part = larger[1:, 1:-2, 2:-1, 3:]
    if flipped:
        part = part.permute(0, 3, 1, 2)
    where = places(tuple(part.shape[1:]), (5, 3, 4), seed)
    for mode in ("bilinear", "nearest"):
        room = torch.full((2, 7, 5, 8), torch.nan)
        inside = room[:, 1:6, 2:, 3:7]
        interpolate(part, where, mode, inside)
        assert torch.equal(inside, interpolated(interpolate, part.contiguous(), where, mode))
        assert int(room.isnan().sum()) == room.numel() - inside.numel(), "nothing beside the part is touched"


@settings(deadline=None)
@given(shape=SIZES, count=SIZES, seed=st.integers(0, 99))
def test_both_ways_agree(shape: tuple[int, int, int], count: tuple[int, int, int], seed: int) -> None:
    data, where = volume(shape, 2, seed), places(shape, count, seed + 1)
    nearest = [interpolated(fill, data, where, "nearest") for fill in (interpolate, gather)]
    assert torch.equal(*nearest)
    linear = [interpolated(fill, data, where, "bilinear") for fill in (interpolate, gather)]
    torch.testing.assert_close(*linear, atol=2e-6, rtol=0)


@pytest.mark.parametrize("kind", [torch.uint8, torch.int16, torch.int32, torch.int64, torch.bool, torch.float32])
def test_labels_of_any_type_fill_whole_numbers(kind: torch.dtype) -> None:
    labels = (torch.arange(24).reshape(1, 2, 3, 4) % 2).to(kind)
    centres = torch.stack(torch.meshgrid(*[torch.arange(length).float() for length in (2, 3, 4)], indexing="ij"))
    found = torch.empty((1, 2, 3, 4), dtype=torch.int64)
    interpolate(labels, centres, "nearest", found)
    assert torch.equal(found, labels.long())


@pytest.mark.parametrize("mode", ["bilinear", "nearest"])
def test_a_place_that_is_no_number_reads_inside_the_volume(mode: Mode) -> None:
    data = torch.arange(1.0, 28.0).reshape(1, 3, 3, 3)
    where = torch.full((3, 1, 1, 2), torch.nan)
    where[:, 0, 0, 1] = torch.inf
    found = torch.zeros((1, 1, 1, 2))
    interpolate(data, where, mode, found)
    assert found[0, 0, 0, 0] == 1
    assert found[0, 0, 0, 1] == 27


def test_shapes_that_do_not_belong_together_are_refused() -> None:
    with pytest.raises(ValueError, match="2 channels at"):
        interpolate(torch.zeros(2, 3, 3, 3), torch.zeros(3, 2, 2, 2), "nearest", torch.zeros(1, 2, 2, 2))
    with pytest.raises(ValueError, match="1 channels at"):
        interpolate(torch.zeros(1, 3, 3, 3), torch.zeros(3, 2, 2, 2), "nearest", torch.zeros(1, 2, 2, 1))
