"""A number a subject, predicted against true: ages, volumes from elsewhere, any measurement."""

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Literal

import numpy as np
import pandas as pd

from neurograft.errors import InputError
from neurograft.evaluation.agreement.row import agreement_row
from neurograft.evaluation.regression import RegressionFigures, regression_figures

NumberMissing = Literal["error", "leave-out"]
"""What a missing prediction is: no error has a size by itself, so none can be scored as a failure."""

KEYS = ("case", "participant_id", "subject")
"""Columns that may say whose number it is, the more exact one first."""


@dataclass(frozen=True)
class NumberScores:
    """Predicted against true numbers.

    Attributes:
        quantity: what they are.
        pairs: columns ``case``, ``subject``, ``label`` (the quantity), ``quantity``, ``reference``, ``prediction``.
        agreement: one row of `neurograft.evaluation.agreement.row.AGREEMENT_COLUMNS`.
        regression: errors, beside those of always answering the training mean.
        unpaired: keys that only one of the tables has.
    """

    quantity: str
    pairs: pd.DataFrame
    agreement: pd.DataFrame
    regression: RegressionFigures
    unpaired: tuple[str, ...]


def score_numbers(
    reference: Path,
    prediction: Path,
    quantity: str,
    key: str | None = None,
    training: float | Path | None = None,
    level: float = 0.95,
    missing: NumberMissing = "error",
) -> NumberScores:
    """Compare a column of two tables, row by row.

    Args:
        reference: table (.tsv or .csv) of the true numbers.
        prediction: table of the predicted ones.
        quantity: column in both.
        key: column in both that says whose number it is; else the first of `KEYS` that both have.
        training: mean of the true values that the model learnt from, or a table with the same column
            of the training subjects; the baseline needs it.
        level: coverage of the intervals.
        missing: a true number without a prediction is an error, or left out and named.

    Raises:
        InputError: unreadable tables, a missing column, a value that is no number, a key that comes
            twice, a prediction that is missing, or no common key.
    """
    true, predicted = _with_subjects(_read(reference)), _with_subjects(_read(prediction))
    key = key or _common_key(true, predicted, prediction)
    theirs, ours = _numbers(true, quantity, key, reference), _numbers(predicted, quantity, key, prediction)
    lost = sorted(set(theirs.index) - set(ours.index))
    both = [name for name in theirs.index if name in ours.index]
    if not both:
        raise InputError(
            f"no {key} of the reference has a prediction: {', '.join(lost[:3])} against {', '.join(ours.index[:3])}",
            f"Use the same names in the column {key}",
            prediction,
        )
    if lost and missing == "error":
        raise InputError(
            f"{len(lost)} of {len(theirs)} true numbers have no prediction: {', '.join(lost[:5])}"
            f"{', ...' if len(lost) > 5 else ''}",
            "Predict them, or leave them out with --missing leave-out",
            prediction,
        )
    subjects = _subjects(true, key).reindex(both)
    pairs = pd.DataFrame(
        {
            "case": both,
            "subject": subjects.to_numpy(),
            "label": quantity,
            "quantity": quantity,
            "reference": theirs[both].to_numpy(),
            "prediction": ours[both].to_numpy(),
        }
    )
    people = [str(subject) for subject in pairs["subject"]]
    agreement = agreement_row(quantity, quantity, pairs["prediction"], pairs["reference"], people, level)
    mean = None if training is None else _training_mean(training, quantity)
    regression = regression_figures(pairs["reference"], pairs["prediction"], mean, people, level=level)
    extra = sorted(set(ours.index) - set(theirs.index))
    return NumberScores(quantity, pairs, pd.DataFrame([agreement]), regression, (*lost, *extra))


def regression_table(scores: NumberScores) -> pd.DataFrame:
    """The errors as a table of one row."""
    return pd.DataFrame([{"quantity": scores.quantity, **asdict(scores.regression)}])


def _read(file: Path) -> pd.DataFrame:
    try:
        return pd.read_csv(file, sep="," if file.suffix == ".csv" else "\t", dtype=str, keep_default_na=False)
    except (OSError, ValueError) as error:
        raise InputError(
            f"cannot be read as a table ({error})", "Give a .tsv or .csv table with a heading", file
        ) from error


def _with_subjects(table: pd.DataFrame) -> pd.DataFrame:
    """A BIDS ``participant_id`` is the subject after ``sub-``, which is what a prediction's tables hold."""
    if "participant_id" in table and "subject" not in table:
        return table.assign(subject=table["participant_id"].str.removeprefix("sub-"))
    return table


def _common_key(true: pd.DataFrame, predicted: pd.DataFrame, file: Path) -> str:
    for name in KEYS:
        if name in true and name in predicted:
            return name
    raise InputError(
        f"the tables have none of the columns {', '.join(KEYS)} in common",
        "Say which column to join by with --key",
        file,
    )


def _numbers(table: pd.DataFrame, quantity: str, key: str, file: Path) -> "pd.Series[float]":
    """Numbers by key; cells that are empty or "n/a" are left out."""
    for name in (key, quantity):
        if name not in table:
            raise InputError(f"has no column {name!r}", f"Columns: {', '.join(table.columns)}", file)
    known = table[~table[quantity].str.strip().str.lower().isin(["", "n/a", "nan"])]
    numbers = pd.to_numeric(known[quantity], errors="coerce")
    wrong = known.loc[~np.isfinite(numbers), quantity]
    if len(wrong):
        raise InputError(f"{wrong.iloc[0]!r} in column {quantity} is no number", "Write a number, or n/a", file)
    repeated = known.loc[known[key].duplicated(), key]
    if len(repeated):
        raise InputError(f"{key} {repeated.iloc[0]!r} has more than one row", "Join by another column with --key", file)
    return pd.Series(numbers.to_numpy(float), index=known[key].to_numpy())


def _subjects(table: pd.DataFrame, key: str) -> "pd.Series[str]":
    whose = next((name for name in ("subject", "participant_id") if name in table), key)
    return pd.Series(table[whose].to_numpy(), index=table[key].to_numpy())[lambda s: ~s.index.duplicated()]


def _training_mean(training: float | Path, quantity: str) -> float:
    if not isinstance(training, Path):
        if not np.isfinite(training):
            raise InputError(f"the training mean must be a number, not {training}", "Give a finite --training-mean")
        return training
    table = _read(training)
    table = table.assign(row=[str(number) for number in range(len(table))])
    values = _numbers(table, quantity, "row", training)
    if values.empty:
        raise InputError(f"has no number in column {quantity}", "Give the training subjects' values", training)
    return float(values.mean())
