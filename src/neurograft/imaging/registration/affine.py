"""Affine registration by mutual information, coarse to fine, from several starts."""

import numpy as np
import SimpleITK
from numpy.typing import NDArray

from neurograft.imaging.registration.working_images import to_sitk
from neurograft.imaging.volume import Volume

_BINS = 32
_SAMPLED_SHARE = 0.5
_STARTS_MM = (-30.0, 0.0, 30.0)
"""Shifts up and down that are tried besides the centres of mass: a field of view that ends at the
neck moves the centre of a head down."""


def affine_registration(
    fixed: Volume, moving: Volume, fixed_mask: NDArray[np.bool_] | None = None, seed: int = 0, several: bool = True
) -> NDArray[np.float64]:
    """Find the affine map under which one scan tells most of the other.

    Nine parameters less than free: translation and rotation first, with one size, then all twelve.

    Args:
        fixed: upright working volume, as `working_volume` gives it.
        moving: likewise.
        fixed_mask: voxels of `fixed` that count; all by default, so that the outline of a brain
            without skull counts too.
        seed: of the voxels that are sampled.
        several: try several starts; one, the centres of mass, is enough for brains without skull.

    Returns:
        (4, 4), fixed millimetres to moving millimetres.

    Reference:
        Mattes et al. 2003 (IEEE Trans Med Imaging 22:120), through SimpleITK.
    """
    target, other = to_sitk(fixed.data, fixed.grid), to_sitk(moving.data, moving.grid)
    mask = None if fixed_mask is None else to_sitk(fixed_mask.astype(np.uint8), fixed.grid)
    centre = centre_of_mass_mm(fixed)
    best: tuple[float, SimpleITK.Transform] | None = None
    for shift_mm in _STARTS_MM if several else (0.0,):
        similarity = SimpleITK.Similarity3DTransform()
        similarity.SetCenter(centre.tolist())
        similarity.SetTranslation((centre_of_mass_mm(moving) - centre + (0, 0, shift_mm)).tolist())
        value = _optimise(target, other, mask, similarity, (4, 2), 100, seed)
        if best is None or value < best[0]:
            best = value, similarity
    if best is None:
        raise ValueError("no start was tried")
    found = SimpleITK.Similarity3DTransform(best[1])
    affine = SimpleITK.AffineTransform(3)
    affine.SetCenter(found.GetCenter())
    affine.SetMatrix(found.GetMatrix())
    affine.SetTranslation(found.GetTranslation())
    _optimise(target, other, mask, affine, (2, 1), 100, seed)
    return _matrix(affine)


def centre_of_mass_mm(volume: Volume) -> NDArray[np.float64]:
    """The mean place of a volume's intensity, in its own millimetres.

    SimpleITK has this too, but sums in threads, so that its last digit differs from run to run.
    """
    data = volume.data
    profiles = [
        data.sum(axis=tuple(other for other in range(3) if other != axis), dtype=np.float64) for axis in range(3)
    ]
    index = [float((profile * np.arange(len(profile))).sum() / profile.sum()) for profile in profiles]
    return np.asarray(volume.grid.affine[:3, :3] @ index + volume.grid.affine[:3, 3])


def _optimise(
    target: SimpleITK.Image,
    other: SimpleITK.Image,
    mask: SimpleITK.Image | None,
    transform: SimpleITK.Transform,
    shrink: tuple[int, ...],
    iterations: int,
    seed: int,
) -> float:
    """Improve a transform in place; gives the metric's last value, lower being better."""
    method = SimpleITK.ImageRegistrationMethod()
    method.SetMetricAsMattesMutualInformation(_BINS)
    method.SetMetricSamplingStrategy(method.REGULAR)
    method.SetMetricSamplingPercentage(_SAMPLED_SHARE, seed + 1)  # 0 would mean the clock
    if mask is not None:
        method.SetMetricFixedMask(mask)
    method.SetInterpolator(SimpleITK.sitkLinear)
    method.SetOptimizerAsRegularStepGradientDescent(
        learningRate=2.0, minStep=0.005, numberOfIterations=iterations, gradientMagnitudeTolerance=1e-6
    )
    method.SetOptimizerScalesFromPhysicalShift()
    method.SetShrinkFactorsPerLevel(list(shrink))
    method.SetSmoothingSigmasPerLevel([0.5 * (factor - 1) for factor in shrink])
    method.SmoothingSigmasAreSpecifiedInPhysicalUnitsOff()
    method.SetInitialTransform(transform, inPlace=True)
    # One thread, also in the filters within: sums in another order would end in other digits from run to run.
    threads = method.GetGlobalDefaultNumberOfThreads()
    method.SetGlobalDefaultNumberOfThreads(1)
    try:
        method.SetNumberOfThreads(1)
        method.Execute(target, other)
    finally:
        method.SetGlobalDefaultNumberOfThreads(threads)
    return float(method.GetMetricValue())


def _matrix(transform: SimpleITK.AffineTransform) -> NDArray[np.float64]:
    linear = np.array(transform.GetMatrix()).reshape(3, 3)
    centre, shift = np.array(transform.GetCenter()), np.array(transform.GetTranslation())
    matrix = np.eye(4)
    matrix[:3, :3] = linear
    matrix[:3, 3] = centre + shift - linear @ centre
    return matrix
