"""A model among raters: model against each rater beside rater against rater, the ceiling of both.

No model can be shown to agree with a rater better than raters agree with each other. Both are put
into one table, on the same cases.
"""

from collections.abc import Hashable, Sequence
from itertools import combinations
from typing import Literal, get_args

import numpy as np
import pandas as pd

from neurograft.evaluation.agreement.row import agreement_row
from neurograft.evaluation.intervals import subject_bootstrap

CaseChoice = Literal["common", "pairwise"]
"""Cases that all have (the default: figures of all pairs can be compared), or all that each pair has."""

_KINDS = ("model-rater", "rater-rater")
_COUNTS = ("n", "n_subjects", "n_left_out")
_FIGURES = (
    *_COUNTS,
    "icc_2_1", "icc_2_1_low", "icc_2_1_high",
    "ccc", "ccc_low", "ccc_high",
    "pearson", "pearson_low", "pearson_high",
    "bias", "bias_low", "bias_high",
    "loa_lower", "loa_upper", "note",
)  # fmt: skip
_COEFFICIENTS = ("icc_2_1", "ccc", "pearson")

RATER_COLUMNS: tuple[str, ...] = ("kind", "first", "second", *_FIGURES)
"""Columns of `rater_ceiling`; their meanings are those of ``AGREEMENT_MEANINGS``."""

PAIRWISE_COLUMNS: tuple[str, ...] = (
    "kind", "first", "second", "n", "n_subjects", "n_left_out", "mean", "sd", "low", "high",
)  # fmt: skip
"""Columns of `pairwise_table`."""


def rater_ceiling(
    measurements: pd.DataFrame, model: str, cases: CaseChoice = "common", level: float = 0.95
) -> pd.DataFrame:
    """Agreement on a measured quantity between the model and each rater, and between raters.

    Args:
        measurements: rows with the columns ``subject``, ``case``, ``rater`` and ``value`` (NaN where
            undefined); the model is one of the raters.
        model: its name among them.
        cases: which cases each pair is compared on.
        level: coverage of the intervals.

    Returns:
        A row a pair with `RATER_COLUMNS`: ``kind`` is "model-rater" or "rater-rater"; differences are
        first - second, and the model is always first. With several pairs of a kind a row "model-rater,
        mean" or "rater-rater, mean" follows with the plain mean of their coefficients, if all pairs
        are on common cases. ``n_left_out`` counts cases of the table that the pair does not use.

    Raises:
        ValueError: a column or a subject is missing, a rater has two values of a case, the model is not
            among the raters or alone, or `cases` has no such name.
    """
    measurements = _with_columns(measurements, ("subject", "case", "rater", "value"))
    raters = list(dict.fromkeys(measurements["rater"]))
    if model not in raters or len(raters) < 2:
        raise ValueError(f"the model {model!r} and at least one other rater are needed, got {sorted(raters)}")
    table, n_cases = _by_column(measurements, measurements["case"], measurements["rater"], cases)
    rows: list[dict[str, object]] = []
    for first, second in combinations([model, *(rater for rater in raters if rater != model)], 2):
        pair = table[[first, second]].dropna()
        figures = agreement_row("", "", pair[first], pair[second], _subjects(pair), level)
        figures["n_left_out"] = n_cases - len(pair)
        row: dict[str, object] = {"kind": _kind(first, model), "first": first, "second": second}
        rows.append(row | {name: figures[name] for name in _FIGURES})
    pairs = pd.DataFrame(rows, columns=RATER_COLUMNS)
    if cases == "common":
        rows += [_mean_row(str(kind), group) for kind, group in pairs.groupby("kind", sort=False) if len(group) > 1]
    return pd.DataFrame(rows, columns=RATER_COLUMNS)


def pairwise_table(
    scores: pd.DataFrame, model: str, cases: CaseChoice = "common", level: float = 0.95, seed: int = 0
) -> pd.DataFrame:
    """Mean score, such as Dice, of the model with each rater, and of the raters with each other.

    Args:
        scores: rows with the columns ``first``, ``second``, ``subject`` and ``value`` (NaN where
            undefined), and ``case`` where subjects have several. The order of the two names of a pair
            does not matter.
        model: its name among them.
        cases: which cases each pair is averaged over.
        level: coverage of the intervals, which are those of the bootstrap over subjects.
        seed: of the bootstrap.

    Returns:
        A row a pair with `PAIRWISE_COLUMNS`. On common cases with both kinds of pairs, the last three
        rows hold the mean of each case over the pairs of a kind ("model-rater, mean" and "rater-rater,
        mean") and the difference of the two ("model minus ceiling"), with its interval.

    Raises:
        ValueError: a column or a subject is missing, a pair has two scores of a case, the model is in no
            pair, or `cases` has no such name.
    """
    scores = _with_columns(scores, ("first", "second", "subject", "value"))
    pairs = [_ordered_pair(*names, model) for names in zip(scores["first"], scores["second"], strict=True)]
    if not any(first == model for first, _ in pairs):
        raise ValueError(f"the model {model!r} is in no pair, got {sorted(set(pairs))}")
    model_first = sorted(dict.fromkeys(pairs), key=lambda pair: pair[0] != model)
    numbers = {pair: number for number, pair in enumerate(model_first)}
    case = scores["case"] if "case" in scores else scores["subject"]
    table, n_cases = _by_column(scores, case, pd.Series([numbers[pair] for pair in pairs]), cases)
    columns = [(_kind(pair[0], model), *pair, table[number]) for pair, number in numbers.items()]
    kinds = [kind for kind, *_ in columns]
    if cases == "common" and len(set(kinds)) == 2:
        of_model, ceiling = (table.loc[:, [own == kind for own in kinds]].mean(axis=1) for kind in _KINDS)
        columns += [(f"{_KINDS[0]}, mean", "", "", of_model), (f"{_KINDS[1]}, mean", "", "", ceiling)]
        columns.append(("model minus ceiling", "", "", of_model - ceiling))
    return pd.DataFrame(
        [(*names, *_score_figures(values.dropna(), n_cases, level, seed)) for *names, values in columns],
        columns=PAIRWISE_COLUMNS,
    )


def _with_columns(frame: pd.DataFrame, columns: Sequence[str]) -> pd.DataFrame:
    """The table with its rows numbered anew, if it has the columns."""
    if missing := [column for column in columns if column not in frame]:
        raise ValueError(f"the table lacks the columns {missing}, it has {list(frame)}")
    return frame.reset_index(drop=True)


def _kind(first: object, model: str) -> str:
    return _KINDS[0] if first == model else _KINDS[1]


def _ordered_pair(first: str, second: str, model: str) -> tuple[str, str]:
    """The two names with the model first, or in the order of the alphabet."""
    if first == second:
        raise ValueError(f"a pair needs two names, got {first!r} twice")
    if first == model:
        return first, second
    return (second, first) if second == model or second < first else (first, second)


def _by_column(frame: pd.DataFrame, case: pd.Series, column: pd.Series, cases: CaseChoice) -> tuple[pd.DataFrame, int]:
    """A row a case, indexed by subject and case, with a column for each rater or pair; and all cases' number."""
    if cases not in get_args(CaseChoice):
        raise ValueError(f"cases must be one of {', '.join(get_args(CaseChoice))}, got {cases!r}")
    values = frame["value"].astype(float)
    long = pd.DataFrame(
        {"subject": frame["subject"], "case": case, "column": column, "value": values.where(np.isfinite(values))}
    )
    if long[["subject", "case"]].isna().any(axis=None):
        raise ValueError("every row needs a subject and a case, got one without")
    repeated = long[long.duplicated(["subject", "case", "column"])]
    if len(repeated):
        raise ValueError(f"one value a case is needed, got several of cases {sorted(set(map(str, repeated['case'])))}")
    table = long.pivot(index=["subject", "case"], columns="column", values="value")
    return (table.dropna() if cases == "common" else table), len(table)


def _subjects(table: pd.DataFrame | pd.Series) -> list[Hashable]:
    return table.index.get_level_values("subject").tolist()


def _mean_row(kind: str, pairs: pd.DataFrame) -> dict[str, object]:
    """Mean of the coefficients of several pairs on the same cases."""
    row: dict[str, object] = {"kind": f"{kind}, mean", "first": "", "second": "", "note": ""}
    counts = {name: pairs[name].iloc[0] for name in _COUNTS}
    return row | counts | {name: pairs[name].mean(skipna=False) for name in _COEFFICIENTS}


def _score_figures(
    values: pd.Series, n_cases: int, level: float, seed: int
) -> tuple[int, int, int, float, float, float, float]:
    by_subject: dict[str, list[float]] = {}
    for subject, value in zip(_subjects(values), values, strict=True):
        by_subject.setdefault(str(subject), []).append(float(value))
    low, high = subject_bootstrap(by_subject, level=level, seed=seed)
    n = len(values)
    return n, len(by_subject), n_cases - n, float(values.mean()), float(values.std()), low, high
