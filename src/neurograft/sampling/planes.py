"""The three planes through a voxel: all that a tri-planar network reads of its block."""

from torch import Tensor

from neurograft.imaging.context import Context
from neurograft.sampling.examples import TrainingCase

AXES = (2, 1, 0)
"""Array axes across the planes, in the order in which they are stacked: axial, coronal and sagittal in "RAS"."""


def cut_case_planes(case: TrainingCase, voxel: tuple[int, int, int], context: Context, planes: Tensor) -> None:
    """Fill ``planes`` with what the context of a voxel shows of a case.

    Args:
        case: the image.
        voxel: inside the image.
        context: as many voxels along every axis; beyond the volume lie zeros.
        planes: (C, 3, d, h), zeros; a prior's channels are filled at the voxel alone.
    """
    channels = case.image.shape[0] - case.prior_channels
    inside, source = [], []
    for place, before, after, length in zip(voxel, context.before, context.after, case.shape, strict=True):
        first, last = max(0, place - before), min(length, place + after + 1)
        source.append(slice(first, last))
        inside.append(slice(first - place + before, last - place + before))
    for number, axis in enumerate(AXES):
        rows, columns = (other for other in range(3) if other != axis)
        cut: list[int | slice] = list(source)
        cut[axis] = voxel[axis]
        planes[:channels, number, inside[rows], inside[columns]] = case.image[(slice(channels), *cut)]
    middle = context.before
    planes[channels:, :, middle[0], middle[1]] = case.image[(slice(channels, None), *voxel)][:, None]
