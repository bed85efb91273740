"""What a comparison of strategies found, as data; nothing here knows how it will be shown."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import pandas as pd
from numpy.typing import NDArray

if TYPE_CHECKING:
    from neurograft.reports.summary_table import TextTable

SUMMARY_COLUMNS = (
    "strategy", "training_subjects", "label", "mean_dice", "sd_dice", "n_subjects", "n_cases", "n_missing", "n_empty",
    "seeds", "seed_low", "seed_high", "ci_low", "ci_high", "difference_to_scratch", "difference_low",
    "difference_high", "seconds", "peak_memory_mib", "policy",
)  # fmt: skip
SCORE_COLUMNS = ("strategy", "training_subjects", "seed", "subject", "case", "label", "dice")
CURVE_COLUMNS = ("step", "training/loss")
BIOMARKER_COLUMNS = (
    "strategy", "seed", "case", "true_contrast_ratio", "manual_contrast_ratio", "predicted_contrast_ratio",
)  # fmt: skip

REFERENCE_STRATEGY = "scratch"
"""The strategy that every other one is compared with."""


@dataclass(frozen=True, eq=False)
class SliceExample:
    """One case to look at: its image with the true and the predicted classes.

    Args:
        title: why it is shown, such as "worst case".
        case: identifier of the case.
        strategy: what made the prediction; empty where that is not known.
        dice: of this case; may be NaN.
        image: (D, H, W) in RAS.
        truth: (D, H, W) class indices, 0 background, -1 not annotated.
        prediction: (D, H, W) class indices, 0 background.
        spacing_mm: voxel size along D, H, W.
        label_names: names of the classes 1, 2, ...
    """

    title: str
    case: str
    strategy: str
    dice: float
    image: NDArray[Any]
    truth: NDArray[Any]
    prediction: NDArray[Any]
    spacing_mm: tuple[float, float, float]
    label_names: tuple[str, ...]

    def __post_init__(self) -> None:
        if self.image.ndim != 3 or not self.image.shape == self.truth.shape == self.prediction.shape:
            raise ValueError(
                f"image, truth and prediction of case {self.case} must be volumes of one shape, but are "
                f"{self.image.shape}, {self.truth.shape} and {self.prediction.shape}"
            )


@dataclass(frozen=True, eq=False)
class ComparisonReport:
    """Everything that the page of a comparison shows.

    Args:
        title: of the page.
        question: what was asked, in a sentence or two.
        answer: plain sentences, the verdict first.
        summary: a row per strategy, number of training subjects and label; columns
            ``SUMMARY_COLUMNS``; ``seconds`` is the mean training time of a model, intervals are 95 %,
            and the differences of ``scratch`` itself are NaN.
        scores: a row per strategy, number of training subjects, seed, case and label; columns
            ``SCORE_COLUMNS``; a Dice that is not defined is NaN.
        curves: arm name to its training log with columns ``step``, ``training/loss`` and, where there
            was validation, ``validation/dice``; NaN where nothing was logged. An arm whose name is a
            strategy's, or begins with one and a space or sign, is drawn in that strategy's colour.
        examples: cases to look at.
        method: what was done, step by step.
        provenance: command, seeds, versions, hardware, date, data.
        notes: policies and warnings; always shown.
        further_tables: of other measures, by caption; shown below the summary.
        biomarkers: a row per strategy, seed and case; columns ``BIOMARKER_COLUMNS``; the predicted
            contrast ratio is NaN where the predicted mask is empty. ``None`` when nothing was measured.

    Raises:
        ValueError: a table lacks a column, or there is no row to report.
    """

    title: str
    question: str
    answer: tuple[str, ...]
    summary: pd.DataFrame
    scores: pd.DataFrame
    curves: Mapping[str, pd.DataFrame]
    examples: tuple[SliceExample, ...]
    method: tuple[str, ...]
    provenance: Mapping[str, str]
    biomarkers: pd.DataFrame | None = None
    notes: tuple[str, ...] = field(default=())
    further_tables: "Mapping[str, TextTable]" = field(default_factory=dict)

    def __post_init__(self) -> None:
        require_columns(self.summary, SUMMARY_COLUMNS, "summary")
        require_columns(self.scores, SCORE_COLUMNS, "scores")
        for arm, curve in self.curves.items():
            require_columns(curve, CURVE_COLUMNS, f"learning curve of {arm}")
        if self.biomarkers is not None:
            require_columns(self.biomarkers, BIOMARKER_COLUMNS, "biomarkers")
        if self.summary.empty:
            raise ValueError("the summary has no row, so there is nothing to report")

    @property
    def strategies(self) -> tuple[str, ...]:
        """Strategies in the order of the summary."""
        return tuple(dict.fromkeys(str(name) for name in self.summary["strategy"]))


def require_columns(table: pd.DataFrame, columns: Iterable[str], what: str) -> None:
    """Refuse a table that lacks one of the columns.

    Raises:
        ValueError: naming the columns that lack and those that are there.
    """
    lacking = [column for column in columns if column not in table.columns]
    if lacking:
        raise ValueError(f"the {what} lacks the columns {', '.join(lacking)}; it has {', '.join(map(str, table))}")
