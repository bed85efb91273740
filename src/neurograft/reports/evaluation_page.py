"""One HTML file that shows an evaluation and asks nothing of any server."""

from dataclasses import dataclass
from pathlib import Path

import pandas as pd
from markupsafe import Markup

from neurograft.evaluation.agreement.row import AGREEMENT_MEANINGS
from neurograft.evaluation.comparison.columns import COMPARISON_MEANINGS
from neurograft.outputs import write_text
from neurograft.reports.bland_altman_figure import agreement_words, bland_altman_figure
from neurograft.reports.evaluation import EvaluationReport
from neurograft.reports.evaluation_figures import has_failures, measure_panels
from neurograft.reports.evaluation_sentences import evaluation_answer, headline_measure
from neurograft.reports.evaluation_tables import cases_table, glance_table, measures_table
from neurograft.reports.example_panels import example_panels
from neurograft.reports.figure_tables import (
    AGREEMENT_LEADING,
    COMPARISON_LEADING,
    FigureTable,
    figure_table,
    shown_verdicts,
)
from neurograft.reports.identity_figure import identity_figure
from neurograft.reports.measures import ShownMeasure, further_measures, leading_measures
from neurograft.reports.page_templates import fill_template
from neurograft.reports.paired_measurements import PairedMeasurements, paired_measurements
from neurograft.reports.series_style import FAILED_SERIES, ONE_SERIES, SUMMED_SERIES
from neurograft.reports.slice_figure import PREDICTION_COLOUR, TRUTH_COLOUR

LEAD_SENTENCES = 3
"""So many sentences of the answer are in large print."""
MOST_ROWS_IN_FIGURES = 5000
"""With more rows of cases, only the leading measures are drawn, so that a browser can still open the page."""


@dataclass(frozen=True, eq=False)
class PairedFigures:
    """Both figures of one quantity and label, with what they say in numbers."""

    label: str
    n: int
    n_left_out: int
    words: str
    identity: Markup
    bland_altman: Markup


@dataclass(frozen=True, eq=False)
class Quantity:
    """A measured quantity with the figures of its labels."""

    name: str
    labels: tuple[PairedFigures, ...]


def write_evaluation_page(report: EvaluationReport, path: Path) -> None:
    """Write an evaluation as one HTML file, in one move.

    The file holds its figures, styles and script, and forbids itself any request.

    Args:
        report: what was found.
        path: of the HTML file; its folder is made.
    """
    write_text(path, evaluation_page(report))


def evaluation_page(report: EvaluationReport) -> str:
    """The text of the page; everything in the report is escaped."""
    leading = leading_measures(report.per_case)
    further = further_measures(report.per_case) if len(report.per_case) <= MOST_ROWS_IN_FIGURES else []
    return fill_template(
        "evaluation.html",
        report=report,
        answer=evaluation_answer(report),
        lead_sentences=LEAD_SENTENCES,
        warnings=(*report.swaps, *report.warnings),
        glance=glance_table(report),
        glance_caption=_glance_caption(leading, report),
        measures=measures_table(report),
        leading_panels=measure_panels(report, leading, "leading"),
        further_panels=measure_panels(report, further, "further"),
        has_failures=has_failures(report),
        has_sums="kind" in report.per_case and report.per_case["kind"].nunique() > 1,
        styles={"dot": ONE_SERIES, "sum": SUMMED_SERIES, "cross": FAILED_SERIES},
        quantities=_quantities(report),
        agreement=_table(report.agreement, AGREEMENT_MEANINGS, report, AGREEMENT_LEADING),
        raters=_table(report.raters, {}, report),
        comparison=_table(report.comparison, COMPARISON_MEANINGS, report, COMPARISON_LEADING, hidden=("verdict",)),
        verdicts=[] if report.comparison is None else shown_verdicts(report.comparison),
        examples=example_panels(report.examples),
        further_tables={
            heading: figure_table(table, report.meanings, report.level)
            for heading, table in report.further_tables.items()
            if not table.empty
        },
        cases=cases_table(report),
        truth_colour=TRUTH_COLOUR,
        prediction_colour=PREDICTION_COLOUR,
    )


def _glance_caption(leading: list[ShownMeasure], report: EvaluationReport) -> str:
    headline = headline_measure(report)
    in_summary = set(report.summary["measure"])
    words = [
        f"{measure.heading}: {measure.definition}"
        for measure in leading
        if measure.definition and measure.column in in_summary
    ]
    brackets = f"In brackets: {100 * report.level:g} % intervals of the mean, from resampling subjects."
    counts = f"Cases are those behind the mean {headline.heading}; another n stands beside its mean."
    worst = "The worst case is one with both masks."
    return " ".join(("Means over cases.", *([f"{'; '.join(words)}."] if words else []), brackets, counts, worst))


def _quantities(report: EvaluationReport) -> list[Quantity]:
    if report.paired is None:
        return []
    found: dict[str, list[PairedFigures]] = {}
    for number, measured in enumerate(paired_measurements(report.paired, report.level)):
        found.setdefault(measured.quantity, []).append(_figures(measured, number))
    return [Quantity(name, tuple(labels)) for name, labels in found.items()]


def _figures(measured: PairedMeasurements, number: int) -> PairedFigures:
    n = len(measured.cases)
    return PairedFigures(
        label=measured.label,
        n=n,
        n_left_out=measured.analysis.n_left_out,
        words=agreement_words(measured) if n else "",
        identity=identity_figure(measured, f"identity-{number}") if n else Markup(),
        bland_altman=bland_altman_figure(measured, f"bland-altman-{number}") if n else Markup(),
    )


def _table(
    frame: pd.DataFrame | None,
    meanings: dict[str, str],
    report: EvaluationReport,
    leading: tuple[str, ...] = (),
    hidden: tuple[str, ...] = (),
) -> FigureTable | None:
    if frame is None or frame.empty:
        return None
    return figure_table(frame, {**report.meanings, **meanings}, report.level, leading, hidden)
