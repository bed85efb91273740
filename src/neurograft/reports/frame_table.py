"""Any table of figures as cells of text: headings from its columns' names, intervals beside what they belong to."""

from collections.abc import Collection
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
    columns = []
    for name in names:
        if name in hidden or name in inside:
            continue
        heading = measure_of(name).with_unit
        if name in ends:
            low, high = (_numbers(frame[end]) for end in ends[name])
            columns.append(_with_interval(heading, frame[name], low, high, level))
        else:
            columns.append(_column(name, heading, frame[name]))
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


def number_column(heading: str, values: np.ndarray, signed: bool = False, said_once: bool = False) -> TableColumn:
    """A column of numbers with as many decimals each as their size asks for."""
    digits = common_digits(values)
    cells = tuple(_number(value, decimal(value, digits, signed)) for value in values)
    return TableColumn(heading, True, cells, said_once)


def count_column(heading: str, values: np.ndarray) -> TableColumn:
    """A column of counts."""
    cells = tuple(_number(value, f"{value:.0f}" if np.isfinite(value) else DASH) for value in values)
    return TableColumn(heading, True, cells, said_once=True)


def text_column(heading: str, values: pd.Series, said_once: bool = True) -> TableColumn:
    """A column of words; what is missing is a dash."""
    cells = tuple(Cell(DASH, None) if _missing(value) else text_cell(value) for value in values)
    return TableColumn(heading, False, cells, said_once)


def _column(name: str, heading: str, values: pd.Series) -> TableColumn:
    if name == "measure":
        values = values.map(lambda column: measure_of(str(column)).in_full)
    if pd.api.types.is_bool_dtype(values):
        return text_column(heading, values.map({True: "yes", False: "no"}))
    numbers = _numbers(values)
    if not pd.api.types.is_numeric_dtype(values) and np.isnan(numbers).sum() > values.isna().sum():
        return text_column(heading, values)
    if name == "p" or name.startswith("p_") or name.endswith("_p"):
        return TableColumn(heading, True, tuple(_number(value, p_value(value)) for value in numbers))
    if name == "n" or name.startswith("n_") or pd.api.types.is_integer_dtype(values):
        return count_column(heading, numbers)
    return number_column(heading, numbers)


def _with_interval(heading: str, values: pd.Series, low: np.ndarray, high: np.ndarray, level: float) -> TableColumn:
    numbers = _numbers(values)
    digits = common_digits([*numbers, *low, *high])
    cells = tuple(
        _number(value, with_interval(value, start, end, digits))
        for value, start, end in zip(numbers, low, high, strict=True)
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
