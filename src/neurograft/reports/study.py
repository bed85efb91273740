"""What a study found, as data for its page."""

from dataclasses import dataclass

from neurograft.reports.comparison import SliceExample
from neurograft.studies.results import StudyResults


@dataclass(frozen=True, eq=False)
class StudyReport:
    """Everything that the page of a study shows.

    Attributes:
        results: tables, answers and curves.
        answer: sentences on whether transfer helped, the sums first.
        claims: what became of the paper's claims.
        needs: labelled people for the target.
        warnings: cells that failed or are missing.
        examples: cases to look at, the worst first.
        facts: machines, versions, times.
        methods: a paragraph to be pasted into a paper.
        references: that it cites, in their order.
        notes: what a reader must know.
    """

    results: StudyResults
    answer: tuple[str, ...]
    claims: tuple[str, ...]
    needs: tuple[str, ...]
    warnings: tuple[str, ...]
    examples: tuple[SliceExample, ...]
    facts: dict[str, str]
    methods: str
    references: tuple[str, ...]
    notes: tuple[str, ...]

    @property
    def title(self) -> str:
        """Of the page."""
        return self.results.protocol.title

    @property
    def question(self) -> str:
        """What was asked."""
        return self.results.protocol.question

    @property
    def level_words(self) -> str:
        """Coverage of all intervals."""
        return f"{self.results.protocol.comparison.level:.0%}"

    @property
    def target(self) -> float | None:
        """The target of the first measure, where there is one."""
        target = self.results.protocol.target
        if target is None or target.measure != self.results.protocol.scoring.measures[0]:
            return None
        return target.value
