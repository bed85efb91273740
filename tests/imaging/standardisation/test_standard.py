import json
from pathlib import Path

import numpy as np
import pytest

from neurograft.errors import InputError
from neurograft.imaging.grid import Grid
from neurograft.imaging.preparation import prepare_image
from neurograft.imaging.standardisation import measure_standard, percentile_landmarks, resolved_percentiles, standardise
from neurograft.imaging.volume import Volume
from neurograft.recipes.loading import load_recipe
from neurograft.recipes.schema import PreparationConfig, StandardConfig


def _scan(seed: int, scale: float = 1.0, shift: float = 0.0) -> np.ndarray:
    generator = np.random.default_rng(seed)
    tissue = generator.choice([40.0, 80.0, 110.0], (12, 12, 12), p=[0.2, 0.5, 0.3]) + generator.normal(0, 4, (12,) * 3)
    inside = np.zeros((12, 12, 12), bool)
    inside[2:-2, 2:-2, 2:-2] = True
    return np.where(inside, scale * tissue + shift, 0).astype(np.float32)


def _fit(scans: list[np.ndarray], method: str, **options: object) -> StandardConfig:
    config = StandardConfig.model_validate(options)
    percentiles = resolved_percentiles(config, method)
    return measure_standard([[percentile_landmarks(scan, percentiles)] for scan in scans], config, method)


@pytest.mark.parametrize("method", ["nyul", "histogram"])
def test_scanners_that_differ_by_gain_and_offset_end_alike(method: str) -> None:
    standard = _fit([_scan(0), _scan(1, 3.0, 50)], method)
    one = standardise(_scan(2)[None], standard, method)
    other = standardise(_scan(2, 7.5, 900)[None], standard, method)
    np.testing.assert_allclose(one, other, atol=0.05)
    assert (one[_scan(2)[None] == 0] == 0).all()
    inside = one[_scan(2)[None] != 0]
    # The landmarks of what comes out are those of the scale.
    np.testing.assert_allclose(np.percentile(inside, standard.percentiles), standard.landmarks[0], atol=1.5)
    assert standard.landmarks[0][0] == pytest.approx(1)
    assert standard.landmarks[0][-1] == pytest.approx(100)


def test_a_scan_without_contrast_becomes_zero_and_is_not_measured() -> None:
    standard = _fit([_scan(0), np.zeros((12,) * 3), np.full((12,) * 3, 5.0)], "nyul")
    assert standard.landmarks == _fit([_scan(0)], "nyul").landmarks
    assert not standardise(np.full((1, 4, 4, 4), 9.0), standard, "nyul").any()
    with pytest.raises(InputError, match="no scan has contrast in channel 1"):
        _fit([np.zeros((12,) * 3)], "nyul")


def test_preparation_uses_it_and_says_what_is_missing() -> None:
    volume = Volume(_scan(3), Grid.from_affine((12, 12, 12), np.eye(4)))
    with pytest.raises(InputError, match="no landmarks yet"):
        prepare_image([volume], PreparationConfig(normalisation="nyul"))
    standard = _fit([_scan(0)], "nyul", then="none")
    config = PreparationConfig(normalisation="nyul", standard=standard)
    np.testing.assert_array_equal(
        prepare_image([volume], config).data, standardise(volume.data[None], standard, "nyul")
    )
    scored = config.model_copy(update={"standard": standard.model_copy(update={"then": "zscore_nonzero"})})
    data = prepare_image([volume], scored).data[volume.data[None] != 0]
    np.testing.assert_allclose([data.mean(), data.std()], [0, 1], atol=1e-4)
    with pytest.raises(InputError, match="landmarks for 1 channels, the image has 2"):
        prepare_image([volume, volume], config)


def test_a_recipe_reads_a_file_and_holds_its_numbers(tmp_path: Path) -> None:
    standard = _fit([_scan(0)], "nyul")
    path = tmp_path / "standard.json"
    path.write_text(json.dumps(standard.model_dump(mode="json")))
    recipe = load_recipe("default", ["preparation.normalisation=nyul", f"preparation.standard={path}"])
    assert recipe.preparation.standard == standard
    assert recipe.model_validate(recipe.model_dump(mode="json")) == recipe
    with pytest.raises(InputError, match="measured for nyul"):
        load_recipe("default", ["preparation.normalisation=histogram", f"preparation.standard={path}"])
    with pytest.raises(InputError, match="no such file"):
        load_recipe("default", ["preparation.standard=nowhere.json"])
    path.write_text("[]")
    with pytest.raises(InputError, match="holds no standard"):
        load_recipe("default", [f"preparation.standard={path}"])


@pytest.mark.parametrize(
    "options",
    [
        {"percentiles": (50.0,)},
        {"percentiles": (50.0, 20.0)},
        {"percentiles": (1.0, 101.0)},
        {"range": (5.0, 5.0)},
        {"percentiles": (1.0, 99.0), "landmarks": ((1.0, 2.0, 3.0),)},
        {"percentiles": (1.0, 99.0), "landmarks": ((3.0, 1.0),)},
    ],
)
def test_impossible_scales_are_refused(options: dict[str, object]) -> None:
    with pytest.raises(ValueError, match=r"percentiles|range|landmarks"):
        StandardConfig.model_validate(options)
