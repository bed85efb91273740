"""What a comparison of methods on the same subjects found, as data; nothing here knows how it will be shown."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import pandas as pd

from neurograft.reports.comparison import require_columns
from neurograft.reports.evaluation import COMPARED_COLUMNS

METHOD_SCORE_COLUMNS = ("method", "subject", "case", "label", "measure", "value")


@dataclass(frozen=True, eq=False)
class MethodsReport:
    """Everything that the page of a comparison of methods shows.

    Args:
        title: of the page.
        scores: a row per method, case, label and measure, and per fold or seed where these repeat;
            columns ``METHOD_SCORE_COLUMNS``. Methods, labels and measures appear in the order of their
            first rows. Undefined is NaN.
        comparison: a row per pair of methods, label and measure: ``first``, ``second``, ``verdict`` and its
            figures, the differences as first - second.
        facts: how the scores came about, versions, command.
        subtitle: what was compared; may be empty.
        warnings: sentences that a reader must see before the figures.
        meanings: column to what it means, beside those that are known.
        level: coverage of the intervals.

    Raises:
        ValueError: a table lacks a column, or there is nothing to compare.
    """

    title: str
    scores: pd.DataFrame
    comparison: pd.DataFrame
    facts: Mapping[str, str] = field(default_factory=dict)
    subtitle: str = ""
    warnings: Sequence[str] = ()
    meanings: Mapping[str, str] = field(default_factory=dict)
    level: float = 0.95

    def __post_init__(self) -> None:
        require_columns(self.scores, METHOD_SCORE_COLUMNS, "scores")
        require_columns(self.comparison, COMPARED_COLUMNS, "comparison")
        if self.scores.empty or self.comparison.empty:
            raise ValueError("the scores and the comparison need a row at least, or there is nothing to report")

    @property
    def methods(self) -> tuple[str, ...]:
        """Methods in the order of the scores."""
        return tuple(dict.fromkeys(str(name) for name in self.scores["method"]))
