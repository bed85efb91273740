"""A row per method, a dot per subject, and a line that leads each subject from one method to the next."""

from textwrap import wrap
from typing import Any

import numpy as np
import pandas as pd
from markupsafe import Markup
from matplotlib.axes import Axes
from numpy.typing import NDArray

from neurograft.reports.box_figure import ValueAxis, shortened
from neurograft.reports.number_text import common_digits, counted, decimal
from neurograft.reports.series_style import SeriesStyle
from neurograft.reports.svg import GROUND, INK, MUTED, drawing, inline_svg, new_figure, plain_axes

_FAINT_FROM_SUBJECTS = 40
_NAME_CHARACTERS = 15


def subject_values(scores: pd.DataFrame) -> pd.DataFrame:
    """Mean of each subject and method over cases, folds and seeds; subjects as rows, methods as columns.

    Args:
        scores: columns ``method``, ``subject``, ``value``, of one label and measure.
    """
    order = list(dict.fromkeys(scores["method"]))
    return scores.pivot_table(index="subject", columns="method", values="value", aggfunc="mean").reindex(columns=order)


def paired_lines_figure(
    values: pd.DataFrame, styles: dict[str, SeriesStyle], axis: ValueAxis, name: str, what: str
) -> Markup:
    """Draw each subject's values under every method.

    Args:
        values: (subjects, methods), NaN where undefined.
        styles: of the methods.
        axis: the values' axis.
        name: unique in the page.
        what: begins the description in words.

    Returns:
        An SVG element.
    """
    table = values.to_numpy(float)
    digits = common_digits(table.ravel())
    titles: dict[str, tuple[str, ...]] = {}
    described = []
    rows = table.shape[1]
    with drawing():
        figure = new_figure(4.9, 0.6 + 0.58 * rows)
        # Names stand beside the marks, not above them, where they would cut the lines.
        ax = figure.add_axes((0.29, 0.5 / figure.get_figheight(), 0.67, 1 - 0.54 / figure.get_figheight()))
        plain_axes(ax, grid="x")
        ax.set_xlim(axis.low - 0.02 * (axis.high - axis.low), axis.high)
        ax.set_ylim(-rows + 0.55, 0.45)
        if axis.mark_zero:
            ax.axvline(0, color=MUTED, linewidth=1.2)
        _draw_lines(ax, table)
        for row, method in enumerate(values.columns):
            defined = np.isfinite(table[:, row])
            points = table[defined, row]
            mean = decimal(float(points.mean()), digits) if len(points) else "not defined"
            described.append(f"{method}: mean {mean}, {counted(len(points), 'subject')}")
            _write_name(ax, -row, str(method), f"mean {mean} · n {len(points)}")
            if not len(points):
                continue
            style = styles[str(method)]
            ax.plot(
                points, np.full(len(points), -row), linestyle="none", marker=style.marker, markersize=5, alpha=0.85,
                color=style.colour, markeredgecolor=GROUND, markeredgewidth=0.4, clip_on=False, gid=f"dots-{row}",
            )  # fmt: skip
            ax.plot([points.mean()] * 2, [-row - 0.2, -row + 0.2], color=INK, linewidth=2, solid_capstyle="butt")
            subjects = values.index[defined]
            titles[f"dots-{row}"] = tuple(
                f"{subject}, {method}: {decimal(value, digits)}"
                for subject, value in zip(subjects, points, strict=True)
            )
        ax.set_yticks([])
        ax.spines["left"].set_visible(False)
        ax.set_xlabel(axis.words)
    return inline_svg(figure, name, f"{what}. " + "; ".join(described), titles=titles)


def _write_name(ax: Axes, height: float, name: str, remark: str) -> None:
    lines = wrap(name, _NAME_CHARACTERS) or [""]
    if len(lines) > 2:
        lines = [lines[0], shortened(" ".join(lines[1:]), _NAME_CHARACTERS)]
    settings: dict[str, Any] = {
        "xycoords": ax.get_yaxis_transform(), "textcoords": "offset points", "ha": "right", "annotation_clip": False,
    }  # fmt: skip
    ax.annotate(
        "\n".join(lines), (0, height), (-10, -1), va="bottom", color=INK, weight="bold", parse_math=False, **settings
    )
    ax.annotate(remark, (0, height), (-10, -2), va="top", color=MUTED, fontsize=8.5, **settings)


def _draw_lines(ax: Axes, table: NDArray[np.float64]) -> None:
    subjects, methods = table.shape
    # One path for all subjects; the undefined point behind each keeps it from the next.
    across = np.column_stack([table, np.full(subjects, np.nan)]).ravel()
    down = np.tile(np.append(-np.arange(methods, dtype=float), np.nan), subjects)
    alpha = 0.45 if subjects < _FAINT_FROM_SUBJECTS else 0.2
    ax.plot(across, down, color=MUTED, linewidth=0.9, alpha=alpha, zorder=1.5, clip_on=False)
