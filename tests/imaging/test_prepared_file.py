"""A prepared image in a file."""

import resource
from pathlib import Path

import numpy as np
import pytest

from neurograft.imaging.grid import Grid
from neurograft.imaging.preparation import PreparedImage, prepare_image, restore_classes
from neurograft.imaging.prepared_file import DamagedFileError, read_prepared, write_prepared
from neurograft.imaging.volume import Volume
from neurograft.recipes.schema import PreparationConfig


def prepared(**options: object) -> PreparedImage:
    affine = np.diag([-1.25, 0.8, 1.1, 1.0])
    affine[:3, 3] = 1 / 3, -2.5, 7
    data = np.random.default_rng(0).random((9, 12, 8)).astype(np.float32)
    data[:2] = 0
    return prepare_image([Volume(data, Grid.from_affine(data.shape, affine))], PreparationConfig(**options))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "options", [{}, {"crop": "nonzero", "spacing_mm": (1.0, 1.0, 1.0)}, {"crop": "centre", "crop_size": (4, None, 20)}]
)
def test_everything_comes_back(options: dict[str, object], tmp_path: Path) -> None:
    given = prepared(**options)
    size = write_prepared(tmp_path / "a.safetensors", given)
    found = read_prepared(tmp_path / "a.safetensors")
    assert size == (tmp_path / "a.safetensors").stat().st_size
    assert found.data.dtype == np.float32
    assert found.data.tobytes() == np.ascontiguousarray(given.data).tobytes()
    assert found.box == given.box
    assert found.is_resampled == given.is_resampled == ("spacing_mm" in options)
    for name in ("grid", "source_grid", "oriented_grid", "full_grid"):
        one, other = getattr(found, name), getattr(given, name)
        assert np.array_equal(one.affine, other.affine)
        assert (one.shape, one.file_shape, one.zooms) == (other.shape, other.file_shape, other.zooms)
        assert np.array_equal(one.qform, other.qform)
    classes = (given.data[0] > 0.5).astype(np.int16)
    assert np.array_equal(restore_classes(classes, found), restore_classes(classes, given))


@pytest.mark.parametrize("place", [3, 40, -5])
def test_a_changed_byte_is_seen(place: int, tmp_path: Path) -> None:
    path = tmp_path / "a.safetensors"
    write_prepared(path, prepared())
    content = bytearray(path.read_bytes())
    content[place] ^= 1
    path.write_bytes(content)
    with pytest.raises(DamagedFileError):
        read_prepared(path)


@pytest.mark.parametrize("left", [0, 5, 300])
def test_a_file_that_was_cut_off_is_seen(left: int, tmp_path: Path) -> None:
    path = tmp_path / "a.safetensors"
    write_prepared(path, prepared())
    path.write_bytes(path.read_bytes()[:left])
    with pytest.raises(DamagedFileError):
        read_prepared(path)
    path.unlink()
    with pytest.raises(FileNotFoundError):
        read_prepared(path)


def test_a_full_disk_is_told_as_one(tmp_path: Path) -> None:
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1000, limits[1]))
    try:
        with pytest.raises(OSError, match="cannot be written"):
            write_prepared(tmp_path / "a.safetensors", prepared())
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert not list(tmp_path.iterdir())
