from pathlib import Path

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from neurograft.errors import InputError
from neurograft.imaging.grid import Grid
from neurograft.imaging.registration import (
    RegistrationSettings,
    SpatialTransform,
    register,
    score_registration,
    warp,
    warp_classes,
)
from neurograft.imaging.registration.working_images import working_volume
from neurograft.imaging.resampling import resample_to_grid
from neurograft.imaging.template import mni152
from neurograft.imaging.volume import Volume

COARSE = RegistrationSettings(kind="affine", spacing_mm=4.0)


def _affine(degrees: float = 7, scale: float = 1.06, shift: tuple[float, float, float] = (5, -260, -180)) -> np.ndarray:
    matrix = np.eye(4)
    matrix[:3, :3] = scale * Rotation.from_euler("xyz", [degrees, -degrees / 2, degrees], degrees=True).as_matrix()
    matrix[:3, 3] = shift
    return matrix


def _moved(volume: Volume, affine: np.ndarray) -> Volume:
    """The same voxels elsewhere in space, and their axes flipped, as another scanner would store them."""
    grid = Grid.from_affine(volume.grid.shape, affine @ volume.grid.affine)
    flipped = grid.derived(grid.shape, np.array([[-1, 0, 0, grid.shape[0] - 1], *np.eye(4)[1:].tolist()]))
    return Volume(np.ascontiguousarray(volume.data[::-1]), flipped)


def _points() -> np.ndarray:
    return np.random.default_rng(0).uniform([-50, -80, -30], [50, 50, 60], (200, 3))


def test_a_known_affine_map_is_found_again() -> None:
    template = mni152(2)
    truth = _affine()
    found = register(template, _moved(template, truth), COARSE, cached=False)
    error = np.linalg.norm(found.transform.points(_points()) - SpatialTransform(truth).points(_points()), axis=1)
    assert error.max() < 1.0
    assert found.score.suspicious == ""
    again = register(template, _moved(template, truth), COARSE, cached=False)
    np.testing.assert_array_equal(again.transform.affine, found.transform.affine)
    back = found.transform.inverse().points(found.transform.points(_points()))
    np.testing.assert_allclose(back, _points(), atol=1e-9)


def test_a_known_deformation_is_found_for_the_most_part() -> None:
    template = mni152(2)
    grid = Grid.from_affine((9, 11, 9), np.diag([24.0, 24, 24, 1]) + np.pad([[-100], [-136], [-74]], ((0, 1), (3, 0))))
    index = np.stack(np.meshgrid(*[np.arange(size) for size in grid.shape], indexing="ij"))
    field = np.stack([6 * np.sin(index[1]), 5 * np.cos(1.1 * index[0]), 4 * np.sin(index[0] + index[1])])
    truth = SpatialTransform(np.eye(4), field.astype(np.float32), grid)
    moving = mni152(2)
    fixed = Volume(warp(moving, truth, template.grid), template.grid)
    settings = RegistrationSettings(spacing_mm=4.0, iterations=(30, 20))
    affine = register(fixed, moving, COARSE, cached=False)
    found = register(fixed, moving, settings, cached=False)
    # Only where there is brain, and contrast, can a deformation be seen.
    places = np.argwhere(fixed.data > 0.3)[::997].astype(float)
    places = places @ fixed.grid.affine[:3, :3].T + fixed.grid.affine[:3, 3]
    before, after = (
        np.linalg.norm(one.transform.points(places) - truth.points(places), axis=1).mean() for one in (affine, found)
    )
    assert after < 0.6 * before
    assert found.score.local_correlation > affine.score.local_correlation + 0.1
    assert found.score.folded_share == 0


def test_a_failed_registration_is_flagged() -> None:
    template = working_volume(mni152(2), 4.0)
    good = score_registration(template, template, SpatialTransform(np.eye(4)))
    assert good.suspicious == ""
    assert good.overlap == pytest.approx(1)
    assert good.local_correlation > 0.95
    for wrong in (
        SpatialTransform(np.diag([1.0, 1, -1, 1]) + np.pad([[0], [0], [20]], ((0, 1), (3, 0)))),
        SpatialTransform(_affine(0, 1, (25, 0, 0))),
        SpatialTransform(_affine(40, 1, (0, 0, 0))),
    ):
        assert score_registration(template, template, wrong).suspicious
    folded = np.zeros((3, *template.grid.shape), np.float32)
    folded[0] = -3 * np.arange(template.grid.shape[0])[:, None, None] * 4
    assert (
        "folded"
        in score_registration(template, template, SpatialTransform(np.eye(4), folded, template.grid)).suspicious
    )


def test_transforms_are_kept_on_disk_and_remembered(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NEUROGRAFT_CACHE", str(tmp_path))
    field = np.random.default_rng(0).normal(0, 2, (3, 4, 5, 6)).astype(np.float32)
    grid = Grid.from_affine((4, 5, 6), np.diag([2.0, 2, 2, 1]))
    for transform in (SpatialTransform(_affine()), SpatialTransform(_affine(), field, grid)):
        transform.save(tmp_path / "t.npz")
        loaded = SpatialTransform.load(tmp_path / "t.npz")
        np.testing.assert_array_equal(loaded.points(_points()), transform.points(_points()))
    with pytest.raises(ValueError, match="only an affine map"):
        transform.inverse()
    (tmp_path / "t.npz").write_bytes(b"PK nothing")
    with pytest.raises(InputError, match="cannot be read as a transform"):
        SpatialTransform.load(tmp_path / "t.npz")
    template = mni152(2)
    first = register(template, template, COARSE)
    assert first.seconds > 0
    second = register(template, template, COARSE)
    assert second.seconds == 0
    np.testing.assert_array_equal(second.transform.affine, first.transform.affine)
    for kept in (tmp_path / "registrations").iterdir():
        kept.write_bytes(b"damaged")
    assert register(template, template, COARSE).seconds > 0


def test_an_image_without_contrast_is_refused() -> None:
    grid = Grid.from_affine((8, 8, 8), np.eye(4))
    for data in (np.zeros((8, 8, 8)), np.full((8, 8, 8), 3.0), np.full((8, 8, 8), np.nan)):
        with pytest.raises(InputError, match=r"constant|NaN"):
            register(Volume(data.astype(np.float32), grid, Path("flat.nii")), mni152(2), COARSE)


def test_warping_by_an_affine_map_equals_resampling() -> None:
    generator = np.random.default_rng(0)
    moving = Volume(generator.random((9, 10, 11), np.float32), Grid.from_affine((9, 10, 11), np.diag([-1, 1, 2, 1])))
    grid = Grid.from_affine((8, 9, 10), np.diag([1.1, 0.9, 1.7, 1]) @ _affine(4, 1, (-8, 0.3, 0.2)))
    affine = _affine(3, 1.02, (0.4, 0.2, -0.3))
    placed = Volume(moving.data, Grid.from_affine(moving.grid.shape, np.linalg.inv(affine) @ moving.grid.affine))
    expected = resample_to_grid(placed, grid, "linear").data
    found = warp(moving, SpatialTransform(affine), grid)
    inner = (
        resample_to_grid(Volume(np.pad(np.ones((7, 8, 9), np.float32), 1), placed.grid), grid, "linear").data > 0.999
    )
    assert inner.sum() > 20
    np.testing.assert_allclose(found[inner], expected[inner], atol=1e-4)
    where = np.zeros(grid.shape, bool)
    where[2:5] = True
    np.testing.assert_array_equal(warp(moving, SpatialTransform(affine), grid, where=where), found * where)


def test_classes_become_the_warped_one_hot_maps() -> None:
    classes = np.random.default_rng(0).integers(-1, 4, (9, 10, 11)).astype(np.int16)
    grid = Grid.from_affine(classes.shape, np.diag([1, 1, 2, 1]))
    transform = SpatialTransform(_affine(5, 1.1, (0.5, 0.2, 1)))
    found = warp_classes(classes, grid, 2, transform, grid)
    for label in (1, 2):
        one_hot = Volume((classes == label).astype(np.float32), grid)
        inner = warp(Volume(np.pad(np.ones((7, 8, 9), np.float32), 1), grid), transform, grid) > 0.999
        np.testing.assert_allclose(found[label - 1][inner], warp(one_hot, transform, grid)[inner], atol=1e-5)
        still = warp_classes(classes, grid, 2, SpatialTransform(np.eye(4)), grid)
        np.testing.assert_allclose(still[label - 1], classes == label, atol=1e-6)
