"""Random changes of geometry: what is drawn, and the map from a patch's voxels to the volume's.

A patch voxel at offset ``o`` from the patch's centre shows the volume at

    centre + A (F o + e(o) - t),    A = S^-1 H^-1 R^T S Z^-1

with ``F`` the flips, ``e`` the elastic displacement, ``t`` the translation, ``Z`` the zoom, ``R`` the
rotation, ``H`` the shear and ``S`` the voxel spacing, so that rotations are rigid in millimetres
whatever the voxels.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from neurograft.recipes.schema import AugmentationConfig, Size, Triple

Flips = tuple[bool, bool, bool]

# At a control point a cubic B-spline has the weights 1/6, 4/6, 1/6 along each axis; independent
# coefficients of standard deviation 1 thus give a displacement of (1/2)^(3/2) there.
_SPLINE_STD = 0.5**1.5


@dataclass(frozen=True, eq=False)
class SpatialDraw:
    """The geometry of one patch; the defaults change nothing.

    Args:
        rotation_radians: about each array axis, applied to the content as R = R0 R1 R2.
        scale: zoom along each axis of the patch; above 1 magnifies.
        translation_voxels: by which the content moves.
        flips: whether each axis is mirrored.
        control_points: (3, n0, n1, n2) coefficients of the elastic displacement, in voxels, of a cubic
            B-spline over the patch; ``None`` for no elastic deformation.
        control_spacing_voxels: distance between control points.
        shear_radians: of each array axis: content moves along it by the tangent, in mm, for each mm along the
            next axis (the first comes after the last); applied before the rotation.
    """

    rotation_radians: Triple = (0.0, 0.0, 0.0)
    scale: Triple = (1.0, 1.0, 1.0)
    translation_voxels: Triple = (0.0, 0.0, 0.0)
    flips: Flips = (False, False, False)
    control_points: Tensor | None = None
    control_spacing_voxels: float = 16.0
    shear_radians: Triple = (0.0, 0.0, 0.0)

    @property
    def keeps_the_voxel_grid(self) -> bool:
        """True when nothing needs interpolating: at most flips were drawn."""
        return (
            self.control_points is None
            and not any(self.rotation_radians)
            and not any(self.shear_radians)
            and not any(self.translation_voxels)
            and all(factor == 1.0 for factor in self.scale)
        )


def draw_spatial(
    config: AugmentationConfig,
    patch_size: Size,
    count: int,
    generator: torch.Generator,
    flip_axes: Sequence[int] = (),
) -> list[SpatialDraw]:
    """Draw the geometry of each of ``count`` patches.

    Args:
        config: ranges and chances.
        patch_size: voxels, which decides how many control points an elastic draw has.
        count: patches.
        generator: the only source of randomness; on the CPU.
        flip_axes: array axes, each mirrored with the chance of the configuration (see `flipped_array_axes`).
    """
    draws = []
    for _ in range(count):
        rotate, scale, deform, *flips = _uniform(6, generator).tolist()
        rotation = _signed(config.rotation_degrees, generator) * (math.pi / 180)
        zoom = config.scale[0] + (config.scale[1] - config.scale[0]) * _uniform(3, generator)
        translation = _signed(config.translation_voxels, generator)
        # Drawn only where it decides anything, so that recipes without it keep their draws.
        shift = config.translation_probability == 1 or float(_uniform(1, generator)) < config.translation_probability
        shear = (0.0, 0.0, 0.0)
        if any(config.shear_degrees) and float(_uniform(1, generator)) < config.shear_probability:
            shear = _triple(_signed(config.shear_degrees, generator) * (math.pi / 180))
        control_points = None
        if deform < config.elastic_probability and config.elastic_displacement_voxels > 0:
            counts = [_control_count(length, config.elastic_spacing_voxels) for length in patch_size]
            coefficients = torch.randn((3, *counts), generator=generator)
            control_points = coefficients * (config.elastic_displacement_voxels / _SPLINE_STD)
        draws.append(
            SpatialDraw(
                rotation_radians=_triple(rotation) if rotate < config.rotation_probability else (0.0, 0.0, 0.0),
                scale=_triple(zoom) if scale < config.scale_probability else (1.0, 1.0, 1.0),
                translation_voxels=_triple(translation) if shift else (0.0, 0.0, 0.0),
                flips=(
                    0 in flip_axes and flips[0] < config.flip_probability,
                    1 in flip_axes and flips[1] < config.flip_probability,
                    2 in flip_axes and flips[2] < config.flip_probability,
                ),
                control_points=control_points,
                control_spacing_voxels=config.elastic_spacing_voxels,
                shear_radians=shear,
            )
        )
    return draws


def kept_in_plane(draw: SpatialDraw, axis: int) -> SpatialDraw:
    """The draw without what would mix slices: it turns about `axis`, and moves and stretches across it only."""
    across = torch.tensor([other != axis for other in range(3)])

    def limited(values: Triple, neutral: float, free: Tensor) -> Triple:
        return _triple(
            torch.tensor(values, dtype=torch.float64).where(free, torch.tensor(neutral, dtype=torch.float64))
        )

    points = draw.control_points
    if points is not None:
        # The same displacement in every slice, and none from one slice to the next.
        points = points.select(axis + 1, 0).unsqueeze(axis + 1).expand_as(points) * across[:, None, None, None]
    return replace(
        draw,
        rotation_radians=limited(draw.rotation_radians, 0.0, ~across),
        scale=limited(draw.scale, 1.0, across),
        translation_voxels=limited(draw.translation_voxels, 0.0, across),
        control_points=points,
        shear_radians=limited(draw.shear_radians, 0.0, across & across.roll(-1)),
    )


def flipped_array_axes(flip_axes: Sequence[str], orientation: str = "RAS") -> tuple[int, ...]:
    """The array axes of anatomical directions, e.g. left-right is axis 0 of a volume in RAS."""
    letters = {"left-right": "LR", "anterior-posterior": "AP", "inferior-superior": "IS"}
    return tuple(
        axis for axis, code in enumerate(orientation) if any(code in letters[direction] for direction in flip_axes)
    )


def sampling_matrix(draw: SpatialDraw, spacing_mm: Triple) -> Tensor:
    """A of the module's formula: (3, 3) float64, from offsets in the patch to offsets in the volume, in voxels."""
    rotation = torch.eye(3, dtype=torch.float64)
    for axis, angle in enumerate(draw.rotation_radians):
        # Right-handed about the axis, so +90 degrees is torch.rot90 in the plane of the next two axes.
        first, second = (axis + 1) % 3, (axis + 2) % 3
        about_axis = [[float(row == column) for column in range(3)] for row in range(3)]
        about_axis[first][first] = about_axis[second][second] = math.cos(angle)
        about_axis[second][first] = math.sin(angle)
        about_axis[first][second] = -math.sin(angle)
        rotation = rotation @ torch.tensor(about_axis, dtype=torch.float64)
    spacing = torch.tensor(spacing_mm, dtype=torch.float64)
    scale = torch.tensor(draw.scale, dtype=torch.float64)
    back = rotation.T
    if any(draw.shear_radians):
        shear = torch.eye(3, dtype=torch.float64)
        for axis, angle in enumerate(draw.shear_radians):
            shear[axis, (axis + 1) % 3] = math.tan(angle)
        back = torch.linalg.solve(shear, back)
    return back / spacing[:, None] * (spacing / scale)


def elastic_displacement(control_points: Tensor, spacing_voxels: float, patch_size: Size) -> Tensor:
    """Evaluate the cubic B-spline of the control points at each voxel of a patch.

    Nothing forbids folds: with a standard deviation of 3 voxels at control points 16 voxels apart, one
    draw in thirty has some, of a few voxels; they grow common when the ratio rises much above that.

    Args:
        control_points: (3, n0, n1, n2) coefficients in voxels; the first stands one spacing before the patch.
        spacing_voxels: distance between control points.
        patch_size: voxels.

    Returns:
        (3, d, h, w) displacement in voxels.

    Reference:
        Rueckert et al. 1999, IEEE TMI 18:712, section II-B.
    """
    along_depth, along_height, along_width = (
        _spline_weights(length, count, spacing_voxels).to(control_points)
        for length, count in zip(patch_size, control_points.shape[1:], strict=True)
    )
    # One axis after the other, as matrix products: far cheaper than 64 neighbours for each voxel.
    field = along_height @ (control_points @ along_width.T)
    return (along_depth @ field.flatten(2)).reshape(3, *patch_size)


def _spline_weights(length: int, count: int, spacing_voxels: float) -> Tensor:
    """(length, count) weight of each control point at each voxel."""
    position = torch.arange(length, dtype=torch.float64) / spacing_voxels
    interval = position.floor().long()
    t = position - interval
    basis = torch.stack(((1 - t) ** 3, 3 * t**3 - 6 * t**2 + 4, -3 * t**3 + 3 * t**2 + 3 * t + 1, t**3), dim=1)
    weights = torch.zeros(length, count, dtype=torch.float64)
    return weights.scatter_(1, interval[:, None] + torch.arange(4), basis / 6)


def _control_count(length: int, spacing_voxels: float) -> int:
    return math.floor((length - 1) / spacing_voxels) + 4


def _uniform(count: int, generator: torch.Generator) -> Tensor:
    return torch.rand(count, generator=generator, dtype=torch.float64)


def _signed(limits: Triple, generator: torch.Generator) -> Tensor:
    """Uniform in plus or minus each limit."""
    return (2 * _uniform(3, generator) - 1) * torch.tensor(limits, dtype=torch.float64)


def _triple(values: Tensor) -> Triple:
    first, second, third = values.tolist()
    return first, second, third
