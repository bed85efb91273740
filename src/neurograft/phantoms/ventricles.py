"""The template's brain with lateral ventricles of any size.

The MNI152 template that nilearn ships has lateral ventricles of 16.4 ml. They are grown or shrunk along the distance
from their surface: a point at the surface moves by the whole growth, one far from it not at all, and the tissue
between is compressed. The septum between the two goes when they grow, which voxels of 2 mm hardly show.
"""

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import distance_transform_edt, gaussian_filter, label, map_coordinates

FloatArray = NDArray[np.float64]

_FLUID_BELOW = 0.45
"""T1-weighted signal of the template (0 to 1) under which the ventricles are apart from all other fluid."""
_INSIDE_MM = ((-10.0, -15.0, 24.0), (10.0, -15.0, 24.0))
"""A point in the body of each lateral ventricle."""
_FADE_MM = 12.0
"""Length over which the displacement of the tissue round the ventricles fades."""
_PARTIAL_MM = 1.0
"""Half the width of the border in which a voxel is partly ventricle, in voxels of 1 mm."""


@dataclass(frozen=True, eq=False)
class BrainTemplate:
    """The template's volumes on its grid of 1 mm. All have the shape (D, H, W).

    Attributes:
        t1: T1-weighted signal, white matter about 0.8, 0 outside the brain.
        grey: share of grey matter.
        white: share of white matter.
        brain: 1 inside the brain and the fluid that it lies in.
        distance_mm: from the lateral ventricles' surface, negative inside.
        outward: shape (3, D, H, W), the direction away from the ventricles, shorter where it turns.
        origin_mm: MNI coordinates of the first voxel.
    """

    t1: NDArray[np.float32]
    grey: NDArray[np.float32]
    white: NDArray[np.float32]
    brain: NDArray[np.float32]
    distance_mm: NDArray[np.float32]
    outward: NDArray[np.float32]
    origin_mm: FloatArray

    def at(self, volume: NDArray[np.float32], positions_mm: FloatArray) -> FloatArray:
        """Read a volume linearly at MNI positions of shape (3, ...)."""
        shape = (3, *(1,) * (positions_mm.ndim - 1))
        voxels = positions_mm - self.origin_mm.reshape(shape)
        values: FloatArray = map_coordinates(volume, voxels, order=1, mode="nearest", output=np.float64)
        return values


@lru_cache(maxsize=1)
def brain_template() -> BrainTemplate:
    """Return the template, with its lateral ventricles found."""
    from nilearn.datasets import load_mni152_gm_template, load_mni152_template, load_mni152_wm_template  # slow

    images = [load(resolution=1) for load in (load_mni152_template, load_mni152_gm_template, load_mni152_wm_template)]
    t1, grey, white = (np.asarray(image.dataobj, dtype=np.float32) for image in images)
    origin = np.asarray(images[0].affine[:3, 3], dtype=np.float64)
    brain = t1 > 0
    parts, _ = label(brain & (t1 < _FLUID_BELOW))
    seeds = [parts[tuple(np.round(np.array(point) - origin).astype(int))] for point in _INSIDE_MM]
    ventricles = np.isin(parts, seeds)
    # Half a voxel less: the surface lies between voxel centres, not on them.
    distance = np.where(
        ventricles, 0.5 - distance_transform_edt(ventricles), distance_transform_edt(~ventricles) - 0.5
    ).astype(np.float32)
    smooth = gaussian_filter(distance, 1.0)
    outward = np.stack(np.gradient(smooth)).astype(np.float32)
    return BrainTemplate(t1, grey, white, brain.astype(np.float32), distance, outward, origin)


def growth_for(distance_mm: FloatArray, volume_mm3: float, voxel_mm3: float) -> float:
    """Return by how many mm the ventricles must grow, or shrink if negative, to fill a volume.

    Args:
        distance_mm: template distance that each voxel of the person shows, before growth.
        volume_mm3: wanted sum of `ventricle_share` over the voxels, times `voxel_mm3`.
        voxel_mm3: volume of a voxel.

    Raises:
        ValueError: no growth between -3 and 15 mm gives the volume.
    """
    near = distance_mm[distance_mm < 20.0]
    low, high = -3.0, 15.0
    if not _volume(near, low, voxel_mm3) <= volume_mm3 <= _volume(near, high, voxel_mm3):
        raise ValueError(f"ventricles of {volume_mm3:.0f} mm3 cannot be made from this head")
    for _ in range(40):
        middle = (low + high) / 2.0
        if _volume(near, middle, voxel_mm3) < volume_mm3:
            low = middle
        else:
            high = middle
    return (low + high) / 2.0


def ventricle_share(distance_mm: FloatArray, growth_mm: float) -> FloatArray:
    """Return the share of each voxel that grown ventricles fill, by its distance from their old surface."""
    return np.clip(0.5 - (distance_mm - growth_mm) / (2.0 * _PARTIAL_MM), 0.0, 1.0)


def shown_positions(
    template: BrainTemplate, positions_mm: FloatArray, distance_mm: FloatArray, growth_mm: float
) -> FloatArray:
    """Return the template position that each voxel shows once the ventricles have grown.

    Args:
        template: the template.
        positions_mm: shape (3, D, H, W), the positions shown before growth.
        distance_mm: shape (D, H, W), the template's distance there.
        growth_mm: of the ventricles.
    """
    beyond = np.maximum(distance_mm - growth_mm, 0.0)
    shift = growth_mm * np.exp(-((beyond / _FADE_MM) ** 2))
    outward = np.stack([template.at(component, positions_mm) for component in template.outward])
    return positions_mm - shift * outward


def _volume(distance_mm: FloatArray, growth_mm: float, voxel_mm3: float) -> float:
    return float(ventricle_share(distance_mm, growth_mm).sum() * voxel_mm3)
