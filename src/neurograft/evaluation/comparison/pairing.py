"""Bring two methods' values together, so that what is compared is the same subjects and cases.

A table has a row a value with the columns ``subject``, ``case``, ``method`` and ``value``, and, where
cases are repeated over trainings, ``fold`` and ``seed``. The subject is the unit of every paired
comparison here: two scans of one person, or five trainings that segment the same scan, are not more
people.
"""

from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

_NAMES_SHOWN = 5


@dataclass(frozen=True, eq=False)
class PairedValues:
    """One value a subject and method, subjects in the order of their names."""

    first_name: str
    second_name: str
    subjects: tuple[str, ...]
    first: NDArray[np.float64]
    """Shape (subjects,)."""
    second: NDArray[np.float64]
    cases: int
    """Cases behind the values."""
    subjects_dropped: tuple[str, ...]
    """Subjects that only one of the methods has."""
    cases_dropped: int
    """Cases that only one of the methods has."""
    subjects_undefined: tuple[str, ...]
    """Subjects that both have, without a case that is defined for both."""
    undefined_first: int
    """Values of the first method that are NaN, in cases that both have."""
    undefined_second: int

    @property
    def n(self) -> int:
        """Number of subjects."""
        return len(self.subjects)

    @property
    def differences(self) -> NDArray[np.float64]:
        """First minus second, shape (subjects,)."""
        return self.first - self.second


def paired_by_subject(frame: pd.DataFrame, first: str, second: str, inner: bool = False) -> PairedValues:
    """Mean of each subject over cases, folds and seeds, for two methods.

    A case enters with the mean of its runs, a subject with the mean of its cases. What is NaN for one
    method is left out for both: the value, where both methods have the same runs of that case; the
    case, where one has no defined run of it.

    Args:
        frame: the table described above.
        first: a method in it.
        second: another.
        inner: compare what both methods have, and say what was dropped, instead of refusing.

    Raises:
        ValueError: a column or method is missing, a value is infinite or stands twice, or the methods
            have different subjects or cases and `inner` is false.
    """
    units = paired_units(frame, first, second)
    keys = ["subject", "case"]
    sides = units.groupby(keys)[["in_first", "in_second"]].any()
    in_both = sides["in_first"] & sides["in_second"]
    cases_lost = sides.index[~in_both]
    subjects_in_both = set(sides.index[in_both].get_level_values("subject"))
    subjects_lost = sorted(set(sides.index.get_level_values("subject")) - subjects_in_both)
    if len(cases_lost) and not inner:
        what = "subjects" if subjects_lost else "cases"
        lost = subjects_lost or ["/".join(map(str, case)) for case in cases_lost]
        raise ValueError(
            f"{first!r} and {second!r} must have the same {what}; only one of them has {', '.join(lost[:_NAMES_SHOWN])}"
            f"{', ...' if len(lost) > _NAMES_SHOWN else ''}"
        )
    shared = units.set_index(keys)[in_both.reindex(pd.MultiIndex.from_frame(units[keys])).to_numpy()]
    per_case = _without_half_defined(shared.reset_index()).groupby(keys)[["first", "second"]].mean().dropna()
    per_subject = per_case.groupby("subject").mean().sort_index()
    return PairedValues(
        first_name=first,
        second_name=second,
        subjects=tuple(per_subject.index),
        first=per_subject["first"].to_numpy(dtype=float),
        second=per_subject["second"].to_numpy(dtype=float),
        cases=len(per_case),
        subjects_dropped=tuple(subjects_lost),
        cases_dropped=len(cases_lost),
        subjects_undefined=tuple(sorted(subjects_in_both - set(per_subject.index))),
        undefined_first=int((shared["in_first"] & shared["first"].isna()).sum()),
        undefined_second=int((shared["in_second"] & shared["second"].isna()).sum()),
    )


def paired_units(frame: pd.DataFrame, first: str, second: str) -> pd.DataFrame:
    """A row for every value of either method, beside the other method's value of the same run.

    Returns:
        Columns ``subject``, ``case``, ``fold`` and ``seed`` where the table has them, ``first`` and
        ``second`` (values, NaN where undefined or absent), ``in_first`` and ``in_second`` (whether the
        method has a row there).

    Raises:
        ValueError: as in `paired_by_subject`.
    """
    missing = [name for name in ("subject", "case", "method", "value") if name not in frame]
    if missing:
        raise ValueError(f"the table lacks the columns {', '.join(missing)}; it has {', '.join(map(str, frame))}")
    keys = ["subject", "case", *run_columns(frame)]
    rows = frame[[*keys, "method", "value"]].copy()
    if rows[["subject", "case"]].isna().any(axis=None):
        raise ValueError("every value needs a subject and a case")
    # A method that is not trained has no seed; its rows must not be lost with it.
    rows[keys] = rows[keys].astype(object).where(rows[keys].notna(), "").astype(str)
    rows["value"] = rows["value"].astype(float)
    if np.isinf(rows["value"]).any():
        raise ValueError("values must be finite or NaN; an undefined distance is NaN, not infinite")
    known = list(dict.fromkeys(rows["method"]))
    if first == second or first not in known or second not in known:
        raise ValueError(f"need two of the methods {', '.join(map(str, known))}, got {first!r} and {second!r}")
    sides = []
    for method, name in ((first, "first"), (second, "second")):
        side = rows[rows["method"] == method].drop(columns="method").rename(columns={"value": name})
        if side.duplicated(keys).any():
            again = side.loc[side.duplicated(keys), keys].iloc[0].to_dict()
            raise ValueError(f"method {method!r} has two values for {again}; tell runs apart by 'fold' or 'seed'")
        sides.append(side.assign(**{f"in_{name}": True}))
    units = sides[0].merge(sides[1], on=keys, how="outer")
    for name in ("in_first", "in_second"):
        units[name] = units[name].notna()
    return units


def shared_runs(frame: pd.DataFrame, first: str, second: str) -> tuple[pd.DataFrame, int]:
    """The rows of two methods without the runs of a case that only one of them has.

    Where some trainings are missing, each method's mean would otherwise be over other trainings. A case of
    which the methods have no run in common keeps all: their trainings are then independent of each other.

    Returns:
        The rows of the two methods, and how many of them were left out.

    Raises:
        ValueError: as in `paired_by_subject`.
    """
    units = paired_units(frame, first, second)
    runs = run_columns(frame)
    both = units["in_first"] & units["in_second"]
    lost = units[both.groupby([units["subject"], units["case"]]).transform("any") & ~both]
    keys = ["subject", "case", *runs]
    rows = frame[frame["method"].isin((first, second))]
    named = pd.MultiIndex.from_frame(rows[keys].astype(object).where(rows[keys].notna(), "").astype(str))
    return rows[~named.isin(pd.MultiIndex.from_frame(lost[keys]))], len(lost)


def run_columns(frame: pd.DataFrame) -> list[str]:
    """Those columns of a table that tell one training from another."""
    return [name for name in ("fold", "seed") if name in frame]


def differences_by_seed(frame: pd.DataFrame, first: str, second: str) -> dict[str, float]:
    """Mean difference over subjects, first minus second, for each seed that both methods have.

    Returns:
        By seed; empty when the table has no column ``seed``. NaN where nothing is defined.

    Raises:
        ValueError: as in `paired_by_subject`, which see; subjects are matched within each seed.
    """
    if "seed" not in frame:
        return {}
    units = paired_units(frame, first, second)
    both = _without_half_defined(units[units["in_first"] & units["in_second"]])
    both = both.assign(difference=both["first"] - both["second"])
    per_case = both.groupby(["seed", "subject", "case"])["difference"].mean()
    per_seed = per_case.groupby(["seed", "subject"]).mean().groupby("seed").mean()
    return {str(seed): float(value) for seed, value in per_seed.items()}


def means_by_seed(frame: pd.DataFrame, method: str) -> NDArray[np.float64]:
    """A method's mean over subjects for each of its seeds, in the order of the seeds' names.

    These are the values of a comparison whose n is the number of trainings (P3). NaN values are left
    out, and so is a seed that has no other.

    Returns:
        Shape (seeds,); empty when the table has no column ``seed``.
    """
    if "seed" not in frame:
        return np.empty(0)
    rows = frame[frame["method"] == method]
    per_case = rows.groupby(["seed", "subject", "case"])["value"].mean()
    per_seed = per_case.groupby(["seed", "subject"]).mean().groupby("seed").mean()
    return per_seed.dropna().to_numpy(dtype=float)


def _without_half_defined(units: pd.DataFrame) -> pd.DataFrame:
    """Both values NaN where one is, in cases that have the same runs of both methods.

    Otherwise a training that fails on a hard case would spare its method that case, while the other
    method's value of the same run stays in the mean.
    """
    complete = units["in_first"] & units["in_second"]
    same_runs = complete.groupby([units["subject"], units["case"]]).transform("all")
    half = same_runs & (units["first"].isna() | units["second"].isna())
    masked = units.copy()
    masked.loc[half, ["first", "second"]] = np.nan
    return masked
