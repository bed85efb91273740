"""Recovered against true contrast ratio of a structure, a panel per strategy."""

from dataclasses import dataclass

import numpy as np
import pandas as pd
from markupsafe import Markup

from neurograft.reports.number_text import decimal
from neurograft.reports.series_style import SeriesStyle
from neurograft.reports.svg import GROUND, INK, MUTED, drawing, inline_svg, new_figure, plain_axes

TRUE, MANUAL, PREDICTED = "true_contrast_ratio", "manual_contrast_ratio", "predicted_contrast_ratio"


@dataclass(frozen=True, eq=False)
class ContrastPanel:
    """One strategy's figure with what it says in numbers."""

    strategy: str
    figure: Markup
    n: int
    n_excluded: int
    """Predictions without a contrast ratio, because their mask is empty."""
    n_beyond: int
    """Predictions so far off that they are drawn at the edge of the axes."""
    error: str
    manual_error: str


def contrast_panels(biomarkers: pd.DataFrame, styles: dict[str, SeriesStyle]) -> list[ContrastPanel]:
    """Draw predicted and manual against true contrast ratio, all panels on the same axes.

    Args:
        biomarkers: columns ``reports.comparison.BIOMARKER_COLUMNS``.
        styles: of the strategies, in the order of the panels.

    Returns:
        A panel per strategy that has rows.
    """
    limits = _limits(biomarkers)
    present = set(biomarkers["strategy"])
    return [
        _panel(biomarkers[biomarkers["strategy"] == strategy], strategy, style, limits, number)
        for number, (strategy, style) in enumerate(styles.items())
        if strategy in present
    ]


def _panel(
    rows: pd.DataFrame, strategy: str, style: SeriesStyle, limits: tuple[float, float], number: int
) -> ContrastPanel:
    excluded = int(rows[PREDICTED].isna().sum())
    shown = rows.dropna(subset=[TRUE, PREDICTED])
    # The manual mask is the same whatever the seed: a dot per case.
    manual = rows.dropna(subset=[TRUE, MANUAL]).drop_duplicates("case")
    with drawing():
        figure = new_figure(3.4, 3.4)
        ax = figure.add_axes((0.17, 0.14, 0.81, 0.81))
        plain_axes(ax)
        ax.plot(limits, limits, color=MUTED, linewidth=1, linestyle=(0, (4, 3)))
        ax.plot(
            manual[TRUE], manual[MANUAL], linestyle="none", marker="o", markersize=4.6, color="none",
            markeredgecolor=MUTED, markeredgewidth=1,
        )  # fmt: skip
        ax.plot(
            shown[TRUE], shown[PREDICTED].clip(*limits), linestyle="none", marker=style.marker, markersize=4.8,
            color=style.colour, markeredgecolor=GROUND, markeredgewidth=0.4, alpha=0.85, clip_on=False,
        )  # fmt: skip
        ax.set_xlim(limits)
        ax.set_ylim(limits)
        ax.set_aspect("equal")
        ax.set_xlabel("True contrast ratio")
        ax.set_ylabel("Recovered contrast ratio", color=INK)
    error = _mean_and_sd(shown[PREDICTED] - shown[TRUE])
    alternative = (
        f"Recovered against true contrast ratio, strategy {strategy}: {len(shown)} predictions, "
        f"mean difference {error}; {excluded} excluded because the predicted mask is empty"
    )
    return ContrastPanel(
        strategy,
        inline_svg(figure, f"contrast-{number}", alternative),
        len(shown),
        excluded,
        int((~shown[PREDICTED].between(*limits)).sum()),
        error,
        _mean_and_sd(manual[MANUAL] - manual[TRUE]),
    )


def _limits(biomarkers: pd.DataFrame) -> tuple[float, float]:
    """Both axes: all true and manual values, and predictions up to one such range beyond."""
    known = biomarkers[[TRUE, MANUAL]].to_numpy(float)
    known = known[np.isfinite(known)]
    if not known.size:
        return 0.0, 1.0
    low, high = float(known.min()), float(known.max())
    extent = high - low or 0.1
    predicted = np.clip(biomarkers[PREDICTED].dropna().to_numpy(float), low - extent, high + extent)
    low, high = min([low, *predicted]), max([high, *predicted])
    return low - 0.06 * extent, high + 0.06 * extent


def _mean_and_sd(differences: pd.Series) -> str:
    if len(differences) < 2:
        return decimal(float(differences.mean()), signed=True)
    return f"{decimal(float(differences.mean()), signed=True)} ± {decimal(float(differences.std(ddof=1)))}"
