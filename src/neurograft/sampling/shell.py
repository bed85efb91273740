"""Which voxels a voxel-wise network learns from: all of the structures, and as many near them."""

import numpy as np
import torch
from numpy.typing import NDArray
from scipy import ndimage
from torch import Tensor

from neurograft.sampling.examples import TrainingCase


def sampled_voxels(case: TrainingCase, shell_voxels: int, generator: torch.Generator) -> Tensor:
    """Flat indices of a case's positives and negatives, int64.

    Positives are all voxels of the structures. Negatives are drawn without replacement from the
    background voxels that lie at most `shell_voxels` steps, face to face, from a structure: as many as
    there are positives, or all of them where there are fewer. Voxels in which not every label was looked
    for are neither.

    Args:
        case: its target says which voxels are which.
        shell_voxels: thickness of the shell; 0 takes negatives from everywhere.
        generator: of the negatives; on the CPU.

    Reference:
        Kushibar et al. 2019 (P5), training: negatives from a dilation of the truth by five voxels; as many
        as positives by its public code. Which neighbours the dilation joins is not said.
    """
    target = case.target.cpu().numpy()
    positives = torch.from_numpy(np.flatnonzero(target > 0))
    candidates = torch.from_numpy(np.flatnonzero(_near(target > 0, shell_voxels) & (target == 0)))
    chosen = torch.randperm(len(candidates), generator=generator)[: len(positives)]
    return torch.cat([positives, candidates[chosen]])


def _near(structure: NDArray[np.bool_], steps: int) -> NDArray[np.bool_]:
    """Voxels at most so many face-to-face steps from a structure; all for 0 steps, none without a structure."""
    found = ndimage.find_objects(structure.view(np.uint8))
    if not steps or not found:
        return np.full(structure.shape, bool(found))
    box = tuple(slice(max(0, side.start - steps), side.stop + steps) for side in found[0])
    near = np.zeros(structure.shape, bool)
    near[box] = ndimage.binary_dilation(structure[box], iterations=steps)
    return near
