"""Predicted ages in a table, on a page with a figure, and in sentences: does the head beat the mean age?"""

from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pandas as pd

from neurograft.demos.ages import AgeExperiment
from neurograft.evaluation.agreement.row import agreement_row
from neurograft.evaluation.comparison.compare import compare_methods
from neurograft.evaluation.policies import Policies
from neurograft.evaluation.regression import regression_figures
from neurograft.evaluation.summary import summarise
from neurograft.hardware import describe_machine
from neurograft.outputs import write_table, write_text
from neurograft.reports.evaluation import LABEL_KIND, EvaluationReport
from neurograft.reports.evaluation_page import write_evaluation_page
from neurograft.reports.markdown import table_markdown
from neurograft.reports.number_text import decimal, interval
from neurograft.reports.summary_table import Cell, TextTable
from neurograft.reports.table_columns import TableColumn, table_of
from neurograft.training.record import library_versions

BASELINE = "mean age of the learners"
"""What answering the same to everyone is called, beside the ways to learn."""


def age_summary(ages: pd.DataFrame) -> pd.DataFrame:
    """A row a way, the baseline last: errors in years, over people and seeds; intervals resample people.

    Args:
        ages: of `neurograft.demos.ages.learn_ages`.

    Returns:
        Columns way, n_subjects, seeds, mae, mae_low, mae_high, rmse, r2, sd_predicted, sd_true, and
        where all learnt from the same people mae_saved with its ends, and collapsed.
    """
    rows = []
    for way, group in _with_baseline(ages).groupby("way", sort=False):
        mean = float(group["training_mean"].iloc[0]) if group["training_mean"].nunique() == 1 else None
        found = regression_figures(group["reference"], group["age"], mean, group["subject"].tolist())
        rows.append(
            {
                "way": way,
                "n_subjects": found.n_subjects,
                "seeds": group["seed"].nunique(),
                **{name: getattr(found, name) for name in ("mae", "mae_low", "mae_high", "rmse", "r2")},
                **{name: getattr(found, name) for name in ("mae_saved", "mae_saved_low", "mae_saved_high")},
                **{name: getattr(found, name) for name in ("sd_predicted", "sd_true", "collapsed")},
            }
        )
    return pd.DataFrame(rows)


def age_comparison(ages: pd.DataFrame) -> pd.DataFrame:
    """Every way against the baseline, and every pair of ways, by the absolute error."""
    frame = _with_baseline(ages)
    frame = frame.assign(value=(frame["age"] - frame["reference"]).abs(), method=frame["way"])
    return compare_methods(
        frame[["subject", "case", "seed", "method", "value"]], "absolute error of age, years", higher_is_better=False
    )


def write_ages(experiment: AgeExperiment, ages: pd.DataFrame, folder: Path, command: str) -> list[str]:
    """Write ``<name>.html``, ``<name>.md`` and ``<name>-*.tsv`` into `folder`.

    Returns:
        The answer, a sentence a comparison.
    """
    summary, comparison = age_summary(ages), age_comparison(ages)
    answer = [str(sentence) for sentence in comparison["verdict"]]
    collapsed = summary.loc[summary["collapsed"].eq(True) & summary["way"].ne(BASELINE), "way"]
    answer += [f"{way}: the answers have collapsed; they say no more than a constant." for way in collapsed]
    facts = {
        "command": command,
        "data": experiment.data,
        "seeds": ", ".join(map(str, experiment.seeds)),
        "date": datetime.now(UTC).strftime("%Y-%m-%d"),
        "hardware": describe_machine(),
        **library_versions(),
    }
    for name, table in {"ages": ages, "summary": summary, "comparison": comparison}.items():
        write_table(folder / f"{experiment.name}-{name}.tsv", table)
    lists = ["\n".join(f"- {line}" for line in lines) for lines in (answer, experiment.method)]
    lists.append("\n".join(f"- {key}: {value}" for key, value in facts.items()))
    write_text(folder / f"{experiment.name}.md", "\n\n".join([table_markdown(age_table(summary)), *lists]) + "\n")
    write_evaluation_page(_report(experiment, ages, comparison, answer, facts), folder / f"{experiment.name}.html")
    return answer


def age_table(summary: pd.DataFrame) -> TextTable:
    """The summary as a page and a terminal show it."""
    records = summary.to_dict("records")
    columns = [TableColumn("How the age is learnt", False, tuple(Cell(row["way"], None) for row in records))]
    for heading, name, whole in (
        ("Mean absolute error, years (95 %)", "mae", True),
        ("Saved against the mean age, years (95 %)", "mae_saved", True),
        ("R²", "r2", False),
        ("SD of answers, years", "sd_predicted", False),
        ("SD of ages, years", "sd_true", False),
    ):
        cells = []
        for row in records:
            text = decimal(row[name], 2)
            if whole and np.isfinite([row[name], row[f"{name}_low"]]).all():
                text += f" ({interval(row[f'{name}_low'], row[f'{name}_high'], digits=2)})"
            cells.append(Cell(text, None))
        columns.append(TableColumn(heading, True, tuple(cells)))
    columns.append(TableColumn("Test people", True, tuple(Cell(f"{row['n_subjects']}", None) for row in records)))
    return table_of(columns)


def _with_baseline(ages: pd.DataFrame) -> pd.DataFrame:
    """The ages with the baseline as one more way; it has the seeds of the others, with the same answer."""
    one = ages[ages["way"] == ages["way"].iloc[0]]
    return pd.concat([ages, one.assign(way=BASELINE, age=one["training_mean"])], ignore_index=True)


def _report(
    experiment: AgeExperiment, ages: pd.DataFrame, comparison: pd.DataFrame, answer: list[str], facts: dict[str, str]
) -> EvaluationReport:
    """A page whose labels are the ways, so that each has its figure of predicted against true ages.

    A person's answer is the mean over seeds, and the error the mean of the seeds' errors, as in the summary.
    """
    ages = ages.assign(absolute_error=(ages["age"] - ages["reference"]).abs())
    means = ages.groupby(["way", "case", "subject"], sort=False, as_index=False)
    found = means[["age", "reference", "absolute_error"]].mean()
    found = found.rename(columns={"way": "label", "age": "prediction"})
    pairs = found.drop(columns="absolute_error").assign(quantity="age", unit="years")
    per_case = found.assign(kind=LABEL_KIND, status="ok")
    agreement = pd.DataFrame(
        [
            agreement_row("age, years", str(way), rows["prediction"], rows["reference"], rows["subject"].tolist())
            for way, rows in pairs.groupby("label", sort=False)
        ]
    )
    columns = ["case", "subject", "label", "kind", "status", "absolute_error", "reference", "prediction"]
    return EvaluationReport(
        title=experiment.title,
        subtitle=" ".join(experiment.method),
        per_case=per_case[columns],
        summary=summarise(per_case, Policies()).assign(policy=""),
        agreement=agreement,
        paired=pairs,
        comparison=comparison,
        findings=answer,
        row_name="model",
        further_tables={"Errors, with those of answering the mean age": age_summary(ages)},
        facts=facts,
    )
