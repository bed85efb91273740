"""Smooth random fields on cubic B-splines: deformations that never fold, bias fields, tissue texture.

A field is a coarse lattice of coefficients in millimetre space. It can be evaluated on any grid,
coarse or fine, and gives the same field on each.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import map_coordinates

FloatArray = NDArray[np.float64]
Extent = Sequence[tuple[float, float]]

_INJECTIVE_SHARE = 0.4
"""A uniform cubic B-spline deformation of three-space is one-to-one if no coefficient exceeds the knot
spacing divided by 2.479 (Choi and Lee 2000, Injectivity conditions of 2D and 3D uniform cubic
B-spline functions, Graphical Models 62)."""

_BASIS_SD = 0.4793**1.5
"""Standard deviation of a field in three dimensions whose coefficients are independent with standard
deviation 1: the integral of the squared cubic B-spline is 151/315 = 0.4793 in each dimension."""


@dataclass(frozen=True, eq=False)
class SplineField:
    """A smooth field over a box.

    Args:
        coefficients: shape (components, i, j, k).
        origin_mm: position of the first knot on each axis.
        knot_spacing_mm: distance between knots, the same on each axis.
    """

    coefficients: FloatArray
    origin_mm: tuple[float, float, float]
    knot_spacing_mm: float

    def on_axes(self, axes_mm: Sequence[FloatArray]) -> FloatArray:
        """Evaluate on the grid spanned by three coordinate axes.

        Args:
            axes_mm: three 1-D arrays of coordinates, of lengths D, H and W.

        Returns:
            Shape (components, D, H, W).
        """
        field = self.coefficients
        for axis, (coordinates, origin) in enumerate(zip(axes_mm, self.origin_mm, strict=True)):
            basis = _basis_matrix((coordinates - origin) / self.knot_spacing_mm, field.shape[axis + 1])
            field = np.moveaxis(np.tensordot(basis, field, axes=(1, axis + 1)), 0, axis + 1)
        return field


def draw_field(
    extent_mm: Extent,
    knot_spacing_mm: float,
    sd: float,
    generator: np.random.Generator,
    components: int = 1,
    limit: float | None = None,
) -> SplineField:
    """Draw a stationary random field over a box.

    Args:
        extent_mm: lowest and highest coordinate on each of the three axes.
        knot_spacing_mm: length over which the field varies.
        sd: standard deviation of the field's values, in whatever unit they have.
        generator: source of the coefficients.
        components: number of independent components.
        limit: largest allowed size of a coefficient; larger ones are set to it.
    """
    # One knot before the first and two behind the last coordinate have influence inside the box.
    shape = [int(np.ceil((high - low) / knot_spacing_mm)) + 4 for low, high in extent_mm]
    coefficients = generator.normal(0.0, sd / _BASIS_SD, size=(components, *shape))
    if limit is not None:
        coefficients = np.clip(coefficients, -limit, limit)
    x, y, z = (low - knot_spacing_mm for low, _ in extent_mm)
    return SplineField(coefficients, (x, y, z), knot_spacing_mm)


def grow_field(
    field: SplineField, extent_mm: Extent, sd: float, generator: np.random.Generator, limit: float | None = None
) -> SplineField:
    """Carry a random field on to a larger box; over the box that it was drawn for it stays the same.

    Args:
        field: made by `draw_field`.
        extent_mm: lowest and highest coordinate on each of the three axes of the larger box.
        sd: standard deviation of the field's values.
        generator: source of the new coefficients.
        limit: largest allowed size of a coefficient.
    """
    knot = field.knot_spacing_mm
    own = field.coefficients.shape[1:]
    before = [
        max(int(np.ceil((origin + knot - low) / knot)), 0)
        for origin, (low, _) in zip(field.origin_mm, extent_mm, strict=True)
    ]
    x, y, z = (origin - count * knot for origin, count in zip(field.origin_mm, before, strict=True))
    shape = [
        max(int(np.ceil((high - first) / knot)) + 3, count + size)
        for first, (_, high), count, size in zip((x, y, z), extent_mm, before, own, strict=True)
    ]
    coefficients = generator.normal(0.0, sd / _BASIS_SD, size=(len(field.coefficients), *shape))
    if limit is not None:
        coefficients = np.clip(coefficients, -limit, limit)
    inner = tuple(slice(count, count + size) for count, size in zip(before, own, strict=True))
    coefficients[(slice(None), *inner)] = field.coefficients
    return SplineField(coefficients, (x, y, z), knot)


def draw_deformation(
    extent_mm: Extent, amplitude_mm: float, generator: np.random.Generator, knot_spacing_mm: float = 16.0
) -> SplineField:
    """Draw a displacement field, in mm, that does not fold.

    Args:
        extent_mm: lowest and highest coordinate on each of the three axes.
        amplitude_mm: root mean square length of the displacement vectors. Coefficients are cut off
            where folding could begin, so beyond a tenth of the knot spacing it comes out smaller.
        generator: source of the coefficients.
        knot_spacing_mm: length over which the displacement varies.

    Returns:
        A field of three components: adding it to a position in the deformed space gives the position
        in the undeformed one.
    """
    limit = _INJECTIVE_SHARE * knot_spacing_mm
    return draw_field(extent_mm, knot_spacing_mm, amplitude_mm / np.sqrt(3.0), generator, components=3, limit=limit)


def grow_deformation(
    field: SplineField, extent_mm: Extent, amplitude_mm: float, generator: np.random.Generator
) -> SplineField:
    """Carry a displacement field of `draw_deformation` on to a larger box; it does not fold there either."""
    limit = _INJECTIVE_SHARE * field.knot_spacing_mm
    return grow_field(field, extent_mm, amplitude_mm / np.sqrt(3.0), generator, limit)


def jacobian(mapping_mm: FloatArray, spacing_mm: float | tuple[float, float, float]) -> FloatArray:
    """Return the Jacobian matrix of a mapping at every voxel.

    Args:
        mapping_mm: shape (3, D, H, W), the position to which each voxel is mapped.
        spacing_mm: voxel size, the same on each axis or one for each.

    Returns:
        Shape (D, H, W, 3, 3); the last axis is that of the derivative.
    """
    steps = (spacing_mm,) if isinstance(spacing_mm, float | int) else spacing_mm
    rows = [np.stack(np.gradient(component, *steps), axis=-1) for component in mapping_mm]
    return np.stack(rows, axis=-2)


def sample(data: NDArray[np.floating], affine: FloatArray, positions_mm: FloatArray, order: int = 1) -> FloatArray:
    """Read a volume at given positions; outside it, the nearest voxel on its border counts.

    Args:
        data: shape (D, H, W); for `order` above 1 the spline coefficients of the volume.
        affine: shape (4, 4), from voxel indices to mm.
        positions_mm: shape (3, ...).
        order: spline order, 0 for nearest and 1 for linear.

    Returns:
        Shape (...) of `positions_mm`.
    """
    inverse = np.linalg.inv(affine)
    offset = inverse[:3, 3].reshape(3, *(1,) * (positions_mm.ndim - 1))
    voxels = np.tensordot(inverse[:3, :3], positions_mm, axes=1) + offset
    values: FloatArray = map_coordinates(data, voxels, order=order, mode="nearest", prefilter=False, output=np.float64)
    return values


def _basis_matrix(knots: FloatArray, count: int) -> FloatArray:
    """Cubic B-spline weights of every coefficient at positions given in units of the knot spacing."""
    distance = np.abs(knots[:, None] - np.arange(count)[None, :])
    near = 2.0 / 3.0 - distance**2 + distance**3 / 2.0
    far = (2.0 - distance) ** 3 / 6.0
    return np.where(distance < 1.0, near, np.where(distance < 2.0, far, 0.0))
