import re

import numpy as np
import pytest

from neurograft.reports.box_figure import (
    CROWDED_FROM_VALUES,
    BoxRow,
    ValueAxis,
    box_figure,
    lowest_share,
    shortened,
    value_ends,
)
from neurograft.reports.series_style import ONE_SERIES
from neurograft.reports.svg import drawing, inline_svg, new_figure

AXIS = ValueAxis("Dice", 0.0, 1.0)


def row(values: list[float], failed: list[bool] | None = None, titles: tuple[str, ...] = ()) -> BoxRow:
    return BoxRow(
        "LC", np.array(values), ONE_SERIES, titles, None if failed is None else np.array(failed), remark="n 3"
    )


def marks(svg: str, line: str) -> list[tuple[str, str]]:
    """Place and title of each mark of a line."""
    start = svg.index(f'<g id="{line}"')
    group = svg[start : svg.index("</g>", start)]
    return re.findall(r'x="([\d.]+)" y="[\d.]+"[^>]*><title>([^<]*)</title>', group)


def test_every_value_is_a_mark_with_its_own_words() -> None:
    svg = box_figure([row([0.5, 0.0, 1.0], [False, True, False], ("b", "a & a", "c"))], AXIS, "box", "Dice", "")
    dots, crosses = marks(svg, "box-dots-0"), marks(svg, "box-crosses-0")
    assert [title for _, title in dots] == ["b", "c"]
    assert [title for _, title in crosses] == ["a &amp; a"]
    left, middle, right = (float(place) for place, _ in (*crosses, *dots))
    assert middle - left == pytest.approx(right - middle, abs=0.05)
    assert 'aria-label="Dice. LC: median 0.500, 3 cases"' in svg


def test_quartiles_need_five_values() -> None:
    few, enough = (box_figure([row(list(np.linspace(0.2, 0.8, count)))], AXIS, "box", "Dice", "") for count in (4, 5))
    bar = 'style="fill: var(--series-1)"'
    assert bar not in few
    assert enough.count(bar) == 1


def test_row_without_values_says_so() -> None:
    svg = box_figure([row([]), row([0.3])], AXIS, "box", "Dice", "not defined for any case")
    assert svg.count("not defined for any case") == 1
    assert "LC: median not defined, 0 cases; LC: median 0.300, 1 case" in svg


def test_crowded_figure_still_has_every_value() -> None:
    values = list(np.linspace(0, 1, CROWDED_FROM_VALUES + 1))
    svg = box_figure([row(values)], AXIS, "box", "Dice", "")
    path = next(path for path in re.findall(r'<path d="([^"]*)"', svg) if path.count("M ") > 100)
    assert path.count("M ") == len(values)
    assert len(svg) < 60 * len(values)


def test_titles_must_fit_the_marks() -> None:
    with drawing():
        figure = new_figure(2, 2)
        figure.add_axes((0, 0, 1, 1)).plot([0, 1], [0, 1], "o", gid="dots", clip_on=False)
    with pytest.raises(ValueError, match="has 2 markers, but 3 titles"):
        inline_svg(figure, "x", "", titles={"dots": ("a", "b", "c")})


def test_ends_of_an_axis() -> None:
    assert value_ends(np.array([1.0, 2.0]), 0.0) == pytest.approx((0.0, 2.08))
    assert value_ends(np.array([-1.0, 1.0])) == pytest.approx((-1.08, 1.08))
    assert value_ends(np.array([-1.0, 1.0]), 0.0) == pytest.approx((-1.08, 1.08))
    for values in ([3.0, 3.0], [0.0], [np.nan], []):
        low, high = value_ends(np.array(values), 0.0)
        assert low < high
    assert lowest_share(np.array([0.62, 0.9])) == pytest.approx(0.6)
    assert lowest_share(np.array([0.95])) == pytest.approx(0.8)
    assert lowest_share(np.array([0.0])) == 0.0


def test_long_names_keep_both_ends() -> None:
    assert shortened("short") == "short"
    text = shortened("Left-Cerebral-White-Matter-of-the-Temporal-Lobe-inferior", 21)
    assert len(text) == 21
    assert text.startswith("Left-Cere")
    assert text.endswith("e-inferior")
