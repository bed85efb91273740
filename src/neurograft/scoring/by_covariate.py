"""The summary of an evaluation for each value of a covariate, such as the scanner."""

import pandas as pd

from neurograft.cohorts import Cohort
from neurograft.errors import InputError
from neurograft.evaluation.summary import summarise
from neurograft.scoring.run import Evaluation


def summary_by(evaluation: Evaluation, cohort: Cohort, column: str) -> pd.DataFrame:
    """Summarise the cases of each value of a column by themselves.

    Args:
        evaluation: of the cohort's cases.
        cohort: with the column.
        column: a covariate, such as ``scanner``; cases without a value make a group of their own.

    Returns:
        The rows of `neurograft.evaluation.summary.summarise` with the column in front, in the order in which
        its values appear.

    Raises:
        InputError: no case has the column.

    Reference:
        Kushibar et al. 2019 (P5) reports IBSR by scanner, GE and Siemens.
    """
    columns = sorted({name for case in cohort.cases for name in case.covariates})
    if column not in columns:
        raise InputError(
            f"--by {column!r} names no column of the cohort",
            f"Columns: {', '.join(columns) or 'none'}",
            cohort.source,
        )
    values = {case.id: case.covariates.get(column, "") for case in cohort.cases}
    options = evaluation.options
    per_case = evaluation.tables.per_case.drop(columns="oracle", errors="ignore")
    groups = per_case["case"].map(values).fillna("").replace("", "n/a")
    found = []
    for value, rows in per_case.groupby(groups, sort=False):
        summary = summarise(rows, options.policies, options.level, options.draws, options.seed)
        summary.insert(0, column, str(value))
        found.append(summary)
    return pd.concat(found, ignore_index=True)
