"""Ages of the training cases, from the cohort's table to the batches and the bundle."""

import math
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import replace

from neurograft.cohorts import Cohort
from neurograft.errors import InputError
from neurograft.models import AgeInfo
from neurograft.tasks import AgeScale
from neurograft.training.cases import PreparedCase


def case_ages(cohort: Cohort, covariate: str) -> dict[str, float]:
    """The number that a column of the cohort gives for each labelled case.

    Raises:
        InputError: a case without it, or with something else in its place.
    """
    ages = {}
    for case in cohort.labelled().cases:
        text = case.covariates.get(covariate, "").strip()
        if not text:
            raise InputError(
                f"case {case.id} has no {covariate}, which is to be learnt",
                f"Fill in the column {covariate!r}, name another with task.age_covariate, or set task.age_weight=0",
                cohort.source,
            )
        try:
            ages[case.id] = float(text)
        except ValueError:
            ages[case.id] = math.nan
        if not math.isfinite(ages[case.id]):
            raise InputError(
                f"case {case.id}: {covariate} is {text!r}, which is no number", "Correct it", cohort.source
            )
    return ages


def with_ages(cases: Sequence[PreparedCase], ages: Mapping[str, float], covariate: str) -> list[PreparedCase]:
    """The same cases, each knowing its age."""
    return [
        replace(case, example=replace(case.example, covariates={covariate: ages[case.example.id]})) for case in cases
    ]


def age_info(ages: Sequence[float], covariate: str, source: AgeInfo | None) -> AgeInfo:
    """What a model has to remember of its ages.

    Args:
        ages: of the training cases.
        covariate: the column that they come from.
        source: of the model that the age head was copied from, whose scale it goes on with; ``None``
            for a head that starts anew.
    """
    scale = AgeScale.of(ages) if source is None else AgeScale(source.mean, source.sd)
    return AgeInfo(covariate=covariate, mean=scale.mean, sd=scale.sd, training_mean=statistics.fmean(ages))
