"""The tables of an evaluation: a row per label, a row per label and measure, a row per case and label."""

from dataclasses import dataclass

import numpy as np
import pandas as pd

from neurograft.reports.evaluation import FAILED_STATUSES, LABEL_KIND, EvaluationReport, values_of
from neurograft.reports.evaluation_sentences import headline_measure, worst_row
from neurograft.reports.frame_table import count_column, frame_table, number_column, text_column, with_interval
from neurograft.reports.measures import ShownMeasure, further_measures, leading_measures, measure_of
from neurograft.reports.number_text import DASH, common_digits, decimal, interval, mean_and_sd
from neurograft.reports.summary_table import Cell, TextTable, text_cell
from neurograft.reports.table_columns import NO_BREAK, TableColumn, csv_address, table_of

MOST_ROWS = 2000
"""A page shows so many rows of cases, the worst ones; a browser is slow with more."""

_STATUS_WORDS = {
    "prediction-missing": "missing",
    "prediction-empty": "prediction empty",
    "reference-empty": "reference empty",
    "both-empty": "both empty",
}
_NOT_MEASURES = ("case", "subject", "label", "kind", "status", "reference_mm3", "prediction_mm3")


@dataclass(frozen=True)
class CaseRows:
    """The table of cases, how many rows it leaves out, and all of them as a CSV file in an address."""

    table: TextTable
    left_out: int
    csv_address: str


def glance_table(report: EvaluationReport) -> TextTable:
    """A row per label: the leading means with their intervals, what is behind them, and the worst case."""
    headline = headline_measure(report)
    by_measure = {name: _by_label(rows) for name, rows in report.summary.groupby("measure", sort=False)}
    labels = [label for label in report.labels if any(label in rows.index for rows in by_measure.values())]
    first = by_measure.get(headline.column, pd.DataFrame()).reindex(labels)
    measures = leading_measures(by_measure)
    if headline.column not in {measure.column for measure in measures}:
        measures = [headline, *measures]
    means = [
        _means_column(measure, by_measure[measure.column].reindex(labels), first, report.level)
        for measure in measures
        if measure.column in by_measure
    ]
    columns = [
        text_column(report.row_name.capitalize(), pd.Series(labels, dtype=object), said_once=False),
        *([_behind_column(first)] if "n" in first else []),
        *means[:1],
        _worst_column(report, headline, labels),
        *means[1:],
        *_failures_columns(report, labels),
    ]
    return table_of(columns)


def measures_table(report: EvaluationReport) -> TextTable:
    """A row per measure and label, with everything that the summary holds."""
    leading = [measure.column for measure in leading_measures(report.summary["measure"])]
    others = [str(name) for name in dict.fromkeys(report.summary["measure"]) if name not in leading]
    parts = [report.summary[report.summary["measure"] == name] for name in (*leading, *others)]
    rows = pd.concat(parts)
    shown = [measure_of(str(name)) for name in rows["measure"]]
    digits = {name: common_digits(part["mean"]) for name, part in rows.groupby("measure")}
    records = [
        {column: values_of(rows, column)[place] for column in ("mean", "sd", "low", "high", "median", "min", "max")}
        for place in range(len(rows))
    ]
    worst = [_worst_end(record, measure) for record, measure in zip(records, shown, strict=True)]
    places = [digits[name] for name in rows["measure"]]
    listed = list(zip(records, places, strict=True))
    columns = [
        TableColumn("Measure", False, tuple(text_cell(measure.in_full) for measure in shown), said_once=True),
        text_column(report.row_name.capitalize(), rows["label"]),
        _numbers("Mean ± SD", [(r["mean"], mean_and_sd(r["mean"], r["sd"], d)) for r, d in listed]),
        _numbers(
            f"{100 * report.level:g}{NO_BREAK}% interval of the mean",
            [(r["low"], interval(r["low"], r["high"], digits=d)) for r, d in listed],
        ),
        _numbers("Median", [(r["median"], decimal(r["median"], d)) for r, d in listed]),
        _numbers("Worst", [(value, decimal(value, d)) for value, d in zip(worst, places, strict=True)]),
        *(
            count_column(heading, values_of(rows, column))
            for column, heading in (("n", "Cases"), ("n_subjects", "Subjects"), ("n_left_out", "Not defined"))
            if column in rows
        ),
    ]
    return table_of(columns, _policies(report.summary))


def cases_table(report: EvaluationReport) -> CaseRows:
    """A row per case and label, in the order given; of very many, the worst by the headline measure."""
    rows = report.per_case
    if len(rows) > MOST_ROWS:
        rows = _worst_rows(rows, headline_measure(report))
    measures = [*leading_measures(rows), *further_measures(rows)]
    plain = [name for name in ("subject", "case", "label", "kind", "status") if name in rows]
    if "subject" in plain and (rows["subject"].astype(str) == rows["case"].astype(str)).all():
        plain.remove("subject")
    if "kind" in plain and (rows["kind"] == LABEL_KIND).all():
        plain.remove("kind")
    columns = [
        _status_column(rows["status"])
        if name == "status"
        else text_column(name.capitalize(), rows[name], name != "case")
        for name in plain
    ]
    columns += [
        number_column(measure_of(name).with_unit, values_of(rows, name))
        for name in ("reference_mm3", "prediction_mm3")
        if name in rows
    ]
    columns += [
        number_column(measure.in_full, values_of(rows, measure.column), signed=measure.better == "nearer-zero")
        for measure in measures
    ]
    table = table_of(columns)
    unknown = rows.drop(columns=[*_NOT_MEASURES, *(measure.column for measure in measures)], errors="ignore")
    if len(unknown.columns):
        table = _beside(table, frame_table(unknown))
    return CaseRows(table, len(report.per_case) - len(rows), csv_address(report.per_case))


def _beside(left: TextTable, right: TextTable) -> TextTable:
    return TextTable(
        (*left.headings, *right.headings),
        (*left.numeric, *right.numeric),
        tuple((*first, *second) for first, second in zip(left.rows, right.rows or ((),) * len(left.rows), strict=True)),
        (*left.in_every_row, *right.in_every_row),
    )


def _by_label(rows: pd.DataFrame) -> pd.DataFrame:
    rows = rows.assign(label=rows["label"].astype(str))
    return rows.drop_duplicates("label").set_index("label")


def _means_column(measure: ShownMeasure, rows: pd.DataFrame, first: pd.DataFrame, level: float) -> TableColumn:
    means, low, high = (values_of(rows, name) for name in ("mean", "low", "high"))
    digits = common_digits(means)
    # The columns of counts belong to the first measure; another one's are said where they differ.
    counts, usual = values_of(rows, "n"), values_of(first, "n")
    differ = np.isfinite(counts) & (counts != usual)
    cells = []
    for place, mean in enumerate(means):
        text = with_interval(mean, low[place], high[place], digits, signed=measure.better == "nearer-zero")
        if differ[place]:
            text += f", n {counts[place]:.0f}"
        cells.append(Cell(text, _order(mean)))
    return TableColumn(f"{measure.with_unit} ({100 * level:g}{NO_BREAK}%)", True, tuple(cells))


def _behind_column(first: pd.DataFrame) -> TableColumn:
    cells = []
    for cases, subjects in zip(values_of(first, "n"), values_of(first, "n_subjects"), strict=True):
        text = f"{cases:.0f}" if np.isfinite(cases) else DASH
        cells.append(Cell(f"{text} ({subjects:.0f})" if np.isfinite(subjects) else text, _order(cases)))
    return TableColumn("Cases (subjects)", True, tuple(cells))


def _failures_columns(report: EvaluationReport, labels: list[str]) -> list[TableColumn]:
    """One column that counts what was missing or empty; none where nothing was."""
    if "status" not in report.per_case:
        return []
    cells = []
    names = report.per_case["label"].astype(str)
    for label in labels:
        statuses = report.per_case.loc[names == label, "status"]
        counts = {words: int((statuses == status).sum()) for status, words in _STATUS_WORDS.items()}
        text = ", ".join(f"{count} {words}" for words, count in counts.items() if count)
        cells.append(Cell(text or "none", sum(counts.values())))
    if all(cell.text == "none" for cell in cells):
        return []
    return [TableColumn("Missing or empty", True, tuple(cells))]


def _worst_column(report: EvaluationReport, measure: ShownMeasure, labels: list[str]) -> TableColumn:
    digits = common_digits(values_of(report.per_case, measure.column))
    by_label = dict(iter(report.per_case.groupby(report.per_case["label"].astype(str), sort=False)))
    cells = []
    for label in labels:
        row = worst_row(by_label[label], measure) if label in by_label else None
        if row is None:
            cells.append(Cell(DASH, None))
            continue
        value = float(row[measure.column])
        cells.append(Cell(f"{decimal(value, digits)}, {row['case']}", value))
    return TableColumn(f"Worst {measure.heading}, case", True, tuple(cells))


def _worst_end(record: dict[str, float], measure: ShownMeasure) -> float:
    low, high = record["min"], record["max"]
    if measure.better == "nearer-zero":
        return high if abs(high) >= abs(low) else low
    return {"higher": low, "lower": high}.get(measure.better, float("nan"))


def _worst_rows(rows: pd.DataFrame, measure: ShownMeasure) -> pd.DataFrame:
    values = values_of(rows, measure.column)
    badness = -values if measure.better == "higher" else np.abs(values)
    chosen = np.argsort(-np.nan_to_num(badness, nan=-np.inf), kind="stable")[:MOST_ROWS]
    return rows.iloc[np.sort(chosen)]


def _status_column(statuses: pd.Series) -> TableColumn:
    cells = tuple(
        Cell(str(status).replace("-", " "), str(status), strong=status in FAILED_STATUSES) for status in statuses
    )
    return TableColumn("Status", False, cells, said_once=True)


def _numbers(heading: str, values: list[tuple[float, str]]) -> TableColumn:
    cells = tuple(Cell(text, _order(value)) for value, text in values)
    return TableColumn(heading, True, cells)


def _order(value: float) -> float | None:
    return float(value) if np.isfinite(value) else None


def _policies(summary: pd.DataFrame) -> list[str]:
    if "policy" not in summary:
        return []
    return [f"policy: {policy}" for policy in dict.fromkeys(summary["policy"].dropna()) if str(policy).strip()]
