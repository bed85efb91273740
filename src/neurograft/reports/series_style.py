"""How each strategy looks in every figure: colour and marker, so that colour never stands alone."""

import re
from collections.abc import Iterable
from dataclasses import dataclass

from neurograft.reports.comparison import REFERENCE_STRATEGY

# Okabe and Ito's colours (2008), moved where needed so that each is legible on both grounds; the
# reference is grey, so that what is compared with it stands out. The page's style sheet holds them.
SERIES_COUNT = 8

# (matplotlib's marker, the same as an SVG path about 0,0 for the legend of the page)
_MARKERS = (
    ("o", "M-3.5 0a3.5 3.5 0 1 0 7 0a3.5 3.5 0 1 0 -7 0z"),
    ("s", "M-3.2 -3.2h6.4v6.4h-6.4z"),
    ("^", "M0 -4L4 3.2H-4z"),
    ("D", "M0 -4.4L4.4 0L0 4.4L-4.4 0z"),
    ("v", "M0 4L4 -3.2H-4z"),
    ("P", "M-1.4 -4h2.8v2.6h2.6v2.8h-2.6v2.6h-2.8v-2.6h-2.6v-2.8h2.6z"),
    (">", "M4 0L-3.2 4V-4z"),
    ("<", "M-4 0L3.2 4V-4z"),
)


@dataclass(frozen=True)
class SeriesStyle:
    """Slot of the page's palette (0 is the reference) and marker."""

    slot: int
    marker: str
    marker_path: str

    @property
    def colour(self) -> str:
        """A colour that `svg.inline_svg` turns into the page's own, light or dark."""
        return f"#fe00{self.slot:02x}"


ONE_SERIES = SeriesStyle(1, *_MARKERS[0])
"""The look of figures that show a single thing."""
SUMMED_SERIES = SeriesStyle(0, *_MARKERS[0])
"""The look of what was made from others, such as a mean over labels."""
FAILED_SERIES = SeriesStyle(2, "x", "M-3.4 -3.4L3.4 3.4M-3.4 3.4L3.4 -3.4")
"""The look of a case whose structure is missing on one side: a cross, drawn as a line, beside the dots."""


def series_styles(strategies: Iterable[str], arms: Iterable[str] = ()) -> dict[str, SeriesStyle]:
    """Give each strategy, and each arm that belongs to none, its look.

    The order of the names decides, so that a strategy looks the same in every figure.
    """
    names = list(dict.fromkeys(strategies))
    names += [arm for arm in dict.fromkeys(arms) if strategy_of_arm(arm, names) is None]
    styles: dict[str, SeriesStyle] = {}
    place = 0
    for name in names:
        if name == REFERENCE_STRATEGY:
            styles[name] = SeriesStyle(0, *_MARKERS[0])
            continue
        slot, turn = 1 + place % (SERIES_COUNT - 1), place // (SERIES_COUNT - 1)
        # A second turn through the colours takes other markers.
        styles[name] = SeriesStyle(slot, *_MARKERS[(slot + 3 * turn) % SERIES_COUNT])
        place += 1
    return styles


def strategy_of_arm(arm: str, strategies: Iterable[str]) -> str | None:
    """The strategy whose name the arm's is, or begins with; ``full, seed 2`` belongs to ``full``."""
    found = [name for name in strategies if arm == name or re.match(re.escape(name) + r"[^\w-]", arm)]
    return max(found, key=len, default=None)
