"""The table of a comparison as Markdown, for a README and the documentation."""

from collections.abc import Sequence

import pandas as pd

from neurograft.reports.summary_table import Cell, TextTable, summary_table


def summary_markdown(summary: pd.DataFrame) -> str:
    """Write the summary of a comparison as a Markdown table, with what holds for every row below it.

    Args:
        summary: columns ``reports.comparison.SUMMARY_COLUMNS``.

    Returns:
        Markdown that ends in a newline. A difference whose interval does not hold zero is bold.

    Raises:
        ValueError: a column lacks.
    """
    return table_markdown(summary_table(summary))


def table_markdown(table: TextTable) -> str:
    """Write a table as Markdown, with what holds for every row below it.

    Returns:
        Markdown that ends in a newline; cells that stand out are bold.
    """
    rule = ["---:" if numeric else "---" for numeric in table.numeric]
    lines = [_line(table.headings), _line(rule)]
    lines += [_line([_entry(cell) for cell in row]) for row in table.rows]
    if table.in_every_row:
        lines += ["", f"In every row: {'; '.join(_escape(text) for text in table.in_every_row)}."]
    return "\n".join(lines) + "\n"


def _line(entries: Sequence[str]) -> str:
    return f"| {' | '.join(entries)} |"


def _entry(cell: Cell) -> str:
    text = _escape(cell.text)
    return f"**{text}**" if cell.strong else text


def _escape(text: str) -> str:
    """Keep a name from being read as the end of a cell, as emphasis or as HTML."""
    for sign in ("\\", "|", "*", "_", "`", "[", "]"):
        text = text.replace(sign, f"\\{sign}")
    return " ".join(text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;").split())
