"""Changes of intensity, against scipy and by hand."""

import numpy as np
import pytest
import torch
from scipy import ndimage

from neurograft.recipes.schema import AugmentationConfig
from neurograft.sampling.augmentation.intensity import (
    IntensityDraw,
    adjust_gamma,
    apply_intensity,
    draw_intensity,
    gaussian_blur,
)


def _images(count=2, channels=2, seed=0) -> torch.Tensor:
    return torch.randn(count, channels, 9, 7, 8, generator=torch.Generator().manual_seed(seed))


def test_blur_agrees_with_scipy_channel_by_channel():
    image = _images()[0]
    found = gaussian_blur(image, (0.5, 1.25))
    for channel, sigma in enumerate((0.5, 1.25)):
        expected = ndimage.gaussian_filter(image[channel].double().numpy(), sigma, mode="nearest", truncate=4)
        np.testing.assert_allclose(found[channel].numpy(), expected, atol=1e-5)


def test_blur_of_nothing_and_of_a_constant_changes_nothing():
    image = _images()[0]
    torch.testing.assert_close(gaussian_blur(image, (0.0, 0.0)), image)
    torch.testing.assert_close(gaussian_blur(torch.full((1, 5, 5, 5), 3.0), (2.0,)), torch.full((1, 5, 5, 5), 3.0))


def test_gamma_bends_the_range_and_keeps_mean_and_deviation():
    image = _images()[0]
    bent = adjust_gamma(image, (0.5, 1.0))
    for channel in range(2):
        assert bent[channel].mean().item() == pytest.approx(image[channel].mean().item(), abs=1e-5)
        assert bent[channel].std().item() == pytest.approx(image[channel].std().item(), rel=1e-4)
    torch.testing.assert_close(bent[1], image[1], atol=1e-5, rtol=0)
    unit = (image[0] - image[0].min()) / (image[0].max() - image[0].min())
    curve = np.polyfit(unit.sqrt().flatten().numpy(), bent[0].flatten().numpy(), 1, full=True)
    assert curve[1][0] < 1e-6


def test_gamma_leaves_a_constant_channel():
    constant = torch.full((1, 3, 3, 3), -2.0)
    assert torch.equal(adjust_gamma(constant, (1.4,)), constant)


def test_scale_then_shift_by_hand():
    images = torch.full((1, 2, 2, 2, 2), 4.0)
    found = apply_intensity(images, [IntensityDraw(scale=(0.5, 2.0), shift=(1.0, -1.0))])
    assert found[0, 0].unique().tolist() == [3.0]
    assert found[0, 1].unique().tolist() == [7.0]
    assert images.unique().tolist() == [4.0]


def test_noise_has_its_deviation_and_comes_again_from_its_seed():
    images = torch.zeros(2, 2, 30, 30, 30)
    draws = [IntensityDraw(noise_std=(0.1, 0.0), noise_seed=5), IntensityDraw(noise_std=(0.2, 0.3), noise_seed=6)]
    first, second = apply_intensity(images, draws), apply_intensity(images, draws)
    assert torch.equal(first, second)
    assert first[0, 0].std().item() == pytest.approx(0.1, rel=0.05)
    assert not first[0, 1].any()
    assert first[1, 1].std().item() == pytest.approx(0.3, rel=0.05)
    assert not torch.equal(first[0, 0] / 0.1, first[1, 0] / 0.2)
    # Applied alone, the second draw gives what it gave in company.
    assert torch.equal(apply_intensity(images[1:], draws[1:])[0], first[1])


def test_empty_draws_change_nothing():
    images = _images()
    assert torch.equal(apply_intensity(images, [IntensityDraw(), IntensityDraw()]), images)


def test_draws_stay_in_their_ranges_and_come_as_often_as_asked():
    config = AugmentationConfig(
        gamma=(0.5, 2), gamma_probability=0.25, blur_sigma_voxels=(1, 2), blur_probability=1, noise_probability=0
    )
    draws = draw_intensity(config, 2000, 3, torch.Generator().manual_seed(0))
    gammas = [draw.gamma for draw in draws if draw.gamma is not None]
    assert abs(len(gammas) - 500) < 5 * 375**0.5
    assert 0.5 <= np.min(gammas) < 0.52
    assert 1.98 < np.max(gammas) <= 2
    assert {len(values) for values in gammas} == {3}
    assert all(draw.blur_sigma_voxels is not None and draw.noise_std is None for draw in draws)
    assert len({draw.noise_seed for draw in draws}) == 2000
