"""The intensity scale of a cohort: measured on its scans as a network would see them, kept as numbers."""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from neurograft.cohorts.cohort import Case, Cohort
from neurograft.errors import InputError
from neurograft.imaging.files import read_image, read_label_map
from neurograft.imaging.preparation import prepare_image
from neurograft.imaging.standardisation import measure_standard, percentile_landmarks, resolved_percentiles
from neurograft.imaging.standardisation.standard import Method
from neurograft.recipes.schema import PreparationConfig, StandardConfig


def cohort_standard(
    cohort: Cohort, preparation: PreparationConfig, progress: Callable[[int, int], None] | None = None
) -> StandardConfig:
    """Measure the scale of a cohort's scans.

    Scans are prepared as the recipe says but for the normalisation, so that the same voxels count
    here and when the scale is applied. One scan is in memory at a time.

    Args:
        cohort: whose scans; labels are not looked at.
        preparation: with normalisation ``nyul`` or ``histogram``, and the options of its standard.
        progress: called with scans done and in all.

    Returns:
        The preparation's standard with landmarks.

    Raises:
        InputError: no scan, no contrast, a cohort without images, or a file that cannot be used.
    """
    method = method_of(preparation)
    if not cohort.cases or not all(case.images for case in cohort.cases):
        raise InputError("there is no image to measure intensities on", "Give a cohort of images", cohort.source)
    scans = []
    for number, case in enumerate(cohort.cases, start=1):
        scans.append(_landmarks(case, preparation, method))
        if progress is not None:
            progress(number, len(cohort))
    try:
        return measure_standard(scans, preparation.standard, method)
    except InputError as error:
        raise InputError(error.problem, error.mend, cohort.source) from error


def method_of(preparation: PreparationConfig) -> Method:
    """The method that a preparation asks for.

    Raises:
        InputError: its normalisation has no scale.
    """
    if preparation.normalisation in ("nyul", "histogram"):
        return preparation.normalisation
    raise InputError(
        f"preparation.normalisation is {preparation.normalisation}, which has no scale to measure",
        "Set it to nyul or histogram",
    )


def _landmarks(case: Case, preparation: PreparationConfig, method: Method) -> list[NDArray[np.float64] | None]:
    volumes = [read_image(path) for path in case.images.values()]
    mask = read_label_map(case.mask) if case.mask else None
    plain = preparation.model_copy(update={"normalisation": "none"})
    percentiles = resolved_percentiles(preparation.standard, method)
    data = prepare_image(volumes, plain, mask).data
    return [percentile_landmarks(channel, percentiles, preparation.standard.foreground) for channel in data]
