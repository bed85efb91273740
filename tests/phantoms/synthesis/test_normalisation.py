import numpy as np
import pytest
import torch
from torch import Tensor

from neurograft.imaging.intensity_classes import IntensityClasses
from neurograft.imaging.normalisation import percentile_minmax, zscore
from neurograft.phantoms.synthesis import SynthesisDraw, Synthesiser, TissueVoxels
from neurograft.phantoms.synthesis.normalisation import of_image, of_tissues
from neurograft.recipes.schema import PreparationConfig, SynthesisConfig

KINDS = ["zscore", "zscore_nonzero", "percentile"]


def config(kind: str) -> PreparationConfig:
    return PreparationConfig.model_validate({"normalisation": kind, "percentiles": (2, 98)})


@pytest.mark.parametrize("kind", KINDS)
def test_a_whole_image_is_normalised_as_preparation_does(kind: str) -> None:
    image = torch.rand((2, 9, 8, 7), generator=torch.Generator().manual_seed(0))
    image[:, :3] = 0
    expected = {
        "zscore": lambda data: zscore(data, "all"),
        "zscore_nonzero": lambda data: zscore(data, "nonzero"),
        "percentile": lambda data: percentile_minmax(data, 2, 98),
    }[kind](image.numpy().copy())
    np.testing.assert_allclose(of_image(image, config(kind))(image.clone()), expected, atol=0.01)


def test_an_image_without_contrast_becomes_zero() -> None:
    for kind in KINDS:
        flat = torch.full((1, 4, 4, 4), 3.0)
        assert not bool(of_image(flat, config(kind))(flat.clone()).any())
    assert torch.equal(of_image(flat, config("none"))(flat.clone()), flat)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("border", [None, 1.5])
@pytest.mark.parametrize("look", ["domain-random", "t1"])
def test_a_part_is_normalised_as_its_volume_would_be(
    classes: IntensityClasses, head: Tensor, kind: str, border: float | None, look: str
) -> None:
    """The numbers that come from counts against those of the image made whole."""
    options = {
        "enabled": True,
        "look": look,
        "strip_probability": 0.0 if border is None else 1.0,
        "strip_border_mm": (border or 0.0, border or 0.0),
        "partial_view_probability": 0.0,
        "low_resolution_probability": 0.0,
        "bias_probability": 0.0,
        "blur_sigma_mm": (0.0, 0.3),
    }
    made = Synthesiser(SynthesisConfig.model_validate(options), classes, config("none"))
    volume = made.prepare(head, (1.0, 1.0, 1.0)).voxels
    shifts, scales = [], []
    for draw in made.draw(12, (40, 44, 36), (1.0, 1.0, 1.0), torch.Generator().manual_seed(7)):
        image = made.make(head[None], [draw], (1.0, 1.0, 1.0), [volume])[0][0]
        estimated, known = of_tissues(draw, made.tissues, volume, config(kind)), of_image(image, config(kind))
        shifts.append(float((estimated.shift - known.shift) / known.scale))
        scales.append(float(estimated.scale / known.scale))
    # The border is much of so small a brain, and hard to count.
    assert np.abs(shifts).max() < (0.15 if border is None else 0.3)
    assert np.abs(np.log(scales)).max() < 0.2


def test_counts_between_borders_lie_between() -> None:
    whole = torch.tensor([100.0, 50.0], dtype=torch.float64)
    stripped = torch.tensor([[0.0, 10.0], [0, 20], [2, 30], [4, 40], [6, 50]], dtype=torch.float64)
    voxels = TissueVoxels(whole, stripped)
    assert torch.equal(voxels.within(None), whole)
    assert voxels.within(-1.0).tolist() == [0, 10]
    assert voxels.within(0.5).tolist() == [1, 25]
    assert voxels.within(3.0).tolist() == [6, 50]
    assert voxels.within(9.0).tolist() == [6, 50]


def test_by_hand() -> None:
    """Air 6 voxels of exactly 0, two tissues of 2 voxels each at 1 and 3: mean 2, deviation 1."""
    classes = IntensityClasses.from_dict(
        {"classes": [{"structure": name, "values": [n], "is_whole": True} for n, name in ((1, "a"), (2, "b"))]}
    )
    made = Synthesiser(SynthesisConfig(enabled=True), classes, config("none"))
    draw = SynthesisDraw(
        torch.tensor([[0.0, 1.0, 3.0]], dtype=torch.float64), torch.zeros(1, 3, dtype=torch.float64), 0, zero_air=True
    )
    counts = torch.tensor([6.0, 2.0, 2.0], dtype=torch.float64)
    volume = TissueVoxels(counts, counts.expand(5, 3))
    nonzero = of_tissues(draw, made.tissues, volume, config("zscore_nonzero"))
    assert (float(nonzero.shift), float(nonzero.scale)) == pytest.approx((2, 1))
    everything = of_tissues(draw, made.tissues, volume, config("zscore"))
    assert (float(everything.shift), float(everything.scale)) == pytest.approx((0.8, np.sqrt(2 - 0.64)))
