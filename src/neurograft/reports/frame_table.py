"""Any table of figures as cells of text: headings from its columns' names, intervals beside what they belong to."""

from collections.abc import Collection, Sequence
from typing import Any

import numpy as np
import pandas as pd

from neurograft.reports.measures import measure_of
from neurograft.reports.number_text import DASH, common_digits, decimal, interval, p_value
from neurograft.reports.summary_table import Cell, TextTable, text_cell
from neurograft.reports.table_columns import NO_BREAK, TableColumn, table_of


def frame_table(
    frame: pd.DataFrame,
    level: float = 0.95,
    hidden: Collection[str] = (),
) -> TextTable:
    """Lay out a table whose columns are not known beforehand, in the order given.

    A column ``x`` or ``x_difference`` with ``x_low`` and ``x_high`` becomes one column with its interval;
    plain ``low`` and ``high`` belong to the difference, or else to the mean. Columns that begin with ``p_`` or end in
    ``_p`` are probabilities, those that begin with ``n_`` are counts.

    Args:
        frame: the table.
        level: coverage of the intervals, for the headings.
        hidden: columns that are left out.
    """
    names = [str(column) for column in frame.columns]
    frame = frame.set_axis(names, axis=1)
    ends = interval_columns(names)
    inside = {end for pair in ends.values() for end in pair}
    kinds = _kinds(frame)
    columns = []
    for name in names:
        if name in hidden or name in inside:
            continue
        heading = measure_of(name).with_unit
        if name in ends:
            low, high = (_numbers(frame[end]) for end in ends[name])
            columns.append(_with_interval(heading, frame[name], low, high, level, kinds))
        else:
            columns.append(_column(name, heading, frame[name], kinds))
    return table_of(columns)


def interval_columns(names: Collection[str]) -> dict[str, tuple[str, str]]:
    """Of some columns, those that have an interval, each with the columns of its two ends."""
    ends = {name: (f"{name}_low", f"{name}_high") for name in names}
    for name in names:
        bare = name.removesuffix("_difference")
        if bare != name and not set(ends[name]) <= set(names):
            ends[name] = (f"{bare}_low", f"{bare}_high")
    owner = next((name for name in ("difference", "mean") if name in names), None)
    if owner is not None and not set(ends[owner]) <= set(names):
        ends[owner] = ("low", "high")
    return {name: pair for name, pair in ends.items() if set(pair) <= set(names)}


def number_column(
    heading: str,
    values: np.ndarray,
    signed: bool = False,
    said_once: bool = False,
    kinds: Sequence[str] | None = None,
) -> TableColumn:
    """A column of numbers with as many decimals as their size asks for, the same for all of one kind."""
    digits = _digits([values], kinds)
    cells = tuple(_number(value, decimal(value, some, signed)) for value, some in zip(values, digits, strict=True))
    return TableColumn(heading, True, cells, said_once)


def count_column(heading: str, values: np.ndarray) -> TableColumn:
    """A column of counts."""
    cells = tuple(_number(value, f"{value:.0f}" if np.isfinite(value) else DASH) for value in values)
    return TableColumn(heading, True, cells, said_once=True)


def text_column(heading: str, values: pd.Series, said_once: bool = True) -> TableColumn:
    """A column of words; what is missing is a dash."""
    cells = tuple(Cell(DASH, None) if _missing(value) else text_cell(value) for value in values)
    return TableColumn(heading, False, cells, said_once)


def _kinds(frame: pd.DataFrame) -> list[str] | None:
    """What each row is a figure of, where rows are of several measures or quantities."""
    for name in ("measure", "quantity"):
        if name in frame and frame[name].nunique() > 1:
            return [str(kind) for kind in frame[name]]
    return None


def _digits(columns: Sequence[np.ndarray], kinds: Sequence[str] | None) -> list[int]:
    """Decimals of each row: a Dice beside a volume keeps its own."""
    rows = len(columns[0])
    kinds = kinds or [""] * rows
    of_kind = {
        kind: common_digits([column[row] for column in columns for row in range(rows) if kinds[row] == kind])
        for kind in dict.fromkeys(kinds)
    }
    return [of_kind[kind] for kind in kinds]


def _column(name: str, heading: str, values: pd.Series, kinds: Sequence[str] | None = None) -> TableColumn:
    if name == "measure":
        values = values.map(lambda column: measure_of(str(column)).in_full)
    if pd.api.types.is_bool_dtype(values):
        return text_column(heading, values.map({True: "yes", False: "no"}))
    numbers = _numbers(values)
    if not pd.api.types.is_numeric_dtype(values):
        if np.isnan(numbers).sum() > values.isna().sum():
            return text_column(heading, values)
        if all(str(value).isdigit() for value in values.dropna()):
            # Numbers of people and the like, in a column where "all" may stand too.
            return count_column(heading, numbers)
    if name == "p" or name.startswith("p_") or name.endswith("_p"):
        return TableColumn(heading, True, tuple(_number(value, p_value(value)) for value in numbers))
    if name == "n" or name.startswith("n_") or pd.api.types.is_integer_dtype(values):
        return count_column(heading, numbers)
    return number_column(heading, numbers, kinds=kinds)


def _with_interval(
    heading: str,
    values: pd.Series,
    low: np.ndarray,
    high: np.ndarray,
    level: float,
    kinds: Sequence[str] | None = None,
) -> TableColumn:
    numbers = _numbers(values)
    digits = _digits([numbers, low, high], kinds)
    cells = tuple(
        _number(value, with_interval(value, start, end, some))
        for value, start, end, some in zip(numbers, low, high, digits, strict=True)
    )
    return TableColumn(f"{heading} ({100 * level:g}{NO_BREAK}%{NO_BREAK}interval)", True, cells)


def with_interval(value: float, low: float, high: float, digits: int, signed: bool = False) -> str:
    """Such as ``0.812 (0.790 to 0.833)``; the value alone where there is no interval."""
    text = decimal(value, digits, signed)
    if not np.isfinite([value, low, high]).all():
        return text
    return f"{text} ({interval(low, high, signed, digits)})"


def _numbers(values: pd.Series) -> np.ndarray:
    return pd.to_numeric(values, errors="coerce").to_numpy(float, na_value=np.nan)


def _number(value: float, text: str) -> Cell:
    return Cell(text, float(value) if np.isfinite(value) else None)


def _missing(value: Any) -> bool:
    # NaN is the one value that differs from itself.
    return value is None or value is pd.NA or value is pd.NaT or value != value or str(value).strip() == ""
