"""Scans of a cohort written on an intensity scale, for eyes and for other programs."""

from collections.abc import Callable
from pathlib import Path

import numpy as np

from neurograft.cohorts.cohort import Cohort
from neurograft.cohorts.derived_tables import image_column, write_derived_table
from neurograft.cohorts.standards import method_of
from neurograft.errors import InputError
from neurograft.imaging.files import read_image, write_image
from neurograft.imaging.standardisation import standardise
from neurograft.outputs import staged_directory
from neurograft.recipes.schema import PreparationConfig, StandardConfig


def write_standardised(
    cohort: Cohort,
    standard: StandardConfig,
    out: Path,
    overwrite: bool = False,
    progress: Callable[[int, int], None] | None = None,
) -> Path:
    """Bring every scan to the scale and write it on its own grid.

    Networks do not need this: a recipe with the standard does the same in memory, with what
    follows it. Here nothing follows, so that the intensities are those of the scale.

    Args:
        cohort: whose scans.
        standard: with landmarks, as many rows as the cohort has channels.
        out: folder for ``<case>_<channel>.nii.gz``, ``cohort.tsv`` and ``labels.tsv``.
        overwrite: replace an earlier result.
        progress: called with scans done and in all.

    Returns:
        The cohort table.

    Raises:
        InputError: no landmarks, another number of channels, or a file that cannot be used.
    """
    if standard.method is None:
        raise InputError("the standard holds no landmarks", "Give a file that neurograft standardise fit wrote")
    method = method_of(PreparationConfig(normalisation=standard.method))
    identity = {
        "standard": standard.model_dump(mode="json"),
        "scans": {case.id: [str(path) for path in case.images.values()] for case in cohort.cases},
    }
    with staged_directory(out, identity, overwrite) as folder:
        made = []
        for number, case in enumerate(cohort.cases, start=1):
            volumes = [read_image(path) for path in case.images.values()]
            for volume in volumes[1:]:
                if not volume.grid.same_as(volumes[0].grid):
                    difference = volume.grid.difference(volumes[0].grid)
                    problem = f"the channel does not lie on the image's grid: {difference}"
                    raise InputError(problem, "Resample it onto the image", volume.path)
            changed = standardise(np.stack([volume.data for volume in volumes]), standard, method)
            cells = {}
            for channel, volume, data in zip(case.images, volumes, changed, strict=True):
                name = f"{case.id}_{channel}.nii.gz"
                write_image(folder / name, data, volume.grid)
                cells[image_column(channel, cohort)] = name
            made.append((case, cells))
            if progress is not None:
                progress(number, len(cohort))
        write_derived_table(folder, cohort, made)
    return out / "cohort.tsv"
