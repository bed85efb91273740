"""Priors: names of frames, background, and the way onto a prepared image's grid."""

from pathlib import Path

import numpy as np
import pytest

from neurograft.errors import InputError
from neurograft.imaging.frames import write_probabilities
from neurograft.imaging.grid import Grid
from neurograft.imaging.preparation import prepare_image
from neurograft.imaging.prior import read_prior, with_prior
from neurograft.imaging.volume import Volume
from neurograft.recipes.schema import PreparationConfig

SHAPE = (6, 5, 4)
GRID = Grid.from_affine(SHAPE, np.diag([-1.0, 1.0, 1.0, 1.0]))


def write(folder: Path, frames: int, names: str = "", name: str = "prior") -> np.ndarray:
    """Frames of thirds and less, so that every step of 1 / 255 is exact."""
    rng = np.random.default_rng(0)
    data = rng.integers(0, 256 // frames, (frames, *SHAPE)).astype(np.float32) / 255
    data[:, 0] = 0
    write_probabilities(folder / f"{name}.nii.gz", data, GRID)
    if names:
        (folder / "labels.tsv").write_text(names)
    return data


def test_background_is_what_the_labels_leave(tmp_path: Path) -> None:
    data = write(tmp_path, 2, "index\tname\n7\tputamen\n3\tcaudate\n")
    prior = read_prior(tmp_path / "prior.nii.gz")
    assert prior.names == ("background", "caudate", "putamen")
    np.testing.assert_allclose(prior.frames[1:], data, atol=1e-6)
    np.testing.assert_allclose(prior.frames.sum(0), 1, atol=1e-6)
    assert (prior.frames[0, 0] == 1).all()


def test_a_frame_of_background_is_taken_and_empty_voxels_are_background(tmp_path: Path) -> None:
    data = write(tmp_path, 3, "index\tname\n0\tcaudate\n1\tputamen\n2\tbackground\n")
    prior = read_prior(tmp_path / "prior.nii.gz")
    assert prior.names == ("background", "caudate", "putamen")
    np.testing.assert_allclose(prior.frames[1:], data[:2], atol=1e-6)
    np.testing.assert_allclose(prior.frames[0, 1:], data[2, 1:], atol=1e-6)
    assert (prior.frames[0, 0] == 1).all()


def test_one_frame_more_than_names_is_background_in_front(tmp_path: Path) -> None:
    data = write(tmp_path, 3, "index\tname\n1\tcaudate\n2\tputamen\n")
    prior = read_prior(tmp_path / "prior.nii.gz")
    assert prior.names == ("background", "caudate", "putamen")
    np.testing.assert_allclose(prior.frames[1:], data[1:], atol=1e-6)


def test_frames_without_names_go_by_position(tmp_path: Path) -> None:
    write(tmp_path, 2)
    prior = read_prior(tmp_path / "prior.nii.gz")
    assert prior.names == ("background", "frame 1", "frame 2")
    assert prior.select(("background", "a", "b")).names == ("background", "a", "b")
    with pytest.raises(InputError, match=r"no frame for a, b, c; it has background, frame 1, frame 2"):
        prior.select(("background", "a", "b", "c"))


def test_frames_are_selected_by_name(tmp_path: Path) -> None:
    write(tmp_path, 3, "index\tname\n1\ta\n2\tb\n3\tc\n")
    prior = read_prior(tmp_path / "prior.nii.gz")
    chosen = prior.select(("background", "c", "a"))
    assert np.array_equal(chosen.frames[1:], prior.frames[[3, 1]])
    np.testing.assert_allclose(chosen.frames[0], prior.frames[0] + prior.frames[2], atol=1e-6)
    assert (chosen.frames[0] > prior.frames[0]).any(), "b is background now"


def test_names_of_its_own_come_first(tmp_path: Path) -> None:
    write(tmp_path, 2, "index\tname\n1\tx\n")
    (tmp_path / "prior_labels.tsv").write_text("index\tname\n1\ta\n2\tb\n")
    assert read_prior(tmp_path / "prior.nii.gz").names == ("background", "a", "b")


@pytest.mark.parametrize(
    ("names", "message"),
    [
        ("index\tname\n1\ta\n", "has 3 frames, and labels.tsv names 1 labels"),
        ("index\tlabel\n1\ta\n", "does not name frames"),
        ("index\tname\none\ta\n", "does not name frames"),
    ],
)
def test_names_that_do_not_fit(tmp_path: Path, names: str, message: str) -> None:
    write(tmp_path, 3, names)
    with pytest.raises(InputError, match=message):
        read_prior(tmp_path / "prior.nii.gz")


def test_values_that_are_no_probabilities(tmp_path: Path) -> None:
    from neurograft.imaging.files import write_image

    write_image(tmp_path / "odd.nii.gz", np.full(SHAPE, 40.0, np.float32), GRID)
    with pytest.raises(InputError, match="these values run from 40 to 40"):
        read_prior(tmp_path / "odd.nii.gz")


def test_it_follows_the_image_through_turns_and_crops(tmp_path: Path) -> None:
    """The image is the first frame itself, so that both must agree after every step but normalisation."""
    data = write(tmp_path, 2, "index\tname\n1\ta\n2\tb\n")
    prior = read_prior(tmp_path / "prior.nii.gz")
    config = PreparationConfig(crop="nonzero", normalisation="none")
    prepared = with_prior(prepare_image([Volume(data[0], GRID)], config), prior)
    assert prepared.data.shape == (4, *prepared.grid.shape)
    assert prepared.grid.shape[0] == 5, "the empty plane is cropped"
    np.testing.assert_allclose(prepared.data[2], prepared.data[0], atol=1e-6)
    np.testing.assert_allclose(prepared.data[1:].sum(0), 1, atol=1e-6)


def test_it_is_resampled_linearly_and_padding_is_background(tmp_path: Path) -> None:
    data = write(tmp_path, 2, "index\tname\n1\ta\n2\tb\n")
    prior = read_prior(tmp_path / "prior.nii.gz")
    config = PreparationConfig(
        spacing_mm=(0.5, 0.5, 0.5), crop="centre", crop_size=(16, 12, 8), normalisation="none", interpolation="linear"
    )
    prepared = with_prior(prepare_image([Volume(data[0], GRID)], config), prior)
    inside = prepared.data[0] > 0
    np.testing.assert_allclose(prepared.data[2][inside], prepared.data[0][inside], atol=1e-5)
    np.testing.assert_allclose(prepared.data[1:].sum(0), 1, atol=1e-5)
    assert (prepared.data[1, 0] == 1).all()


def test_another_grid_is_refused(tmp_path: Path) -> None:
    data = write(tmp_path, 2)
    other = Grid.from_affine(SHAPE, np.diag([-2.0, 1.0, 1.0, 1.0]))
    prepared = prepare_image([Volume(data[0], other)], PreparationConfig())
    with pytest.raises(InputError, match="does not lie on the image's grid"):
        with_prior(prepared, read_prior(tmp_path / "prior.nii.gz"))
