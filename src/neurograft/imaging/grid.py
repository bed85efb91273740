"""Where the voxels of a volume lie, and what its file said about that.

An affine takes voxel indices to millimetres in the RAS+ frame (x to the right, y to the front,
z up). NIfTI files hold up to two of them, each with a code, in a unit of their own choice;
a grid keeps all of it, so that a mask written onto the grid of an image carries the same header
geometry as the image.
"""

from dataclasses import dataclass, replace
from itertools import product
from typing import Literal

import nibabel
import numpy as np

FileFormat = Literal["nifti1", "nifti2", "mgz"]
Shape = tuple[int, int, int]

MM_PER_UNIT = {"unknown": 1.0, "mm": 1.0, "meter": 1000.0, "micron": 0.001}
"""Spatial units of NIfTI; a file that names none is taken to be in millimetres."""


@dataclass(frozen=True, eq=False)
class Grid:
    """A regular grid of voxels in space.

    Args:
        shape: voxels along each axis.
        affine: (4, 4) float64, voxel index to RAS+ millimetres.
        file_shape: the shape in the file, which may end in axes of length one, (x, y, z, 1).
        zooms: voxel sizes as the file states them, one per axis of `file_shape`, in file units.
        qform, sform: (4, 4), in file units; ``None`` where the file has none.
        qform_code, sform_code: NIfTI's codes, 0 to 5.
        spatial_unit, temporal_unit: as nibabel names them.
        file_format: what the grid was read from, and will be written as.
    """

    shape: Shape
    affine: np.ndarray
    file_shape: tuple[int, ...]
    zooms: tuple[float, ...]
    qform: np.ndarray | None = None
    qform_code: int = 0
    sform: np.ndarray | None = None
    sform_code: int = 0
    spatial_unit: str = "mm"
    temporal_unit: str = "unknown"
    file_format: FileFormat = "nifti1"

    def __post_init__(self) -> None:
        for name in ("affine", "qform", "sform"):
            matrix = getattr(self, name)
            if matrix is not None:
                frozen = np.array(matrix, np.float64)
                frozen.setflags(write=False)
                object.__setattr__(self, name, frozen)

    @classmethod
    def from_affine(cls, shape: tuple[int, ...], affine: np.ndarray, code: int = 1) -> "Grid":
        """Make a grid that has no file yet.

        Args:
            shape: three voxel counts.
            affine: (4, 4), voxel index to RAS+ millimetres.
            code: NIfTI code for both qform and sform: 1 scanner, 2 aligned, 4 MNI. A sheared
                affine has no qform, so its qform code is 0.

        Raises:
            ValueError: not three voxel counts, or an affine that cannot be inverted.
        """
        if len(shape) != 3 or min(shape) < 1:
            raise ValueError(f"a grid needs three positive voxel counts, got {shape}")
        affine = np.asarray(affine, np.float64)
        if not is_usable(affine):
            raise ValueError(f"the affine cannot be inverted: {affine.tolist()}")
        sheared = is_sheared(affine)
        counts: Shape = (int(shape[0]), int(shape[1]), int(shape[2]))
        return cls(
            shape=counts,
            affine=affine,
            file_shape=counts,
            zooms=_column_lengths(affine),
            qform=None if sheared else affine,
            qform_code=0 if sheared else code,
            sform=affine,
            sform_code=code,
        )

    @property
    def spacing_mm(self) -> tuple[float, float, float]:
        """Voxel size along each axis."""
        return _column_lengths(self.affine)

    @property
    def orientation(self) -> str:
        """The direction in which each axis rises, for example "RAS"."""
        return "".join(code or "?" for code in nibabel.aff2axcodes(self.affine))

    @property
    def voxel_volume_mm3(self) -> float:
        """Volume of a voxel, right for sheared grids too."""
        return float(abs(np.linalg.det(self.affine[:3, :3])))

    def same_as(self, other: "Grid", tolerance_mm: float = 1e-3) -> bool:
        """Whether both have the same shape and no corner lies further apart than the tolerance."""
        return self.shape == other.shape and self.corner_distance_mm(other) <= tolerance_mm

    def corner_distance_mm(self, other: "Grid") -> float:
        """Largest distance between where the two affines put an outer corner of this grid."""
        corners = np.array([[*corner, 1.0] for corner in product(*((-0.5, size - 0.5) for size in self.shape))])
        offsets = corners @ (self.affine - other.affine).T
        return float(np.linalg.norm(offsets[:, :3], axis=1).max())

    def difference(self, other: "Grid") -> str:
        """Say in words what differs from another grid; empty when nothing does.

        Example:
            >>> a = Grid.from_affine((4, 4, 4), np.eye(4))
            >>> a.difference(Grid.from_affine((4, 4, 5), np.eye(4)))
            'shape 4x4x4 against 4x4x5'
        """
        found = []
        if self.shape != other.shape:
            found.append(f"shape {_by(self.shape)} against {_by(other.shape)}")
        if not np.allclose(self.spacing_mm, other.spacing_mm, atol=1e-4):
            found.append(f"voxels of {_by(self.spacing_mm)} mm against {_by(other.spacing_mm)} mm")
        if self.orientation != other.orientation:
            found.append(f"orientation {self.orientation} against {other.orientation}")
        if not found and not self.same_as(other):
            found.append(f"position: corners lie up to {self.corner_distance_mm(other):.3g} mm apart")
        return ", ".join(found)

    def derived(self, shape: Shape, to_this: np.ndarray) -> "Grid":
        """A grid whose voxels relate to this one's by an affine map of voxel indices.

        The qform and sform follow the map and keep their codes. A file without any code gets
        sform code 1, because what NIfTI assumes without a code no longer holds.

        Args:
            shape: voxels along the new axes.
            to_this: (4, 4), index in the new grid to index in this one. A qform cannot hold
                a shear, so this should be made of flips, permutations, scales and shifts.
        """
        affine = self.affine @ to_this
        in_file_units = affine.copy()
        in_file_units[:3] /= MM_PER_UNIT[self.spatial_unit]
        coded = self.qform_code > 0 or self.sform_code > 0
        sform = in_file_units if not coded else None if self.sform is None else self.sform @ to_this
        return replace(
            self,
            shape=shape,
            affine=affine,
            file_shape=(*shape, *self.file_shape[3:]),
            zooms=(*_column_lengths(in_file_units), *self.zooms[3:]),
            qform=None if self.qform is None else self.qform @ to_this,
            sform=sform,
            sform_code=self.sform_code if coded else 1,
        )


def is_usable(affine: np.ndarray) -> bool:
    """Whether an affine is finite and can be inverted safely."""
    if affine.shape != (4, 4) or not np.isfinite(affine).all():
        return False
    lengths = np.prod(_column_lengths(affine))
    return bool(lengths > 0 and abs(np.linalg.det(affine[:3, :3])) > 1e-4 * lengths)


def is_sheared(affine: np.ndarray) -> bool:
    """Whether the axes are not at right angles, so that no rotation and scale describes them."""
    directions = affine[:3, :3] / np.array(_column_lengths(affine))
    return not np.allclose(directions.T @ directions, np.eye(3), atol=1e-4)


def _column_lengths(affine: np.ndarray) -> tuple[float, float, float]:
    first, second, third = (float(length) for length in np.linalg.norm(affine[:3, :3], axis=0))
    return first, second, third


def _by(values: tuple[float, ...]) -> str:
    return "x".join(f"{value:.4g}" if isinstance(value, float) else str(value) for value in values)
