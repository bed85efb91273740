import numpy as np
import pytest
import SimpleITK
from scipy.ndimage import affine_transform
from scipy.spatial.transform import Rotation

from neurograft.errors import InputError
from neurograft.imaging.grid import Grid
from neurograft.imaging.resampling import resample_to_grid, resample_to_spacing, spaced_grid
from neurograft.imaging.volume import Volume


def _oblique(angles: tuple[float, float, float], spacing: tuple[float, float, float], flip: int = 1) -> np.ndarray:
    affine = np.eye(4)
    affine[:3, :3] = Rotation.from_euler("xyz", angles, degrees=True).as_matrix() @ np.diag([flip, 1, 1]) * spacing
    return affine


def _centred(shape: tuple[int, int, int], affine: np.ndarray) -> Grid:
    """A grid whose middle is the origin of space."""
    placed = affine.copy()
    placed[:3, 3] = -affine[:3, :3] @ ((np.array(shape) - 1) / 2)
    return Grid.from_affine(shape, placed)


SHEAR = np.eye(4)
SHEAR[0, 1] = 0.3
GRIDS = {
    "flipped": _oblique((0, 0, 0), (1.2, 0.9, 1.1), flip=-1),
    "oblique": _oblique((10, -20, 35), (1.2, 0.9, 1.1)),
    "oblique flipped": _oblique((10, -20, 135), (0.7, 0.9, 1.9), flip=-1),
    "sheared": SHEAR,
}


@pytest.mark.parametrize("source", GRIDS.values(), ids=GRIDS)
@pytest.mark.parametrize("target", GRIDS.values(), ids=GRIDS)
@pytest.mark.parametrize(("interpolation", "order"), [("nearest", 0), ("linear", 1), ("bspline", 3)])
def test_agrees_with_scipy(source: np.ndarray, target: np.ndarray, interpolation, order: int) -> None:
    data = np.random.default_rng(0).normal(size=(13, 14, 15)).astype(np.float32)
    here, there = _centred((13, 14, 15), source), _centred((9, 8, 7), target)
    to_source = np.linalg.inv(here.affine) @ there.affine
    theirs = affine_transform(data, to_source[:3, :3], to_source[:3, 3], there.shape, order=order, mode="mirror")
    ours = resample_to_grid(Volume(data, here), there, interpolation).data
    # Within half a voxel of the border, and beyond, the two have different rules.
    index = np.stack(np.meshgrid(*map(np.arange, there.shape), indexing="ij"), -1) @ to_source[:3, :3].T
    index += to_source[:3, 3]
    inner = ((index > 0) & (index < np.array(here.shape) - 1)).all(-1)
    assert inner.sum() > 100
    if interpolation == "nearest":  # a voxel halfway between two may go to either
        inner &= (np.abs(index - np.floor(index) - 0.5) > 1e-6).all(-1)
    np.testing.assert_allclose(ours[inner], theirs[inner], atol=1e-4)


def test_outside_gets_its_value() -> None:
    volume = Volume(np.ones((4, 4, 4), np.float32), Grid.from_affine((4, 4, 4), np.eye(4)))
    shifted = np.eye(4)
    shifted[0, 3] = 2
    for interpolation in ("nearest", "linear", "bspline", "sinc"):
        result = resample_to_grid(volume, Grid.from_affine((4, 4, 4), shifted), interpolation, outside=-3).data
        np.testing.assert_allclose(result[:2], 1, atol=1e-5)
        np.testing.assert_array_equal(result[2:], -3)


@pytest.mark.parametrize("affine", GRIDS.values(), ids=GRIDS)
@pytest.mark.parametrize("spacing", [(0.5, 0.5, 0.5), (2.0, 1.5, 0.7), (3.0, 3.0, 3.0)])
def test_the_field_of_view_is_covered(affine: np.ndarray, spacing: tuple[float, float, float]) -> None:
    grid = _centred((13, 14, 15), affine)
    spaced = spaced_grid(grid, spacing)
    np.testing.assert_allclose(spaced.spacing_mm, spacing)
    half = np.array([-0.5, -0.5, -0.5, 1])
    np.testing.assert_allclose(spaced.affine @ half, grid.affine @ half, atol=1e-9)
    length, wanted = np.array(spaced.shape) * spacing, np.array(grid.shape) * grid.spacing_mm
    assert (length >= wanted - 1e-6).all()
    assert (length < wanted + spacing).all()


@pytest.mark.parametrize("interpolation", ["nearest", "linear", "bspline", "sinc"])
@pytest.mark.parametrize("spacing", [(0.5, 0.5, 0.5), (1.7, 1.7, 1.7)])
def test_a_constant_stays_constant_up_to_the_edge(interpolation, spacing: tuple[float, float, float]) -> None:
    volume = Volume(np.full((8, 9, 10), 5, np.float32), Grid.from_affine((8, 9, 10), np.eye(4)))
    np.testing.assert_allclose(resample_to_spacing(volume, spacing, interpolation).data, 5, atol=1e-4)


def test_sinc_doubling_of_a_neuromelanin_scan() -> None:
    """From 0.75 to 0.375 mm: each voxel becomes eight, and a smooth signal is hit between the samples."""
    grid = Grid.from_affine((24, 24, 24), np.diag([0.75, 0.75, 0.75, 1]))

    def signal(on: Grid) -> np.ndarray:
        x, y, z = (on.affine[axis, axis] * np.arange(on.shape[axis]) + on.affine[axis, 3] for axis in range(3))
        return np.sin(x)[:, None, None] * np.cos(0.8 * y)[:, None] + np.sin(1.1 * z)

    fine = resample_to_spacing(Volume(signal(grid).astype(np.float32), grid), (0.375,) * 3, "sinc")
    linear = resample_to_spacing(Volume(signal(grid).astype(np.float32), grid), (0.375,) * 3, "linear")
    assert fine.grid.shape == (48, 48, 48)
    # The first voxel of the fine grid has its centre a quarter of a coarse voxel before the first.
    np.testing.assert_allclose(fine.grid.affine[:3, 3], -0.1875)
    inner = (slice(10, -10),) * 3
    error = np.abs(fine.data - signal(fine.grid))[inner].max()
    assert error < 0.01
    assert error < np.abs(linear.data - signal(fine.grid))[inner].max() / 5


def test_sinc_agrees_with_simpleitk() -> None:
    """Independent route: SimpleITK on the geometry itself; its kernel does not sum to one exactly."""
    data = np.random.default_rng(0).normal(size=(16, 17, 18)).astype(np.float32)
    grid = Grid.from_affine(data.shape, np.diag([0.75, 0.75, 1.5, 1]))
    ours = resample_to_spacing(Volume(data, grid), (0.375, 0.5, 1.1), "sinc")
    image = SimpleITK.GetImageFromArray(np.ascontiguousarray(data.T))
    image.SetSpacing(grid.spacing_mm)
    theirs = SimpleITK.Resample(
        image,
        ours.grid.shape,
        SimpleITK.Transform(),
        SimpleITK.sitkLanczosWindowedSinc,
        ours.grid.affine[:3, 3].tolist(),
        ours.grid.spacing_mm,
    )
    inner = (slice(1, -1),) * 3
    difference = ours.data - SimpleITK.GetArrayFromImage(theirs).T
    # Noise is the worst case; the kernel's sum is off by up to 0.01 on each axis.
    assert np.abs(difference[inner]).max() < 0.05
    assert np.corrcoef(ours.data[inner].ravel(), SimpleITK.GetArrayFromImage(theirs).T[inner].ravel())[0, 1] > 0.9999


def test_sinc_on_an_oblique_grid() -> None:
    here = _centred((14, 14, 14), _oblique((0, 0, 20), (1, 1, 1)))
    x, y, z = np.moveaxis(np.stack(np.meshgrid(*[np.arange(14)] * 3, indexing="ij"), -1) - 6.5, -1, 0)
    data = np.cos(0.3 * x) * np.cos(0.2 * y) + 0.1 * z
    there = _centred((6, 6, 6), np.eye(4))
    ours = resample_to_grid(Volume(data.astype(np.float32), here), there, "sinc").data
    splined = resample_to_grid(Volume(data.astype(np.float32), here), there, "bspline").data
    np.testing.assert_allclose(ours, splined, atol=0.02)


@pytest.mark.parametrize("dtype", [bool, np.uint8, np.int16, np.int32])
def test_nearest_keeps_the_type(dtype: type) -> None:
    data = (np.random.default_rng(0).integers(0, 2, (4, 5, 6))).astype(dtype)
    doubled = resample_to_spacing(Volume(data, Grid.from_affine((4, 5, 6), np.eye(4))), (0.5, 0.5, 0.5), "nearest")
    assert doubled.data.dtype == dtype
    np.testing.assert_array_equal(doubled.data, data.repeat(2, 0).repeat(2, 1).repeat(2, 2))


def test_one_slice_can_be_resampled_but_not_splined() -> None:
    volume = Volume(np.ones((8, 8, 1), np.float32), Grid.from_affine((8, 8, 1), np.diag([1, 1, 3, 1])))
    for interpolation in ("nearest", "linear", "sinc"):
        result = resample_to_spacing(volume, (2, 2, 3), interpolation).data
        np.testing.assert_allclose(result, np.ones((4, 4, 1)), atol=1e-6)
    with pytest.raises(InputError, match="B-spline"):
        resample_to_spacing(volume, (2, 2, 3), "bspline")


def test_impossible_spacing() -> None:
    volume = Volume(np.ones((4, 4, 4), np.float32), Grid.from_affine((4, 4, 4), np.eye(4)))
    with pytest.raises(InputError, match="positive"):
        resample_to_spacing(volume, (1, 0, 1), "linear")
