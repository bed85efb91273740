"""Values between voxels, beside SciPy's."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.ndimage import map_coordinates

from neurograft.sampling import interpolation
from neurograft.sampling.interpolation import interpolated, with_surroundings

SIZES = st.tuples(*[st.integers(2, 7)] * 3)


def places(shape: tuple[int, int, int], count: tuple[int, int, int], seed: int, beyond: float = 2.0) -> torch.Tensor:
    """Some inside of a volume, some outside."""
    generator = np.random.default_rng(seed)
    last = np.array(shape)[:, None, None, None] - 1
    return torch.from_numpy(generator.uniform(-beyond, last + beyond, (3, *count)).astype(np.float32))


def volume(shape: tuple[int, int, int], channels: int, seed: int) -> torch.Tensor:
    return torch.from_numpy(np.random.default_rng(seed).normal(size=(channels, *shape)).astype(np.float32))


@settings(deadline=None)
@given(shape=SIZES, count=SIZES, channels=st.integers(1, 3), seed=st.integers(0, 99))
def test_linear_is_scipys_order_one(
    shape: tuple[int, int, int], count: tuple[int, int, int], channels: int, seed: int
) -> None:
    data, where = volume(shape, channels, seed), places(shape, count, seed + 1)
    before = where.clone()
    found = interpolated(data, where, "bilinear")
    assert found.shape == (channels, *count)
    assert torch.equal(where, before), "places are not the function's to change"
    for channel, expected in zip(found, data.double().numpy(), strict=True):
        wanted = map_coordinates(expected, where.double().numpy(), order=1, mode="nearest")
        np.testing.assert_allclose(channel.numpy(), wanted, atol=2e-5)


@settings(deadline=None)
@given(shape=SIZES, seed=st.integers(0, 99))
def test_voxels_centres_have_the_voxels_own_values(shape: tuple[int, int, int], seed: int) -> None:
    data = volume(shape, 2, seed)
    centres = torch.stack(torch.meshgrid(*[torch.arange(length).float() for length in shape], indexing="ij"))
    assert torch.equal(interpolated(data, centres, "bilinear"), data)
    assert torch.equal(interpolated(data, centres, "nearest"), data)


@pytest.mark.parametrize("kind", [torch.int16, torch.int64, torch.float32])
def test_nearest_keeps_the_type_and_takes_the_even_one_of_two(kind: torch.dtype) -> None:
    line = torch.arange(6).to(kind).reshape(1, 6, 1, 1).expand(1, 6, 2, 2)
    along = torch.tensor([-3.0, -0.4, 0.4, 0.5, 1.5, 2.5, 2.6, 4.9, 5.4, 9.0])
    where = torch.zeros((3, len(along), 1, 1))
    where[0, :, 0, 0] = along
    found = interpolated(line, where, "nearest")
    assert found.dtype == kind
    assert found.flatten().tolist() == [0, 0, 0, 0, 2, 2, 3, 5, 5, 5]


@pytest.mark.parametrize("mode", ["bilinear", "nearest"])
def test_volumes_of_more_voxels_than_single_precision_counts(mode: str) -> None:
    data = torch.zeros((1, 300, 300, 200))
    spots = [(299, 299, 199), (299, 299, 198), (298, 299, 199), (150, 150, 101), (281, 7, 93)]
    for value, spot in enumerate(spots, start=1):
        data[0, *spot] = value
    where = torch.tensor(spots, dtype=torch.float32).T[:, :, None, None].contiguous()
    assert interpolated(data, where, mode).flatten().tolist() == [1, 2, 3, 4, 5]


@settings(deadline=None)
@given(shape=SIZES, seed=st.integers(0, 99))
def test_beyond_a_volume_lies_what_was_laid_around_it(shape: tuple[int, int, int], seed: int) -> None:
    data, where = volume(shape, 2, seed), places(shape, (4, 3, 5), seed)
    outside = torch.tensor([7.0, -3.0])[:, None, None, None]
    found = interpolated(with_surroundings(data, outside), where + 1, "bilinear")
    for channel, expected, value in zip(found, data.double().numpy(), (7.0, -3.0), strict=True):
        wanted = map_coordinates(expected, where.double().numpy(), order=1, mode="grid-constant", cval=value)
        np.testing.assert_allclose(channel.numpy(), wanted, atol=5e-5)
    edge = interpolated(with_surroundings(data, None), where + 1, "bilinear")
    torch.testing.assert_close(edge, interpolated(data, where, "bilinear"), atol=2e-5, rtol=0)


def test_a_volume_of_one_voxel_can_be_read_with_its_surroundings() -> None:
    single = torch.tensor([[[[5]]]], dtype=torch.int16)
    where = torch.tensor([0.0, 0.4, 0.6])[None, :, None, None].expand(3, 3, 1, 1)
    zeros = with_surroundings(single, torch.zeros((1, 1, 1, 1)))
    assert interpolated(zeros, where + 1, "nearest").flatten().tolist() == [5, 5, 0]
    assert interpolated(with_surroundings(single, None), where + 1, "nearest").flatten().tolist() == [5, 5, 5]


@pytest.mark.parametrize("mode", ["bilinear", "nearest"])
def test_slabs_do_not_show(mode: str, monkeypatch: pytest.MonkeyPatch) -> None:
    data, where = volume((6, 7, 5), 2, 0), places((6, 7, 5), (9, 4, 5), 1)
    whole = interpolated(data, where, mode)
    monkeypatch.setattr(interpolation, "_AT_ONCE", 45)
    assert torch.equal(interpolated(data, where, mode), whole)
