"""Read and write NIfTI-1, NIfTI-2 and MGZ volumes.

A file is recognised by its first bytes, not by its name, and a gzip file is unpacked to its end,
so that its checksum is verified before a voxel is used. Nothing here unpickles.
"""

import gzip
import hashlib
import logging
import zlib
from pathlib import Path

import numpy as np
from nibabel.freesurfer.mghformat import MGHHeader, MGHImage
from nibabel.nifti1 import Nifti1Header, Nifti1Image
from nibabel.nifti2 import Nifti2Header, Nifti2Image

from neurograft.errors import InputError
from neurograft.imaging.grid import MM_PER_UNIT, Grid, Shape, is_usable
from neurograft.imaging.pictures import is_part_of_picture, read_part_of_picture
from neurograft.imaging.volume import Volume
from neurograft.outputs import atomic_file

logger = logging.getLogger(__name__)

SUFFIXES = (".nii.gz", ".nii", ".mgz", ".mgh")
_NIFTI1_LARGEST_AXIS = 32767
_INTEGER_TOLERANCE = 1e-4
"""How far a stored label may lie from an integer: room for scl_slope's float32, and no more."""


def is_image_file(path: Path | str) -> bool:
    """Whether a name is that of a volume; hidden files (such as macOS's ``._x.nii``) are not."""
    name = Path(path).name
    return not name.startswith(".") and name.lower().endswith(SUFFIXES)


def stem(path: Path | str) -> str:
    """A file's name without its folder and its image suffix: "sub-01_T1w"."""
    name = Path(path).name
    for suffix in SUFFIXES:
        if name.lower().endswith(suffix):
            return name[: -len(suffix)]
    return name


def read_image(path: Path | str) -> Volume:
    """Read an image as float32, with the file's intensity scaling applied.

    Raises:
        InputError: not a readable volume, several frames, colour or complex voxels, or an
            unusable affine. NaN and infinite voxels are passed on as they are.
    """
    array, grid = _read(Path(path))
    return Volume(np.ascontiguousarray(array, np.float32), grid, Path(path))


def read_label_map(path: Path | str) -> Volume:
    """Read a label map as int32.

    Raises:
        InputError: as `read_image`, or a voxel that is no integer within 32 bits.
    """
    path = Path(path)
    array, grid = _read(path)
    if array.dtype.kind in "iub":
        rounded = array
    else:
        rounded = np.rint(array)
        with np.errstate(invalid="ignore"):
            odd = ~(np.abs(array - rounded) <= _INTEGER_TOLERANCE)
        if odd.any():
            raise InputError(
                f"a label map holds integers, but {int(odd.sum())} voxels do not, such as {array[odd][0]:g}",
                "Give a label map, not an image or a probability map",
                path,
            )
    limits = np.iinfo(np.int32)
    if rounded.size and (rounded.min() < limits.min or rounded.max() > limits.max):
        raise InputError("label values beyond 32 bits", "Renumber the labels", path)
    return Volume(np.ascontiguousarray(rounded, np.int32), grid, path)


def write_label_map(path: Path | str, data: np.ndarray, grid: Grid) -> None:
    """Write integers in the smallest type that holds them, with the grid's whole geometry.

    Args:
        path: ends in one of `SUFFIXES`, which decides the format; NIfTI-2 stays NIfTI-2.
        data: integers or booleans, of the grid's shape.
        grid: that of the image which the labels belong to.
    """
    data = np.asarray(data)
    if data.dtype.kind not in "iub":
        raise ValueError(f"a label map holds integers, got {data.dtype}")
    types: tuple[type[np.integer], ...] = (np.uint8, np.int16, np.uint16, np.int32)
    if Path(path).name.lower().endswith((".mgz", ".mgh")):
        types = (np.uint8, np.int16, np.int32)
    low, high = int(data.min()), int(data.max())
    for dtype in types:
        if np.iinfo(dtype).min <= low and high <= np.iinfo(dtype).max:
            _write(Path(path), data.astype(dtype), grid)
            return
    raise ValueError(f"label values {low} to {high} do not fit into 32 bits")


def write_image(path: Path | str, data: np.ndarray, grid: Grid) -> None:
    """Write an image as float32, with the grid's whole geometry; see `write_label_map`."""
    _write(Path(path), np.asarray(data, np.float32), grid)


def voxel_hash(volume: Volume) -> str:
    """Fingerprint of a volume's content: SHA-256 of its shape and its values as float32.

    The affine and the file's type and compression do not enter, so a copy that was renamed,
    converted or given another header still has the same fingerprint.
    """
    digest = hashlib.sha256(str(volume.data.shape).encode())
    # Adding zero turns -0.0, which some converters write, into 0.0.
    digest.update((volume.data.astype("<f4") + np.float32(0)).tobytes())
    return digest.hexdigest()


def _read(path: Path) -> tuple[np.ndarray, Grid]:
    array, grid = read_voxels(path)
    if any(size != 1 for size in array.shape[3:]):
        shape = "x".join(map(str, array.shape))
        raise InputError(f"one volume expected, but the shape is {shape}", "Extract one frame of it", path)
    return array.reshape(grid.shape), grid


def read_voxels(path: Path) -> tuple[np.ndarray, Grid]:
    """Read a file of any number of frames, in the file's own type and shape, or a part of a picture.

    Raises:
        InputError: not a readable volume, colour or complex voxels, or an unusable affine.
    """
    if is_part_of_picture(path):
        return read_part_of_picture(path)
    raw = _bytes_of(path)
    try:
        image = _image_class(raw, path).from_bytes(raw)
        array = np.asanyarray(image.dataobj)
        grid = _grid_of(image)
    except InputError:
        raise
    except Exception as error:  # a damaged header can make nibabel raise nearly anything
        raise InputError(
            f"the file is damaged or cut off ({type(error).__name__}: {error})", "Copy or convert it again", path
        ) from error
    if array.dtype.kind not in "iubf":
        raise InputError("colour or complex voxels", "Give an image with one number per voxel", path)
    if 0 in array.shape or not array.shape:
        raise InputError("the image has no voxels", "Copy or convert it again", path)
    if not is_usable(grid.affine):
        raise InputError(
            "the affine in the header is singular or not finite", "Convert it again from the scanner's files", path
        )
    return array, grid


def _bytes_of(path: Path) -> bytes:
    if path.is_dir():
        raise InputError("an image file was expected, but this is a directory", "Give a file in it", path)
    try:
        raw = path.read_bytes()
    except FileNotFoundError as error:
        raise InputError("the file does not exist", "Check the path", path) from error
    except OSError as error:
        raise InputError(f"the file cannot be read ({error.strerror})", "Check its permissions", path) from error
    if not raw:
        raise InputError("the file is empty", "Copy or convert it again", path)
    if raw[:2] != b"\x1f\x8b":
        if path.name.lower().endswith(".gz") and not _is_volume(raw):
            raise InputError("the name says gzip, but the content is not", "Give a NIfTI or MGZ image", path)
        return raw
    try:
        return gzip.decompress(raw)
    except EOFError as error:
        raise InputError("the gzip file is cut off before its end", "Copy or download it again", path) from error
    except (OSError, zlib.error) as error:
        raise InputError(f"the gzip file is damaged ({error})", "Copy or download it again", path) from error


def _is_volume(raw: bytes) -> bool:
    return raw[344:348] in (b"n+1\0", b"ni1\0") or raw[4:8] in (b"n+2\0", b"ni2\0") or raw[:4] == b"\0\0\0\1"


def _image_class(raw: bytes, path: Path) -> type[Nifti1Image] | type[Nifti2Image] | type[MGHImage]:
    if raw[344:348] == b"n+1\0":
        return Nifti1Image
    if raw[4:8] == b"n+2\0":
        return Nifti2Image
    if raw[:4] == b"\0\0\0\1" and path.name.lower().endswith((".mgz", ".mgh")):
        return MGHImage
    if raw[344:348] == b"ni1\0" or raw[4:8] == b"ni2\0":
        raise InputError("the voxels of this header lie in another file", "Convert the pair to .nii.gz", path)
    raise InputError("the content is no NIfTI or MGZ image", "Give a .nii, .nii.gz or .mgz image", path)


def _grid_of(image: Nifti1Image | Nifti2Image | MGHImage) -> Grid:
    header = image.header
    file_shape = tuple(int(size) for size in image.shape)
    padded = (*file_shape, 1, 1, 1)
    shape: Shape = (padded[0], padded[1], padded[2])
    zooms = tuple(float(zoom) for zoom in header.get_zooms()[: len(file_shape)])
    affine = np.array(image.affine, np.float64)
    if isinstance(header, MGHHeader):
        return Grid(shape, affine, file_shape, zooms, affine, 1, affine, 1, file_format="mgz")
    try:
        spatial, temporal = header.get_xyzt_units()
    except KeyError:  # a code outside the standard
        spatial = temporal = "unknown"
    qform, qform_code = None, 0
    try:
        qform, qform_code = header.get_qform(coded=False), int(header["qform_code"])
    except Exception as error:  # an impossible quaternion; the affine then came from the sform
        logger.debug("the qform is dropped: %s", error)
    affine[:3] *= MM_PER_UNIT[spatial]
    return Grid(
        shape=shape,
        affine=affine,
        file_shape=file_shape,
        zooms=zooms,
        qform=qform,
        qform_code=qform_code,
        sform=header.get_sform(coded=False),
        sform_code=int(header["sform_code"]),
        spatial_unit=spatial,
        temporal_unit=temporal,
        file_format="nifti2" if isinstance(header, Nifti2Header) else "nifti1",
    )


def _write(path: Path, data: np.ndarray, grid: Grid) -> None:
    if data.shape != grid.shape:
        raise ValueError(f"data of shape {data.shape} cannot lie on a grid of shape {grid.shape}")
    data = data.reshape(grid.file_shape)
    name = path.name.lower()
    if not name.endswith(SUFFIXES):
        raise InputError(f"an image's name must end in one of {', '.join(SUFFIXES)}", "Choose another name", path)
    image: Nifti1Image | MGHImage
    if name.endswith((".mgz", ".mgh")):
        image = MGHImage(data.reshape(grid.shape), grid.affine)
    elif grid.file_format == "nifti2" or max(grid.shape) > _NIFTI1_LARGEST_AXIS:
        image = _nifti(data, grid, Nifti2Image, Nifti2Header)
    else:
        image = _nifti(data, grid, Nifti1Image, Nifti1Header)
    raw = image.to_bytes()
    with atomic_file(path) as temporary:
        # No time stamp and no name inside, so that the same voxels always give the same bytes.
        temporary.write_bytes(gzip.compress(raw, 6, mtime=0) if name.endswith((".gz", ".mgz")) else raw)


def _nifti(
    data: np.ndarray, grid: Grid, image_class: type[Nifti1Image], header_class: type[Nifti1Header]
) -> Nifti1Image:
    header = header_class()
    header.set_data_dtype(data.dtype)
    header.set_data_shape(grid.file_shape)
    header.set_zooms(grid.zooms)
    header.set_xyzt_units(grid.spatial_unit, grid.temporal_unit)
    header.set_sform(np.zeros((4, 4)) if grid.sform is None else grid.sform, grid.sform_code)
    header.set_qform(grid.qform, grid.qform_code)
    return image_class(data, header.get_best_affine(), header)
