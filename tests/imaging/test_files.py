import gzip
from pathlib import Path

import nibabel
import numpy as np
import pytest

from neurograft.errors import InputError
from neurograft.imaging.files import (
    is_image_file,
    read_image,
    read_label_map,
    stem,
    voxel_hash,
    write_image,
    write_label_map,
)
from neurograft.imaging.grid import Grid
from neurograft.imaging.volume import Volume

SHAPE = (5, 6, 7)


def _rotation(degrees: float) -> np.ndarray:
    angle = np.deg2rad(degrees)
    about_z = np.array([[np.cos(angle), -np.sin(angle), 0], [np.sin(angle), np.cos(angle), 0], [0, 0, 1]])
    about_x = np.array([[1, 0, 0], [0, np.cos(angle), -np.sin(angle)], [0, np.sin(angle), np.cos(angle)]])
    return about_z @ about_x


def _affine(directions: np.ndarray, spacing: tuple[float, float, float] = (1, 1, 1)) -> np.ndarray:
    affine = np.eye(4)
    affine[:3, :3] = directions * spacing
    affine[:3, 3] = [-12.5, 30.25, 7]
    return affine


AFFINES = {
    "plain": _affine(np.eye(3)),
    "flipped": _affine(np.diag([-1, -1, 1])),
    "permuted": _affine(np.array([[0, 0, 1], [-1, 0, 0], [0, 1, 0]])),
    "oblique": _affine(_rotation(17)),
    "anisotropic": _affine(np.diag([-1, 1, 1]), (0.4, 0.4, 3)),
    "oblique anisotropic": _affine(_rotation(45), (0.5, 0.9, 2.5)),
}


def _save_nifti(path: Path, data: np.ndarray, affine: np.ndarray, image_class=nibabel.Nifti1Image, **changes) -> None:
    """Write a file with nibabel alone; `changes` are header fields, or codes of the two affines."""
    image = image_class(data, affine)
    image.set_qform(changes.pop("qform", affine), changes.pop("qform_code", 1))
    image.set_sform(changes.pop("sform", affine), changes.pop("sform_code", 1))
    for key, value in changes.items():
        image.header[key] = value
    nibabel.save(image, path)


def _assert_same_geometry(first: Path, second: Path) -> None:
    one, two = nibabel.load(first), nibabel.load(second)
    assert one.shape == two.shape
    assert type(one) is type(two)
    np.testing.assert_allclose(one.affine, two.affine, rtol=0, atol=1e-6)
    if isinstance(one, nibabel.Nifti1Image):
        for field in ("qform_code", "sform_code", "xyzt_units", "dim"):
            assert (one.header[field] == two.header[field]).all(), field
        # Beyond the axes in use pixdim means nothing, and writers differ.
        assert one.header.get_zooms() == pytest.approx(two.header.get_zooms(), abs=1e-6)
        assert one.header["pixdim"][0] == two.header["pixdim"][0]
        for field in ("quatern_b", "quatern_c", "quatern_d", "qoffset_x", "qoffset_y", "qoffset_z"):
            np.testing.assert_allclose(one.header[field], two.header[field], atol=1e-6, err_msg=field)
        np.testing.assert_array_equal(one.header.get_sform(coded=False), two.header.get_sform(coded=False))


@pytest.mark.parametrize("affine", AFFINES.values(), ids=AFFINES)
@pytest.mark.parametrize("image_class", [nibabel.Nifti1Image, nibabel.Nifti2Image, nibabel.MGHImage])
@pytest.mark.parametrize("suffix", [".nii.gz", ".nii"])
def test_a_mask_lies_where_the_image_lies(tmp_path: Path, affine: np.ndarray, image_class, suffix: str) -> None:
    data = np.arange(np.prod(SHAPE), dtype=np.float32).reshape(SHAPE)
    if image_class is nibabel.MGHImage:
        suffix = ".mgz" if suffix == ".nii.gz" else ".mgh"
        nibabel.save(image_class(data, affine), tmp_path / f"image{suffix}")
    else:
        _save_nifti(tmp_path / f"image{suffix}", data, affine, image_class)
    volume = read_image(tmp_path / f"image{suffix}")
    np.testing.assert_array_equal(volume.data, data)
    np.testing.assert_allclose(volume.grid.affine, affine, atol=1e-5)
    write_label_map(tmp_path / f"mask{suffix}", volume.data > 50, volume.grid)
    _assert_same_geometry(tmp_path / f"image{suffix}", tmp_path / f"mask{suffix}")
    np.testing.assert_array_equal(read_label_map(tmp_path / f"mask{suffix}").data, data > 50)


@pytest.mark.parametrize(
    "changes",
    [
        {"qform_code": 1, "sform_code": 4, "sform": AFFINES["oblique"]},
        {"qform_code": 2, "sform_code": 0},
        {"qform_code": 0, "sform_code": 3},
        {"qform_code": 0, "sform_code": 0},
        {"xyzt_units": 0},
        {"xyzt_units": 1},
        {"xyzt_units": 3 + 16},
        {"pixdim": [1, 9, 9, 9, 1, 1, 1, 1], "qform_code": 0},
    ],
    ids=str,
)
def test_codes_units_and_both_affines_are_kept(tmp_path: Path, changes: dict) -> None:
    path = tmp_path / "image.nii.gz"
    _save_nifti(path, np.zeros(SHAPE, np.int16), AFFINES["anisotropic"], **changes)
    write_label_map(tmp_path / "mask.nii.gz", np.ones(SHAPE, int), read_image(path).grid)
    _assert_same_geometry(path, tmp_path / "mask.nii.gz")


@pytest.mark.parametrize("qform_code", [0, 1])
def test_an_impossible_quaternion_is_dropped_where_the_sform_counts(tmp_path: Path, qform_code: int) -> None:
    path = tmp_path / "image.nii"
    _save_nifti(path, np.zeros(SHAPE, np.int16), AFFINES["oblique"], qform_code=qform_code, quatern_b=3.0)
    write_label_map(tmp_path / "mask.nii", np.ones(SHAPE, int), read_image(path).grid)
    mask = nibabel.load(tmp_path / "mask.nii")
    assert (mask.header["qform_code"], mask.header["sform_code"]) == (0, 1)
    np.testing.assert_array_equal(mask.affine, nibabel.load(path).affine)
    broken = bytearray(path.read_bytes())
    broken[252:256] = np.array([1, 0], "<i2").tobytes()  # qform code 1, sform code 0
    path.write_bytes(broken)
    with pytest.raises(InputError, match="damaged"):
        read_image(path)


@pytest.mark.parametrize(("unit", "factor"), [(1, 1000), (2, 1), (3, 0.001), (0, 1)])
def test_the_grid_is_in_millimetres(tmp_path: Path, unit: int, factor: float) -> None:
    _save_nifti(tmp_path / "i.nii", np.zeros(SHAPE, np.int16), AFFINES["anisotropic"], xyzt_units=unit)
    grid = read_image(tmp_path / "i.nii").grid
    np.testing.assert_allclose(grid.spacing_mm, np.array([0.4, 0.4, 3]) * factor, rtol=1e-6)


@pytest.mark.parametrize("shape", [(5, 6, 7, 1), (5, 6, 7, 1, 1), (5, 6), (5, 6, 1)])
def test_axes_of_length_one_come_back(tmp_path: Path, shape: tuple[int, ...]) -> None:
    path = tmp_path / "image.nii.gz"
    pixdim = [1, 1, 1, 1, 2.5, 3.5, 1, 1]  # the fourth is the repetition time
    _save_nifti(path, np.zeros(shape, np.int16), AFFINES["oblique"], pixdim=pixdim)
    volume = read_image(path)
    assert volume.data.shape == (*shape, 1)[:3]
    write_label_map(tmp_path / "mask.nii.gz", np.zeros(volume.grid.shape, int), volume.grid)
    _assert_same_geometry(path, tmp_path / "mask.nii.gz")


def test_intensity_scaling_is_applied(tmp_path: Path) -> None:
    image = nibabel.Nifti1Image(np.array([[[0, 1, 2]]], np.int16), np.eye(4))
    image.header.set_slope_inter(0.5, -3)
    nibabel.save(image, tmp_path / "i.nii")
    np.testing.assert_allclose(read_image(tmp_path / "i.nii").data, [[[-3, -2.5, -2]]])
    with pytest.raises(InputError, match=r"such as -2\.5"):
        read_label_map(tmp_path / "i.nii")


@pytest.mark.parametrize("byte_order", ["<", ">"])
def test_both_byte_orders(tmp_path: Path, byte_order: str) -> None:
    header = nibabel.Nifti1Header(endianness=byte_order)
    header.set_data_dtype(np.int16)
    data = np.arange(24, dtype=np.int16).reshape(2, 3, 4)
    nibabel.save(nibabel.Nifti1Image(data, np.eye(4), header), tmp_path / "i.nii")
    assert (tmp_path / "i.nii").read_bytes()[:4] == np.array(348, f"{byte_order}i4").tobytes()
    np.testing.assert_array_equal(read_label_map(tmp_path / "i.nii").data, data)


@pytest.mark.parametrize(
    ("values", "suffix", "dtype"),
    [
        ((0, 255), ".nii.gz", np.uint8),
        ((0, 256), ".nii", np.int16),
        ((-1, 2), ".nii", np.int16),
        ((0, 40000), ".nii", np.uint16),
        ((0, 40000), ".mgz", np.int32),
        ((0, 70000), ".nii", np.int32),
        ((-1, 40000), ".nii", np.int32),
    ],
)
def test_the_smallest_type_is_written(tmp_path: Path, values: tuple[int, int], suffix: str, dtype: type) -> None:
    data = np.full((2, 2, 2), values[0])
    data[0, 0, 0] = values[1]
    write_label_map(tmp_path / f"m{suffix}", data, Grid.from_affine((2, 2, 2), np.eye(4)))
    assert nibabel.load(tmp_path / f"m{suffix}").get_data_dtype().newbyteorder("=") == dtype
    read = read_label_map(tmp_path / f"m{suffix}").data
    assert read.dtype == np.int32
    np.testing.assert_array_equal(read, data)


def test_what_is_written_is_checked(tmp_path: Path) -> None:
    grid = Grid.from_affine((2, 2, 2), np.eye(4))
    with pytest.raises(ValueError, match="integers"):
        write_label_map(tmp_path / "m.nii", np.zeros((2, 2, 2)), grid)
    with pytest.raises(ValueError, match="shape"):
        write_image(tmp_path / "m.nii", np.zeros((2, 2, 3)), grid)
    with pytest.raises(ValueError, match="32 bits"):
        write_label_map(tmp_path / "m.nii", np.full((2, 2, 2), 2**40), grid)
    with pytest.raises(InputError, match=r"\.nii\.gz"):
        write_image(tmp_path / "m.png", np.zeros((2, 2, 2)), grid)
    assert list(tmp_path.iterdir()) == []


def test_the_same_voxels_give_the_same_bytes(tmp_path: Path) -> None:
    grid = Grid.from_affine((2, 2, 2), np.eye(4))
    for name in ("a.nii.gz", "b.nii.gz", "c.mgz", "d.mgz"):
        write_image(tmp_path / name, np.ones((2, 2, 2)), grid)
    assert (tmp_path / "a.nii.gz").read_bytes() == (tmp_path / "b.nii.gz").read_bytes()
    assert (tmp_path / "c.mgz").read_bytes() == (tmp_path / "d.mgz").read_bytes()
    assert (tmp_path / "a.nii.gz").read_bytes()[4:8] == bytes(4)  # no time stamp


def test_a_new_grid_carries_its_code(tmp_path: Path) -> None:
    write_image(tmp_path / "i.nii.gz", np.ones(SHAPE), Grid.from_affine(SHAPE, AFFINES["oblique"], code=4))
    image = nibabel.load(tmp_path / "i.nii.gz")
    assert image.get_data_dtype() == np.float32
    assert (image.header["qform_code"], image.header["sform_code"]) == (4, 4)
    np.testing.assert_allclose(image.get_qform(), AFFINES["oblique"], atol=1e-5)
    assert image.header.get_xyzt_units()[0] == "mm"


def _good(tmp_path: Path) -> bytes:
    data = np.random.default_rng(0).integers(0, 1000, (20, 20, 20)).astype(np.int16)
    _save_nifti(tmp_path / "good.nii", data, np.eye(4))
    return (tmp_path / "good.nii").read_bytes()


def test_every_broken_file_is_named_with_a_mend(tmp_path: Path) -> None:
    good = _good(tmp_path)
    packed = gzip.compress(good)
    flipped = bytearray(packed)
    flipped[len(packed) // 2] ^= 0xFF
    singular = tmp_path / "singular.nii"
    _save_nifti(singular, np.zeros((2, 2, 2), np.int16), np.eye(4))
    broken = bytearray(singular.read_bytes())
    broken[280:328] = bytes(48)
    cases = {
        "cut.nii.gz": (packed[: len(packed) // 2], "cut off"),
        "tail.nii.gz": (packed[:-4], "cut off"),
        "flipped.nii.gz": (bytes(flipped), "damaged"),
        "text.nii.gz": (b"this is text\n" * 100, "not"),
        "text.nii": (b"this is text\n" * 100, "no NIfTI"),
        "packed_text.nii.gz": (gzip.compress(b"this is text\n" * 100), "no NIfTI"),
        "text.mgz": (b"hello", "no NIfTI"),
        "short.mgz": (gzip.compress(b"\0\0\0\1" + bytes(20)), "damaged or cut off"),
        "header_only.nii": (good[:352], "damaged or cut off"),
        "half.nii": (good[:5000], "damaged or cut off"),
        "half_header.nii": (good[:348], "damaged or cut off"),
        "empty.nii.gz": (b"", "empty"),
        "singular.nii": (bytes(broken), "singular"),
        "pair.hdr.nii": (good[:344] + b"ni1\0" + good[348:], "another file"),
    }
    for name, (content, message) in cases.items():
        path = tmp_path / name
        path.write_bytes(content)
        for read in (read_image, read_label_map):
            with pytest.raises(InputError, match=message) as caught:
                read(path)
            assert caught.value.file == path, name
            assert caught.value.mend, name


def test_an_impossible_shape_in_the_header_is_an_input_error(tmp_path: Path) -> None:
    content = bytearray(_good(tmp_path))
    content[42:48] = np.array([32000, 32000, 32000], "<i2").tobytes()
    (tmp_path / "huge.nii").write_bytes(content)
    with pytest.raises(InputError, match="damaged"):
        read_image(tmp_path / "huge.nii")


def test_missing_files_and_directories(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="does not exist"):
        read_image(tmp_path / "nothing.nii.gz")
    (tmp_path / "folder.nii.gz").mkdir()
    with pytest.raises(InputError, match="directory"):
        read_image(tmp_path / "folder.nii.gz")


def test_several_frames_colour_and_complex_voxels_are_refused(tmp_path: Path) -> None:
    nibabel.save(nibabel.Nifti1Image(np.zeros((2, 2, 2, 3), np.int16), np.eye(4)), tmp_path / "frames.nii")
    nibabel.save(nibabel.Nifti1Image(np.zeros((2, 2, 2), np.complex64), np.eye(4)), tmp_path / "complex.nii")
    colour = np.zeros((2, 2, 2), [("R", "u1"), ("G", "u1"), ("B", "u1")])
    nibabel.save(nibabel.Nifti1Image(colour, np.eye(4)), tmp_path / "colour.nii")
    for name, message in (("frames", "2x2x2x3"), ("complex", "complex"), ("colour", "colour")):
        with pytest.raises(InputError, match=message):
            read_image(tmp_path / f"{name}.nii")


def test_label_maps_hold_integers(tmp_path: Path) -> None:
    for name, value in (("half", 1.5), ("nan", np.nan), ("inf", np.inf)):
        data = np.zeros((2, 2, 2), np.float32)
        data[1, 1, 1] = value
        nibabel.save(nibabel.Nifti1Image(data, np.eye(4)), tmp_path / f"{name}.nii")
        with pytest.raises(InputError, match=f"1 voxels do not, such as {value:g}"):
            read_label_map(tmp_path / f"{name}.nii")
    nibabel.save(nibabel.Nifti1Image(np.full((2, 2, 2), 2.99999, np.float32), np.eye(4)), tmp_path / "f.nii")
    assert (read_label_map(tmp_path / "f.nii").data == 3).all()
    nibabel.save(nibabel.Nifti1Image(np.full((2, 2, 2), 2**40), np.eye(4), dtype=np.int64), tmp_path / "big.nii")
    with pytest.raises(InputError, match="32 bits"):
        read_label_map(tmp_path / "big.nii")


def test_a_volume_misnamed_as_gzip_is_still_read(tmp_path: Path) -> None:
    (tmp_path / "i.nii.gz").write_bytes(_good(tmp_path))
    (tmp_path / "i.nii").write_bytes(gzip.compress(_good(tmp_path)))
    np.testing.assert_array_equal(read_image(tmp_path / "i.nii.gz").data, read_image(tmp_path / "i.nii").data)


def test_names() -> None:
    assert stem("a/b/sub-01_T1w.nii.gz") == "sub-01_T1w"
    assert stem("x.y.MGZ") == "x.y"
    assert stem("table.tsv") == "table.tsv"
    assert is_image_file("a.NII.gz")
    assert not is_image_file("._a.nii.gz")
    assert not is_image_file("a.json")


def test_voxel_hash_sees_the_voxels_alone(tmp_path: Path) -> None:
    data = np.arange(24, dtype=np.float32).reshape(2, 3, 4)
    grid, other = Grid.from_affine((2, 3, 4), np.eye(4)), Grid.from_affine((2, 3, 4), np.diag([-2, 2, 2, 1]))
    first = voxel_hash(Volume(data, grid))
    assert first == voxel_hash(Volume(data.astype(np.int32), other))
    assert voxel_hash(Volume(np.asfortranarray(data), grid)) == first
    assert voxel_hash(Volume(data * np.float32(1.0001), grid)) != first
    assert voxel_hash(Volume(data.reshape(4, 3, 2), Grid.from_affine((4, 3, 2), np.eye(4)))) != first
    zero = np.zeros((2, 3, 4), np.float32)
    assert voxel_hash(Volume(zero, grid)) == voxel_hash(Volume(-zero, grid))


def test_real_scans_are_rewritten_in_place(tmp_path: Path, shared_data: Path) -> None:
    folder = shared_data / "miccai2012-train"
    image = next(iter(sorted(folder.glob("sub-*/anat/*_T1w.nii.gz"))))
    label = next(iter(sorted(folder.glob("derivatives/manual/sub-*/anat/*_dseg.nii.gz"))))
    volume, labels = read_image(image), read_label_map(label)
    assert volume.grid.same_as(labels.grid)
    assert volume.grid.orientation == "LAS"
    write_label_map(tmp_path / "m.nii.gz", labels.data, volume.grid)
    _assert_same_geometry(image, tmp_path / "m.nii.gz")
    np.testing.assert_array_equal(np.asanyarray(nibabel.load(tmp_path / "m.nii.gz").dataobj), labels.data)
