"""From a row a case and label to a row a label and measure: mean, spread, interval, and what is behind them."""

import numpy as np
import pandas as pd

from neurograft.evaluation.mean_intervals import mean_intervals
from neurograft.evaluation.measures import measures_in
from neurograft.evaluation.policies import Policies

SUMMARY_MEANINGS: dict[str, str] = {
    "label": "label, group of labels, or kind of mean over labels",
    "kind": "label, group, or mean (over the labels of each case)",
    "measure": "column of per_case.tsv",
    "unit": "of the measure",
    "n": "cases in the mean",
    "n_subjects": "their subjects",
    "mean": "over cases",
    "sd": "over cases, n - 1 in the denominator",
    "low": "lower end of the interval of the mean, resampling subjects",
    "high": "upper end",
    "median": "over cases",
    "min": "smallest",
    "max": "largest",
    "n_left_out": "cases in which the measure is undefined",
    "n_missing": "cases without a prediction",
    "n_both_empty": "cases in which reference and prediction lack the label",
    "n_reference_empty": "cases in which only the reference lacks it",
    "n_prediction_empty": "cases in which only the prediction lacks it",
    "policy": "what these count as",
}
"""Columns of ``summary.tsv`` and their meaning."""


def summarise(
    per_case: pd.DataFrame,
    policies: Policies,
    level: float = 0.95,
    draws: int = 10_000,
    seed: int = 0,
) -> pd.DataFrame:
    """Summarise every measure of every label, in the order in which labels first appear.

    Args:
        per_case: rows with the columns ``case``, ``subject``, ``label``, ``kind``, ``status`` and any
            measures of `neurograft.evaluation.measures.MEASURES`; NaN where one is undefined.
        policies: by which the rows were made; their words stand in every row.
        level: coverage of the intervals.
        draws: bootstrap resamples, over subjects.
        seed: of the bootstrap.

    Returns:
        One row a label and measure with the columns of `SUMMARY_MEANINGS`. A measure that no case
        of a label can have, such as the volume of a mean over labels, has no row.
    """
    measures = measures_in(per_case.columns)
    names = [measure.name for measure in measures]
    rows = []
    for (label, kind), cases in per_case.groupby(["label", "kind"], sort=False):
        values = cases[names].to_numpy(float)
        low, high = mean_intervals(values, cases["subject"].astype(str).tolist(), level, draws, seed)
        count = cases["status"].value_counts()
        for column, measure in enumerate(measures):
            defined = values[np.isfinite(values[:, column]), column]
            if not defined.size and kind != "label":
                continue
            rows.append(
                {
                    "label": label,
                    "kind": kind,
                    "measure": measure.name,
                    "unit": measure.unit,
                    "n": defined.size,
                    "n_subjects": cases.loc[np.isfinite(values[:, column]), "subject"].nunique(),
                    "mean": defined.mean() if defined.size else np.nan,
                    "sd": defined.std(ddof=1) if defined.size > 1 else np.nan,
                    "low": low[column],
                    "high": high[column],
                    "median": np.median(defined) if defined.size else np.nan,
                    "min": defined.min() if defined.size else np.nan,
                    "max": defined.max() if defined.size else np.nan,
                    "n_left_out": len(cases) - defined.size,
                    "n_missing": int(count.get("prediction-missing", 0)),
                    "n_both_empty": int(count.get("both-empty", 0)),
                    "n_reference_empty": int(count.get("reference-empty", 0)),
                    "n_prediction_empty": int(count.get("prediction-empty", 0)),
                    "policy": policies.words(),
                }
            )
    return pd.DataFrame(rows, columns=list(SUMMARY_MEANINGS))
