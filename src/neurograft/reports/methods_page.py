"""One HTML file that shows a comparison of methods and asks nothing of any server."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from neurograft.evaluation.comparison.columns import COMPARISON_MEANINGS
from neurograft.outputs import write_text
from neurograft.reports.evaluation import values_of
from neurograft.reports.evaluation_figures import measure_axis
from neurograft.reports.example_panels import Panel
from neurograft.reports.figure_tables import COMPARISON_LEADING, figure_table, shown_verdicts
from neurograft.reports.measures import ShownMeasure, measure_of
from neurograft.reports.methods import MethodsReport
from neurograft.reports.number_text import counted
from neurograft.reports.page_templates import fill_template
from neurograft.reports.paired_lines_figure import paired_lines_figure, subject_values
from neurograft.reports.series_style import SeriesStyle, series_styles
from neurograft.reports.table_columns import csv_address

MOST_FIGURES = 80
"""A page draws so many pairs of label and measure, the first ones."""

SUMMED_UP_FROM_COMPARISONS = 7
"""From so many on, a first sentence counts what the verdicts say one by one."""


@dataclass(frozen=True, eq=False)
class MeasurePanels:
    """A measure with a figure for each of its labels, or the only label with one for each measure."""

    heading: str
    panels: tuple[Panel, ...]


def write_methods_page(report: MethodsReport, path: Path) -> None:
    """Write a comparison of methods as one HTML file, in one move.

    The file holds its figures, styles and script, and forbids itself any request.

    Args:
        report: what was found.
        path: of the HTML file; its folder is made.
    """
    write_text(path, methods_page(report))


def methods_page(report: MethodsReport) -> str:
    """The text of the page; everything in the report is escaped."""
    pairs = len(report.scores[["measure", "label"]].drop_duplicates())
    return fill_template(
        "methods.html",
        report=report,
        count=count_sentence(report),
        verdicts=shown_verdicts(report.comparison),
        comparison=figure_table(
            report.comparison,
            {**report.meanings, **COMPARISON_MEANINGS},
            report.level,
            COMPARISON_LEADING,
            hidden=("verdict",),
        ),
        measures=_measures(report),
        figures_left_out=max(0, pairs - MOST_FIGURES),
        csv_address=csv_address(report.scores),
    )


def count_sentence(report: MethodsReport) -> str:
    """In how many of many comparisons a difference shows; empty where few can be read one by one."""
    rows = report.comparison
    if len(rows) < SUMMED_UP_FROM_COMPARISONS or not {"low", "high"} <= set(rows.columns):
        return ""
    low, high = values_of(rows, "low"), values_of(rows, "high")
    apart = int(((low > 0) | (high < 0)).sum())
    interval = f"{100 * report.level:g}\N{NO-BREAK SPACE}% interval"
    sentence = f"In {apart} of {counted(len(rows), 'comparison')} the {interval} of the difference leaves zero out"
    if "p_corrected" not in rows or not np.isfinite(values_of(rows, "p_corrected")).any():
        return f"{sentence}; a few of many do so by chance."
    alpha = round(1 - report.level, 12)
    corrected = int((values_of(rows, "p_corrected") < alpha).sum())
    return f"{sentence}; after correction for several comparisons, {corrected} have p < {alpha:.3g}."


def _measures(report: MethodsReport) -> list[MeasurePanels]:
    styles = series_styles(report.methods)
    one_label = report.scores["label"].nunique() == 1
    panels: dict[str, list[Panel]] = {}
    groups = report.scores.groupby(["measure", "label"], sort=False)
    order = sorted(groups, key=lambda group: list(dict.fromkeys(report.scores["measure"])).index(group[0][0]))
    for number, ((measure, label), scores) in enumerate(order[:MOST_FIGURES]):
        shown = measure_of(str(measure))
        # With one label, its figures stand together.
        heading, caption = (str(label) or "All measures", shown.in_full) if one_label else (shown.in_full, str(label))
        panels.setdefault(heading, []).append(_panel(shown, str(label), caption, scores, styles, number))
    return [MeasurePanels(heading, tuple(figures)) for heading, figures in panels.items()]


def _panel(
    shown: ShownMeasure,
    label: str,
    caption: str,
    scores: pd.DataFrame,
    styles: dict[str, SeriesStyle],
    number: int,
) -> Panel:
    values = subject_values(scores)
    incomplete = int(values.isna().any(axis=1).sum())
    if incomplete:
        caption += f"; {counted(incomplete, 'subject')} without a value in every method"
    axis = measure_axis(values.to_numpy(float).ravel(), shown)
    return Panel(
        caption,
        paired_lines_figure(
            values, styles, axis, f"lines-{number}", f"{shown.heading} of {label}" if label else shown.heading
        ),
    )
