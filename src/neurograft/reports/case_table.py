"""Results of single cases: a row per case and label, a column per strategy."""

import math
from dataclasses import dataclass

import pandas as pd

from neurograft.reports.number_text import DASH, decimal
from neurograft.reports.summary_table import Cell, TextTable, count_cell, text_cell
from neurograft.reports.table_columns import csv_address

_KEYS = ["subject", "case", "label", "training_subjects"]


@dataclass(frozen=True)
class CaseTable:
    """The table, and every single score as a CSV file in a ``data:`` address."""

    table: TextTable
    csv_address: str


def case_table(scores: pd.DataFrame, strategies: tuple[str, ...]) -> CaseTable:
    """Lay out the Dice of every case, averaged over seeds.

    Args:
        scores: columns ``reports.comparison.SCORE_COLUMNS``.
        strategies: the columns, in their order.

    Returns:
        Rows in the order of subject, case, label and number of training subjects. Keys that are the
        same in every row, or repeat the subject, are said once or left out.
    """
    means = scores.groupby([*_KEYS, "strategy"], sort=True, dropna=False)["dice"].mean()
    by_key: dict[tuple[object, ...], dict[str, float]] = {}
    for record in means.reset_index().to_dict("records"):
        by_key.setdefault(tuple(record[key] for key in _KEYS), {})[str(record["strategy"])] = float(record["dice"])
    keys = list(by_key)
    shown, said = [], []
    for place, heading in enumerate(("Subject", "Case", "Label", "Training people")):
        if heading == "Case" and all(str(key[1]) == str(key[0]) for key in keys):
            continue
        if place >= 2 and len({key[place] for key in keys}) == 1:
            said.append(f"{heading.lower()} {keys[0][place]}")
        else:
            shown.append((place, heading))
    rows = tuple(
        (
            *((count_cell if place == 3 else text_cell)(key[place]) for place, _ in shown),
            *(_dice(found.get(strategy, math.nan)) for strategy in strategies),
        )
        for key, found in by_key.items()
    )
    table = TextTable(
        headings=(*(heading for _, heading in shown), *strategies),
        numeric=(*(place == 3 for place, _ in shown), *(True for _ in strategies)),
        rows=rows,
        in_every_row=tuple(said),
    )
    return CaseTable(table, csv_address(scores))


def _dice(value: float) -> Cell:
    return Cell(decimal(value), value) if math.isfinite(value) else Cell(DASH, None)
