"""What a demonstration compares, with the words that its page needs."""

from collections.abc import Callable
from dataclasses import dataclass

import pandas as pd

from neurograft.studies.comparison import Comparison, ComparisonResult


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
