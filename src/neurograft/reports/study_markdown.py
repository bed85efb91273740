"""A study as Markdown, for a README or a supplement: the answer, the tables in the papers' form, the costs."""

from collections.abc import Iterable
from pathlib import Path

from neurograft.outputs import write_text
from neurograft.reports.frame_table import frame_table
from neurograft.reports.markdown import table_markdown
from neurograft.reports.study import StudyReport
from neurograft.reports.study_matrices import study_matrices

OF_HOSTS = "machines"
"""The fact that names computers; a text that is passed on has the kinds of machine, and not their names."""


def write_study_markdown(report: StudyReport, path: Path) -> None:
    """Write a study as one Markdown file, in one move."""
    write_text(path, study_markdown(report))


def study_markdown(report: StudyReport) -> str:
    """The text: warnings, what was found, the tables that stand open on the page, what they cost, how they were made.

    Returns:
        Markdown without headings, so that it may stand in any section; it ends in a newline.
    """
    results = report.results
    level = results.protocol.comparison.level
    parts = [_listed(report.answer)]
    if report.warnings:
        parts = ["Warnings:", _listed(report.warnings), "The answer, of what there is:", *parts]
    for caption, sentences in (("The paper's claims:", report.claims), ("How many labels:", report.needs)):
        parts += [caption, _listed(sentences)] if sentences else []
    for matrix in study_matrices(results):
        if not matrix.folded:
            parts += [f"{matrix.title}. {matrix.caption}", table_markdown(matrix.table).strip()]
    if not results.costs.empty:
        parts += ["Time and memory of the trainings:", table_markdown(frame_table(results.costs, level)).strip()]
    facts = {name: "; ".join(value.splitlines()) for name, value in report.facts.items() if name != OF_HOSTS}
    parts += [_listed(report.notes), _listed(f"{name}: {value}" for name, value in facts.items())]
    return "\n\n".join(part for part in parts if part) + "\n"


def _listed(sentences: Iterable[str]) -> str:
    return "\n".join(f"- {sentence}" for sentence in sentences)
