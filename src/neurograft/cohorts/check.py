"""Checking a cohort before anything is trained on it."""

import os
from collections import Counter, deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from itertools import combinations

from neurograft.cohorts.case_check import CaseFindings, check_case
from neurograft.cohorts.cohort import Cohort
from neurograft.cohorts.cohort_report import CaseRow, CohortReport, Problem
from neurograft.cohorts.leakage import near_duplicates

__all__ = ["CaseRow", "CohortReport", "Problem", "check_cohort"]

_MOST_WORKERS = 8
_ORDER = {"error": 0, "warning": 1, "note": 2}


def check_cohort(
    cohort: Cohort,
    workers: int | None = None,
    progress: Callable[[int, int], None] | None = None,
    required_labels: Sequence[str] | None = None,
) -> CohortReport:
    """Read every file of a cohort and report what would stop or spoil training.

    Args:
        cohort: the cohort.
        workers: cases read at a time, by default one a core and at most 8; no more volumes than
            that are in memory.
        progress: called with the number of cases done and in all.
        required_labels: labels that must occur somewhere. A table often names more than a data
            set holds, so by default it is enough that one of its labels occurs.

    Returns:
        Rows in the order of the cohort, problems with the worst first.
    """
    findings = []
    for found in _each_case(cohort, workers or min(_MOST_WORKERS, os.cpu_count() or 1)):
        findings.append(found)
        if progress:
            progress(len(findings), len(cohort))
    problems = [problem for found in findings for problem in found.problems]
    problems += _label_problems(cohort, findings, required_labels)
    problems += _duplicates(findings)
    problems += _repeated_subjects(cohort)
    problems += _missing_images(cohort)
    problems.sort(key=lambda problem: _ORDER[problem.severity])
    return CohortReport(cohort.name, tuple(found.row for found in findings), tuple(problems))


def _each_case(cohort: Cohort, workers: int) -> Iterator[CaseFindings]:
    """Findings in order, with no more cases begun than there are workers."""
    with ThreadPoolExecutor(workers) as pool:
        running: deque[Future[CaseFindings]] = deque()
        for case in cohort.cases:
            if len(running) == workers:
                yield running.popleft().result()
            running.append(pool.submit(check_case, case, cohort.labels))
        while running:
            yield running.popleft().result()


def _label_problems(
    cohort: Cohort, findings: Sequence[CaseFindings], required_labels: Sequence[str] | None
) -> Iterator[Problem]:
    """Labels that no case has, and label maps that are all empty."""
    mend = "Check the label table and the label maps"
    if not cohort.labelled().cases:
        yield Problem("error", None, cohort.source, "no case has a label map", "Add labels; prediction needs none")
        return
    read = [found for found in findings if found.label_was_read]
    if not read:
        return
    present = {name for found in read for name in found.row.labels}
    if not present:
        yield Problem("error", None, cohort.source, "no label of the table occurs in any label map", mend)
        return
    required = set(required_labels or ())
    for name in sorted(required - present):
        yield Problem("error", None, cohort.source, f"label {name!r} is absent from every case", mend)
    absent = [name for name in cohort.labels.names if name not in present and name not in required]
    if absent:
        shown = ", ".join(absent[:8]) + (", ..." if len(absent) > 8 else "")
        yield Problem(
            "warning",
            None,
            cohort.source,
            f"{len(absent)} of {len(cohort.labels.names)} labels are absent from every case: {shown}",
            "Do not train on these",
        )


def _duplicates(findings: Sequence[CaseFindings]) -> Iterator[Problem]:
    """Images that are copies of one another: an error between subjects, a warning inside one."""
    readable = [(found.row, found.fingerprint) for found in findings if found.fingerprint is not None]
    prints = [fingerprint for _, fingerprint in readable]
    alike = {(i, j): correlation for i, j, correlation in near_duplicates(prints, prints) if i < j}
    by_hash: dict[str, list[int]] = {}
    for index, fingerprint in enumerate(prints):
        by_hash.setdefault(fingerprint.voxels, []).append(index)
    same = {pair for indices in by_hash.values() for pair in combinations(indices, 2)}
    for i, j in sorted(same | alike.keys()):
        one, other = readable[i][0], readable[j][0]
        exact = (i, j) in same
        how = "the same image as" if exact else f"nearly the same image (correlation {alike[i, j]:.3f}) as"
        if one.subject == other.subject:
            yield Problem("warning", other.id, None, f"{how} case {one.id}", "Remove one of them")
        else:
            yield Problem(
                "error" if exact else "warning",
                other.id,
                None,
                f"{how} case {one.id}, of another subject ({one.subject})",
                "Remove one of them, or give both one subject: otherwise a split may put one person on both sides",
            )


def _missing_images(cohort: Cohort) -> Iterator[Problem]:
    if not cohort.channels and cohort.labelled().cases:
        yield Problem(
            "note",
            None,
            cohort.source,
            "these are label maps without images",
            "Train on images that are made from them: synthesis.enabled=true, or the recipe synthetic-brain",
        )


def _repeated_subjects(cohort: Cohort) -> Iterator[Problem]:
    counts = Counter(case.subject for case in cohort.cases)
    several = [subject for subject, count in counts.items() if count > 1]
    if several:
        yield Problem(
            "note",
            None,
            None,
            f"{len(several)} of {len(counts)} subjects have several cases, at most {max(counts.values())}",
            "Nothing to do: splits are made between subjects",
        )
