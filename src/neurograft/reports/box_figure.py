"""A row per group: every value a mark, under the marks the quartiles."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from markupsafe import Markup
from matplotlib.axes import Axes
from matplotlib.patches import PathPatch
from matplotlib.path import Path
from numpy.typing import NDArray

from neurograft.reports.number_text import common_digits, counted, decimal
from neurograft.reports.series_style import FAILED_SERIES, SeriesStyle
from neurograft.reports.svg import GROUND, INK, MUTED, drawing, inline_svg, new_figure, plain_axes

BOX_FROM_VALUES = 5
"""Quartiles of fewer values say less than the values themselves; then only the median is marked."""

CROWDED_FROM_VALUES = 3000
"""A figure with more values draws them as points of one line, without words of their own."""

_GOLDEN = 0.6180339887498949
_LONGEST_NAME = 40


@dataclass(frozen=True, eq=False)
class BoxRow:
    """Values of one group.

    Args:
        name: above the marks.
        values: (n,), all finite.
        style: colour and marker.
        titles: a text for each value, shown when a pointer rests on its mark; or none.
        failed: (n,), whether a value is that of a failure, which is drawn as a cross; or ``None``.
        remark: small, at the other end of the name's line.
        unit_counted: what a value belongs to, for the description in words.
    """

    name: str
    values: NDArray[np.float64]
    style: SeriesStyle
    titles: tuple[str, ...] = ()
    failed: NDArray[np.bool_] | None = None
    remark: str = ""
    unit_counted: str = "case"


@dataclass(frozen=True)
class ValueAxis:
    """The horizontal axis: what it shows, its ends, and whether zero is marked."""

    words: str
    low: float
    high: float
    mark_zero: bool = False


def box_figure(rows: Sequence[BoxRow], axis: ValueAxis, name: str, what: str, nothing: str) -> Markup:
    """Draw strips and boxes, one below the other on a common axis.

    Args:
        rows: from top to bottom.
        axis: the values' axis.
        name: unique in the page.
        what: begins the description in words.
        nothing: stands in a row without a value.

    Returns:
        An SVG element.
    """
    crowded = sum(len(row.values) for row in rows) > CROWDED_FROM_VALUES
    titles: dict[str, tuple[str, ...]] = {}
    described = []
    with drawing():
        figure = new_figure(4.9, 0.62 + 0.62 * len(rows))
        ax = figure.add_axes((0.02, 0.5 / figure.get_figheight(), 0.94, 1 - 0.56 / figure.get_figheight()))
        plain_axes(ax, grid="x")
        margin = 0.02 * (axis.high - axis.low)
        ax.set_xlim(axis.low - margin, axis.high)
        ax.set_ylim(-len(rows) + 0.45, 0.56)
        if axis.mark_zero:
            ax.axvline(0, color=MUTED, linewidth=1.2)
        for place, row in enumerate(rows):
            digits = common_digits(row.values)
            middle = decimal(float(np.median(row.values)), digits) if len(row.values) else "not defined"
            described.append(f"{row.name}: median {middle}, {counted(len(row.values), row.unit_counted)}")
            write_name(ax, -place + 0.37, row.name, row.remark)
            if not len(row.values):
                ax.text(
                    0.5, -place, nothing, color=INK, va="center", ha="center", transform=ax.get_yaxis_transform()
                )  # fmt: skip
                continue
            titles |= _draw_marks(ax, place, row, crowded)
            _draw_box(ax, -place - 0.26, row)
        ax.set_yticks([])
        ax.spines["left"].set_visible(False)
        ax.set_xlabel(axis.words)
    return inline_svg(figure, name, f"{what}. " + "; ".join(described), titles=titles)


def write_name(ax: Axes, height: float, name: str, remark: str) -> None:
    """Write what a row is above its marks, and a remark at the other end of that line."""
    # On its own ground, so that no line runs through it.
    settings: dict[str, Any] = {
        "va": "center",
        "parse_math": False,
        "transform": ax.get_yaxis_transform(),
        "bbox": {"facecolor": GROUND, "edgecolor": "none", "pad": 1},
    }
    ax.text(0, height, shortened(name), color=INK, weight="bold", **settings)
    if remark:
        ax.text(1, height, remark, color=MUTED, ha="right", fontsize=8.5, **settings)


def shortened(name: str, longest: int = _LONGEST_NAME) -> str:
    """A name that fits into a figure, cut in the middle, since both ends of names tend to matter."""
    if len(name) <= longest:
        return name
    return f"{name[: (longest - 1) // 2]}…{name[-(longest // 2) :]}"


def lowest_share(values: NDArray[np.float64]) -> float:
    """Left end of an axis that ends at 1: the lowest value, rounded down to a tenth, and never above 0.8."""
    finite = values[np.isfinite(values)]
    return float(max(0.0, min(0.8, np.floor((finite.min() - 0.01) * 10) / 10))) if finite.size else 0.0


def value_ends(values: NDArray[np.float64], lowest: float | None = None) -> tuple[float, float]:
    """Ends of an axis that holds all values with a little room.

    Args:
        values: any, undefined ones are left out.
        lowest: where the axis begins if no value lies below, such as 0 for a distance.
    """
    finite = values[np.isfinite(values)]
    if not finite.size:
        return (lowest or 0.0), (lowest or 0.0) + 1
    low, high = float(finite.min()), float(finite.max())
    if lowest is not None:
        low = min(low, lowest)
    room = 0.04 * (high - low) or 0.04 * abs(high) or 0.5
    return low if low == lowest else low - room, high + room


def _draw_marks(ax: Axes, place: int, row: BoxRow, crowded: bool) -> dict[str, tuple[str, ...]]:
    # Spread by the golden ratio: as even as chance, and the same each time.
    heights: NDArray[Any] = -place + 0.02 + ((np.arange(len(row.values)) * _GOLDEN) % 1 - 0.5) * 0.24
    failed = np.zeros(len(row.values), bool) if row.failed is None else row.failed
    if crowded:
        for chosen, style in ((~failed, row.style), (failed, FAILED_SERIES)):
            _draw_points(ax, row.values[chosen], heights[chosen], style.colour)
        return {}
    dots, crosses = f"dots-{place}", f"crosses-{place}"
    ax.plot(
        row.values[~failed], heights[~failed], linestyle="none", marker=row.style.marker, markersize=4.2, gid=dots,
        color=row.style.colour, markeredgecolor=GROUND, markeredgewidth=0.4, alpha=0.75, clip_on=False,
    )  # fmt: skip
    ax.plot(
        row.values[failed], heights[failed], linestyle="none", marker=FAILED_SERIES.marker, markersize=5, gid=crosses,
        color=FAILED_SERIES.colour, markeredgewidth=1.4, clip_on=False,
    )  # fmt: skip
    if not row.titles:
        return {}
    words = np.array(row.titles, dtype=object)
    found = {dots: tuple(words[~failed]), crosses: tuple(words[failed])}
    return {line: texts for line, texts in found.items() if texts}


def _draw_points(ax: Axes, values: NDArray[Any], heights: NDArray[Any], colour: str) -> None:
    if not len(values):
        return
    # A line from a point to itself with a round cap is a dot, and a tenth of a marker's length in the file.
    points = np.repeat(np.column_stack([values, heights]), 2, axis=0)
    path = Path(points, [Path.MOVETO, Path.LINETO] * len(values))
    path.should_simplify = False
    ax.add_patch(PathPatch(path, edgecolor=colour, linewidth=2.6, alpha=0.35, fill=False, capstyle="round"))


def _draw_box(ax: Axes, height: float, row: BoxRow) -> None:
    low, middle, high = np.percentile(row.values, [25, 50, 75])
    if len(row.values) >= BOX_FROM_VALUES:
        ends = [row.values.min(), row.values.max()]
        ax.plot(ends, [height, height], color=row.style.colour, linewidth=1, solid_capstyle="butt")
        ax.barh(height, high - low, left=low, height=0.15, color=row.style.colour, linewidth=0)
    ax.plot([middle, middle], [height - 0.12, height + 0.12], color=INK, linewidth=2, solid_capstyle="butt")
