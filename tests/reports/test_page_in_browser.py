import re
import shutil
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from neurograft.reports import ComparisonReport, write_comparison_page

playwright = pytest.importorskip("playwright.sync_api", reason="the page is looked at with playwright, which is absent")

CHROMIUM = next(
    filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable"))), None
)
pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="no Chromium here, so the page was not opened in a browser")
HOSTILE = "<script>document.title='taken'</script>"


Open = Callable[..., AbstractContextManager[Any]]


@pytest.fixture(scope="module")
def opened() -> Iterator[Open]:
    """Open a page, and fail on any console error, any exception and any request but for the file itself."""
    with playwright.sync_playwright() as started:
        browser = started.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox", "--disable-gpu"])

        @contextmanager
        def open_page(path: Path, width: int = 1200) -> Iterator[Any]:
            faults: list[str] = []

            def note_request(request: Any) -> None:
                if not request.url.startswith(("file:", "data:")):
                    faults.append(request.url)

            def note_message(message: Any) -> None:
                if message.type == "error":
                    faults.append(message.text)

            page = browser.new_page(viewport={"width": width, "height": 900})
            page.on("console", note_message)
            page.on("pageerror", lambda error: faults.append(str(error)))
            page.on("request", note_request)
            page.goto(path.as_uri())
            yield page
            page.wait_for_timeout(50)
            page.close()
            assert faults == []

        yield open_page
        browser.close()


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
            assert column(page, "summary-table", 4)[-1] == "reference"
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
