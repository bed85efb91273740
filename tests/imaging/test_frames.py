from pathlib import Path

import nibabel
import numpy as np
import pytest

from neurograft.errors import InputError
from neurograft.imaging.files import read_image
from neurograft.imaging.frames import read_frames, write_probabilities
from neurograft.imaging.grid import Grid


def test_probabilities_there_and_back(tmp_path: Path) -> None:
    grid = Grid.from_affine((4, 5, 6), np.diag([-1, 2, 1.5, 1]), code=4)
    frames = np.random.default_rng(0).random((3, 4, 5, 6), np.float32)
    frames[0, 0] = 0
    frames[1, 0] = 1
    for name in ("p.nii.gz", "p.nii"):
        write_probabilities(tmp_path / name, frames, grid)
        found, found_grid = read_frames(tmp_path / name)
        np.testing.assert_allclose(found, frames, atol=0.5 / 255 + 1e-6)
        assert (found[0, 0] == 0).all()
        assert (found[1, 0] == 1).all()
        assert found_grid.same_as(grid)
        assert found_grid.file_shape == (4, 5, 6)
        loaded = nibabel.load(tmp_path / name)
        assert loaded.shape == (4, 5, 6, 3)
        assert loaded.get_data_dtype() == np.uint8
        assert int(loaded.header["qform_code"]) == 4
        np.testing.assert_allclose(np.moveaxis(loaded.get_fdata(), -1, 0), found, atol=1e-6)
    with pytest.raises(InputError, match="one volume expected"):
        read_image(tmp_path / "p.nii")


def test_a_single_frame_and_too_many_axes(tmp_path: Path) -> None:
    nibabel.Nifti1Image(np.ones((3, 3, 3), np.float32), np.eye(4)).to_filename(tmp_path / "one.nii")
    assert read_frames(tmp_path / "one.nii")[0].shape == (1, 3, 3, 3)
    nibabel.Nifti1Image(np.ones((3, 3, 3, 2, 2), np.float32), np.eye(4)).to_filename(tmp_path / "many.nii")
    with pytest.raises(InputError, match="frames in one row"):
        read_frames(tmp_path / "many.nii")
