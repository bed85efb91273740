"""Cases that are learnt from without labels."""

from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor

from neurograft.cohorts import Case, Cohort
from neurograft.errors import InputError
from neurograft.recipes.schema import PreparationConfig
from neurograft.sampling.examples import TrainingCase
from neurograft.training.annotations import Annotation
from neurograft.training.cases import PreparedCase
from neurograft.training.prepared_cache import PreparedCache


def prepare_scans(
    cohort: Cohort, config: PreparationConfig, progress: Callable[[int, int], None] | None = None
) -> list[PreparedCase]:
    """Prepare all cases of a cohort, labelled or not, without a look at any label map.

    Their targets hold class 1 where there is something to see, so that ``sampling.target_probability`` keeps
    patches out of the air.

    Args:
        cohort: who.
        config: how to prepare.
        progress: called with the number of cases read and in all.

    Raises:
        InputError: no case, or a file that cannot be used.
    """
    if not cohort.cases:
        raise InputError("no case in the cohort, so there is nothing to learn from", "Add some", cohort.source)
    cases = []
    cache = PreparedCache()
    for number, case in enumerate(cohort.cases, start=1):
        cases.append(prepare_scan(case, config, cache))
        if progress is not None:
            progress(number, len(cohort.cases))
    return cases


def prepare_scan(case: Case, config: PreparationConfig, cache: PreparedCache | None = None) -> PreparedCase:
    """Read and prepare one case without its label map; a cache may hold it already."""
    prepared = (cache or PreparedCache(0)).image(case, config)
    image = torch.from_numpy(prepared.data)
    content = brighter_than_mean(image)
    example = TrainingCase(case.id, case.subject, image, content)
    annotation = Annotation(case.id, case.subject, np.asarray(content), None, None, 0, {})
    return PreparedCase(example, prepared.grid.spacing_mm, prepared.grid.voxel_volume_mm3, annotation)


def brighter_than_mean(image: Tensor) -> Tensor:
    """int16 (D, H, W): 1 where the first channel lies above its mean, which air never does.

    Args:
        image: (C, D, H, W).
    """
    return (image[0] > image[0].mean()).to(torch.int16)
