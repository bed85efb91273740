"""What a demonstration compares, with the words that its page needs."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import pandas as pd

from neurograft.reports.summary_table import TextTable
from neurograft.studies.comparison import Comparison, ComparisonResult


@dataclass(frozen=True)
class Findings:
    """What was found besides the Dice of a comparison.

    Attributes:
        answer: sentences that the page begins with.
        shown: tables of the page, by caption.
        tables: all figures, by the name of the file that they are written to.
    """

    answer: tuple[str, ...]
    shown: Mapping[str, TextTable] = field(default_factory=dict)
    tables: Mapping[str, pd.DataFrame] = field(default_factory=dict)


@dataclass(frozen=True)
class Experiment:
    """A comparison with its question.

    Attributes:
        name: of its files.
        title: of its page.
        question: what is asked.
        comparison: what is run.
        method: what is done, a sentence a step.
        data: where the scans come from.
        notes: what a reader must know besides the policies.
        answer: sentences that the page begins with, where those on twins from scratch do not fit.
        find: measures more, in the working folder of the comparison, and answers first.
        measure: biomarkers of the predictions, with the columns of a report's ``biomarkers``.
    """

    name: str
    title: str
    question: str
    comparison: Comparison
    method: tuple[str, ...]
    data: str
    notes: tuple[str, ...] = ()
    answer: Callable[[ComparisonResult], list[str]] | None = None
    measure: Callable[[ComparisonResult], pd.DataFrame] | None = None
    find: Callable[[ComparisonResult], Findings] | None = None
