"""Averages over blocks, whatever the size of the image."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from neurograft.imaging.block_means import block_means


def test_whole_voxels_are_averaged() -> None:
    image = np.random.default_rng(0).normal(size=(6, 9, 3))
    expected = image.reshape(3, 2, 3, 3, 3, 1).mean((1, 3, 5))
    np.testing.assert_allclose(block_means(image, 3), expected)


def test_cut_voxels_count_in_both_blocks_by_their_shares() -> None:
    row = np.array([1.0, 4.0, 7.0])[:, None, None]
    np.testing.assert_allclose(block_means(row, 2)[:, 0, 0], [(1 + 4 / 2) / 1.5, (7 + 4 / 2) / 1.5])
    np.testing.assert_allclose(block_means(row, 6)[:, 0, 0], [1, 1, 4, 4, 7, 7])


@settings(deadline=None)
@given(shape=st.tuples(*[st.integers(1, 9)] * 3), side=st.integers(1, 7), seed=st.integers(0, 9))
def test_the_mean_is_kept(shape, side, seed) -> None:
    image = np.random.default_rng(seed).normal(size=shape)
    blocks = block_means(image, side)
    assert blocks.shape == (side, side, side)
    np.testing.assert_allclose(blocks.mean(), image.mean(), atol=1e-9)
    assert blocks.min() >= image.min() - 1e-9
    assert blocks.max() <= image.max() + 1e-9
