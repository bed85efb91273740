"""Whom to label: the people whose scans stand best for everyone's.

A few labelled people are often drawn at random, or are the first at hand, though their scans are all that a model sees
of how anatomy and intensities differ.
"""

from collections import Counter
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from neurograft.cohorts.cohort import Case, Cohort
from neurograft.errors import InputError
from neurograft.imaging.block_means import block_means
from neurograft.imaging.files import read_image
from neurograft.imaging.preparation import prepare_image
from neurograft.recipes.schema import PreparationConfig

SIDE = 12
"""Blocks along each axis of the coarse copies that are compared."""
WORKERS = 2
"""Scans that are read at a time."""
DRAWS = 200
"""Random choices that the chosen one is compared with."""


@dataclass(frozen=True)
class TypicalPeople:
    """A choice of people.

    Attributes:
        chosen: their subject identifiers, sorted; without those who were labelled before.
        nearest: each subject of the cohort -> who stands for them, of the chosen and the labelled.
        distance: mean over subjects of that to who stands for them.
        random_distance: the same for random choices of as many, on average.
        scans: each subject of the cohort -> how many scans there are to label.
    """

    chosen: tuple[str, ...]
    nearest: dict[str, str]
    distance: float
    random_distance: float
    scans: dict[str, int]


def choose_typical(
    cohort: Cohort, count: int, labelled: Sequence[str] = (), progress: Callable[[int, int], None] | None = None
) -> TypicalPeople:
    """Choose people so that everybody is near to one of them, on average.

    Scans are turned to one orientation, cropped to what is not zero, clipped to percentiles 0.5 and 99.5, averaged in
    blocks, and standardised. The root of the mean square of differences is the distance of two scans. That of two
    people is the mean, over the scans of the one and then of the other, of the distance to the nearest scan of the
    other person, and the mean of both: more scans alone bring nobody nearer. The choice is one of medoids, improved by
    exchanging one for another until none helps. Neither labels nor masks are looked at, and the choice does not depend
    on chance.

    Args:
        cohort: whose scans there are, labelled or not.
        count: how many people to choose.
        labelled: subjects of the cohort whose labels there are already; they stand for others, and are not chosen.
        progress: called with scans read, and scans in all.

    Raises:
        InputError: fewer people than are wanted, a case without a scan or with other images than the first, a scan that
            cannot be read, or one that is the same everywhere.

    Reference:
        Kaufman, Rousseeuw 1990, "Finding groups in data", chapter 2 (partitioning around medoids); Dubuisson, Jain
        1994, "A modified Hausdorff distance for object matching" (people with several scans).
    """
    _require_alike(cohort)
    people = cohort.subjects
    known = [people.index(name) for name in cohort.of_subjects(labelled).subjects] if labelled else []
    if count < 1:
        raise InputError(f"at least one person must be chosen, got {count}", "Give a count of 1 or more")
    if count > len(people) - len(known):
        raise InputError(
            f"cannot choose {count} of {len(people) - len(known)} people", "Choose fewer, or add scans", cohort.source
        )
    between = _distances(cohort, progress)
    chosen = _medoids(between, count, known)
    stand = sorted([*known, *chosen])
    nearest = {name: people[stand[int(between[n, stand].argmin())]] for n, name in enumerate(people)}
    nearest |= {people[n]: people[n] for n in stand}
    generator = np.random.default_rng(0)
    free = [n for n in range(len(people)) if n not in known]
    draws = [_cost(between, [*known, *generator.choice(free, count, replace=False)]) for _ in range(DRAWS)]
    counted = Counter(case.subject for case in cohort.cases)
    scans = {name: counted[name] for name in people}
    names = tuple(people[n] for n in sorted(chosen))
    return TypicalPeople(names, nearest, _cost(between, stand), float(np.mean(draws)), scans)


def _require_alike(cohort: Cohort) -> None:
    """Refuse cases that cannot be compared, before any is read."""
    first = cohort.cases[0] if cohort.cases else None
    for case in cohort.cases:
        if not case.images:
            raise InputError("a case without a scan has nothing to be compared by", "Leave it out", case.label)
        if first is not None and set(case.images) != set(first.images):
            raise InputError(
                f"case {case.id} has other images than case {first.id}",
                "Give every case the same images",
                next(iter(case.images.values())),
            )


def _distances(cohort: Cohort, progress: Callable[[int, int], None] | None) -> NDArray[np.float64]:
    """(people, people), in the order of the cohort's subjects."""
    number = {name: n for n, name in enumerate(cohort.subjects)}
    cases = sorted(cohort.cases, key=lambda case: (number[case.subject], case.id))
    copies: list[NDArray[np.float64]] = []
    with ThreadPoolExecutor(WORKERS) as pool:
        for copy in pool.map(_coarse_copy, cases):
            copies.append(copy)
            if progress:
                progress(len(copies), len(cases))
    coarse = np.stack(copies)
    squares = (coarse**2).mean(1)
    between = np.sqrt(np.clip(squares[:, None] + squares - 2 * coarse @ coarse.T / coarse.shape[1], 0, None))
    owners = np.array([number[case.subject] for case in cases])
    starts = np.flatnonzero(np.diff(owners, prepend=-1))
    counts = np.diff(starts, append=len(cases))
    to_nearest = np.minimum.reduceat(between, starts, axis=1)
    one_way = np.add.reduceat(to_nearest, starts, axis=0) / counts[:, None]
    # Rounded, so that equal distances are equal on every machine.
    found = np.round((one_way + one_way.T) / 2, 6)
    np.fill_diagonal(found, 0)
    return np.asarray(found)


def _coarse_copy(case: Case) -> NDArray[np.float64]:
    config = PreparationConfig(crop="nonzero", normalisation="none")
    paths = [path for _, path in sorted(case.images.items())]
    image = prepare_image([read_image(path) for path in paths], config).data
    copies = []
    for path, channel in zip(paths, image, strict=True):
        copy = block_means(np.clip(channel, *np.percentile(channel, (0.5, 99.5))), SIDE).ravel()
        # Without this, scans of much noise and little contrast would be near to all.
        spread = float(copy.std())
        if spread <= 1e-6 * float(np.abs(copy).max()):
            raise InputError("shows nothing: its coarse copy is the same everywhere", "Leave the scan out", path)
        copies.append((copy - copy.mean()) / spread)
    return np.concatenate(copies)


def _cost(between: NDArray[np.float64], stand: Sequence[int]) -> float:
    return float(between[:, stand].min(1).mean())


def _medoids(between: NDArray[np.float64], count: int, known: Sequence[int]) -> list[int]:
    """So many more columns, beside those known, that the mean of the rows' least entries is small."""
    chosen: list[int] = []
    for _ in range(count):
        chosen.append(_best(between, [*known, *chosen])[0])
    least = _cost(between, [*known, *chosen])
    improved = True
    while improved:
        improved = False
        for place in range(count):
            others = [*known, *chosen[:place], *chosen[place + 1 :]]
            joined, cost = _best(between, others)
            if cost < least - 1e-12:
                chosen[place], least, improved = joined, cost, True
    return chosen


def _best(between: NDArray[np.float64], others: Sequence[int]) -> tuple[int, float]:
    """The column that serves best beside others, the first of equal ones, and what it comes to."""
    beside = between[:, others].min(1, keepdims=True) if others else np.inf
    costs = np.minimum(between, beside).mean(0)
    costs[list(others)] = np.inf
    best = int(costs.argmin())
    return best, float(costs[best])
