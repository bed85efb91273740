"""How good a case's labels are said to be, for masks that another program drew or that nobody has checked."""

import logging
from dataclasses import replace

from neurograft.cohorts.cohort import Case, Cohort
from neurograft.errors import InputError

logger = logging.getLogger(__name__)

LABEL_QUALITY = "label_quality"
"""Column of a cohort with the quality of a case's labels, 0 to 1; whoever makes them decides what it measures."""


def case_quality(case: Case) -> float:
    """The quality of a case's labels, 1 where the cohort says nothing of it.

    Raises:
        InputError: not a number from 0 to 1.
    """
    text = case.covariates.get(LABEL_QUALITY, "").strip()
    if text.casefold() in ("", "n/a"):
        return 1.0
    try:
        quality = float(text)
    except ValueError:
        quality = -1.0
    if not 0 <= quality <= 1:
        raise InputError(
            f"{LABEL_QUALITY} of case {case.id} is {text!r}", "Write a number from 0 to 1, or nothing for 1", case.label
        )
    return quality


def of_quality(cohort: Cohort, minimum: float) -> Cohort:
    """The cohort with only the cases whose labels are at least so good.

    Raises:
        InputError: nobody remains, or a quality that is no number from 0 to 1.
    """
    kept = tuple(case for case in cohort.cases if case_quality(case) >= minimum)
    if cohort.cases and not kept:
        best = max(map(case_quality, cohort.cases))
        raise InputError(
            f"no case has labels of quality {minimum:g} or more; the best is {best:g}",
            f"Lower label_quality.minimum (or refine_from), or correct the column {LABEL_QUALITY}",
            cohort.source,
        )
    if len(kept) < len(cohort):
        logger.info("%d of %d cases have labels of quality %g or more", len(kept), len(cohort), minimum)
    return replace(cohort, cases=kept)
