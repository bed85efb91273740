from collections.abc import Callable

import numpy as np
import pytest

from neurograft.reports import ComparisonReport, summary_markdown
from neurograft.reports.number_text import decimal, duration, interval, mean_and_sd, memory
from neurograft.reports.series_style import series_styles, strategy_of_arm
from neurograft.reports.summary_table import summary_table

Make = Callable[..., ComparisonReport]


def test_numbers() -> None:
    assert decimal(0.81249) == "0.812"
    assert decimal(-0.0001, signed=True) == "0.000"
    assert decimal(-0.02, 2) == "−0.02"
    assert decimal(float("nan")) == "–"
    assert mean_and_sd(0.8, float("nan")) == "0.800"
    assert interval(-0.01, 0.02, signed=True) == "−0.010 to +0.020"
    assert [duration(seconds) for seconds in (4.21, 42, 144, 9000)] == ["4.2 s", "42 s", "2.4 min", "2.5 h"]
    assert [memory(mebibytes) for mebibytes in (812, 2458)] == ["812 MiB", "2.4 GiB"]


def test_what_is_the_same_in_every_row_is_said_once(make_report: Make) -> None:
    table = summary_table(make_report().summary)
    assert "Label" not in table.headings
    assert table.in_every_row[:2] == ("label LC", "training people 5")
    two = summary_table(make_report(labels=("Anterior", "Posterior")).summary)
    assert two.headings[:2] == ("Strategy", "Label")
    assert two.numeric[:3] == (False, False, True)


def test_difference_is_strong_when_its_interval_does_not_hold_zero(make_report: Make) -> None:
    summary = make_report(strategies=("scratch", "full", "decay")).summary
    summary[["difference_to_scratch", "difference_low", "difference_high"]] = [
        [np.nan] * 3, [0.02, 0.01, 0.03], [0.02, -0.01, 0.05],
    ]  # fmt: skip
    table = summary_table(summary)
    place = next(place for place, heading in enumerate(table.headings) if heading.startswith("Difference"))
    cells = [row[place] for row in table.rows]
    assert [cell.strong for cell in cells] == [False, True, False]
    assert cells[0].text == "reference"
    assert cells[1].text == "+0.020 (+0.010 to +0.030)"
    assert "| **+0.020 (+0.010 to +0.030)** |" in summary_markdown(summary)


def test_markdown_is_a_table_whatever_the_names(make_report: Make) -> None:
    text = summary_markdown(make_report(strategies=("scratch", "a|b_<i>")).summary)
    lines = text.splitlines()
    assert "a\\|b\\_&lt;i&gt;" in lines[3]
    assert len({line.replace("\\|", "").count("|") for line in lines[:4]}) == 1
    assert lines[5].startswith("In every row: label LC; training people 5;")
    assert text.endswith(".\n")


def test_seeds_may_be_listed(make_report: Make) -> None:
    summary = make_report().summary.assign(seeds="0, 1, 2")
    assert "seeds 0, 1, 2" in summary_table(summary).in_every_row


def test_lacking_column_is_named(make_report: Make) -> None:
    with pytest.raises(ValueError, match="lacks the columns seconds"):
        summary_markdown(make_report().summary.drop(columns="seconds"))


def test_strategies_keep_their_look() -> None:
    styles = series_styles(["none", "scratch", "full"], ["source", "full, seed 1"])
    assert list(styles) == ["none", "scratch", "full", "source"]
    assert styles["scratch"].slot == 0
    assert strategy_of_arm("full, seed 1", styles) == "full"
    assert strategy_of_arm("first_layers", ["first"]) is None
    many = series_styles([f"s{place}" for place in range(14)])
    assert len({(style.slot, style.marker) for style in many.values()}) == 14


def test_the_spread_over_seeds_is_shown_where_there_are_several(make_report: Callable[..., ComparisonReport]) -> None:
    summary = make_report().summary
    table = summary_table(summary)
    place = table.headings.index("Lowest to highest seed")
    mean = summary["mean_dice"].iloc[1]
    assert table.rows[1][place].text == f"{mean - 0.01:.3f} to {mean + 0.01:.3f}"
    single = summary_table(summary.assign(seeds=1))
    assert "Lowest to highest seed" not in single.headings
    assert not any("seed" in said and "\N{EN DASH}" in said for said in single.in_every_row)
