"""Tables of computed figures with many columns: the leading ones, all of them, and what each means."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import pandas as pd

from neurograft.reports.frame_table import frame_table, interval_columns
from neurograft.reports.measures import measure_of
from neurograft.reports.summary_table import TextTable

AGREEMENT_LEADING = (
    "quantity", "label", "n", "n_subjects", "icc_2_1", "ccc", "pearson", "bias", "loa_lower", "loa_upper",
    "proportional_p", "within_cv_percent", "smallest_detectable_change", "note",
)  # fmt: skip
COMPARISON_LEADING = (
    "measure", "label", "first", "second", "n_subjects", "mean_first", "mean_second", "difference", "p_sign_flip",
    "p_corrected", "correction", "d_z", "smallest_detectable_difference", "note",
)  # fmt: skip


def shown_verdicts(comparison: pd.DataFrame) -> list[str]:
    """The verdicts, with the name of the measure that one begins with as a page has it."""
    texts = [str(text) for text in comparison["verdict"]]
    if "measure" not in comparison:
        return texts
    return [
        measure_of(name).in_full + text.removeprefix(name) if text.startswith((f"{name} of ", f"{name}:")) else text
        for name, text in zip(comparison["measure"].astype(str), texts, strict=True)
    ]


@dataclass(frozen=True)
class FigureTable:
    """What leads, all columns where these are more, and the columns' meanings by their headings."""

    leading: TextTable
    everything: TextTable | None
    meanings: Mapping[str, str]


def figure_table(
    frame: pd.DataFrame,
    meanings: Mapping[str, str],
    level: float,
    leading: Sequence[str] = (),
    hidden: Sequence[str] = (),
) -> FigureTable:
    """Lay out a table of figures.

    Args:
        frame: the table.
        meanings: column to what it means; other tables' columns may be among them.
        level: coverage of the intervals.
        leading: columns that come first; with fewer than two of them there, all columns lead.
        hidden: columns that are shown elsewhere.
    """
    names = [str(column) for column in frame.columns]
    ends = interval_columns(names)
    first = [name for name in leading if name in names]
    whole = frame_table(frame, level, hidden)
    inside = {end for pair in ends.values() for end in pair} | set(hidden)
    said = {
        measure_of(name).with_unit: meanings[name] for name in names if name in meanings and name not in inside
    }  # fmt: skip
    if len(first) < 2 or set(names) - inside <= set(first):
        return FigureTable(whole, None, said)
    chosen = [*first, *(end for name in first for end in ends.get(name, ()))]
    return FigureTable(frame_table(frame[chosen], level, hidden), whole, said)
