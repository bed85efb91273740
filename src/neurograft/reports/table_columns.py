"""Tables put together from columns; what is the same in every row is said once, below."""

import gzip
from base64 import b64encode
from collections.abc import Sequence
from dataclasses import dataclass

import pandas as pd

from neurograft.reports.number_text import DASH
from neurograft.reports.summary_table import Cell, TextTable


@dataclass(frozen=True)
class TableColumn:
    """A column of cells.

    Args:
        heading: its name on the page.
        numeric: whether its cells are set right.
        cells: one a row.
        said_once: whether it leaves the table when all cells are the same.
    """

    heading: str
    numeric: bool
    cells: tuple[Cell, ...]
    said_once: bool = False


def table_of(columns: Sequence[TableColumn], said: Sequence[str] = ()) -> TextTable:
    """Put columns of equal length side by side.

    A column without any value leaves the table whatever it says of itself; one of numbers is then named as
    not defined.

    Args:
        columns: from left to right.
        said: sentences that hold for every row besides.
    """
    kept, constant, undefined = [], [], []
    for column in columns:
        texts = {cell.text for cell in column.cells}
        if len(column.cells) > 1 and texts <= {DASH, ""}:
            undefined += [column.heading] if column.numeric else []
        elif len(column.cells) > 1 and column.said_once and len(texts) == 1:
            constant.append(f"{column.heading.replace(NO_BREAK, ' ')} {column.cells[0].text}")
        else:
            kept.append(column)
    if undefined:
        constant.append(f"not defined: {', '.join(undefined)}")
    return TextTable(
        headings=tuple(column.heading for column in kept),
        numeric=tuple(column.numeric for column in kept),
        rows=tuple(zip(*(column.cells for column in kept), strict=True)),
        in_every_row=(*constant, *said),
    )


NO_BREAK = "\N{NO-BREAK SPACE}"


def csv_address(frame: pd.DataFrame, compressed: bool = False) -> str:
    """A table as a CSV file in a ``data:`` address, numbers with six digits that count.

    Args:
        frame: the table.
        compressed: by gzip, for a table that would be most of its page.
    """
    csv = frame.to_csv(index=False, lineterminator="\n", float_format="%.6g").encode()
    kind = "application/gzip" if compressed else "text/csv;charset=utf-8"
    held = gzip.compress(csv, mtime=0) if compressed else csv
    return f"data:{kind};base64," + b64encode(held).decode("ascii")
