"""What is done to a scan before it is cut and normalised: skull off, and into a common space."""

import logging
from collections.abc import Sequence
from dataclasses import replace
from typing import Literal

import numpy as np

from neurograft.errors import InputError
from neurograft.imaging.brain_extraction import command_brain, template_brain
from neurograft.imaging.grid import Grid
from neurograft.imaging.orientation import reorient
from neurograft.imaging.resampling import spaced_grid
from neurograft.imaging.template import MNI_CODE, mni152
from neurograft.imaging.volume import Volume

logger = logging.getLogger(__name__)

_SPACING_MM = 3.0
"""Coarser than for an atlas: a known map of the template is found to 0.2 mm at 2 mm and at 3 mm alike."""


def strip_brain(
    volumes: Sequence[Volume], how: Literal["none", "mask", "template", "command"], mask: Volume | None
) -> list[Volume]:
    """Set everything outside of the brain to zero.

    Args:
        volumes: the channels of a scan on one grid; the brain is sought in the first.
        how: see ``preparation.brain``.
        mask: of the case.

    Raises:
        InputError: no mask where one is wanted, one on another grid, or no brain found.
    """
    if how == "none":
        return list(volumes)
    if how == "mask":
        if mask is None:
            raise InputError(
                "preparation.brain is mask, and this case has none",
                "Name its brain mask in the column mask of a cohort table",
                volumes[0].path,
            )
        if not mask.grid.same_as(volumes[0].grid):
            raise InputError(
                f"the mask does not lie on the image's grid: {mask.grid.difference(volumes[0].grid)}",
                "Resample it onto the image",
                mask.path,
            )
        brain = mask
    else:
        brain = template_brain(volumes[0]) if how == "template" else command_brain(volumes[0])
    return [replace(volume, data=volume.data * (brain.data != 0)) for volume in volumes]


def placed_in_template(scan: Volume) -> tuple[Grid, str]:
    """Where a scan's voxels lie in the MNI152 space, by affine registration; remembered.

    Args:
        scan: without skull.

    Returns:
        The scan's grid with another affine, most often an oblique and sheared one; and what speaks against it,
        in words, empty where nothing does.

    Raises:
        InputError: no map to the template can be found.
    """
    # SimpleITK's 100 MiB are loaded only where something is registered.
    from neurograft.imaging.registration import RegistrationSettings, register

    found = register(mni152(1), scan, RegistrationSettings(kind="affine", spacing_mm=_SPACING_MM))
    doubt = found.score.suspicious
    if doubt:
        logger.warning("%s may be registered wrongly to the template: %s", scan.path, doubt)
    to_template = np.linalg.inv(found.transform.affine)
    return Grid.from_affine(scan.grid.shape, to_template @ scan.grid.affine, MNI_CODE), doubt


def template_grid(orientation: str, spacing_mm: tuple[float, float, float] | None) -> Grid:
    """The grid of the template, turned to an orientation, at 1 mm or another voxel size."""
    template = mni152(1)
    _, grid = reorient(template.data, template.grid, orientation)
    if spacing_mm is None or np.allclose(spacing_mm, grid.spacing_mm, rtol=0, atol=1e-3):
        return grid
    return spaced_grid(grid, spacing_mm)
