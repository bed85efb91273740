"""One HTML file that shows a study and asks nothing of any server."""

from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from neurograft.evaluation.comparison.columns import COMPARISON_MEANINGS
from neurograft.outputs import write_text
from neurograft.reports.example_panels import Panel, example_panels
from neurograft.reports.figure_tables import COMPARISON_LEADING, FigureTable, figure_table
from neurograft.reports.frame_table import frame_table
from neurograft.reports.learning_curve_figure import learning_curve_figure
from neurograft.reports.measures import measure_of
from neurograft.reports.number_text import DASH, decimal
from neurograft.reports.page_templates import fill_template
from neurograft.reports.series_style import SeriesStyle, series_styles
from neurograft.reports.slice_figure import PREDICTION_COLOUR, TRUTH_COLOUR
from neurograft.reports.study import StudyReport
from neurograft.reports.study_matrices import study_matrices
from neurograft.reports.summary_table import Cell, TextTable, text_cell
from neurograft.reports.table_columns import csv_address
from neurograft.reports.volume_viewer import MOST_CLASSES, ViewerCase, viewer_case
from neurograft.studies.people import people_words
from neurograft.studies.results import StudyResults
from neurograft.studies.tables import NO_LABELS, comparable, headline_label, sizes_of

LEAD_SENTENCES = 4
MOST_SCORES = 40_000
"""Rows of scores up to which the page holds them all as a file."""
MOST_VIEWERS = 4


@dataclass(frozen=True)
class CaseTable:
    """Results of single people in one experiment at one size."""

    title: str
    caption: str
    table: TextTable


def write_study_page(report: StudyReport, path: Path) -> None:
    """Write a study as one HTML file, in one move.

    The file holds its figures, volumes, styles and scripts, and forbids itself any request.
    """
    write_text(path, study_page(report))


def study_page(report: StudyReport) -> str:
    """The text of the page; everything in the report is escaped."""
    results = report.results
    methods = [str(m) for m in dict.fromkeys(results.summary["method"]) if m]
    styles = series_styles(methods)
    comparisons = results.comparisons
    level = results.protocol.comparison.level
    return fill_template(
        "study.html",
        report=report,
        lead_sentences=max(LEAD_SENTENCES, 2 * len(results.answers)),
        styles={name: styles[name] for name in methods},
        curve_panels=_curve_panels(report, styles),
        matrices=study_matrices(results),
        summary=frame_table(results.summary, level),
        agreement=None if results.agreement.empty else frame_table(results.agreement, level),
        comparison=None if comparisons.empty else _comparison(comparisons, level),
        case_tables=_case_tables(results),
        csv_address=csv_address(results.scores, compressed=True) if len(results.scores) <= MOST_SCORES else "",
        examples=example_panels(report.examples),
        viewers=_viewers(report),
        costs=None if results.costs.empty else frame_table(results.costs, level),
        runs=None if results.runs.empty else frame_table(results.runs.drop(columns="cell"), level),
        truth_colour=TRUTH_COLOUR,
        prediction_colour=PREDICTION_COLOUR,
    )


def _comparison(comparisons: pd.DataFrame, level: float) -> FigureTable:
    leading = ("experiment", "size", *COMPARISON_LEADING)
    meanings = {"experiment": "of the protocol", "size": "labelled people", **COMPARISON_MEANINGS}
    return figure_table(comparisons, meanings, level, leading, hidden=("verdict",))


def _curve_panels(report: StudyReport, styles: dict[str, SeriesStyle]) -> list[Panel]:
    results = report.results
    measure = results.protocol.scoring.measures[0]
    panels = []
    for number, name in enumerate(dict.fromkeys(curve.experiment for curve in results.curves)):
        curves = [curve for curve in results.curves if curve.experiment == name]
        summary = results.summary
        own = summary[(summary["experiment"] == name) & (summary["measure"] == measure)]
        if own.empty:
            continue
        label = headline_label(own)
        as_is = own[(own["size"] == NO_LABELS) & (own["label"] == label)]
        figure = learning_curve_figure(
            curves,
            styles,
            float(as_is["mean"].iloc[0]) if len(as_is) else None,
            measure_of(measure).with_unit,
            f"curve-{number}",
            report.target,
        )
        panels.append(Panel(f"{name}, {label}", figure))
    return panels


def _case_tables(results: StudyResults) -> list[CaseTable]:
    """A row a test person, a column a method, the mean over trainings."""
    measure = results.protocol.scoring.measures[0]
    tables = []
    for name in dict.fromkeys(map(str, results.scores["experiment"])):
        own = results.scores[results.scores["experiment"] == name]
        label = headline_label(own)
        for size in sizes_of(own):
            frame = comparable(own, size)
            frame = frame[frame["label"] == label]
            if frame.empty or measure not in frame:
                continue
            means = frame.groupby(["subject", "case", "method"])[measure].mean().unstack("method")
            methods = [method for method in dict.fromkeys(map(str, frame["method"])) if method in means]
            several = any(str(subject) != str(case) for subject, case in means.index)
            body = []
            for key, row in means.iterrows():
                subject, case = map(str, key)  # type: ignore[call-overload]
                names = (text_cell(subject), text_cell(case)) if several else (text_cell(subject),)
                body.append((*names, *(_value(float(row[method])) for method in methods)))
            headings = ("Subject", "Case", *methods) if several else ("Subject", *methods)
            numeric = (*(False for _ in range(2 if several else 1)), *(True for _ in methods))
            tables.append(
                CaseTable(
                    f"{name}, {people_words(size)}",
                    f"{measure_of(measure).in_full} of {label}, mean over trainings; a dash where it is not defined.",
                    TextTable(headings, numeric, tuple(body)),
                )
            )
    return tables


def _value(value: float) -> Cell:
    return Cell(decimal(value), value) if value == value else Cell(DASH, None)


def _viewers(report: StudyReport) -> list[ViewerCase]:
    shown = [example for example in report.examples if len(example.label_names) <= MOST_CLASSES]
    return [viewer_case(example) for example in shown[:MOST_VIEWERS]]
