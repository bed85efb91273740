"""Figures as SVG that lives inside a page: its fonts, its colours on light and dark ground, its ids."""

import io
import re
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from html import escape
from typing import Any

import matplotlib
from markupsafe import Markup
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

# Colours that no figure would use; in the SVG they become variables of the page's style sheet.
INK = "#fd0001"
MUTED = "#fd0002"
RULE = "#fd0003"
GROUND = "#fd0004"
_VARIABLES = {INK: "--ink", MUTED: "--muted", RULE: "--rule", GROUND: "--ground"}

# Any, because the type of the keys differs between releases of matplotlib.
_SETTINGS: Any = {
    "font.family": "sans-serif",
    "font.sans-serif": ["DejaVu Sans"],
    "font.size": 9.5,
    # Text stays text: it takes the page's font, can be searched, and is read out.
    "svg.fonttype": "none",
    "svg.hashsalt": "neurograft",
    "svg.image_inline": True,
}


def drawing() -> AbstractContextManager[None]:
    """The settings under which the figures of a page are made and written."""
    return matplotlib.rc_context(_SETTINGS)


def new_figure(width_inches: float, height_inches: float) -> Figure:
    """A figure that no window or global state knows of."""
    figure = Figure(figsize=(width_inches, height_inches), facecolor="none")
    FigureCanvasAgg(figure)
    return figure


def plain_axes(ax: Axes, grid: str = "both") -> None:
    """Draw the frame of an axes quietly: faint grid behind the data, no box, muted ticks."""
    ax.set_facecolor("none")
    ax.set_axisbelow(True)
    for side in ("top", "right"):
        ax.spines[side].set_visible(False)
    for side in ("left", "bottom"):
        ax.spines[side].set_color(RULE)
    ax.tick_params(colors=RULE, labelcolor=MUTED, length=3)
    if grid in ("x", "y", "both"):
        ax.grid(True, axis=grid, color=RULE, linewidth=0.6)  # type: ignore[arg-type]
    for axis in (ax.xaxis, ax.yaxis):
        axis.label.set_color(INK)


def inline_svg(
    figure: Figure,
    name: str,
    alternative: str,
    image_dpi: float = 200,
    titles: Mapping[str, Sequence[str]] | None = None,
) -> Markup:
    """Turn a figure into an SVG element.

    Args:
        figure: the figure.
        name: unique in the page; the ids inside begin with it.
        alternative: what the figure shows, for those who do not see it.
        image_dpi: of pictures inside the figure.
        titles: words that show when a pointer rests on a marker: ``gid`` of a plotted line to a text for
            each of its markers, in their order.

    Returns:
        The element, safe to put into a page: matplotlib escapes the text, and `alternative` is here.

    Raises:
        ValueError: a line has not as many markers as titles.
    """
    buffer = io.StringIO()
    with drawing():
        figure.savefig(buffer, format="svg", dpi=image_dpi, transparent=False, metadata={"Date": None})
    text = buffer.getvalue()
    text = text[text.index("<svg") :]
    text = re.sub(r"<!--.*?-->|<metadata>.*?</metadata>", "", text, flags=re.DOTALL)
    text = re.sub(r"<[^>]*>", lambda tag: _of_the_page(tag.group(), name), text)
    text = _ALIKE_MARKERS.sub(_with_one_style, text)
    for line, words in (titles or {}).items():
        text = _titled(text, f'<g id="{name}-{line}"', words)
    start = text.index(">") + 1
    opening = re.sub(r'\s(width|height|version|xmlns:xlink)="[^"]*"', "", text[: start - 1])
    # The figure's own width, so that a page shows text at the size it was set, or smaller.
    width = figure.get_figwidth() * 96
    described = f'{opening} role="img" aria-label="{escape(alternative)}" style="max-width: {width:.0f}px">'
    return Markup(described + text[start:].replace("xlink:href", "href").strip())


def _of_the_page(tag: str, name: str) -> str:
    """One tag with the page's colours and with ids of its own."""
    tag = re.sub(r'(\sid="|href="#|url\(#)', rf"\g<1>{name}-", tag)
    for colour, variable in _VARIABLES.items():
        tag = tag.replace(colour, f"var({variable})")
    if tag.startswith(("<path", "<use", "<text")):
        # A hundredth of a point is finer than any screen; many marks are then half as long.
        tag = re.sub(r"(\.\d\d)\d+", r"\1", tag).replace(" \n", " ")
    return re.sub(r"#fe00([0-9a-f]{2})", lambda slot: f"var(--series-{int(slot.group(1), 16)})", tag)


_ALIKE_MARKERS = re.compile(r'<g([^>]*)>\s*(<use [^>]*?style="([^"]*)"/>(?:\s*<use [^>]*?style="\3"/>)+)\s*</g>')


def _with_one_style(group: re.Match[str]) -> str:
    """Markers that look alike with their look said once; a page of many cases is then far smaller."""
    attributes, markers, style = group.groups()
    markers = re.sub(r' style="[^"]*"', "", markers)
    return f'<g{attributes} style="{style}">{markers}</g>'


def _titled(text: str, line: str, words: Sequence[str]) -> str:
    start = text.index(line)
    end = text.index("</g>", start)
    before, *markers = text[start:end].split("<use ")
    if len(markers) != len(words):
        raise ValueError(f"{line} has {len(markers)} markers, but {len(words)} titles were given")
    named = [
        marker.replace("/>", f"><title>{escape(word)}</title></use>", 1)
        for marker, word in zip(markers, words, strict=True)
    ]
    return text[:start] + "<use ".join((before, *named)) + text[end:]
