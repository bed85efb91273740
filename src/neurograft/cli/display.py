"""What commands show: tables on standard output, progress on standard error, JSON when asked."""

import json
import math
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table


def show_table(title: str, columns: Sequence[str], rows: Sequence[Sequence[object]], to_stderr: bool = False) -> None:
    """Print a table; numbers are right-aligned.

    Args:
        title: above it; may be empty.
        columns: headings.
        rows: cells; floats are shown with four significant digits.
        to_stderr: leave standard output free, as when JSON goes there.
    """
    table = Table(title=title or None, title_justify="left")
    for index, column in enumerate(columns):
        numeric = bool(rows) and all(isinstance(row[index], int | float) for row in rows)
        table.add_column(column, justify="right" if numeric else "left", overflow="fold")
    for row in rows:
        table.add_row(*(_cell(value) for value in row))
    console = Console(stderr=to_stderr)
    # Without a terminal there is no width to keep to, and folded cells are hard to search.
    if not console.is_terminal:
        console = Console(stderr=to_stderr, width=200)
    console.print(table)


def show_json(value: Any) -> None:
    """Print JSON on standard output; NaN becomes null."""
    sys.stdout.write(json.dumps(plain(value), indent=2, ensure_ascii=False) + "\n")


@contextmanager
def progress_bar(title: str) -> Iterator[Callable[[int, int], None]]:
    """Yield a function (done, total) that moves a bar, or prints ten lines where there is no terminal."""
    console = Console(stderr=True)
    if not console.is_terminal:
        shown = 0

        def lines(done: int, total: int) -> None:
            nonlocal shown
            if total >= 20 and done * 10 // total > shown:
                shown = done * 10 // total
                console.print(f"{title}: {done}/{total}", highlight=False)

        yield lines
        return
    columns = (TextColumn(title), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=console, transient=True) as progress:
        task = progress.add_task(title, total=None)

        def move(done: int, total: int) -> None:
            progress.update(task, completed=done, total=total)
            if done >= total:
                # Whatever comes next may draw a bar of its own.
                progress.stop()

        yield move


def _cell(value: object) -> str:
    if isinstance(value, float):
        if math.isnan(value):
            return "-"
        return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.4g}"
    return "" if value is None else str(value)


def plain(value: Any) -> Any:
    """A value as plain JSON data; what is not finite becomes ``None``."""
    if isinstance(value, float) and not math.isfinite(value):
        return None
    if isinstance(value, dict):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [plain(item) for item in value]
    return value.item() if hasattr(value, "item") else value
