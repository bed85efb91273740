"""Box plots of an evaluation: a figure per measure, a row per label, a mark per case."""

from collections.abc import Iterable

import numpy as np
import pandas as pd

from neurograft.reports.box_figure import BoxRow, ValueAxis, box_figure, lowest_share, shortened, value_ends
from neurograft.reports.evaluation import FAILED_STATUSES, LABEL_KIND, EvaluationReport, values_of
from neurograft.reports.evaluation_sentences import amount, worst_row
from neurograft.reports.example_panels import Panel
from neurograft.reports.measures import ShownMeasure
from neurograft.reports.number_text import common_digits
from neurograft.reports.series_style import ONE_SERIES, SUMMED_SERIES

_LONGEST_CASE = 22


def measure_panels(report: EvaluationReport, measures: Iterable[ShownMeasure], name: str) -> list[Panel]:
    """A box plot for each measure that has a value in any case.

    Args:
        report: what was found.
        measures: which, and in which order.
        name: begins the figures' names; unique in the page.
    """
    return [
        _panel(_with_values(report.per_case, measure), measure, f"{name}-{number}")
        for number, measure in enumerate(measures)
        if np.isfinite(values_of(report.per_case, measure.column)).any()
    ]


def has_failures(report: EvaluationReport) -> bool:
    """Whether any case is drawn as a cross."""
    return "status" in report.per_case and bool(report.per_case["status"].isin(FAILED_STATUSES).any())


def _with_values(per_case: pd.DataFrame, measure: ShownMeasure) -> pd.DataFrame:
    """All rows of single labels, and those of groups and means that can have the measure at all."""
    if "kind" not in per_case:
        return per_case
    has = np.isfinite(values_of(per_case, measure.column))
    able = set(per_case.loc[has, "label"])
    return per_case[(per_case["kind"] == LABEL_KIND) | per_case["label"].isin(able)]


def _panel(per_case: pd.DataFrame, measure: ShownMeasure, name: str) -> Panel:
    axis, end = _axis(per_case, measure)
    rows = [
        _row(str(label), cases, measure, end) for label, cases in per_case.groupby("label", sort=False, dropna=False)
    ]
    values = values_of(per_case, measure.column)
    beyond = int((values > end).sum())
    caption = measure.heading
    if measure.definition:
        caption += f" ({measure.definition})"
    if beyond:
        caption += f"; {beyond} drawn at the right end lie beyond it"
    undefined = int(np.isnan(values).sum())
    if undefined:
        caption += f"; {undefined} of {len(values)} values are not defined and left out"
    return Panel(caption, box_figure(rows, axis, name, f"{measure.in_full} per case", "not defined for any case"))


def measure_axis(values: np.ndarray, measure: ShownMeasure) -> ValueAxis:
    """An axis for values of a measure: shares end at 1, distances begin at 0, differences show where 0 is."""
    words = measure.with_unit
    if measure.is_share:
        return ValueAxis(words, lowest_share(values), 1.0)
    if measure.better == "nearer-zero":
        return ValueAxis(words, *value_ends(np.append(values, 0.0)), mark_zero=True)
    return ValueAxis(words, *value_ends(values, 0.0 if measure.better == "lower" else None))


def _axis(per_case: pd.DataFrame, measure: ShownMeasure) -> tuple[ValueAxis, float]:
    """The axis, and its end where failures would otherwise press all other values together."""
    values = values_of(per_case, measure.column)
    sound = values[~_failed(per_case)]
    if measure.better == "lower" and np.isfinite(sound).any() and np.nanmax(values) > 2 * np.nanmax(sound):
        axis = measure_axis(sound, measure)
        return axis, axis.high
    return measure_axis(values, measure), np.inf


def _row(label: str, cases: pd.DataFrame, measure: ShownMeasure, end: float) -> BoxRow:
    values = values_of(cases, measure.column)
    defined = np.isfinite(values)
    digits = common_digits(values)
    statuses = cases["status"].astype(str) if "status" in cases else pd.Series("ok", index=cases.index)
    titles = tuple(
        f"{case}: {measure.heading} {amount(value, measure, digits)}"
        + (f" ({status.replace('-', ' ')})" if status in FAILED_STATUSES else "")
        for case, value, status in zip(
            cases.loc[defined, "case"], values[defined], statuses[defined], strict=True
        )
    )  # fmt: skip
    count = f"n {defined.sum()}" if defined.all() else f"n {defined.sum()} of {len(values)}"
    worst = worst_row(cases, measure)
    single = "kind" not in cases or (cases["kind"] == LABEL_KIND).any()
    return BoxRow(
        label,
        np.minimum(values[defined], end),
        ONE_SERIES if single else SUMMED_SERIES,
        titles,
        _failed(cases)[defined],
        count if worst is None else f"{count} · worst {shortened(str(worst['case']), _LONGEST_CASE)}",
    )


def _failed(cases: pd.DataFrame) -> np.ndarray:
    if "status" not in cases:
        return np.zeros(len(cases), bool)
    return cases["status"].isin(FAILED_STATUSES).to_numpy()
