"""Non-linear registration by diffeomorphic demons, coarse to fine.

The moving scan's intensities are first matched to the fixed one's, because demons compare them directly: both must be
of one contrast.
"""

import numpy as np
import SimpleITK
from numpy.typing import NDArray

from neurograft.imaging.registration.transform import SpatialTransform, warp
from neurograft.imaging.registration.working_images import to_sitk
from neurograft.imaging.standardisation import match_quantiles, percentile_landmarks
from neurograft.imaging.volume import Volume

_QUANTILES = tuple(range(101))


def demons_displacement(
    fixed: Volume,
    moving: Volume,
    affine: NDArray[np.float64],
    iterations: tuple[int, ...],
    smoothing_voxels: float,
) -> NDArray[np.float32]:
    """Find the smooth displacement that remains after an affine map.

    The number of iterations is fixed and no error ends them early, so the result does not depend on threads.

    Args:
        fixed: upright working volume.
        moving: likewise.
        affine: fixed millimetres to moving millimetres.
        iterations: per level, the coarsest first; each level halves the voxel size.
        smoothing_voxels: standard deviation by which the field is smoothed after each iteration.

    Returns:
        float32 (3, *fixed shape), mm along right, front and up, for `SpatialTransform`.

    Reference:
        Vercauteren et al. 2009 (NeuroImage 45:S61), through SimpleITK.
    """
    moved = warp(moving, SpatialTransform(affine), fixed.grid)
    matched = _matched(moved, fixed.data)
    target, other = to_sitk(np.asarray(fixed.data, np.float32), fixed.grid), to_sitk(matched, fixed.grid)
    field: SimpleITK.Image | None = None
    for level, count in enumerate(iterations):
        shrink = 2 ** (len(iterations) - 1 - level)
        small, small_other = _shrunk(target, shrink), _shrunk(other, shrink)
        demons = SimpleITK.DiffeomorphicDemonsRegistrationFilter()
        demons.SetNumberOfIterations(count)
        demons.SetMaximumRMSError(0.0)
        demons.SmoothDisplacementFieldOn()
        demons.SetStandardDeviations(smoothing_voxels)
        if field is None:
            field = demons.Execute(small, small_other)
        else:
            start = SimpleITK.Resample(field, small, SimpleITK.Transform(), SimpleITK.sitkLinear)
            field = demons.Execute(small, small_other, start)
    if field is None:
        raise ValueError("demons need at least one level")
    array = SimpleITK.GetArrayFromImage(SimpleITK.Cast(field, SimpleITK.sitkVectorFloat32))
    # SimpleITK has (z, y, x, component).
    return np.ascontiguousarray(array.transpose(3, 2, 1, 0), np.float32)


def _matched(moved: NDArray[np.float32], fixed: NDArray[np.float32]) -> NDArray[np.float32]:
    own, reference = percentile_landmarks(moved, _QUANTILES), percentile_landmarks(fixed, _QUANTILES)
    if own is None or reference is None:
        return moved
    return np.where(moved > 0, match_quantiles(moved, own, reference), 0).astype(np.float32)


def _shrunk(image: SimpleITK.Image, factor: int) -> SimpleITK.Image:
    if factor == 1:
        return image
    spacing = image.GetSpacing()
    smooth = SimpleITK.SmoothingRecursiveGaussian(image, [0.5 * factor * side for side in spacing])
    return SimpleITK.Shrink(smooth, [factor] * 3)
