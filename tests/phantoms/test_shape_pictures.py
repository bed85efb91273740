"""Made pictures: the same for the same seed, objects that can be seen, and a folder that opens as a cohort."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from neurograft.cohorts import open_cohort
from neurograft.errors import InputError
from neurograft.phantoms.shape_pictures import SHAPES, make_picture_cohort, shape_picture


def test_a_larger_set_begins_with_the_smaller_one(tmp_path: Path) -> None:
    few, more = make_picture_cohort(tmp_path / "few", 2, 3, 32), make_picture_cohort(tmp_path / "more", 3, 3, 32)
    for part in ("images", "masks"):
        for file in sorted((few / part).iterdir()):
            assert file.read_bytes() == (more / part / file.name).read_bytes()
    cohort = open_cohort(more)
    assert cohort.channels == ("red", "green", "blue")
    assert list(cohort.labels.names) == list(SHAPES)
    assert len(cohort.subjects) == 3
    assert all(case.is_labelled for case in cohort.cases)
    assert np.array_equal(np.asarray(Image.open(more / "images" / "seed3n00002.png")), shape_picture(2, 3, 32)[0])


def test_every_shape_occurs_and_stands_out() -> None:
    seen: set[int] = set()
    for index in range(30):
        picture, mask = shape_picture(index, 1, 48)
        assert picture.shape == (48, 48, 3)
        assert mask.any()
        assert not mask.all()
        seen |= set(np.unique(mask)) - {0}
    assert seen == set(range(1, len(SHAPES) + 1))


def test_an_object_is_lighter_or_darker_than_what_it_covers() -> None:
    shifts = []
    for index in range(20):
        picture, mask = shape_picture(index, 2, 64)
        ring = (np.abs(np.gradient((mask > 0).astype(float))[0]) > 0) & (mask == 0)
        inside = (np.abs(np.gradient((mask > 0).astype(float))[0]) > 0) & (mask > 0)
        shifts.append(abs(picture[ring].mean() - picture[inside].mean()))
    assert np.median(shifts) > 20


def test_the_area_of_a_disc_is_that_of_its_radius() -> None:
    x, y = np.meshgrid(np.linspace(-1, 1, 401), np.linspace(-1, 1, 401))
    assert 4 * SHAPES["disc"](x, y).mean() == pytest.approx(np.pi * 0.8**2, rel=0.01)
    assert 4 * SHAPES["square"](x, y).mean() == pytest.approx(1.4**2, rel=0.02)


@pytest.mark.parametrize(("pictures", "seed", "side"), [(0, 0, 32), (1, -1, 32), (1, 0, 8)])
def test_what_cannot_be_made_is_refused(tmp_path: Path, pictures: int, seed: int, side: int) -> None:
    with pytest.raises(InputError):
        make_picture_cohort(tmp_path / "out", pictures, seed, side)
