"""A mixed model of the difference of two methods where several trainings segment the same subjects.

Means over trainings treat these as exact; a model with a variance for trainings does not, so that its
interval speaks of other subjects and of other trainings. Where both methods have the same runs
(folds and seeds), the model is of the paired differences,

    difference = mean + subject + run + rest,

in which everything that a subject or a draw of training data does to both methods alike has fallen
out, and what is left for ``subject`` is how much the difference varies from person to person. Without
that term ten trainings would count as ten times as many people. Where the runs differ, it is

    value = method + subject + subject by method + run within method + rest.

Variances are by restricted maximum likelihood. The interval uses Student's t with degrees of freedom
after Satterthwaite: subjects minus one for the share of the squared standard error that subjects bring,
runs minus one (per method, where runs differ) for the share of the runs. In a balanced table without a
variance of runs it is the paired t-test of the subjects' means.

Reference:
    N. M. Laird and J. H. Ware, "Random-Effects Models for Longitudinal Data", Biometrics 38, 1982.
    F. E. Satterthwaite, "An Approximate Distribution of Estimates of Variance Components", Biometrics
    Bulletin 2, 1946.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import stats

from neurograft.evaluation.comparison.pairing import paired_units, run_columns
from neurograft.evaluation.comparison.variance_components import fit_variance_components

MIN_SUBJECTS = 3
"""With fewer no variance between subjects can be told from chance."""

_NOTHING = 1e-9
"""A spread below this share of the largest value is rounding noise."""


@dataclass(frozen=True)
class MixedDifference:
    """First minus second with its interval; NaN where the model could not be fitted, and the note says why."""

    difference: float
    low: float
    high: float
    p: float
    degrees_of_freedom: float
    variances: Mapping[str, float] = field(default_factory=dict)
    """By term of the model, in the squared unit of the values."""
    converged: bool = False
    n_subjects: int = 0
    n_runs: int = 0
    """Runs of both methods together where they differ."""
    note: str = ""


@dataclass(frozen=True)
class _Design:
    """What is fitted: values (n,), fixed columns (n, k) with the wanted one last, and groupings (n,)."""

    values: NDArray[np.float64]
    fixed: NDArray[np.float64]
    groupings: Mapping[str, NDArray[np.int64]]
    runs_of_each_side: tuple[int, ...]
    note: str


def mixed_difference(frame: pd.DataFrame, first: str, second: str, level: float = 0.95) -> MixedDifference:
    """Difference of two methods over subjects and runs.

    Args:
        frame: a row a value with ``subject``, ``case``, ``method``, ``value`` and ``fold`` or ``seed``.
            Cases of a subject are averaged within each run; NaN values are left out.
        first: a method.
        second: another.
        level: coverage of the interval.

    Returns:
        NaN figures and a note when no subject is repeated, or there are too few subjects, no spread,
        or no convergence.

    Raises:
        ValueError: `level` is no share; or the table is wrong, as in `paired_units`.
    """
    if not 0 < level < 1:
        raise ValueError(f"level must lie between 0 and 1, got {level}")
    units = paired_units(frame, first, second)
    runs = run_columns(frame)
    if not runs:
        return _undefined("the table has no fold or seed: there are no repeats to model")
    cells = _cells(units, runs)
    subjects = int(cells["subject"].nunique())
    if cells.empty or cells.groupby("subject")["run"].nunique().max() < 2:
        return _undefined("no subject is repeated over folds or seeds", subjects)
    if subjects < MIN_SUBJECTS:
        return _undefined(f"{subjects} subjects are too few, {MIN_SUBJECTS} are needed", subjects)
    runs_of = [set(cells.loc[cells[name].notna(), "run"]) for name in ("first", "second")]
    design = _paired_design(cells.dropna()) if runs_of[0] == runs_of[1] else _unpaired_design(cells)
    if np.ptp(design.values) <= _NOTHING * np.abs(design.values).max():
        return _undefined("the values have no spread", subjects, sum(design.runs_of_each_side))
    return _fit(design, subjects, level)


def _cells(units: pd.DataFrame, runs: list[str]) -> pd.DataFrame:
    """Means over cases by subject and run, of cases that both methods have.

    Where both have the run, a value that is NaN for one of them is left out for both.
    """
    by_case = units.groupby(["subject", "case"])
    shared = by_case["in_first"].transform("any") & by_case["in_second"].transform("any")
    half = units["in_first"] & units["in_second"] & (units["first"].isna() | units["second"].isna())
    kept = units[shared & ~half]
    run = kept[runs[0]] if len(runs) == 1 else kept[runs[0]].str.cat(kept[runs[1]], sep=" ")
    cells = kept.assign(run=run).groupby(["subject", "run"], as_index=False)[["first", "second"]].mean()
    return cells.dropna(how="all", subset=["first", "second"])


def _paired_design(cells: pd.DataFrame) -> _Design:
    subject, run = (np.unique(cells[name], return_inverse=True)[1] for name in ("subject", "run"))
    values = (cells["first"] - cells["second"]).to_numpy(dtype=float)
    groupings = {"subject": subject, "run": run}
    return _Design(values, np.ones((len(cells), 1)), groupings, (int(run.max()) + 1,), "runs paired")


def _unpaired_design(cells: pd.DataFrame) -> _Design:
    sides = [
        cells[["subject", "run", name]].rename(columns={name: "value"}).assign(side=name)
        for name in ("first", "second")
    ]
    long = pd.concat(sides).dropna(subset="value")
    names = {
        "subject": long["subject"],
        "subject by method": long["subject"] + " " + long["side"],
        "run": long["run"] + " " + long["side"],
    }
    groupings = {term: np.unique(column, return_inverse=True)[1] for term, column in names.items()}
    is_first = (long["side"] == "first").to_numpy(dtype=float)
    runs = tuple(int(long.loc[long["side"] == name, "run"].nunique()) for name in ("first", "second"))
    return _Design(
        long["value"].to_numpy(dtype=float),
        np.column_stack([np.ones(len(long)), is_first]),
        groupings,
        runs,
        "the methods have different runs, which are not paired",
    )


def _fit(design: _Design, subjects: int, level: float) -> MixedDifference:
    runs = sum(design.runs_of_each_side)
    try:
        fit = fit_variance_components(design.values, design.fixed, design.groupings)
    except (np.linalg.LinAlgError, ValueError) as fault:
        return _undefined(f"the model could not be fitted: {fault}", subjects, runs)
    estimate, error = float(fit.coefficients[-1]), float(np.sqrt(fit.covariance[-1, -1]))
    variances = {**fit.variances, "rest": fit.residual_variance}
    if not (fit.converged and np.isfinite(estimate) and error > 0):
        return _undefined("the model did not converge, as when runs repeat each other exactly", subjects, runs)
    freedom = _degrees_of_freedom(error**2, variances["run"], design.runs_of_each_side, subjects)
    reach = float(stats.t.ppf((1 + level) / 2, freedom)) * error
    p = float(2 * stats.t.sf(abs(estimate) / error, freedom))
    return MixedDifference(
        estimate, estimate - reach, estimate + reach, p, freedom, variances, True, subjects, runs, design.note
    )


def _degrees_of_freedom(
    squared_error: float, run_variance: float, runs_of_each_side: tuple[int, ...], subjects: int
) -> float:
    """Satterthwaite's, from the runs' and the subjects' share of the squared standard error."""
    runs_freedom = sum(runs_of_each_side) - len(runs_of_each_side)
    of_runs = min(squared_error, sum(run_variance / runs for runs in runs_of_each_side))
    of_subjects = squared_error - of_runs
    if runs_freedom == 0:
        return float(subjects - 1)
    return squared_error**2 / (of_subjects**2 / (subjects - 1) + of_runs**2 / runs_freedom)


def _undefined(note: str, subjects: int = 0, runs: int = 0) -> MixedDifference:
    nan = float("nan")
    return MixedDifference(nan, nan, nan, nan, nan, {}, False, subjects, runs, note)
