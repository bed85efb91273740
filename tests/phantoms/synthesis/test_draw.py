from dataclasses import fields
from typing import Any

import pytest
import torch
from torch import Tensor

from neurograft.imaging.intensity_classes import IntensityClasses
from neurograft.phantoms.synthesis import SynthesisDraw, Tissues
from neurograft.phantoms.synthesis.draw import control_counts, draw_synthesis
from neurograft.recipes.schema import SynthesisConfig

SIZE = (24, 32, 20)


def draws(classes: IntensityClasses, seed: int = 0, count: int = 200, **options: Any) -> list[SynthesisDraw]:
    config = SynthesisConfig(enabled=True, **options)
    generator = torch.Generator().manual_seed(seed)
    return draw_synthesis(config, Tissues.of(classes), SIZE, (1.0, 1.0, 2.0), count, generator)


def same(one: SynthesisDraw, other: SynthesisDraw) -> bool:
    for each in fields(SynthesisDraw):
        a, b = getattr(one, each.name), getattr(other, each.name)
        if not (torch.equal(a, b) if isinstance(a, Tensor) else a == b):
            return False
    return True


def test_a_seed_gives_its_draws_and_no_others(classes: IntensityClasses) -> None:
    options = {"lesion_probability": 0.5, "ringing_probability": 0.5, "ghost_probability": 0.5}
    state = torch.get_rng_state()
    first, again, other = (draws(classes, seed, 20, **options) for seed in (3, 3, 4))
    assert torch.equal(torch.get_rng_state(), state)
    assert all(same(one, two) for one, two in zip(first, again, strict=True))
    assert not any(same(one, two) for one, two in zip(first, other, strict=True))


def test_a_chance_that_is_off_draws_nothing_for_tight_views(classes: IntensityClasses) -> None:
    """So that what recipes without them made before is what they make still."""
    plain = draws(classes, 5, 4, tight_view_probability=0.0)
    mixed = draws(classes, 5, 4, tight_view_probability=1e-12)
    assert same(plain[0], mixed[0])
    assert not same(plain[1], mixed[1])


def test_everything_stays_in_its_range(classes: IntensityClasses) -> None:
    config = SynthesisConfig(enabled=True)
    drawn = draws(classes, lesion_probability=1)
    tissue = torch.stack([draw.mean[:, 1:] for draw in drawn])
    assert config.mean[0] <= float(tissue.min()) < 0.1
    assert 0.95 < float(tissue.max()) <= config.mean[1]
    assert {len(draw.lesions) for draw in drawn} == set(range(1, 13))
    for draw in drawn:
        assert all(0.2 <= sigma <= 0.9 for sigma in draw.blur_sigma_mm)
        assert sum(length > 0 for length in draw.slice_mm) in (0, 1, 3)
        assert all(length == 0 or 1.5 <= length <= 6 for length in draw.slice_mm)
        if draw.view is not None:
            assert not draw.view.is_all
            ends = [
                (start, length - stop, length)
                for start, stop, length in zip(draw.view.start, draw.view.stop, SIZE, strict=True)
            ]
            ((first, last, length),) = (each for each in ends if each[0] or each[1])
            assert min(first, last) == 0 < max(first, last) <= 0.4 * length + 1


@pytest.mark.parametrize(
    ("name", "happened"),
    [
        ("bias", lambda draw: draw.bias is not None),
        ("gamma", lambda draw: bool(draw.gamma)),
        ("noise", lambda draw: bool(draw.noise_std)),
        ("low_resolution", lambda draw: any(draw.slice_mm)),
        ("ringing", lambda draw: draw.ringing_share != (1, 1, 1)),
        ("ghost", lambda draw: draw.ghost is not None),
        ("strip", lambda draw: draw.strip_border_mm is not None),
        ("partial_view", lambda draw: draw.view is not None),
        ("tight_view", lambda draw: draw.view is not None and draw.view.is_all),
        ("zero_air", lambda draw: draw.zero_air),
        ("lesion", lambda draw: bool(draw.lesions)),
    ],
)
def test_each_chance_is_that_of_the_configuration(classes: IntensityClasses, name: str, happened: Any) -> None:
    for probability, low, high in ((0.0, 0, 0), (0.3, 60, 120), (1.0, 300, 300)):
        count = sum(map(happened, draws(classes, 1, 300, **{f"{name}_probability": probability})))
        assert low <= count <= high


def test_sides_are_alike_unless_drawn_otherwise(classes: IntensityClasses) -> None:
    alike = [torch.equal(draw.mean[:, 1], draw.mean[:, 2]) for draw in draws(classes, sides_differ_probability=0.25)]
    assert 110 <= sum(alike) <= 190
    assert not any(torch.equal(draw.mean[:, 1], draw.mean[:, 3]) for draw in draws(classes))


def test_the_t1_like_look_lies_about_its_table(classes: IntensityClasses) -> None:
    drawn = torch.stack([draw.mean[0] for draw in draws(classes, look="t1", t1_mean_std=0.05, count=2000)])
    table = Tissues.of(classes).t1_mean[1:]
    assert torch.allclose(drawn.mean(0)[1:], table, atol=0.006)
    assert torch.allclose(drawn.std(0)[1:], torch.full_like(table, 0.05), atol=0.006)


def test_a_mixture_of_looks(classes: IntensityClasses) -> None:
    drawn = torch.stack([draw.mean[0, 1:3].mean() for draw in draws(classes, look="mixed", t1_probability=0.75)])
    assert 0.65 < float((drawn > 0.85).double().mean()) < 0.9


def test_channels_have_looks_of_their_own(classes: IntensityClasses) -> None:
    (draw,) = draws(classes, count=1, channels=("t1", "t2"), bias_probability=1)
    assert draw.mean.shape == (2, 7)
    assert not torch.equal(draw.mean[0], draw.mean[1])
    assert draw.bias is not None
    assert draw.bias.shape[0] == 2


def test_control_points_reach_one_beyond_the_patch() -> None:
    # 21 voxels of 1 mm, 10 mm apart: intervals begin at 0, 10 and 20 mm, and each needs four points.
    assert control_counts((21, 20, 11), (1.0, 1.0, 2.0), 10.0) == (6, 5, 6)
