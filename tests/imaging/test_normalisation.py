import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from monai.transforms import NormalizeIntensity, ScaleIntensityRangePercentiles

from neurograft.imaging.normalisation import percentile_minmax, zscore


def test_zscore_by_hand() -> None:
    image = np.array([0.0, 0, 2, 4]).reshape(1, 1, 2, 2)
    # Over all: mean 1.5, variance (2.25 + 2.25 + 0.25 + 6.25) / 4 = 2.75. Over non-zero: mean 3, SD 1.
    np.testing.assert_allclose(zscore(image, "all").ravel(), (image.ravel() - 1.5) / np.sqrt(2.75), rtol=1e-6)
    np.testing.assert_allclose(zscore(image, "nonzero").ravel(), [-3, -3, -1, 1])


def test_percentiles_by_hand() -> None:
    image = np.arange(101, dtype=float).reshape(1, 1, 1, 101)
    expected = np.clip((np.arange(101) - 10) / 80, 0, 1)
    np.testing.assert_allclose(percentile_minmax(image, 10, 90).ravel(), expected, atol=1e-6)


@pytest.mark.parametrize("value", [0.0, 0.1, -7.0, 3e5])
@pytest.mark.parametrize("step", [zscore, lambda i: zscore(i, "all"), lambda i: percentile_minmax(i, 1, 99)])
def test_constant_and_empty_images_become_zero(value: float, step) -> None:
    image = np.full((2, 5, 6, 7), value, np.float32)
    np.testing.assert_array_equal(step(image), np.zeros((2, 5, 6, 7), np.float32))


def test_each_channel_is_on_its_own() -> None:
    generator = np.random.default_rng(0)
    image = generator.normal(size=(2, 4, 5, 6)) * np.array([1, 1000]).reshape(2, 1, 1, 1)
    for step in (zscore, lambda i: percentile_minmax(i, 5, 95)):
        np.testing.assert_array_equal(step(image)[1], step(image[1]))


def test_agrees_with_monai() -> None:
    image = np.random.default_rng(1).gamma(2, 50, (2, 8, 9, 10)).astype(np.float32)
    image[:, :3] = 0
    theirs = NormalizeIntensity(nonzero=True, channel_wise=True)(image).numpy()
    np.testing.assert_allclose(zscore(image)[:, 3:], theirs[:, 3:], atol=1e-5)
    theirs = ScaleIntensityRangePercentiles(1, 99, 0, 1, clip=True, channel_wise=True)(image)
    np.testing.assert_allclose(percentile_minmax(image, 1, 99), np.asarray(theirs), atol=1e-5)


@given(arrays(np.float32, (1, 2, 3, 2), elements=st.floats(-1e6, 1e6, width=32)))
def test_never_nan(image: np.ndarray) -> None:
    for result in (zscore(image), zscore(image, "all"), percentile_minmax(image, 1, 99)):
        assert np.isfinite(result).all()
        assert result.dtype == np.float32
