"""Dividing subjects: held-out sets, folds, and subsets of growing size.

Everything here works on subject identifiers, never on cases, so that two scans of one person
never end up on both sides. Subjects are sorted before anything is drawn: the same seed gives
the same split whatever order the source lists them in.
"""

from collections.abc import Iterable, Sequence

import numpy as np

from neurograft.cohorts.cohort import Cohort
from neurograft.errors import InputError

Subjects = tuple[str, ...]


def hold_out(
    subjects: Iterable[str], *, count: int | None = None, share: float | None = None, seed: int
) -> tuple[Subjects, Subjects]:
    """Hold out some subjects at random.

    Args:
        subjects: identifiers; repeats count once.
        count: how many to hold out, at least 1; give this or `share`.
        share: the part to hold out, between 0 and 1 exclusive, rounded to at least one subject.
        seed: decides which.

    Returns:
        The rest and the held-out subjects, both sorted.

    Raises:
        InputError: neither or both of `count` and `share`, a value out of range, or nobody would remain.

    Example:
        >>> rest, held = hold_out(["a", "b", "c", "d"], count=1, seed=0)
        >>> len(rest), len(held)
        (3, 1)
    """
    everyone = _sorted_unique(subjects)
    if share is not None and count is None:
        if not 0 < share < 1:
            raise InputError(f"the share to hold out must lie between 0 and 1, got {share}", "Give for example 0.2")
        count = max(1, round(share * len(everyone)))
    elif count is None or share is not None:
        raise InputError("hold-out needs either a count or a share of the subjects", "Give exactly one of the two")
    if count < 1:
        raise InputError(f"at least one subject must be held out, got {count}", "Give a count of 1 or more")
    if count >= len(everyone):
        raise InputError(
            f"cannot hold out {count} of {len(everyone)} subjects: none would remain",
            "Hold out fewer, or add subjects",
        )
    shuffled = _shuffled(everyone, seed)
    return tuple(sorted(shuffled[count:])), tuple(sorted(shuffled[:count]))


def k_folds(subjects: Iterable[str], folds: int, seed: int) -> list[tuple[Subjects, Subjects]]:
    """Divide subjects into folds whose sizes differ by at most one.

    Returns:
        A pair (training, validation) a fold; each subject is in the validation set of exactly one.

    Raises:
        InputError: fewer than two folds, or fewer subjects than folds.
    """
    everyone = _sorted_unique(subjects)
    if folds < 2:
        raise InputError(f"cross-validation needs at least 2 folds, got {folds}", "Give 2 or more")
    if folds > len(everyone):
        raise InputError(
            f"cannot make {folds} folds of {len(everyone)} subjects", f"Ask for at most {len(everyone)} folds"
        )
    shuffled = _shuffled(everyone, seed)
    pairs = []
    for fold in range(folds):
        validation = set(shuffled[fold::folds])
        training = tuple(subject for subject in everyone if subject not in validation)
        pairs.append((training, tuple(sorted(validation))))
    return pairs


def nested_subsets(subjects: Iterable[str], sizes: Sequence[int], seed: int) -> dict[int, Subjects]:
    """Draw a subset of each size, each smaller one inside each larger one.

    Nesting takes the luck of the draw out of a comparison of sizes: what a larger subset gains
    comes from the subjects added, not from other subjects.

    Raises:
        InputError: a size below 1 or above the number of subjects.
    """
    everyone = _sorted_unique(subjects)
    for size in sizes:
        _check_size(size, len(everyone))
    shuffled = _shuffled(everyone, seed)
    return {size: tuple(sorted(shuffled[:size])) for size in sizes}


def split_off(cohort: Cohort, held: Iterable[str], why: str) -> Subjects:
    """The subjects of a cohort who are not held out, where some have been chosen by what their cases say.

    Args:
        cohort: everybody.
        held: those who are held out.
        why: what they have in common, for the message, such as ``scanner=GE``.

    Raises:
        InputError: nobody remains.
    """
    apart = set(held)
    rest = tuple(subject for subject in cohort.subjects if subject not in apart)
    if not rest:
        raise InputError(f"everybody has {why}: none would remain", "Choose another value", cohort.source)
    return rest


def leave_one_out(subjects: Iterable[str]) -> list[tuple[Subjects, Subjects]]:
    """Divide subjects so that each is tested once, by everybody else.

    Returns:
        A pair (training, test) a subject, in the order of their names.

    Raises:
        InputError: fewer than two subjects.
    """
    everyone = _sorted_unique(subjects)
    if len(everyone) < 2:
        raise InputError("leave-one-out needs at least 2 subjects", "Add subjects")
    return [(tuple(one for one in everyone if one != left), (left,)) for left in everyone]


def ladder_with_second_run(
    subjects: Iterable[str], sizes: Sequence[int], seed: int
) -> dict[int, tuple[tuple[Subjects, Subjects], tuple[Subjects, Subjects]]]:
    """A ladder of nested training sets in which everybody is scored at every size.

    The first run of a size learns from some subjects and is scored on all others; the second learns from
    as many different ones, and is scored on those whom the first had learnt from. The training sets of
    either run are nested, and those of one run share nobody with those of the other, at any size.

    Returns:
        Of each size two pairs (training, test).

    Raises:
        InputError: a size below 1, or above half of the subjects.

    Reference:
        Kushibar et al. 2019 (P5): the training subjects are scored by a second run with different ones.

    Example:
        >>> first, second = ladder_with_second_run(["a", "b", "c", "d", "e"], [2], seed=0)[2]
        >>> set(first[0]) == set(second[1]), len(first[1]) + len(second[1])
        (True, 5)
    """
    everyone = _sorted_unique(subjects)
    for size in sizes:
        _check_size(size, len(everyone))
        if 2 * size > len(everyone):
            raise InputError(
                f"a second run of {size} other subjects needs {2 * size}, and there are {len(everyone)}",
                f"Ask for at most {len(everyone) // 2}",
            )
    order = _shuffled(everyone, seed)
    ladder = {}
    for size in sizes:
        first, second = order[:size], order[len(order) - size :]
        rest = tuple(name for name in everyone if name not in first)
        ladder[size] = ((tuple(sorted(first)), rest), (tuple(sorted(second)), tuple(sorted(first))))
    return ladder


def repeated_subsets(subjects: Iterable[str], size: int, repeats: int, seed: int) -> list[Subjects]:
    """Draw a subset of one size several times, independently; draw i does not depend on `repeats`.

    Raises:
        InputError: a size below 1 or above the number of subjects, or no repeat.
    """
    everyone = _sorted_unique(subjects)
    _check_size(size, len(everyone))
    if repeats < 1:
        raise InputError(f"at least one repeat is needed, got {repeats}", "Give 1 or more")
    return [tuple(sorted(_shuffled(everyone, seed, repeat)[:size])) for repeat in range(repeats)]


def _sorted_unique(subjects: Iterable[str]) -> list[str]:
    return sorted(set(subjects))


def _shuffled(subjects: list[str], *seed: int) -> list[str]:
    if any(part < 0 for part in seed):
        raise InputError(f"a seed must not be negative, got {min(seed)}", "Give 0 or more")
    order = np.random.default_rng(seed).permutation(len(subjects))
    return [subjects[index] for index in order]


def _check_size(size: int, available: int) -> None:
    if size < 1:
        raise InputError(f"a subset needs at least one subject, got {size}", "Give 1 or more")
    if size > available:
        raise InputError(
            f"cannot draw {size} subjects: there are only {available}", f"Ask for at most {available} subjects"
        )
