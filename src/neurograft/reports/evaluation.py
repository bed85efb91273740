"""What an evaluation found, as data; nothing here knows how it will be shown."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import pandas as pd

from neurograft.reports.comparison import SliceExample, require_columns

PER_CASE_COLUMNS = ("case", "label")
SUMMARY_COLUMNS = ("label", "measure", "mean")
PAIRED_COLUMNS = ("case", "label", "quantity", "reference", "prediction")
COMPARED_COLUMNS = ("first", "second", "verdict")

FAILED_STATUSES = ("prediction-missing", "prediction-empty", "reference-empty")
"""Statuses of a label that only one of the two sides has, or that nobody predicted."""

LABEL_KIND = "label"
"""The kind of a row that belongs to a single label, not to a group of labels or a mean over them."""


@dataclass(frozen=True, eq=False)
class EvaluationReport:
    """Everything that the page of an evaluation shows.

    Args:
        title: of the page.
        subtitle: what was scored against what, or with `findings` what was done, which then follows them; may be
            empty.
        per_case: a row per case and label: ``case``, ``label``, and of ``subject``, ``kind``, ``status`` and
            the measures (`neurograft.evaluation.measures.MEASURES`) what there is. Labels appear in the
            order of their first rows. Undefined is NaN.
        summary: a row per label and measure: ``label``, ``measure`` (a column of `per_case`), ``mean``,
            and of ``n``, ``n_subjects``, ``sd``, ``low``, ``high``, ``median``, ``min``, ``max``,
            ``n_left_out`` and ``policy`` what there is.
        findings: what was found, a sentence each, where it is more than the means of labels; the page then begins
            with them. Empty for an evaluation of one method, whose means are the answer.
        row_name: what ``label`` holds, in one word: a label, a model, a way.
        examples: cases to look at, the worst first.
        agreement: a row per measured quantity and label.
        paired: measured in both masks, a row per case, label and quantity: ``case``, ``label``,
            ``quantity``, ``reference``, ``prediction``, and where known ``subject`` and ``unit``.
        comparison: a row per pair of methods: ``first``, ``second``, ``verdict`` and its figures.
        raters: a row per pair of raters, or of model and rater.
        swaps: sentences on labels that seem exchanged.
        warnings: other sentences that a reader must see before the figures.
        further_tables: heading to any other table, such as of lesions.
        meanings: column to what it means, for tables whose columns are not known (agreement and comparison
            explain themselves).
        facts: how files were paired, policies, versions, command.
        level: coverage of the intervals.

    Raises:
        ValueError: a table lacks a column, or there is no case to report.
    """

    title: str
    subtitle: str
    per_case: pd.DataFrame
    summary: pd.DataFrame
    findings: Sequence[str] = ()
    row_name: str = "label"
    examples: Sequence[SliceExample] = ()
    agreement: pd.DataFrame | None = None
    paired: pd.DataFrame | None = None
    comparison: pd.DataFrame | None = None
    raters: pd.DataFrame | None = None
    swaps: Sequence[str] = ()
    warnings: Sequence[str] = ()
    further_tables: Mapping[str, pd.DataFrame] = field(default_factory=dict)
    meanings: Mapping[str, str] = field(default_factory=dict)
    facts: Mapping[str, str] = field(default_factory=dict)
    level: float = 0.95

    def __post_init__(self) -> None:
        require_columns(self.per_case, PER_CASE_COLUMNS, "table of cases")
        require_columns(self.summary, SUMMARY_COLUMNS, "summary")
        if self.paired is not None:
            require_columns(self.paired, PAIRED_COLUMNS, "table of paired measurements")
        if self.comparison is not None:
            require_columns(self.comparison, COMPARED_COLUMNS, "comparison")
        if self.per_case.empty:
            raise ValueError("the table of cases has no row, so there is nothing to report")

    @property
    def labels(self) -> tuple[str, ...]:
        """Labels, groups and means in the order of the cases' rows, then those that only the summary has."""
        names = (*self.per_case["label"], *self.summary["label"])
        return tuple(dict.fromkeys(str(name) for name in names))

    @property
    def single_labels(self) -> tuple[str, ...]:
        """Labels that are neither groups nor means over labels; all, where the table does not tell."""
        return tuple(dict.fromkeys(str(name) for name in single_labels(self.per_case)["label"]))


def single_labels(rows: pd.DataFrame) -> pd.DataFrame:
    """The rows that belong to a single label, or all where the table does not tell."""
    return rows[rows["kind"] == LABEL_KIND] if "kind" in rows and (rows["kind"] == LABEL_KIND).any() else rows


def values_of(rows: pd.DataFrame, column: str) -> np.ndarray:
    """A column as numbers, (n,); NaN where it is undefined, and throughout where it is absent."""
    if column not in rows:
        return np.full(len(rows), np.nan)
    return pd.to_numeric(rows[column], errors="coerce").to_numpy(float, na_value=np.nan)
