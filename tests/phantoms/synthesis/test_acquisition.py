import numpy as np
import pytest
import torch
from scipy.ndimage import gaussian_filter1d
from torch import Tensor

from neurograft.phantoms.synthesis import SynthesisDraw
from neurograft.phantoms.synthesis.acquisition import (
    acquire,
    gaussian_matrix,
    ghost_matrix,
    linear_matrix,
    low_pass_matrix,
)

UNIT = (1.0, 1.0, 1.0)


def draw(**options: object) -> SynthesisDraw:
    nothing = torch.zeros(1, 1, dtype=torch.float64)
    return SynthesisDraw(nothing, nothing, 0, **options)  # type: ignore[arg-type]


def seen(image: Tensor, spacing: tuple[float, float, float] = UNIT, **options: object) -> Tensor:
    return acquire(image, draw(**options), spacing, torch.Generator().manual_seed(0))


@pytest.fixture
def image() -> Tensor:
    return torch.rand((2, 12, 18, 10), generator=torch.Generator().manual_seed(5))


def test_nothing_drawn_changes_nothing(image: Tensor) -> None:
    assert torch.allclose(seen(image), image, atol=1e-6)


def test_blur_is_a_gaussians() -> None:
    data = np.random.default_rng(0).random(40)
    blurred = gaussian_matrix(40, torch.arange(40, dtype=torch.float64), 2.0) @ torch.from_numpy(data)
    expected = gaussian_filter1d(data, 2.0, mode="nearest", truncate=6)
    # A voxel's own width, 1/12 of its square, comes on top of the filter's sampled weights.
    np.testing.assert_allclose(blurred, expected, atol=0.02)
    np.testing.assert_allclose(gaussian_filter1d(data, np.sqrt(4 + 1 / 12), mode="nearest"), blurred, atol=1e-3)


def test_blur_is_in_millimetres(image: Tensor) -> None:
    coarse = seen(image, (2.0, 1.0, 1.0), blur_sigma_mm=(2.0, 0.0, 0.0))
    fine = seen(image, UNIT, blur_sigma_mm=(1.0, 0.0, 0.0))
    assert torch.allclose(coarse, fine, atol=1e-6)


@pytest.mark.parametrize(
    "matrix",
    [
        gaussian_matrix(9, torch.tensor([0.5, 4.0, 8.2], dtype=torch.float64), 1.3),
        linear_matrix(9, torch.tensor([1.0, 4.0, 7.0], dtype=torch.float64)),
        ghost_matrix(9, 0.3, 0.2),
        low_pass_matrix(9, 0.5),
        low_pass_matrix(8, 0.5),
    ],
)
def test_flat_images_stay_as_they_are(matrix: Tensor) -> None:
    ones = torch.ones(matrix.shape[1], dtype=torch.float64)
    assert torch.allclose(matrix @ ones, torch.ones(len(matrix), dtype=torch.float64))


def test_linear_interpolation_is_numpys() -> None:
    positions, values = torch.tensor([1.0, 4.0, 7.0], dtype=torch.float64), torch.tensor([2.0, -1.0, 5.0]).double()
    expected = np.interp(np.arange(10), positions, values)
    np.testing.assert_allclose(linear_matrix(10, positions) @ values, expected, atol=1e-12)


def test_ringing_is_the_loss_of_high_frequencies() -> None:
    data = np.random.default_rng(1).random(20)
    spectrum = np.fft.rfft(data)
    spectrum[6:] = 0
    np.testing.assert_allclose(low_pass_matrix(20, 0.5) @ torch.from_numpy(data), np.fft.irfft(spectrum, 20))


def test_a_ghost_is_a_shifted_copy() -> None:
    data = torch.arange(8, dtype=torch.float64)
    assert torch.allclose(ghost_matrix(8, 0.25, 0.5) @ data, (data + 0.5 * data.roll(2)) / 1.5)


def test_thick_slices_lose_what_is_thin_along_their_axis_only() -> None:
    places = torch.arange(48)
    stripes = (places % 2).float()
    across, along = stripes.reshape(1, -1, 1, 1).expand(1, 48, 6, 6), stripes.reshape(1, 1, 1, -1).expand(1, 6, 6, 48)
    assert float(seen(across, slice_mm=(4.0, 0.0, 0.0)).std()) < 0.05
    assert torch.allclose(seen(along, slice_mm=(4.0, 0.0, 0.0)), along, atol=1e-6)


def test_slices_thinner_than_voxels_are_none(image: Tensor) -> None:
    assert torch.allclose(seen(image, slice_mm=(0.8, 1.0, 0.5)), image, atol=1e-6)


def test_noise_has_its_spread_in_every_channel() -> None:
    image = torch.full((2, 30, 30, 30), 10.0)
    noisy = seen(image, noise_std=(0.5, 0.1))
    assert torch.allclose(noisy.std((1, 2, 3)), torch.tensor([0.5, 0.1]), rtol=0.03)
    assert float(seen(torch.zeros(1, 8, 8, 8), noise_std=(0.5,)).min()) >= 0
