"""Several cohorts as one: scans of many sources learnt from at once, each person still known by where it came from."""

import logging
from collections.abc import Sequence
from dataclasses import replace

from neurograft.cohorts.cohort import Case, Cohort
from neurograft.cohorts.fingerprints import CohortFingerprint, fingerprint_cohort
from neurograft.errors import InputError
from neurograft.imaging.labels import LabelTable

logger = logging.getLogger(__name__)

COHORT = "cohort"
"""Covariate of a combined cohort's cases: the name of the cohort that each came from."""


def combine_cohorts(cohorts: Sequence[Cohort]) -> Cohort:
    """Join cohorts, with the labels that all of them have and the channels of the first.

    Labels are matched by name and keep each cohort's own values. A label that only some cohorts have is
    left out, since where it was not drawn it would pass for background. Channels are matched by name, or
    where each cohort has a single one taken for the same. Subjects and cases get their cohort's name in front,
    as in ``ibsr_07``, and the covariate ``cohort``.

    Args:
        cohorts: one or more, of different names, all with images.

    Raises:
        InputError: two cohorts of one name, no label in common, other channels, or no images.

    Reference:
        Kushibar et al. 2019 (P5) trains on its source and some target scans together, to compare with transfer.
    """
    if len(cohorts) == 1:
        return cohorts[0]
    names = [cohort.name for cohort in cohorts]
    repeated = next((name for name in names if names.count(name) > 1), None)
    if repeated is not None:
        raise InputError(
            f"two cohorts are called {repeated!r}, and their subjects could not be told apart",
            "Rename the table or the folder of one",
            cohorts[names.index(repeated)].source,
        )
    for cohort in cohorts:
        if not cohort.channels:
            raise InputError(
                "label maps without images cannot be learnt from beside scans",
                "Make images of them first, with neurograft phantom synthetic",
                cohort.source,
            )
    first = cohorts[0]
    common = _common_labels(cohorts)
    parts = [_part(cohort, common, first.channels) for cohort in cohorts]
    return Cohort(
        name=" + ".join(names),
        source=first.source,
        kind="combined",
        channels=first.channels,
        labels=first.labels.select(common) if common else LabelTable(()),
        cases=tuple(case for part in parts for case in part),
    )


def fingerprint_parts(cohort: Cohort) -> list[CohortFingerprint]:
    """The fingerprint of a cohort; of a combined one that of each cohort in it, under its own names."""
    origins = dict.fromkeys(case.origin[0] for case in cohort.cases if case.origin is not None)
    if not origins:
        return [fingerprint_cohort(cohort)]
    found = []
    for name in origins:
        cases = tuple(
            replace(case, subject=case.origin[1])
            for case in cohort.cases
            if case.origin is not None and case.origin[0] == name
        )
        found.append(fingerprint_cohort(replace(cohort, name=name, cases=cases)))
    return found


def _common_labels(cohorts: Sequence[Cohort]) -> list[str]:
    """Names that all label tables have, in the order of the first."""
    everywhere = set.intersection(*(set(cohort.labels.names) for cohort in cohorts))
    common = [name for name in cohorts[0].labels.names if name in everywhere]
    if not common and all(len(cohort.labels) for cohort in cohorts):
        raise InputError(
            f"cohorts {' and '.join(cohort.name for cohort in cohorts)} have no label name in common",
            "Give the same structures the same names in their label tables",
            cohorts[-1].source,
        )
    for cohort in cohorts:
        left_out = [name for name in cohort.labels.names if name not in everywhere]
        if left_out:
            more = f" and {len(left_out) - 5} more" if len(left_out) > 5 else ""
            logger.info("only some cohorts have %s%s: left out", ", ".join(left_out[:5]), more)
    return common


def _part(cohort: Cohort, labels: Sequence[str], channels: tuple[str, ...]) -> list[Case]:
    """The cases of one cohort, under the names of the combined one."""
    if set(cohort.channels) != set(channels) and not len(cohort.channels) == len(channels) == 1:
        raise InputError(
            f"cohort {cohort.name} has the channels {', '.join(cohort.channels)}, and the first one "
            f"{', '.join(channels)}",
            "Name the image columns alike",
            cohort.source,
        )
    chosen = cohort.select_labels(labels)
    own = channels if set(cohort.channels) == set(channels) else cohort.channels
    return [
        replace(
            case,
            id=f"{cohort.name}_{case.id}",
            subject=f"{cohort.name}_{case.subject}",
            images={name: case.images[theirs] for name, theirs in zip(channels, own, strict=True)},
            labels=chosen.labels,
            origin=(cohort.name, case.subject),
            covariates={COHORT: cohort.name, **case.covariates},
        )
        for case in chosen.cases
    ]
