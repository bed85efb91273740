"""Volumes of several frames, such as the probability maps of an atlas: one 4D NIfTI file."""

import gzip
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
from nibabel.nifti1 import Nifti1Header, Nifti1Image
from nibabel.nifti2 import Nifti2Header, Nifti2Image
from numpy.typing import NDArray

from neurograft.errors import InputError
from neurograft.imaging.files import read_voxels
from neurograft.imaging.grid import Grid
from neurograft.outputs import atomic_file

STEPS = 255
"""Probabilities are kept in whole steps of 1 / 255: a byte a voxel, which also unpacks four times faster."""


def read_frames(path: Path | str) -> tuple[NDArray[np.float32], Grid]:
    """Read a file of one frame or several.

    Returns:
        float32 (K, D, H, W), and the grid of a frame.

    Raises:
        InputError: as `read_image`, or more than four axes that count.
    """
    path = Path(path)
    array, grid = read_voxels(path)
    if any(size != 1 for size in array.shape[4:]):
        shape = "x".join(map(str, array.shape))
        raise InputError(f"frames in one row were expected, but the shape is {shape}", "Give a 4D file", path)
    frames = array.reshape(*grid.shape, -1)
    data = np.ascontiguousarray(np.moveaxis(frames, -1, 0), np.float32)
    return data, replace(grid, file_shape=grid.shape, zooms=grid.zooms[:3])


def write_probabilities(path: Path, frames: NDArray[np.float32] | Sequence[NDArray[np.float32]], grid: Grid) -> None:
    """Write probability maps as frames of one NIfTI file, in steps of 1 / 255.

    Args:
        path: ends in ``.nii`` or ``.nii.gz``.
        frames: (K, D, H, W) within 0 to 1.
        grid: of each frame.
    """
    data = np.empty((*grid.shape, len(frames)), np.uint8)
    for number, frame in enumerate(frames):
        data[..., number] = np.rint(np.clip(frame, 0, 1) * STEPS)
    two = grid.file_format == "nifti2"
    header = (Nifti2Header if two else Nifti1Header)()
    header.set_data_dtype(np.uint8)
    header.set_data_shape(data.shape)
    header.set_zooms((*grid.zooms[:3], 1.0))
    header.set_xyzt_units(grid.spatial_unit, "unknown")
    header.set_sform(np.zeros((4, 4)) if grid.sform is None else grid.sform, grid.sform_code)
    header.set_qform(grid.qform, grid.qform_code)
    image = (Nifti2Image if two else Nifti1Image)(data, header.get_best_affine(), header)
    image.header.set_slope_inter(1 / STEPS, 0)
    raw = image.to_bytes()
    with atomic_file(path) as temporary:
        # No time stamp and no name inside, so that the same voxels always give the same bytes.
        temporary.write_bytes(gzip.compress(raw, 6, mtime=0) if path.name.endswith(".gz") else raw)
