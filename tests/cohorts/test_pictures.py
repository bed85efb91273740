from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from neurograft.cohorts import open_cohort
from neurograft.cohorts.check import check_cohort
from neurograft.errors import InputError
from neurograft.imaging.files import read_image, read_label_map


def save(path: Path, pixels: np.ndarray) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels.astype(np.uint8)).save(path)
    return path


@pytest.fixture
def colours() -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (4, 8, 3))


def test_a_picture_is_a_volume_of_one_slice(tmp_path: Path, colours: np.ndarray) -> None:
    save(tmp_path / "beach.png", colours)
    cohort = open_cohort(tmp_path)
    assert (cohort.kind, cohort.channels, cohort.subjects) == ("pictures", ("red", "green", "blue"), ("beach",))
    assert cohort.labelled().cases == ()
    for number, colour in enumerate(cohort.channels):
        volume = read_image(cohort.cases[0].images[colour])
        assert volume.data.shape == (8, 4, 1)
        # Left stays left, and what is above lies in front.
        assert volume.data[2, 3, 0] == colours[0, 2, number]
        assert volume.data[2, 0, 0] == colours[3, 2, number]
        assert volume.grid.orientation == "RAS"
        assert volume.grid.spacing_mm == pytest.approx((32, 32, 1)), "the longer side counts as 256 mm"


def test_a_grey_picture_has_its_number_three_times(tmp_path: Path, colours: np.ndarray) -> None:
    save(tmp_path / "images" / "grey.png", colours[..., 0])
    case = open_cohort(tmp_path).cases[0]
    red, green, blue = (read_image(path).data for path in case.images.values())
    assert np.array_equal(red, green)
    assert np.array_equal(red, blue)
    assert red[0, 3, 0] == colours[0, 0, 0]


def test_masks_belong_to_the_pictures_of_their_names(tmp_path: Path, colours: np.ndarray) -> None:
    for name in ("a", "b"):
        save(tmp_path / "images" / f"{name}.jpg", colours)
    save(tmp_path / "images" / "b.jpg", colours[::-1])
    save(tmp_path / "masks" / "b.png", np.arange(32).reshape(4, 8) % 3)
    (tmp_path / "labels.tsv").write_text("index\tname\n1\tchair\n2\ttable\n")
    cohort = open_cohort(tmp_path)
    assert cohort.labels.names == ["chair", "table"]
    assert [case.is_labelled for case in cohort.cases] == [False, True]
    mask = read_label_map(cohort.cases[1].label)
    assert mask.data[:, ::-1, 0].T.ravel().tolist() == [number % 3 for number in range(32)]
    assert not [problem for problem in check_cohort(cohort).problems if problem.severity == "error"]


def test_a_folder_a_class(tmp_path: Path, colours: np.ndarray) -> None:
    for folder in ("cats", "ants"):
        save(tmp_path / folder / "1.png", colours)
    cohort = open_cohort(tmp_path)
    assert cohort.labels.names == ["ants", "cats"]
    assert [case.id for case in cohort.cases] == ["ants_1", "cats_1"]
    assert [np.unique(read_label_map(case.label).data).tolist() for case in cohort.cases] == [[1], [2]]


def test_what_cannot_be_used(tmp_path: Path, colours: np.ndarray) -> None:
    folder = tmp_path / "pictures"
    save(folder / "a.png", colours)
    save(folder / "masks" / "a.png", colours)
    with pytest.raises(InputError, match="names the numbers of the masks"):
        open_cohort(folder)
    (folder / "labels.tsv").write_text("index\tname\n1\tchair\n")
    with pytest.raises(InputError, match="this picture has colours"):
        read_label_map(open_cohort(folder).cases[0].label)
    save(folder / "masks" / "b.png", colours)
    with pytest.raises(InputError, match=r"no picture belongs to the mask b\.png"):
        open_cohort(folder)
    (tmp_path / "broken").mkdir()
    (tmp_path / "broken" / "x.jpg").write_bytes(b"no picture")
    with pytest.raises(InputError, match="no picture can be read"):
        read_image(open_cohort(tmp_path / "broken").cases[0].images["red"])
    save(tmp_path / "both" / "a.png", colours)
    save(tmp_path / "both" / "a.jpg", colours)
    with pytest.raises(InputError, match="several pictures are named a"):
        open_cohort(tmp_path / "both")
