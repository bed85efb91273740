"""A T1-like image of a label map, for what needs an image but no realism: registration."""

from collections.abc import Mapping

import numpy as np
from scipy.ndimage import gaussian_filter

from neurograft.errors import InputError
from neurograft.imaging.volume import Volume
from neurograft.phantoms.synthesis.look import read_look

_BLUR_VOXELS = 0.6
"""Stands for partial volume between tissues."""


def pseudo_t1(label_map: Volume, names: Mapping[int, str]) -> Volume:
    """Give each structure of the brain its usual T1-weighted intensity; everything else is zero.

    Args:
        label_map: integers.
        names: structure by value. A value without a name is looked up as FreeSurfer numbers it.

    Returns:
        float32 without skull, white matter at 1.

    Raises:
        InputError: no structure of the brain is known by name or number.
    """
    look = read_look()
    image = np.zeros(label_map.data.shape, np.float32)
    for value in np.unique(label_map.data).tolist():
        row = None
        if value != 0:
            name = names.get(value, "")
            row = look.of(name) if name else look.of("", value)
        if row is not None and row.part == "brain":
            image[label_map.data == value] = row.mean
    if not image.any():
        raise InputError(
            "no structure of the label map is known, so no image can be made of it",
            "Name its values in the label table as FreeSurfer does, or give images",
            label_map.path,
        )
    smooth = gaussian_filter(image, _BLUR_VOXELS) * (image > 0)
    return Volume(smooth, label_map.grid, label_map.path)
