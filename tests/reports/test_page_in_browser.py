import re
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from neurograft.reports import ComparisonReport, write_comparison_page

Open = Callable[..., AbstractContextManager[Any]]
HOSTILE = "<script>document.title='taken'</script>"


def column(page: Any, table: str, place: int) -> list[str]:
    return page.locator(f"#{table} tbody tr td:nth-child({place})").all_inner_texts()


def test_page_has_its_figures_and_sorts(
    make_report: Callable[..., ComparisonReport], opened: Open, tmp_path: Path
) -> None:
    path = tmp_path / "new" / "page.html"
    write_comparison_page(make_report(), path)
    with opened(path) as page:
        # one strip plot, two learning curves, two cases in three planes, six strategies' contrast ratios
        assert page.locator("figure svg[role=img]").count() == 1 + 2 + 6 + 6
        assert all(
            box["width"] > 150 and box["height"] > 100
            for box in (figure.bounding_box() for figure in page.locator("figure svg").all())
        )
        assert all(page.locator("figure svg").nth(place).get_attribute("aria-label") for place in range(15))
        ids = page.evaluate("[...document.querySelectorAll('[id]')].map((element) => element.id)")
        assert len(ids) == len(set(ids))

        assert column(page, "summary-table", 1) == ["none", "scratch", "freeze", "decay", "full", "first_layers"]
        dice = page.get_by_role("button", name="Dice, mean")
        dice.click()
        best_first = [float(text.split()[0]) for text in column(page, "summary-table", 2)]
        assert best_first == sorted(best_first, reverse=True)
        assert page.locator("#summary-table th[aria-sort]").get_attribute("aria-sort") == "descending"
        dice.press("Enter")
        assert [float(text.split()[0]) for text in column(page, "summary-table", 2)] == best_first[::-1]
        for _ in range(2):
            page.get_by_role("button", name="Difference to scratch").click()
            assert column(page, "summary-table", 5)[-1] == "reference"
        page.locator("#case-table th button").last.click()
        worst_last = [float(text) for text in column(page, "case-table", 8)]
        assert worst_last == sorted(worst_last, reverse=True)
    assert [file.name for file in path.parent.iterdir()] == ["page.html"]


def test_page_fits_a_phone(make_report: Callable[..., ComparisonReport], opened: Open, tmp_path: Path) -> None:
    write_comparison_page(make_report(labels=("Anterior", "Posterior")), tmp_path / "page.html")
    with opened(tmp_path / "page.html", width=360) as page:
        assert page.evaluate("document.documentElement.scrollWidth") == 360


def test_hostile_names_stay_text(make_report: Callable[..., ComparisonReport], opened: Open, tmp_path: Path) -> None:
    report = make_report(
        strategies=("scratch", HOSTILE, "$x^{"), examples=(), labels=(HOSTILE,), title=HOSTILE, notes=(HOSTILE,)
    )
    write_comparison_page(report, tmp_path / "page.html")
    with opened(tmp_path / "page.html") as page:
        assert page.title() == HOSTILE
        assert page.locator("script").count() == 1
        assert page.locator("h1").inner_text() == HOSTILE
        assert HOSTILE in column(page, "summary-table", 1)
        assert page.locator("figure svg text", has_text=HOSTILE).count() == 1
        assert page.locator("figure svg text", has_text="$x^{").count() == 1


def test_undefined_dice_is_a_dash_and_last(
    make_report: Callable[..., ComparisonReport], opened: Open, tmp_path: Path
) -> None:
    whole = make_report()
    scores, summary = whole.scores.copy(), whole.summary.copy()
    scores.loc[scores["strategy"] == "none", "dice"] = np.nan
    scores.loc[(scores["strategy"] == "full") & (scores["subject"] == "sub-000"), "dice"] = np.nan
    numbers = [
        "mean_dice",
        "sd_dice",
        "ci_low",
        "ci_high",
        "difference_to_scratch",
        "difference_low",
        "difference_high",
    ]
    summary.loc[summary["strategy"] == "none", numbers] = np.nan
    report = make_report(scores=scores, summary=summary, examples=())
    write_comparison_page(report, tmp_path / "page.html")
    with opened(tmp_path / "page.html") as page:
        assert not re.search(r"\bnan\b", page.locator("main").inner_text(), re.IGNORECASE)
        assert page.locator("#summary-table tbody tr").first.locator("td").nth(1).inner_text() == "–"
        page.get_by_role("button", name="Dice, mean").click()
        assert column(page, "summary-table", 1)[-1] == "none"
        assert "26 of 144 scores are not defined" in page.locator("#results").inner_text()
        assert "not defined for any subject" in page.locator("#results svg").first.text_content()


def test_one_strategy_without_extras(
    make_report: Callable[..., ComparisonReport], opened: Open, tmp_path: Path
) -> None:
    report = make_report(strategies=("full",), biomarkers=None, curves={}, examples=(), notes=())
    write_comparison_page(report, tmp_path / "page.html")
    with opened(tmp_path / "page.html") as page:
        assert page.locator("#contrast, #curves, #slices, #notes").count() == 0
        assert page.locator("figure svg").count() == 1
        assert column(page, "summary-table", 1) == ["full"]


def test_requests_and_errors_are_noticed(opened: Open, tmp_path: Path) -> None:
    (tmp_path / "page.html").write_text(
        "<img src='http://127.0.0.1:9/x.png'><script>throw Error('seen')</script>", "utf-8"
    )
    with pytest.raises(AssertionError, match=r"127\.0\.0\.1:9"), opened(tmp_path / "page.html"):
        pass
