"""Where a prior gives any label a chance, and the voxels near it.

Reference:
    Kushibar et al. 2019 (P5): inference inside the atlas's structures, dilated. Its public code dilates by
    5 voxels and then by 10 more, joins voxels by their faces, and keeps of each label the component with the
    most voxels inside the atlas dilated by 5.
"""

import numpy as np
import torch
from numpy.typing import NDArray
from scipy import ndimage
from torch import Tensor

from neurograft.recipes.schema import PostprocessingConfig, Recipe


def prior_foreground(prior: NDArray[np.float32]) -> NDArray[np.bool_]:
    """Voxels of a prior (P, D, H, W), background first, in which a label has a chance."""
    return np.asarray(prior[1:].max(axis=0, initial=0) > 0)


def grown(foreground: NDArray[np.bool_], steps: int) -> NDArray[np.bool_]:
    """Voxels at most so many face-to-face steps from a voxel of the foreground."""
    found = ndimage.find_objects(foreground.view(np.uint8))
    if not steps or not found:
        return foreground
    box = tuple(slice(max(0, side.start - steps), side.stop + steps) for side in found[0])
    near = np.zeros(foreground.shape, bool)
    near[box] = ndimage.binary_dilation(foreground[box], iterations=steps)
    return near


def wanted_voxels(image: Tensor, recipe: Recipe) -> Tensor | None:
    """The voxels that are to be segmented: bool (D, H, W), or ``None`` for all of them.

    Args:
        image: (C, D, H, W), with the prior's channels last.
        recipe: asks for ``inference.region: prior``, or does not. Where the prior gives no label a chance
            anywhere, all voxels are wanted: a doubt costs time and never a structure.
    """
    if recipe.inference.region != "prior":
        return None
    foreground = prior_foreground(prior_of(image, recipe).cpu().numpy())
    if not foreground.any():
        return None
    return torch.from_numpy(grown(foreground, recipe.inference.region_margin))


def prior_of(image: Tensor, recipe: Recipe) -> Tensor:
    """The prior's channels of a prepared image: (P, D, H, W), none without a prior."""
    return image[len(image) - len(recipe.preparation.prior_labels or ()) :]


def near_prior(prior: NDArray[np.float32] | None, config: PostprocessingConfig) -> NDArray[np.bool_] | None:
    """The voxels that count for the size of a component, where the prior decides on it.

    Args:
        prior: (P, D, H, W), or ``None`` without one.
        config: asks for them, or does not. Where the prior gives no label a chance anywhere it decides on
            nothing, as in `wanted_voxels`: what was found in the whole scan would all be taken away.
    """
    if config.largest_by == "voxels" or prior is None:
        return None
    foreground = prior_foreground(prior)
    return grown(foreground, config.prior_margin) if foreground.any() else None
