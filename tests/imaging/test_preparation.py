from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.spatial.transform import Rotation

from neurograft.errors import InputError
from neurograft.imaging.cropping import Box
from neurograft.imaging.files import read_image, read_label_map, write_label_map
from neurograft.imaging.grid import Grid
from neurograft.imaging.labels import IGNORE, LabelTable
from neurograft.imaging.preparation import (
    cut_off_voxels,
    prepare_classes,
    prepare_image,
    restore_classes,
    restore_probabilities,
)
from neurograft.imaging.volume import Volume
from neurograft.recipes.schema import PreparationConfig

TABLE = LabelTable.from_names({3: "a", 7: "b"}, ignore_value=9)
AXES = [np.eye(3), np.diag([-1, -1, 1]), np.array([[0, 0, -1], [1, 0, 0], [0, -1, 0]])]


def _grid(shape: tuple[int, ...], axes: np.ndarray, angle: float, spacing: tuple[float, float, float]) -> Grid:
    affine = np.eye(4)
    affine[:3, :3] = Rotation.from_euler("xyz", [angle, -angle / 2, angle], degrees=True).as_matrix() @ axes * spacing
    affine[:3, 3] = [5, -80, 33]
    return Grid.from_affine(shape, affine)


@given(
    shape=st.tuples(*[st.integers(1, 7)] * 3),
    axes=st.sampled_from(AXES),
    angle=st.floats(-60, 60),
    spacing=st.tuples(*[st.sampled_from([0.5, 1.0, 3.0])] * 3),
    orientation=st.sampled_from(["RAS", "LPS", "SAR", "PIL"]),
    crop=st.sampled_from([{"crop": "none"}, {"crop": "nonzero"}, {"crop": "centre", "crop_size": (7, 8, 9)}]),
    seed=st.integers(0, 1000),
)
def test_there_and_back_is_exact_without_resampling(shape, axes, angle, spacing, orientation, crop, seed) -> None:
    generator = np.random.default_rng(seed)
    grid = _grid(shape, axes, angle, spacing)
    labels = generator.choice([0, 3, 7, 9], shape).astype(np.int32)
    # Labels lie inside the head, so that a crop to the head loses none.
    image = np.where((labels != 0) | (generator.random(shape) < 0.2), generator.normal(100, 5, shape), 0)
    config = PreparationConfig(orientation=orientation, **crop)
    prepared = prepare_image([Volume(image.astype(np.float32), grid)], config)
    classes = prepare_classes(Volume(labels, grid), TABLE, prepared)
    assert prepared.grid.orientation == orientation or abs(angle) > 30
    assert classes.shape == prepared.data.shape[1:] == prepared.grid.shape
    np.testing.assert_array_equal(restore_classes(classes, prepared), TABLE.to_classes(labels))
    one_hot = np.stack([classes == value for value in (IGNORE, 0, 1, 2)])
    expected = np.stack([TABLE.to_classes(labels) == value for value in (IGNORE, 0, 1, 2)])
    np.testing.assert_array_equal(restore_probabilities(one_hot, prepared, outside=(0, 1, 0, 0)), expected)


def test_voxels_stay_at_their_place_through_all_steps() -> None:
    grid = _grid((20, 22, 12), AXES[2], 17, (1.0, 1.0, 2.0))
    image = np.zeros(grid.shape, np.float32)
    image[4:17, 5:16, 3:9] = 1
    image[8:12, 9:13, 5:7] = 10
    config = PreparationConfig(spacing_mm=(0.8, 0.8, 0.8), crop="nonzero", normalisation="none")
    prepared = prepare_image([Volume(image, grid)], config)
    assert prepared.is_resampled
    np.testing.assert_allclose(prepared.grid.spacing_mm, 0.8)

    def bright_centre(data: np.ndarray, on: Grid) -> np.ndarray:
        where = np.argwhere(data > 5).mean(0)
        return (on.affine @ [*where, 1])[:3]

    np.testing.assert_allclose(bright_centre(prepared.data[0], prepared.grid), bright_centre(image, grid), atol=0.3)
    # The same through the class route and back.
    labels = np.where(image > 5, 7, 0).astype(np.int32)
    classes = prepare_classes(Volume(labels, grid), TABLE, prepared)
    restored = restore_classes(classes, prepared)
    assert restored.shape == grid.shape
    assert restored.dtype == np.int16
    overlap = 2 * ((restored == 2) & (labels == 7)).sum() / ((restored == 2).sum() + (labels == 7).sum())
    assert overlap > 0.9
    soft = restore_probabilities(np.stack([classes != 2, classes == 2]), prepared, outside=[1, 0])
    assert soft.shape == (2, *grid.shape)
    np.testing.assert_allclose(soft.sum(0), 1, atol=1e-5)
    np.testing.assert_array_equal(soft[0, 0, 0], 1)
    assert (soft[1][labels == 7] > 0.4).all()


@pytest.mark.parametrize("interpolation", ["linear", "bspline", "sinc"])
def test_air_stays_air_when_resampled(interpolation) -> None:
    image = np.zeros((24, 24, 24), np.float32)
    image[9:15, 9:15, 9:15] = 1000 + np.random.default_rng(0).normal(0, 100, (6, 6, 6))
    volume = Volume(image, Grid.from_affine(image.shape, np.diag([0.75, 0.75, 0.75, 1])))
    config = PreparationConfig(
        spacing_mm=(0.375,) * 3, interpolation=interpolation, crop="nonzero", normalisation="none"
    )
    prepared = prepare_image([volume], config)
    assert prepared.data.shape == (1, 14, 14, 14)
    assert prepared.box == Box((17, 17, 17), (31, 31, 31))


def test_spacing_that_is_there_already_is_not_resampled() -> None:
    volume = Volume(np.ones((4, 4, 4), np.float32), Grid.from_affine((4, 4, 4), np.diag([1.00001, 1, 1, 1])))
    assert not prepare_image([volume], PreparationConfig(spacing_mm=(1, 1, 1))).is_resampled


def test_a_mask_empties_what_lies_outside_before_the_crop() -> None:
    generator = np.random.default_rng(0)
    grid = Grid.from_affine((8, 9, 10), np.diag([-1, 1, 1, 1]))
    image = Volume(generator.normal(50, 9, grid.shape).astype(np.float32), grid)
    inside = np.zeros(grid.shape, np.int32)
    inside[2:5, 3:7, 4:9] = 1
    prepared = prepare_image([image], PreparationConfig(crop="nonzero"), Volume(inside, grid))
    # Axis 0 is flipped on the way to RAS: 2..4 becomes 3..5.
    assert prepared.box == Box((3, 3, 4), (6, 7, 9))
    np.testing.assert_allclose([prepared.data.mean(), prepared.data.std()], [0, 1], atol=1e-5)
    with pytest.raises(InputError, match="mask is empty"):
        prepare_image([image], PreparationConfig(), Volume(inside * 0, grid))
    resampled = prepare_image(
        [image], PreparationConfig(spacing_mm=(0.5, 0.5, 0.5), crop="nonzero"), Volume(inside, grid)
    )
    assert resampled.data.shape == (1, 6, 8, 10)


def test_channels_are_normalised_each() -> None:
    grid = Grid.from_affine((5, 5, 5), np.eye(4))
    generator = np.random.default_rng(0)
    volumes = [Volume(generator.normal(m, s, grid.shape).astype(np.float32), grid) for m, s in ((5, 1), (900, 70))]
    for name in ("zscore", "zscore_nonzero"):
        data = prepare_image(volumes, PreparationConfig(normalisation=name)).data
        np.testing.assert_allclose(data.mean((1, 2, 3)), 0, atol=1e-4)
        np.testing.assert_allclose(data.std((1, 2, 3)), 1, atol=1e-4)
    data = prepare_image(volumes, PreparationConfig(normalisation="percentile", percentiles=(0, 100))).data
    assert data.min((1, 2, 3)).tolist() == [0, 0]
    assert data.max((1, 2, 3)).tolist() == [1, 1]


@pytest.mark.parametrize("value", [0, 7])
@pytest.mark.parametrize("spacing", [None, (0.6, 0.6, 0.6)])
def test_constant_and_empty_images(value: float, spacing) -> None:
    volume = Volume(np.full((6, 6, 6), value, np.float32), Grid.from_affine((6, 6, 6), np.eye(4)))
    prepared = prepare_image([volume], PreparationConfig(crop="nonzero", spacing_mm=spacing))
    assert prepared.grid.shape == prepared.full_grid.shape
    assert not prepared.data.any()


def test_faults_name_the_file() -> None:
    grid = Grid.from_affine((4, 4, 4), np.eye(4))
    other = Grid.from_affine((4, 4, 5), np.eye(4))
    good = Volume(np.ones((4, 4, 4), np.float32), grid, Path("good.nii"))
    bad = Volume(np.ones((4, 4, 5), np.float32), other, Path("bad.nii"))
    odd = Volume(np.full((4, 4, 4), np.nan, np.float32), grid, Path("odd.nii"))
    config = PreparationConfig()
    with pytest.raises(InputError, match=r"bad\.nii: the channel .* shape 4x4x5 against 4x4x4"):
        prepare_image([good, bad], config)
    with pytest.raises(InputError, match=r"bad\.nii: the mask"):
        prepare_image([good], config, bad)
    with pytest.raises(InputError, match=r"odd\.nii: 64 voxels are NaN"):
        prepare_image([odd], config)
    with pytest.raises(InputError, match=r"bad\.nii: the label map"):
        prepare_classes(bad, TABLE, prepare_image([good], config))


def test_unannotated_voxels_stay_so_when_resampled() -> None:
    grid = Grid.from_affine((6, 6, 6), np.eye(4))
    labels = np.full(grid.shape, 9, np.int32)
    labels[:3] = 3
    config = PreparationConfig(spacing_mm=(0.5, 0.5, 0.5))
    prepared = prepare_image([Volume(np.ones(grid.shape, np.float32), grid)], config)
    classes = prepare_classes(Volume(labels, grid), TABLE, prepared)
    assert (classes[:6] == 1).all()
    assert (classes[6:] == IGNORE).all()


@pytest.mark.parametrize("spacing", [None, (1.1, 1.1, 1.1)])
def test_real_scan_there_and_back(tmp_path: Path, shared_data: Path, spacing) -> None:
    folder = shared_data / "msd-hippocampus"
    path = next(iter(sorted((folder / "imagesTr").glob("hippocampus_*.nii.gz"))))
    image, labels = read_image(path), read_label_map(folder / "labelsTr" / path.name)
    table = LabelTable.from_names({1: "anterior", 2: "posterior"})
    prepared = prepare_image([image], PreparationConfig(spacing_mm=spacing, orientation="LPS"))
    restored = restore_classes(prepare_classes(labels, table, prepared), prepared)
    write_label_map(tmp_path / "m.nii.gz", table.to_values(restored), prepared.source_grid)
    written = read_label_map(tmp_path / "m.nii.gz")
    assert written.grid.same_as(image.grid)
    agreement = (written.data == labels.data)[labels.data > 0].mean()
    assert agreement == 1 if spacing is None else agreement > 0.75


def test_a_crop_to_the_middle_cuts_pads_and_comes_back() -> None:
    grid = _grid((10, 6, 5), AXES[1], 0, (1.0, 1.0, 1.0))
    image = np.arange(1, 301, dtype=np.float32).reshape(grid.shape)
    labels = np.full(grid.shape, 3, np.int32)
    config = PreparationConfig(crop="centre", crop_size=(4, 6, 9), normalisation="none")
    prepared = prepare_image([Volume(image, grid)], config)
    assert prepared.data.shape == (1, 4, 6, 9)
    # Both in-plane axes are flipped on the way to RAS; the third is padded by two on either side.
    np.testing.assert_array_equal(prepared.data[0, :, :, 2:7], image[::-1, ::-1][3:7])
    assert not prepared.data[0, :, :, :2].any()
    assert not prepared.data[0, :, :, 7:].any()
    classes = prepare_classes(Volume(labels, grid), TABLE, prepared)
    back = restore_classes(classes, prepared)
    assert (back[3:7] == 1).all()
    assert back.sum() == 4 * 6 * 5
    assert cut_off_voxels(Volume(labels, grid), TABLE, prepared) == 6 * 6 * 5


def test_a_mask_may_say_only_what_to_cut_out() -> None:
    grid = _grid((12, 12, 12), AXES[2], 0, (1.0, 1.0, 2.0))
    image = np.random.default_rng(0).normal(100, 5, grid.shape).astype(np.float32)
    region = np.zeros(grid.shape, np.int32)
    region[4:6, 5:9, 3:8] = 1
    region[3, 5, 3] = 1
    config = PreparationConfig(crop="mask", crop_margin_mm=2.0, normalisation="none", orientation="RAS")
    prepared = prepare_image([Volume(image, grid)], config, Volume(region, grid))
    whole = prepare_image([Volume(image, grid)], PreparationConfig(normalisation="none"))
    box = prepared.box
    # The region with two millimetres around it, and nothing inside set to zero.
    np.testing.assert_array_equal(
        prepared.data[0], whole.data[0][tuple(slice(a, b) for a, b in zip(box.start, box.stop, strict=True))]
    )
    margins = [round(2.0 / side) for side in whole.grid.spacing_mm]
    extent = [6 - 3, 9 - 5, 8 - 3]
    assert sorted(prepared.data.shape[1:]) == sorted(
        size + 2 * margin for size, margin in zip(extent, [2, 2, 1], strict=True)
    )
    assert sorted(margins) == [1, 2, 2]


def test_a_crop_to_the_mask_needs_one() -> None:
    grid = _grid((4, 4, 4), AXES[0], 0, (1.0, 1.0, 1.0))
    with pytest.raises(InputError, match="crop is mask"):
        prepare_image([Volume(np.ones(grid.shape, np.float32), grid)], PreparationConfig(crop="mask"))


def test_the_size_of_a_crop_belongs_to_the_crop_about_the_middle() -> None:
    for wrong in ({"crop": "centre"}, {"crop_size": (4, 4, 4)}, {"crop": "nonzero", "crop_size": (4, 4, 4)}):
        with pytest.raises(ValueError, match="crop_size"):
            PreparationConfig(**wrong)


def test_a_crop_to_the_middle_may_keep_all_of_an_axis() -> None:
    grid = _grid((10, 6, 5), AXES[1], 0, (1.0, 1.0, 1.0))
    image = np.arange(1, 301, dtype=np.float32).reshape(grid.shape)
    config = PreparationConfig(crop="centre", crop_size=(4, None, 3), normalisation="none")
    prepared = prepare_image([Volume(image, grid)], config)
    np.testing.assert_array_equal(prepared.data[0], image[::-1, ::-1][3:7, :, 1:4])
    labels = np.full(grid.shape, 3, np.int32)
    assert cut_off_voxels(Volume(labels, grid), TABLE, prepared) == 300 - 4 * 6 * 3
    back = restore_classes(np.ones((4, 6, 3), np.int16), prepared)
    assert back.shape == grid.shape
    assert back.sum() == 4 * 6 * 3
