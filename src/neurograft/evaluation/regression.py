"""Errors of a predicted number, such as age, beside a model that always answers the training mean.

P3 reports a validation MSE of 2.45 as an average deviation of 1.57 weeks. That is the square root of
the MSE, an RMSE; the average deviation is the MAE, which is never larger than the RMSE and equal to
it only when all errors have one size (SPEC section 8, no 16). Both stand here under their own names.

The same network turned out to answer about the mean age to everyone. An error in weeks does not show
that: the error of always answering the training mean stands beside it, and `collapsed` says it.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from neurograft.evaluation.intervals import subject_bootstrap

NARROW_SHARE = 0.25
"""Predictions that vary less than this share of the truth, by standard deviation, hardly vary."""

LEAST_EXPLAINED_SHARE = 0.05
"""Predictions that explain less than this share of the variance of the truth say no more than a constant."""


@dataclass(frozen=True)
class RegressionFigures:
    """Errors of predictions, in the unit of the truth; NaN for what is undefined.

    Args:
        n: pairs that were used.
        n_left_out: pairs left out because a value is NaN or infinite.
        n_subjects: people behind the pairs.
        mse: mean squared error.
        rmse: its square root.
        mae: mean absolute error, the average deviation.
        mae_low: lower end of its interval, resampling subjects.
        mae_high: upper end.
        r2: share of the variance explained, 1 - SSE / SST; below 0 when worse than the mean of these
            very truths, NaN for fewer than two pairs or a truth that does not vary.
        bias: mean of prediction minus truth.
        sd_true: standard deviation of the truth, n - 1 in the denominator.
        sd_predicted: that of the predictions.
        training_mean: what the baseline answers.
        baseline_mse: of the baseline on the same pairs.
        baseline_rmse: its square root.
        baseline_mae: of the baseline.
        mse_gain: 1 - mse / baseline_mse: 1 is perfect, 0 no better than the baseline.
        mae_gain: 1 - mae / baseline_mae.
        mae_saved: baseline_mae - mae, in the unit of the truth.
        mae_saved_low: lower end of its interval, resampling subjects.
        mae_saved_high: upper end; the model beats the baseline where both ends are positive.
        collapsed: whether the predictions hardly vary and say no more than a constant would; ``None``
            where that cannot be told: fewer than two pairs, or a truth that does not vary.
    """

    n: int
    n_left_out: int
    n_subjects: int
    mse: float
    rmse: float
    mae: float
    mae_low: float
    mae_high: float
    r2: float
    bias: float
    sd_true: float
    sd_predicted: float
    training_mean: float
    baseline_mse: float
    baseline_rmse: float
    baseline_mae: float
    mse_gain: float
    mae_gain: float
    mae_saved: float
    mae_saved_low: float
    mae_saved_high: float
    collapsed: bool | None


def regression_figures(
    true: ArrayLike,
    predicted: ArrayLike,
    training_mean: float | None = None,
    subjects: Sequence[str] | None = None,
    narrow_share: float = NARROW_SHARE,
    least_explained_share: float = LEAST_EXPLAINED_SHARE,
    level: float = 0.95,
    draws: int = 10_000,
    seed: int = 0,
) -> RegressionFigures:
    """Compare predicted numbers with true ones, and with always answering the training mean.

    Predictions are called collapsed when their standard deviation is below `narrow_share` of the
    truth's and they say no more than a constant: their MSE is not below the baseline's, or with their
    bias taken out they explain less than `least_explained_share` of the truth's variance. The second
    catches a constant that beats the baseline only because these people differ from the training set.

    Args:
        true: true values, shape (n,).
        predicted: predictions, shape (n,).
        training_mean: mean of the true values the model was trained on; baseline figures are NaN
            without it. It minimises the MSE of the training set; its MAE could be beaten by their median.
        subjects: whose case each pair is, for the intervals; each counts as one person when not given.
        narrow_share: see above.
        least_explained_share: see above.
        level: coverage of the intervals.
        draws: bootstrap resamples.
        seed: of the bootstrap.

    Raises:
        ValueError: lengths differ, arrays are not one-dimensional, or the training mean is not finite.

    Example:
        >>> figures = regression_figures([30, 34, 38, 42], [36.1, 35.9, 36.0, 36.0], training_mean=36)
        >>> figures.mae, figures.baseline_mae, figures.collapsed
        (4.0, 4.0, True)
    """
    truth, answers = np.asarray(true, dtype=float), np.asarray(predicted, dtype=float)
    if truth.ndim != 1 or truth.shape != answers.shape:
        raise ValueError(
            f"truth and predictions must be two lists of one length, got {truth.shape} and {answers.shape}"
        )
    if training_mean is not None and not np.isfinite(training_mean):
        raise ValueError(f"training_mean must be finite, got {training_mean}")
    owners = np.asarray([str(pair) for pair in range(len(truth))] if subjects is None else list(subjects), dtype=str)
    if owners.shape != truth.shape:
        raise ValueError(f"there must be one subject a pair, got {len(owners)} for {len(truth)} pairs")
    used = np.isfinite(truth) & np.isfinite(answers)
    truth, answers, owners = truth[used], answers[used], owners[used]
    centre = float("nan") if training_mean is None else float(training_mean)
    error, baseline_error = answers - truth, centre - truth
    mse, baseline_mse = _mean(error**2), _mean(baseline_error**2)
    mae, baseline_mae = _mean(np.abs(error)), _mean(np.abs(baseline_error))
    saved = np.abs(baseline_error) - np.abs(error)
    mae_interval = subject_bootstrap(_by_subject(np.abs(error), owners), level=level, draws=draws, seed=seed)
    saved_interval = subject_bootstrap(_by_subject(saved, owners), level=level, draws=draws, seed=seed)
    return RegressionFigures(
        n=len(truth),
        n_left_out=int(np.count_nonzero(~used)),
        n_subjects=len(set(owners.tolist())),
        mse=mse,
        rmse=float(np.sqrt(mse)),
        mae=mae,
        mae_low=mae_interval[0],
        mae_high=mae_interval[1],
        r2=1 - _share(float((error**2).sum()), _squares_about_mean(truth)),
        bias=_mean(error),
        sd_true=_sd(truth),
        sd_predicted=_sd(answers),
        training_mean=centre,
        baseline_mse=baseline_mse,
        baseline_rmse=float(np.sqrt(baseline_mse)),
        baseline_mae=baseline_mae,
        mse_gain=1 - _share(mse, baseline_mse),
        mae_gain=1 - _share(mae, baseline_mae),
        mae_saved=_mean(saved),
        mae_saved_low=saved_interval[0],
        mae_saved_high=saved_interval[1],
        collapsed=_collapsed(truth, answers, mse, baseline_mse, narrow_share, least_explained_share),
    )


def _collapsed(
    truth: NDArray[np.float64],
    answers: NDArray[np.float64],
    mse: float,
    baseline_mse: float,
    narrow_share: float,
    least_explained_share: float,
) -> bool | None:
    variation = _squares_about_mean(truth)
    if not variation > 0:
        return None
    narrow = _sd(answers) < narrow_share * _sd(truth)
    explained = 1 - _squares_about_mean(answers - truth) / variation
    # Without a training mean the baseline's MSE is NaN, and the first comparison is false.
    return bool(narrow and (mse >= baseline_mse or explained < least_explained_share))


def _by_subject(values: NDArray[np.float64], owners: NDArray[np.str_]) -> dict[str, list[float]]:
    groups: dict[str, list[float]] = {}
    for owner, value in zip(owners.tolist(), values.tolist(), strict=True):
        groups.setdefault(owner, []).append(value)
    return groups


def _squares_about_mean(values: NDArray[np.float64]) -> float:
    """Sum of squared deviations; NaN for fewer than two values, exactly 0 for equal ones."""
    if len(values) < 2:
        return float("nan")
    # The mean of equal numbers may be off by a rounding, which would leave a variation where there is none.
    return 0.0 if values.min() == values.max() else float(((values - values.mean()) ** 2).sum())


def _sd(values: NDArray[np.float64]) -> float:
    return float(np.sqrt(_squares_about_mean(values) / (len(values) - 1))) if len(values) > 1 else float("nan")


def _mean(values: NDArray[np.float64]) -> float:
    return float(values.mean()) if values.size else float("nan")


def _share(part: float, whole: float) -> float:
    return part / whole if whole > 0 else float("nan")
