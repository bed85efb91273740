"""What an evaluation says in plain sentences: means with what is behind them, the worst case, what was missing."""

from dataclasses import dataclass

import numpy as np
import pandas as pd

from neurograft.reports.evaluation import FAILED_STATUSES, EvaluationReport, single_labels, values_of
from neurograft.reports.measures import ShownMeasure, measure_of
from neurograft.reports.number_text import common_digits, counted, decimal, interval, named

LABELS_ONE_BY_ONE = 3
"""So many labels get a sentence each; of more, the first sentence says the range."""

_MASK_WORDS = {
    "prediction-empty": "the prediction is empty though the reference is not",
    "reference-empty": "the reference is empty though the prediction is not",
    "both-empty": "reference and prediction are both empty",
}


@dataclass(frozen=True)
class Answer:
    """What a page says first: findings or the means, then what a reader must know, then how failures count."""

    lead: tuple[str, ...]
    details: tuple[str, ...]
    policy: str


def evaluation_answer(report: EvaluationReport) -> Answer:
    """The sentences that a page begins with."""
    measure = headline_measure(report)
    if report.findings:
        return Answer(tuple(report.findings), (), _policy(report, measure))
    details = (_worst_of_all(report, measure), *_failures(report))
    return Answer(tuple(_means(report, measure)), tuple(filter(None, details)), _policy(report, measure))


def headline_measure(report: EvaluationReport) -> ShownMeasure:
    """Dice where it was measured, else what the summary begins with."""
    columns = [str(column) for column in report.summary["measure"]] or ["dice"]
    return measure_of("dice" if "dice" in columns else columns[0])


def worst_row(rows: pd.DataFrame, measure: ShownMeasure) -> pd.Series | None:
    """The case furthest from a good segmentation, of those in which both masks hold the label.

    Failures are counted and named apart: where there are any, they are all equally the worst.

    Returns:
        The row; ``None`` where no such case has the measure.
    """
    if "status" in rows:
        rows = rows[~rows["status"].isin(FAILED_STATUSES)]
    values = values_of(rows, measure.column)
    badness = {"higher": -values, "lower": values, "nearer-zero": np.abs(values), "none": np.full(len(rows), np.nan)}
    sought = badness[measure.better]
    return rows.iloc[int(np.nanargmax(sought))] if np.isfinite(sought).any() else None


def amount(value: float, measure: ShownMeasure, digits: int = 3) -> str:
    """A value with its unit, such as ``2.31 mm``."""
    text = decimal(value, digits, signed=measure.better == "nearer-zero")
    return f"{text} {measure.unit}" if measure.unit and np.isfinite(value) else text


def _means(report: EvaluationReport, measure: ShownMeasure) -> list[str]:
    rows = report.summary[report.summary["measure"] == measure.column]
    singles = [label for label in report.single_labels if (rows["label"] == label).any()]
    records = {str(row["label"]): row for row in rows.to_dict("records")}
    if not singles:
        return []
    digits = common_digits(rows["mean"])
    if len(singles) <= LABELS_ONE_BY_ONE:
        return [_mean(records[label], label, report, measure, digits) for label in singles]
    overall = [label for label, row in records.items() if row.get("kind") == "mean"][:1]
    return [
        *(_mean(records[label], label, report, measure, digits) for label in overall),
        _range([records[label] for label in singles], measure, digits),
    ]


def _mean(row: dict, label: str, report: EvaluationReport, measure: ShownMeasure, digits: int) -> str:
    mean = _number(row, "mean")
    if not np.isfinite(mean):
        return f"{label}: mean {measure.heading} is not defined, since no case counts."
    low, high = _number(row, "low"), _number(row, "high")
    if np.isfinite([low, high]).all():
        span = f"{100 * report.level:g}\N{NO-BREAK SPACE}% interval {interval(low, high, digits=digits)}"
    else:
        span = "no interval, which takes two subjects or more"
    people = _behind(_number(row, "n"), _number(row, "n_subjects"))
    behind = "; ".join(filter(None, (span, people)))
    what = f"{label[:1].upper()}{label[1:]}:" if row.get("kind") == "mean" else f"{label}: mean"
    return f"{what} {measure.heading} {amount(mean, measure, digits)} ({behind})."


def _range(rows: list[dict], measure: ShownMeasure, digits: int) -> str:
    defined = sorted((row for row in rows if np.isfinite(_number(row, "mean"))), key=lambda row: float(row["mean"]))
    if not defined:
        return f"Mean {measure.heading} is not defined for any of {len(rows)} labels, since no case counts."
    ends = [f"{amount(float(row['mean']), measure, digits)} ({row['label']})" for row in (defined[0], defined[-1])]
    fewest, most = (pick(_number(row, "n") for row in defined) for pick in (min, max))
    span = f"{fewest:.0f} to {most:.0f}" if most > fewest else f"{fewest:.0f}"
    cases = f", from {span} {'case' if most == 1 else 'cases'} each" if np.isfinite(fewest) else ""
    undefined = f"; not defined for {len(rows) - len(defined)} more" if len(defined) < len(rows) else ""
    return f"Over {len(defined)} labels, mean {measure.heading} runs from {ends[0]} to {ends[1]}{cases}{undefined}."


def _behind(cases: float, subjects: float) -> str:
    if not np.isfinite(cases):
        return ""
    text = counted(int(cases), "case")
    return f"{text} of {counted(int(subjects), 'subject')}" if np.isfinite(subjects) else text


def _worst_of_all(report: EvaluationReport, measure: ShownMeasure) -> str:
    rows = single_labels(report.per_case)
    row = worst_row(rows, measure)
    if row is None:
        return ""
    digits = common_digits(values_of(rows, measure.column))
    label = f", {row['label']}" if rows["label"].nunique() > 1 else ""
    both = " with both masks" if "status" in rows and rows["status"].isin(FAILED_STATUSES).any() else ""
    value = amount(float(row[measure.column]), measure, digits)
    return f"Worst case{both}: {row['case']}{label}, {measure.heading} {value}."


def _failures(report: EvaluationReport) -> list[str]:
    if "status" not in report.per_case:
        return []
    rows = single_labels(report.per_case)
    missing = list(dict.fromkeys(rows.loc[rows["status"] == "prediction-missing", "case"]))
    sentences = []
    if missing:
        verb = "has" if len(missing) == 1 else "have"
        total = counted(rows["case"].nunique(), "case")
        sentences.append(f"{len(missing)} of {total} {verb} no prediction: {named(missing)}.")
    several = rows["label"].nunique() > 1
    for status, words in _MASK_WORDS.items():
        found = rows[rows["status"] == status]
        if not found.empty:
            where = [
                f"{case} ({label})" if several else str(case)
                for case, label in zip(found["case"], found["label"], strict=True)
            ]
            sentences.append(f"In {len(found)} of {counted(len(rows), 'mask')} {words}: {named(where)}.")
    if not rows["status"].isin([*FAILED_STATUSES, *_MASK_WORDS]).any():
        sentences.append("Every case has a prediction, and no mask is empty.")
    return sentences


def _policy(report: EvaluationReport, measure: ShownMeasure) -> str:
    if "policy" not in report.summary:
        return ""
    rows = report.summary[report.summary["measure"] == measure.column]
    policies = dict.fromkeys(str(policy) for policy in rows["policy"].dropna() if str(policy).strip())
    return f"How such cases count: {' / '.join(policies)}." if policies else ""


def _number(row: dict, column: str) -> float:
    value = row.get(column)
    return float("nan") if value is None or pd.isna(value) else float(value)
