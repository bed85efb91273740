"""Gaussian blur, beside SciPy's."""

from collections.abc import Callable

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import ndimage

from neurograft.sampling.augmentation import blur as module
from neurograft.sampling.augmentation.blur import blur, blurred_by_products

Blurred = Callable[[torch.Tensor, tuple[float, ...]], torch.Tensor]


def _by_loop(image: torch.Tensor, sigma_voxels: tuple[float, ...]) -> torch.Tensor:
    changed = image.clone()
    blur(changed, sigma_voxels)
    return changed


def _by_products(image: torch.Tensor, sigma_voxels: tuple[float, ...]) -> torch.Tensor:
    return blurred_by_products(image, module._weights(sigma_voxels))


WAYS = pytest.mark.parametrize("blurred", [_by_loop, _by_products])


@WAYS
@settings(deadline=None)
@given(
    shape=st.tuples(*[st.integers(1, 9)] * 3),
    sigmas=st.lists(st.floats(0.05, 2.5), min_size=1, max_size=3),
    seed=st.integers(0, 99),
)
def test_blur_is_scipys_channel_by_channel(
    blurred: Blurred, shape: tuple[int, int, int], sigmas: list[float], seed: int
) -> None:
    image = torch.randn((len(sigmas), *shape), generator=torch.Generator().manual_seed(seed))
    found = blurred(image, tuple(sigmas))
    for before, after, sigma in zip(image, found, sigmas, strict=True):
        radius = max(1, int(np.ceil(4 * sigma)))
        expected = ndimage.gaussian_filter(before.double().numpy(), sigma, mode="nearest", radius=radius)
        np.testing.assert_allclose(after.numpy(), expected, atol=1e-5)


@WAYS
def test_blur_of_nothing_and_of_a_constant_changes_nothing(blurred: Blurred) -> None:
    image = torch.randn(2, 9, 7, 8)
    torch.testing.assert_close(blurred(image, (0.0, 0.0)), image)
    constant = torch.full((1, 5, 5, 5), 3.0)
    torch.testing.assert_close(blurred(constant, (2.0,)), constant)


@WAYS
def test_a_channel_without_blur_beside_one_with_it(blurred: Blurred) -> None:
    image = torch.randn(2, 9, 7, 8)
    found = blurred(image, (0.0, 1.5))
    torch.testing.assert_close(found[0], image[0])
    torch.testing.assert_close(found[1:], blurred(image[1:], (1.5,)))


def test_channels_of_a_larger_patch_are_blurred_where_they_lie() -> None:
    patches = torch.randn(2, 3, 6, 7, 8)
    before = patches.clone()
    blur(patches[1, :2], (1.0, 0.7))
    torch.testing.assert_close(patches[1, :2], _by_products(before[1, :2], (1.0, 0.7)), atol=1e-5, rtol=0)
    patches[1, :2] = before[1, :2]
    assert torch.equal(patches, before)


def test_number_of_threads_does_not_change_the_blur() -> None:
    image = torch.randn(2, 30, 31, 32)
    before, found = torch.get_num_threads(), []
    try:
        for threads in (1, 2):
            torch.set_num_threads(threads)
            found.append(_by_loop(image, (1.0, 0.6)))
    finally:
        torch.set_num_threads(before)
    assert torch.equal(*found)
