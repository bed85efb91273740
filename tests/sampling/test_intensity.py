"""Changes of intensity, by hand."""

import numpy as np
import pytest
import torch

from neurograft.recipes.schema import AugmentationConfig
from neurograft.sampling.augmentation.intensity import (
    IntensityDraw,
    adjust_gamma,
    apply_intensity,
    draw_intensity,
)


def _images(count=2, channels=2, seed=0) -> torch.Tensor:
    return torch.randn(count, channels, 9, 7, 8, generator=torch.Generator().manual_seed(seed))


def test_gamma_bends_the_range_and_keeps_mean_and_deviation():
    image = _images()[0]
    bent = image.clone()
    adjust_gamma(bent, (0.5, 1.0))
    for channel in range(2):
        assert bent[channel].mean().item() == pytest.approx(image[channel].mean().item(), abs=1e-5)
        assert bent[channel].std().item() == pytest.approx(image[channel].std().item(), rel=1e-4)
    torch.testing.assert_close(bent[1], image[1], atol=1e-5, rtol=0)
    unit = (image[0] - image[0].min()) / (image[0].max() - image[0].min())
    curve = np.polyfit(unit.sqrt().flatten().numpy(), bent[0].flatten().numpy(), 1, full=True)
    assert curve[1][0] < 1e-6


def test_gamma_leaves_a_constant_channel():
    constant = torch.full((1, 3, 3, 3), -2.0)
    adjust_gamma(constant, (1.4,))
    assert constant.unique().tolist() == [-2.0]


def test_gamma_is_a_power_of_the_range():
    image = _images()[0, :1].abs()
    unit = (image - image.min()) / (image.max() - image.min())
    for exponent in (0.3, 0.7, 1.5, 4.0):
        bent = image.clone()
        adjust_gamma(bent, (exponent,))
        power = unit.double() ** exponent
        expected = (power - power.mean()) / power.std() * image.double().std() + image.double().mean()
        torch.testing.assert_close(bent.double(), expected, atol=1e-5, rtol=0)


def test_gamma_leaves_one_constant_channel_among_others():
    image = torch.cat([_images()[0, :1], torch.full((1, 9, 7, 8), 0.1)])
    changed = image.clone()
    adjust_gamma(changed, (1.4, 0.6))
    assert torch.equal(changed[1], image[1])
    assert not torch.equal(changed[0], image[0])


def test_scale_then_shift_by_hand():
    images = torch.full((1, 2, 2, 2, 2), 4.0)
    apply_intensity(images, [IntensityDraw(scale=(0.5, 2.0), shift=(1.0, -1.0))])
    assert images[0, 0].unique().tolist() == [3.0]
    assert images[0, 1].unique().tolist() == [7.0]


def test_noise_has_its_deviation_and_comes_again_from_its_seed():
    first, second, alone = torch.zeros(2, 2, 30, 30, 30), torch.zeros(2, 2, 30, 30, 30), torch.zeros(1, 2, 30, 30, 30)
    draws = [IntensityDraw(noise_std=(0.1, 0.0), noise_seed=5), IntensityDraw(noise_std=(0.2, 0.3), noise_seed=6)]
    apply_intensity(first, draws)
    apply_intensity(second, draws)
    assert torch.equal(first, second)
    assert first[0, 0].std().item() == pytest.approx(0.1, rel=0.05)
    assert not first[0, 1].any()
    assert first[1, 1].std().item() == pytest.approx(0.3, rel=0.05)
    assert not torch.equal(first[0, 0] / 0.1, first[1, 0] / 0.2)
    # Applied alone, the second draw gives what it gave in company.
    apply_intensity(alone, draws[1:])
    assert torch.equal(alone[0], first[1])


def test_part_of_the_channels_is_changed_where_they_lie():
    images = _images(channels=3)
    before = images.clone()
    everything = IntensityDraw((0.5, 1.0), (0.7, 1.2), (0.9, 1.1), (0.1, 0.2), (0.1, 0.1), 3)
    apply_intensity(images[:, :2], [everything, IntensityDraw()])
    assert torch.equal(images[:, 2], before[:, 2])
    assert torch.equal(images[1], before[1])
    assert not torch.isclose(images[0, :2], before[0, :2]).any(), "the draw does something to each voxel"


def test_empty_draws_change_nothing():
    images = _images()
    before = images.clone()
    apply_intensity(images, [IntensityDraw(), IntensityDraw()])
    assert torch.equal(images, before)


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
