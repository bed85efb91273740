"""The tables of a study in the layouts of papers: methods by sizes, structures by methods, methods by experiments."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd

from neurograft.reports.measures import measure_of
from neurograft.reports.number_text import DASH, decimal, interval, mean_and_sd
from neurograft.reports.summary_table import Cell, TextTable, text_cell
from neurograft.studies.people import people_words
from neurograft.studies.results import StudyResults
from neurograft.studies.tables import NO_LABELS, headline_label, reference_of, sizes_of


@dataclass(frozen=True)
class Matrix:
    """A table with a heading; one that is folded is opened by its reader."""

    title: str
    caption: str
    table: TextTable
    folded: bool = False


def study_matrices(results: StudyResults) -> list[Matrix]:
    """Tables of the measures: methods by sizes, experiments beside each other, structures by methods."""
    summary = results.summary
    matrices = []
    names = list(dict.fromkeys(map(str, summary["experiment"])))
    for measure in dict.fromkeys(map(str, summary["measure"])):
        of_measure = summary[summary["measure"] == measure]
        for name in names:
            own = of_measure[of_measure["experiment"] == name]
            if own.empty:
                continue
            label = headline_label(own)
            matrices.append(_methods_by_sizes(own[own["label"] == label], name, measure, label, results))
        if len(names) > 1:
            matrices += _methods_by_experiments(of_measure, measure)
        for name in names:
            own = of_measure[of_measure["experiment"] == name]
            if own["label"].nunique() > 1:
                matrices += [_labels_by_methods(own, name, measure, size) for size in sizes_of(own)]
    return matrices


def _methods_by_sizes(rows: pd.DataFrame, name: str, measure: str, label: str, results: StudyResults) -> Matrix:
    """Rows are methods, columns numbers of labelled people, as in P1 and P5."""
    sizes = sizes_of(rows)
    as_is = (rows["size"] == NO_LABELS).any()
    columns = [NO_LABELS, *sizes] if as_is else sizes
    strong = _significant(results, name, measure, label)
    body = []
    for method in dict.fromkeys(map(str, rows["method"])):
        own = rows[rows["method"] == method]
        cells = [_figure(own[own["size"] == size], (size, method) in strong) for size in columns]
        body.append((text_cell(method), *cells))
    headings = ("Method", *("no labels" if size == NO_LABELS else people_words(size) for size in columns))
    tested = int(rows["n_subjects"].max())
    caption = (
        f"{measure_of(measure).in_full} of {label}, mean ± SD over test cases ({tested} people at most, each "
        f"the mean over its trainings), and the {results.protocol.comparison.level:.0%} interval of the mean. "
        f"Bold: differs from {reference_of(results.protocol, name) or 'another method'} by the verdict’s rules."
    )
    return Matrix(f"{name}: {measure_of(measure).heading} by labelled people", caption, _table(headings, body))


def _labels_by_methods(rows: pd.DataFrame, name: str, measure: str, size: str) -> Matrix:
    """Rows are structures, columns methods, as in P2, P3 and P5."""
    own = rows[rows["size"].isin((size, NO_LABELS))]
    methods = list(dict.fromkeys(map(str, own["method"])))
    body = [
        (
            text_cell(label),
            *(_figure(own[(own["label"] == label) & (own["method"] == method)], False) for method in methods),
        )
        for label in dict.fromkeys(map(str, own["label"]))
    ]
    title = f"{name}, {people_words(size)}: {measure_of(measure).heading} by structure"
    caption = f"{measure_of(measure).in_full}, mean ± SD over test cases, and the interval of the mean."
    return Matrix(title, caption, _table(("Structure", *methods), body), folded=True)


def _methods_by_experiments(rows: pd.DataFrame, measure: str) -> list[Matrix]:
    """Rows are methods, columns experiments, as in P4; one table a size that several experiments have."""
    matrices = []
    names = list(dict.fromkeys(map(str, rows["experiment"])))
    for size in sizes_of(rows):
        own = rows[rows["size"].isin((size, NO_LABELS))]
        if own[own["size"] == size]["experiment"].nunique() < 2:
            continue
        headline = {name: headline_label(rows[rows["experiment"] == name]) for name in names}
        body = []
        for method in dict.fromkeys(map(str, own["method"])):
            cells = []
            for name in names:
                chosen = own[(own["experiment"] == name) & (own["method"] == method) & (own["label"] == headline[name])]
                cells.append(_figure(chosen, False))
            body.append((text_cell(method), *cells))
        title = f"{measure_of(measure).heading} by experiment, {people_words(size)}"
        caption = f"{measure_of(measure).in_full}, mean ± SD over test cases, and the interval of the mean."
        matrices.append(Matrix(title, caption, _table(("Method", *names), body), folded=True))
    return matrices


def _significant(results: StudyResults, name: str, measure: str, label: str) -> set[tuple[str, str]]:
    """Size and method of comparisons whose verdict says better or worse."""
    rows = results.comparisons
    if rows.empty:
        return set()
    own = rows[(rows["experiment"] == name) & (rows["measure"] == measure) & (rows["label"] == label)]
    return {
        (str(row["size"]), str(row["first"]))
        for row in own.to_dict("records")
        if " is better than " in str(row["verdict"]) or " is worse than " in str(row["verdict"])
    }


def _figure(rows: pd.DataFrame, strong: bool) -> Cell:
    if rows.empty:
        return Cell(DASH, None)
    row: dict[Any, Any] = rows.iloc[0].to_dict()
    mean, low, high = float(row["mean"]), float(row["low"]), float(row["high"])
    text = mean_and_sd(mean, float(row["sd"]))
    if math.isfinite(low):
        text += f" ({interval(low, high)})"
    if row["n_empty"]:
        text += f", {row['n_empty']} empty"
    return Cell(text if math.isfinite(mean) else decimal(mean), mean if math.isfinite(mean) else None, strong)


def _table(headings: Sequence[str], body: Sequence[tuple[Cell, ...]]) -> TextTable:
    return TextTable(tuple(headings), (False, *(True for _ in headings[1:])), tuple(body))
