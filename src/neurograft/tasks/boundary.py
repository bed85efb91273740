"""The boundary loss: probability far from the true surface costs more than close to it."""

import numpy as np
import torch
from numpy.typing import NDArray
from scipy import ndimage
from torch import Tensor


def boundary_loss(probabilities: Tensor, truth: Tensor, known: Tensor) -> Tensor:
    """Mean over known voxels and channels of the probability times the signed distance to the true surface.

    A probability outside of a structure costs its distance from it in voxels, one inside earns its
    depth, so the loss is negative for a good segmentation. A channel of a patch in which the
    structure, or everything else, does not occur has no surface and costs nothing.

    The distances are measured for each patch, on the CPU: a patch of 64 x 64 x 64 takes some tens of
    milliseconds a label, one of 128 x 128 x 128 a third of a second.

    Args:
        probabilities: (N, K, D, H, W) of the labels.
        truth: (N, K, D, H, W), 0 or 1.
        known: (N, 1 or K, D, H, W), 1 where the truth is known. Other voxels neither count nor
            make a surface.

    Returns:
        A scalar.

    Reference:
        Kervadec, Bouchtiba, Desrosiers, Granger, Dolz, Ben Ayed 2019, "Boundary loss for highly
        unbalanced segmentation". P1 wishes for a boundary-aware loss and names none.
    """
    known = known.expand_as(truth)
    distances = signed_distances(truth, known).to(probabilities.device)
    return (probabilities * distances * known).sum() / known.sum().clamp(min=1)


def signed_distances(truth: Tensor, known: Tensor) -> Tensor:
    """Distances in voxels to the nearest known voxel on the other side of the surface, float32 on the CPU.

    Positive outside (1 for a voxel that touches the structure), zero for its outermost voxels,
    negative deeper inside, zero where nothing is known.

    Args:
        truth: (N, K, D, H, W), 0 or 1.
        known: of the same shape, 1 where the truth is known.
    """
    with torch.no_grad():
        is_known = (known > 0).cpu().numpy()
        inside = (truth > 0).cpu().numpy() & is_known
    outside = ~inside & is_known
    result = np.zeros(inside.shape, dtype=np.float32)
    for index in np.ndindex(*inside.shape[:2]):
        if inside[index].any() and outside[index].any():
            result[index] = _signed_distance(inside[index], outside[index])
    return torch.from_numpy(result)


def _signed_distance(inside: NDArray[np.bool_], outside: NDArray[np.bool_]) -> NDArray[np.float32]:
    distance = np.where(outside, ndimage.distance_transform_edt(~inside), 0.0).astype(np.float32)
    box: tuple[slice, ...] = (slice(None),) * 3
    if (inside | outside).all():
        # A layer of outer voxels around the structure's box is nearer to it than anything beyond.
        (found,) = ndimage.find_objects(inside.astype(np.uint8))
        box = tuple(slice(max(part.start - 1, 0), part.stop + 1) for part in found)
    depth = ndimage.distance_transform_edt(~outside[box]) - 1
    distance[box] -= np.where(inside[box], depth, 0.0).astype(np.float32)
    return distance
