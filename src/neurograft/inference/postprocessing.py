"""Remove connected components that are too small or too many, label by label.

A filter can only take voxels away: an absent label stays absent, and no voxel is ever given to
another label or taken from the background (SPEC, decision on P5's component filter).
"""

import logging
from typing import Any

import cc3d
import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from neurograft.recipes.schema import PostprocessingConfig

logger = logging.getLogger(__name__)

VOLUME_TOLERANCE = 1e-6
"""Relative rounding allowed when a volume is compared with its threshold: ten voxels of 0.1 mm3 are 1 mm3."""


def filter_components(
    classes: NDArray[Any],
    config: PostprocessingConfig,
    voxel_volume_mm3: float,
    near_prior: NDArray[np.bool_] | None = None,
) -> NDArray[Any]:
    """Keep, of every class, the components that are large enough and among the largest.

    Of components of equal size the one met first in array order is kept.

    Args:
        classes: integer class indices, shape (D, H, W); 0 is background, negative values are left alone.
        config: neighbourhood (6 faces, 18 edges, 26 corners) and thresholds; a component must pass all of them.
        voxel_volume_mm3: volume of one voxel of `classes`.
        near_prior: where given, components are ranked by their voxels in it, and one without any is dropped.

    Returns:
        A new array of the same shape and type, with the voxels of dropped components set to 0.
    """
    result = classes.copy()
    fewest = least_voxels(config, voxel_volume_mm3)
    foreground = classes > 0
    if (fewest <= 1 and config.keep_largest is None) or not foreground.any():
        return result
    box = ndimage.find_objects(foreground.view(np.uint8))[0]
    inside = np.where(foreground[box], classes[box], 0)
    # One pass labels the components of all classes: voxels of different classes are never joined.
    components: NDArray[Any] = cc3d.connected_components(inside, connectivity=config.connectivity)
    voxels = np.bincount(components.ravel())
    class_of = np.zeros(len(voxels), dtype=np.int64)
    class_of[components.ravel()] = inside.ravel()
    keep = voxels >= fewest
    if config.keep_largest is not None:
        size = voxels
        if near_prior is not None:
            size = np.bincount(components[near_prior[box]], minlength=len(voxels))
            keep &= size > 0
        keep &= _rank_within_class(class_of, size) < config.keep_largest
    keep[0] = True
    result[box][~keep[components]] = 0
    for lost in sorted(set(class_of[1:].tolist()) - set(class_of[keep].tolist())):
        logger.warning("the component filter left nothing of class %d", lost)
    return result


def least_voxels(config: PostprocessingConfig, voxel_volume_mm3: float) -> int:
    """Smallest number of voxels of a component that satisfies both thresholds of a filter."""
    by_volume = int(np.ceil(config.min_volume_mm3 / voxel_volume_mm3 * (1 - VOLUME_TOLERANCE)))
    return max(config.min_voxels, by_volume)


def _rank_within_class(class_of: NDArray[Any], voxels: NDArray[Any]) -> NDArray[Any]:
    """Position of each component among those of its class, the largest being 0; ties go by component number."""
    order = np.lexsort((np.arange(len(voxels)), -voxels, class_of))
    first_of_class = np.searchsorted(class_of[order], class_of[order], side="left")
    rank = np.empty(len(voxels), dtype=np.int64)
    rank[order] = np.arange(len(voxels)) - first_of_class
    return rank
