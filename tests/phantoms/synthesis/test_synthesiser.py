from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from neurograft.errors import InputError
from neurograft.imaging.intensity_classes import IntensityClasses
from neurograft.imaging.normalisation import percentile_minmax, zscore
from neurograft.phantoms.synthesis import SynthesisDraw, Synthesiser, View
from neurograft.recipes.schema import PreparationConfig, SynthesisConfig

UNIT = (1.0, 1.0, 1.0)
SIZE = (40, 44, 36)
OFF = {name: 0.0 for name in SynthesisConfig.model_fields if name.endswith("_probability")}


def synthesiser(classes: IntensityClasses, normalisation: str = "none", **options: Any) -> Synthesiser:
    preparation = PreparationConfig.model_validate({"normalisation": normalisation})
    return Synthesiser(SynthesisConfig.model_validate({"enabled": True, **options}), classes, preparation)


def made(
    source: Synthesiser, head: Tensor, seed: int = 0, count: int = 1
) -> tuple[Tensor, Tensor, list[SynthesisDraw]]:
    draws = source.draw(count, SIZE, UNIT, torch.Generator().manual_seed(seed))
    voxels = source.prepare(head, UNIT).voxels
    images, seen = source.make(head.expand(count, *SIZE), draws, UNIT, [voxels] * count)
    return images, seen, draws


def test_the_first_steps_of_a_mixture_look_alike(classes: IntensityClasses) -> None:
    def looks(step: int | None, **options: Any) -> list[Tensor]:
        source = synthesiser(classes, **{"t1_first_steps": 3, "t1_mean_std": 0, **options})
        generator = torch.Generator().manual_seed(0)
        return [draw.mean[0, 1:] for draw in source.draw(20, SIZE, UNIT, generator, step)]

    mixed = {"look": "mixed", "t1_probability": 0.5}
    first = looks(2, **mixed)
    assert all(torch.equal(mean, first[0]) for mean in first)
    for step in (3, 100, None):
        later = looks(step, **mixed)
        assert 4 <= sum(torch.equal(mean, first[0]) for mean in later) <= 16
    assert not any(torch.equal(mean, first[0]) for mean in looks(0, look="domain-random"))


def test_a_draw_always_gives_the_same_image_alone_or_among_others(classes: IntensityClasses, head: Tensor) -> None:
    source = synthesiser(classes, "zscore_nonzero", lesion_probability=1, ghost_probability=1, ringing_probability=1)
    state = torch.get_rng_state()
    three, _, draws = made(source, head, count=3)
    voxels = source.prepare(head, UNIT).voxels
    for image, draw in zip(three, draws, strict=True):
        assert torch.equal(source.make(head[None], [draw], UNIT, [voxels])[0][0], image)
    assert torch.equal(torch.get_rng_state(), state)
    assert not torch.equal(three[0], three[1])
    assert bool(torch.isfinite(three).all())


def test_without_anything_else_each_class_has_its_mean(classes: IntensityClasses, head: Tensor) -> None:
    source = synthesiser(classes, **{**OFF, "std": (0, 0), "blur_sigma_mm": (0, 0), "channels": ("a", "b")})
    images, seen, (draw,) = made(source, head)
    assert bool(seen.all())
    for number in range(1, 6):
        for channel in range(2):
            values = images[0, channel][head == number]
            assert torch.allclose(values, draw.mean[channel, number].float().expand_as(values), atol=1e-5)


def test_a_stripped_head_has_no_skull_left_far_from_the_brain(classes: IntensityClasses, head: Tensor) -> None:
    source = synthesiser(classes, **{**OFF, "strip_probability": 1, "strip_border_mm": (0, 0), "noise_probability": 1})
    images, seen, _ = made(source, head)
    brain = source.tissues.in_brain[head.long()]
    assert float((images[0, 0][brain] > 0).double().mean()) > 0.9
    assert float((images[0, 0][~brain] > 0).double().mean()) < 0.05
    assert bool(seen.all())


def test_air_is_zero_or_noise(classes: IntensityClasses, head: Tensor) -> None:
    options = {**OFF, "noise_probability": 1.0, "noise_std": (0.02, 0.05)}
    zero = made(synthesiser(classes, **{**options, "zero_air_probability": 1.0}), head)[0][0, 0][head == 0]
    noise = made(synthesiser(classes, **options), head)[0][0, 0][head == 0]
    assert not bool(zero.any())
    assert float((noise > 0).double().mean()) > 0.99


def test_what_lies_outside_of_the_field_of_view_is_zero_and_said(classes: IntensityClasses, head: Tensor) -> None:
    source = synthesiser(classes, **{**OFF, "partial_view_probability": 1.0, "noise_probability": 1.0})
    images, seen, draws = made(source, head, count=4)
    for image, part, draw in zip(images, seen, draws, strict=True):
        assert draw.view is not None
        axis = next(each for each in range(3) if draw.view.stop[each] - draw.view.start[each] < SIZE[each])
        inside = torch.zeros(SIZE, dtype=torch.bool)
        inside.narrow(axis, draw.view.start[axis], draw.view.stop[axis] - draw.view.start[axis]).fill_(True)
        assert torch.equal(part, inside)
        assert not bool(image[0][~inside].any())


@pytest.mark.parametrize("kind", ["zscore", "zscore_nonzero", "percentile"])
def test_a_tight_view_is_what_preparation_and_padding_make_of_a_crop(
    classes: IntensityClasses, head: Tensor, kind: str
) -> None:
    """The box is cut out of the same patch without it, prepared as a scan of its own, and padded."""
    prepare = {
        "zscore": lambda data: zscore(data, "all"),
        "zscore_nonzero": lambda data: zscore(data, "nonzero"),
        "percentile": lambda data: percentile_minmax(data, 1, 99),
    }[kind]
    options = {"tight_view_probability": 1.0, "tight_view_mm": (20.0, 34.0), "zero_air_probability": 1.0}
    images, seen, draws = made(synthesiser(classes, kind, **options), head, count=6)
    plain = synthesiser(classes, "none", **options)
    for image, part, draw in zip(images, seen, draws, strict=True):
        assert draw.view is not None
        inside = torch.zeros(SIZE, dtype=torch.bool)
        inside[draw.view.box] = True
        assert torch.equal(part, inside)
        assert all(20 <= stop - start <= 34 for start, stop in zip(draw.view.start, draw.view.stop, strict=True))
        whole, _ = plain.make(head[None], [replace(draw, view=None)], UNIT, [plain.prepare(head, UNIT).voxels])
        crop = whole[0][:, *draw.view.box].numpy()
        expected = torch.from_numpy(prepare(crop.copy()))
        np.testing.assert_allclose(image[:, *draw.view.box], expected, atol=2e-2)
        assert torch.equal(image[0][~inside], image[:, *draw.view.box].min().expand(int((~inside).sum())))


def test_a_tight_view_larger_than_the_patch_shows_all_of_it(classes: IntensityClasses, head: Tensor) -> None:
    options = {"tight_view_probability": 1.0, "tight_view_mm": (90.0, 100.0)}
    _, seen, (draw,) = made(synthesiser(classes, "zscore", **options), head)
    assert draw.view == View((0, 0, 0), SIZE, is_all=True)
    assert bool(seen.all())


def test_lesions_stand_out_of_white_matter_only(classes: IntensityClasses, head: Tensor) -> None:
    options = {**OFF, "std": (0, 0), "blur_sigma_mm": (0, 0), "lesion_probability": 1.0, "lesions": (5, 5)}
    images, _, (draw,) = made(synthesiser(classes, **options), head)
    assert draw.lesion_mean is not None
    changed = torch.zeros(SIZE, dtype=torch.bool)
    for number in range(1, 7):
        changed |= (head == number) & ((images[0, 0] - draw.mean[0, number]).abs() > 1e-4)
    assert bool(changed.any())
    assert bool(torch.isin(head[changed], torch.tensor([1, 2])).all())
    assert torch.allclose(images[0, 0][changed], draw.lesion_mean.float(), atol=1e-4)


def test_gamma_is_a_power(classes: IntensityClasses, head: Tensor) -> None:
    plain = {**OFF, "std": (0, 0), "blur_sigma_mm": (0, 0)}
    image, _, (draw,) = made(synthesiser(classes, **plain), head)
    bent, _, (bent_draw,) = made(synthesiser(classes, **{**plain, "gamma_probability": 1.0, "gamma": (2, 2)}), head)
    assert torch.equal(bent_draw.mean, draw.mean)
    assert torch.allclose(bent, image.square(), atol=1e-4)


def test_the_bias_field_multiplies_and_is_smooth(classes: IntensityClasses, head: Tensor) -> None:
    plain = {**OFF, "std": (0, 0), "blur_sigma_mm": (0, 0)}
    options = {**plain, "bias_probability": 1.0, "bias_log_std": (0.3, 0.3)}
    image, _, (draw,) = made(synthesiser(classes, **options), head)
    field = (image[0, 0] / draw.mean[0].float()[head.long()]).log()
    assert 0.02 < float(field[head > 0].std()) < 0.6
    inside = (head[1:] > 0) & (head[:-1] > 0)
    assert float(field.diff(dim=0)[inside].abs().max()) < 0.1


def test_a_whole_volume_is_normalised_by_its_own_voxels_and_its_seed(classes: IntensityClasses, head: Tensor) -> None:
    source = synthesiser(classes, "zscore_nonzero", zero_air_probability=1.0, strip_probability=0.0)
    image, again, other = (source.make_volume(head, UNIT, seed) for seed in (1, 1, 2))
    assert torch.equal(image, again)
    assert not torch.equal(image, other)
    shown = image[0][head > 0]
    assert abs(float(shown.mean())) < 0.02
    assert abs(float(shown.std()) - 1) < 0.02


def test_a_table_without_any_value_is_refused() -> None:
    with pytest.raises(InputError, match="names no value"):
        synthesiser(IntensityClasses(()))
