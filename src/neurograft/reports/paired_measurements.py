"""A quantity measured in the reference and in the prediction of the same cases, ready to be drawn."""

from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from neurograft.evaluation.agreement.bland_altman import BlandAltman, bland_altman
from neurograft.reports.evaluation import values_of
from neurograft.reports.number_text import common_digits, decimal

LIMITS_FROM_SUBJECTS = 3
"""Limits of agreement of fewer subjects are neither drawn nor written."""


@dataclass(frozen=True, eq=False)
class PairedMeasurements:
    """One quantity of one label.

    Args:
        quantity: such as "volume".
        label: of the structure.
        unit: may be empty.
        cases: (n,) identifiers of the cases that are defined on both sides.
        reference: (n,) measured in the reference.
        prediction: (n,) measured in the prediction.
        analysis: of prediction - reference; several cases of a subject are taken for what they are.
    """

    quantity: str
    label: str
    unit: str
    cases: tuple[str, ...]
    reference: NDArray[np.float64]
    prediction: NDArray[np.float64]
    analysis: BlandAltman

    @property
    def digits(self) -> int:
        """Decimals of the values."""
        return common_digits(np.concatenate([self.reference, self.prediction]))

    @property
    def has_limits(self) -> bool:
        """Whether limits of agreement say anything."""
        return self.analysis.n_subjects >= LIMITS_FROM_SUBJECTS and bool(np.isfinite(self.analysis.lower))

    def titles(self) -> tuple[str, ...]:
        """A text for each case: ``sub-04: reference 512, prediction 498 mm³``."""
        unit = f" {self.unit}" if self.unit else ""
        return tuple(
            f"{case}: reference {decimal(one, self.digits)}, prediction {decimal(other, self.digits)}{unit}"
            for case, one, other in zip(self.cases, self.reference, self.prediction, strict=True)
        )


def paired_measurements(paired: pd.DataFrame, level: float) -> list[PairedMeasurements]:
    """Group a long table by quantity and label, both in the order given.

    Args:
        paired: columns ``reports.evaluation.PAIRED_COLUMNS``, and where known ``subject`` and ``unit``.
        level: coverage of the intervals.
    """
    quantities = dict.fromkeys(paired["quantity"])
    groups = dict(iter(paired.groupby(["quantity", "label"], sort=False)))
    order = sorted(groups, key=lambda key: list(quantities).index(key[0]))
    return [_of_one_label(groups[key], str(key[0]), str(key[1]), level) for key in order]


def _of_one_label(rows: pd.DataFrame, quantity: str, label: str, level: float) -> PairedMeasurements:
    reference, prediction = values_of(rows, "reference"), values_of(rows, "prediction")
    subjects = rows["subject"].fillna(rows["case"]) if "subject" in rows else rows["case"]
    defined = np.isfinite(reference) & np.isfinite(prediction)
    units = rows["unit"].dropna() if "unit" in rows else pd.Series(dtype=object)
    return PairedMeasurements(
        quantity=quantity,
        label=label,
        unit=str(units.iloc[0]).replace("mm3", "mm³") if len(units) else "",
        cases=tuple(str(case) for case in rows.loc[defined, "case"]),
        reference=reference[defined],
        prediction=prediction[defined],
        analysis=bland_altman(prediction, reference, subjects.astype(str).tolist(), level=level),
    )
