from pathlib import Path

import matplotlib.image
import numpy as np

from neurograft.imaging.grid import Grid
from neurograft.imaging.registration import RegistrationScore, SpatialTransform
from neurograft.imaging.volume import Volume
from neurograft.reports.registration_overlay import write_registration_overlay


def _picture(path: Path, shift_mm: float, flip: bool = False) -> np.ndarray:
    places = np.indices((30, 32, 34)) - np.array([15, 16, 17])[:, None, None, None]
    ball = ((places**2).sum(0) < 90).astype(np.float32)
    maps = (((places - 1) ** 2).sum(0) < 20).astype(np.float32)[None]
    grid = Grid.from_affine(ball.shape, np.eye(4))
    scan = Volume(ball, grid)
    if flip:
        turned = grid.derived(grid.shape, np.array([[-1, 0, 0, 29], *np.eye(4)[1:].tolist()]))
        scan, maps = Volume(ball[::-1].copy(), turned), maps[:, ::-1].copy()
    transform = np.eye(4)
    transform[0, 3] = shift_mm
    score = RegistrationScore(0.97, 0.6, 0.0, 1.0)
    write_registration_overlay(path, scan, maps, Volume(ball, grid), SpatialTransform(transform), score, "p0")
    return matplotlib.image.imread(path)


def test_the_picture_shows_the_shift_and_not_the_storage_order(tmp_path: Path) -> None:
    good, shifted = _picture(tmp_path / "a.png", 0), _picture(tmp_path / "b.png", 12)
    assert good.shape[1] > good.shape[0] > 300
    assert np.abs(good - shifted).mean() > 0.01
    assert (_picture(tmp_path / "c.png", 0) == good).all()
    np.testing.assert_allclose(_picture(tmp_path / "d.png", 0, flip=True), good, atol=0.02)
