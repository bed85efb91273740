"""The table of a comparison as cells of text, for a page and for Markdown alike."""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pandas as pd

from neurograft.reports.comparison import REFERENCE_STRATEGY, SUMMARY_COLUMNS, require_columns
from neurograft.reports.number_text import DASH, decimal, duration, interval, mean_and_sd, memory


@dataclass(frozen=True)
class Cell:
    """What a cell says, what it is sorted by (``None``: always last), and whether it stands out."""

    text: str
    order: float | str | None
    strong: bool = False


@dataclass(frozen=True)
class TextTable:
    """Headings, whether each column is numeric, rows of cells, and what holds for every row."""

    headings: tuple[str, ...]
    numeric: tuple[bool, ...]
    rows: tuple[tuple[Cell, ...], ...]
    in_every_row: tuple[str, ...] = ()


@dataclass(frozen=True)
class _Column:
    heading: str
    numeric: bool
    cell: Callable[[dict[str, Any]], Cell]
    # Columns of the design are said once, below the table, when they are the same in every row.
    design: bool = False


def number_cell(value: Any, show: Callable[[float], str]) -> Cell:
    """A cell for a number that may be missing."""
    number = math.nan if value is None or value is pd.NA else float(value)
    return Cell(show(number), number if math.isfinite(number) else None)


def text_cell(value: Any) -> Cell:
    """A cell for a name, or for several values."""
    several = isinstance(value, (list, tuple))
    text = ", ".join(map(str, value)) if several else str(value)
    return Cell(text, text.lower())


def count_cell(value: Any) -> Cell:
    """A cell for a count; a list of seeds and the like is shown as it is."""
    try:
        return number_cell(value, lambda number: DASH if math.isnan(number) else f"{number:g}")
    except (TypeError, ValueError):
        return text_cell(value)


def summary_table(summary: pd.DataFrame) -> TextTable:
    """Lay out the summary of a comparison, rows in the order given.

    Args:
        summary: columns ``reports.comparison.SUMMARY_COLUMNS``.

    Returns:
        The table. A difference whose interval does not hold zero is strong.

    Raises:
        ValueError: a column lacks.
    """
    require_columns(summary, SUMMARY_COLUMNS, "summary")
    records: list[dict[str, Any]] = [{str(k): v for k, v in row.items()} for row in summary.to_dict("records")]
    cells = [[column.cell(record) for record in records] for column in _COLUMNS]
    kept, said = [], []
    for column, entries in zip(_COLUMNS, cells, strict=True):
        same = len({entry.text for entry in entries}) == 1
        if same and column.cell is _seeds and entries[0].text == DASH:
            continue
        if same and column.design:
            said.append(f"{column.heading.lower()} {entries[0].text}")
        else:
            kept.append((column, entries))
    return TextTable(
        headings=tuple(column.heading for column, _ in kept),
        numeric=tuple(column.numeric for column, _ in kept),
        rows=tuple(zip(*(entries for _, entries in kept), strict=True)),
        in_every_row=(*said, *_policies(summary)),
    )


def _policies(summary: pd.DataFrame) -> list[str]:
    policies = dict.fromkeys(str(policy) for policy in summary["policy"].dropna() if str(policy).strip())
    return [f"policy: {policy}" for policy in policies]


def _difference(row: dict[str, Any]) -> Cell:
    difference, low, high = (float(row[f"difference_{end}"]) for end in ("to_scratch", "low", "high"))
    if row["strategy"] == REFERENCE_STRATEGY and not math.isfinite(difference):
        return Cell("reference", None)
    if not math.isfinite(difference):
        return Cell(DASH, None)
    text = decimal(difference, signed=True)
    if not (math.isfinite(low) and math.isfinite(high)):
        return Cell(text, difference)
    return Cell(f"{text} ({interval(low, high, signed=True)})", difference, strong=low > 0 or high < 0)


def _mean(row: dict[str, Any]) -> Cell:
    mean, sd = float(row["mean_dice"]), float(row["sd_dice"])
    return Cell(mean_and_sd(mean, sd), mean if math.isfinite(mean) else None)


def _seeds(row: dict[str, Any]) -> Cell:
    low, high = float(row["seed_low"]), float(row["seed_high"])
    if not (math.isfinite(low) and math.isfinite(high)) or row["seeds"] == 1:
        return Cell(DASH, None)
    return Cell(interval(low, high), low)


def _interval(row: dict[str, Any]) -> Cell:
    low, high = float(row["ci_low"]), float(row["ci_high"])
    return Cell(interval(low, high), low if math.isfinite(low) else None)


# A no-break space keeps what belongs together on one line of a narrow heading.
_COLUMNS = (
    _Column("Strategy", False, lambda row: text_cell(row["strategy"])),
    _Column("Label", False, lambda row: text_cell(row["label"]), design=True),
    _Column("Training people", True, lambda row: count_cell(row["training_subjects"]), design=True),
    _Column("Dice, mean\N{NO-BREAK SPACE}±\N{NO-BREAK SPACE}SD", True, _mean),
    _Column("95\N{NO-BREAK SPACE}% interval of the mean", True, _interval),
    _Column("Lowest to highest seed", True, _seeds),
    _Column("Difference to scratch (95\N{NO-BREAK SPACE}%)", True, _difference),
    _Column("Test people,\N{NO-BREAK SPACE}n", True, lambda row: count_cell(row["n_subjects"])),
    _Column("Test cases", True, lambda row: count_cell(row["n_cases"]), design=True),
    _Column("Missing predictions", True, lambda row: count_cell(row["n_missing"]), design=True),
    _Column("Empty", True, lambda row: count_cell(row["n_empty"]), design=True),
    _Column("Seeds", True, lambda row: count_cell(row["seeds"]), design=True),
    _Column("Training a model", True, lambda row: number_cell(row["seconds"], duration)),
    _Column("Peak memory", True, lambda row: number_cell(row["peak_memory_mib"], memory)),
)
