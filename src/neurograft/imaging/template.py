"""The MNI152 template of a healthy adult's brain, as nilearn ships it: no download."""

from functools import lru_cache

import numpy as np

from neurograft.imaging.grid import Grid
from neurograft.imaging.volume import Volume

MNI_CODE = 4
"""NIfTI's code for coordinates of the MNI152 space."""


@lru_cache(maxsize=4)
def mni152(resolution_mm: int = 1) -> Volume:
    """The T1-weighted template without skull, in RAS, intensities from 0 to 1.

    Args:
        resolution_mm: voxel size, whole millimetres.

    Reference:
        Fonov et al. 2011 (NeuroImage 54:313), ICBM 152 nonlinear symmetric 2009a.
    """
    from nilearn.datasets import load_mni152_template

    return _volume(load_mni152_template(resolution=resolution_mm))


@lru_cache(maxsize=4)
def mni152_brain(resolution_mm: int = 1) -> Volume:
    """The brain mask of the template, 0 and 1."""
    from nilearn.datasets import load_mni152_brain_mask

    mask = _volume(load_mni152_brain_mask(resolution=resolution_mm))
    return Volume((mask.data > 0.5).astype(np.int32), mask.grid)


def _volume(image: object) -> Volume:
    data = np.asarray(image.get_fdata(), np.float32)  # type: ignore[attr-defined]
    data.setflags(write=False)
    return Volume(data, Grid.from_affine(data.shape, image.affine, MNI_CODE))  # type: ignore[attr-defined]
