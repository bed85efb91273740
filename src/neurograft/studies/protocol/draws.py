"""Who is tested and who is learnt from: the test sets of an experiment, and its subsets of labelled people."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from neurograft.cohorts import hold_out, k_folds, nested_subsets, repeated_subsets
from neurograft.errors import InputError
from neurograft.studies.protocol.people import DrawConfig
from neurograft.studies.protocol.schema import ExperimentConfig

Subjects = tuple[str, ...]
ALL = "all"


@dataclass(frozen=True)
class TestSet:
    """People to be tested, and those who may be learnt from beside them.

    Attributes:
        name: in tables.
        tested: who.
        rest: everybody else.
        size: the only size that it serves; all when ``None``.
        draw: the only draw that it serves; all when ``None``.
    """

    name: str
    tested: Subjects
    rest: Subjects
    size: int | str | None = None
    draw: int | None = None


@dataclass(frozen=True)
class Subset:
    """Labelled people of one size.

    Attributes:
        size: as the protocol names it.
        draw: number of the draw.
        seed: of the training; where each seed has its own draw, that one only.
        people: who.
        folds: who of them chooses the weights, one entry a training; ``None`` leaves that to the recipe.
    """

    size: int | str
    draw: int
    seed: int
    people: Subjects
    folds: tuple[Subjects | None, ...]


def find_test_sets(experiment: ExperimentConfig, subjects: Subjects, others: Subjects = ()) -> list[TestSet]:
    """Set people aside for testing.

    Args:
        experiment: its section ``test`` decides.
        subjects: of the target cohort.
        others: of the cohort to test on, for ``kind: cohort``.

    Raises:
        InputError: fewer people than the protocol asks for.
    """
    config = experiment.test
    try:
        if config.kind == "cohort":
            return [TestSet(config.cohort or "", others, subjects)]
        if config.kind == "fixed":
            rest, tested = hold_out(subjects, count=config.count, share=config.share, seed=config.seed)
            return [TestSet("fixed", tested, rest)]
        if config.kind == "own":
            return list(_own(experiment, subjects))
        count = len(subjects) if config.kind == "leave-one-out" else config.folds
        pairs = k_folds(subjects, count, config.seed)
        return [TestSet(f"{config.kind} {number}", tested, rest) for number, (rest, tested) in enumerate(pairs)]
    except InputError as error:
        raise InputError(f"experiment {experiment.name}: {error.problem}", error.mend) from error


def find_pool(experiment: ExperimentConfig, test: TestSet) -> Subjects:
    """People from whom the subsets of one test set are drawn.

    Raises:
        InputError: fewer people than the protocol asks for.
    """
    if experiment.pool == ALL or test.size is not None:
        return test.rest
    if experiment.pool == len(test.rest):
        return test.rest
    try:
        return hold_out(test.rest, count=int(experiment.pool), seed=experiment.test.seed)[1]
    except InputError as error:
        raise InputError(f"experiment {experiment.name}, pool: {error.problem}", error.mend) from error


def find_subsets(
    experiment: ExperimentConfig, test: TestSet, seeds: Sequence[int], factor: int = 1
) -> Iterator[Subset]:
    """Subsets of the pool, by size, draw and seed.

    Args:
        experiment: sizes, draws and folds.
        test: the test set; one that serves a single size is itself a draw.
        seeds: of the trainings.
        factor: so many times the people of each size, where the pool has them.

    Raises:
        InputError: more people than there are.
    """
    pool = find_pool(experiment, test)
    draws = experiment.draw
    for size in experiment.sizes:
        if test.size is not None and size != test.size:
            continue
        count = len(pool) if size == ALL or test.size is not None else int(size) * factor
        if count > len(pool):
            raise InputError(
                f"experiment {experiment.name}: {count} people are asked for, and {len(pool)} are left beside "
                f"the test set {test.name!r}",
                "Ask for fewer, or test fewer",
            )
        for position, seed in enumerate(seeds):
            for draw in _draw_numbers(draws, position):
                if test.draw is not None and draw != test.draw:
                    continue
                drawn_by = draws.seed + (seed if draws.repeats == "seeds" else draw)
                people = pool if test.size is not None else _drawn(draws, pool, count, draw, drawn_by)
                parts = min(experiment.folds, len(people))
                folds: tuple[Subjects | None, ...] = (None,)
                if parts >= 2:
                    folds = tuple(held for _, held in k_folds(people, parts, drawn_by))
                yield Subset(size, draw, seed, people, folds)


def _draw_numbers(draws: DrawConfig, position: int) -> range:
    """Draws of one seed: its own one, or all."""
    return range(position, position + 1) if draws.repeats == "seeds" else range(draws.repeats)


def _drawn(draws: DrawConfig, pool: Subjects, count: int, draw: int, seed: int) -> Subjects:
    if draws.kind == "nested":
        return nested_subsets(pool, [count], seed)[count]
    # Each size has a seed of its own: draws from one shuffling would lie inside each other.
    own = int(np.random.SeedSequence((draws.seed, count)).generate_state(1)[0])
    return repeated_subsets(pool, count, draw + 1, own)[draw]


def _own(experiment: ExperimentConfig, subjects: Subjects) -> Iterator[TestSet]:
    """A test set of its own for every size and draw (P1's large sizes)."""
    config, draws = experiment.test, experiment.draw
    if draws.repeats == "seeds":
        raise InputError("test: own has draws of its own", "Give draw.repeats a number")
    for size in experiment.sizes:
        count = len(subjects) if size == ALL else int(size)
        for draw in range(draws.repeats):
            people = _drawn(draws, subjects, count, draw, draws.seed + draw)
            rest, tested = hold_out(people, count=config.count, share=config.share, seed=config.seed + draw)
            yield TestSet(f"own of {size}, draw {draw}", tested, rest, size, draw)
