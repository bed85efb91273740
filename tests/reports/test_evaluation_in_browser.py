import re
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import pandas as pd

from neurograft.reports import EvaluationReport, MethodsReport, write_evaluation_page, write_methods_page

Open = Callable[..., AbstractContextManager[Any]]
HOSTILE = "<script>document.title='taken'</script>"


def column(page: Any, table: str, place: int) -> list[str]:
    return page.locator(f"#{table} tbody tr td:nth-child({place})").all_inner_texts()


def test_evaluation_opens_sorts_and_unfolds(
    make_evaluation: Callable[..., EvaluationReport], opened: Open, tmp_path: Path
) -> None:
    write_evaluation_page(make_evaluation(failures=True), tmp_path / "page.html")
    with opened(tmp_path / "page.html") as page:
        visible = page.locator("figure svg[role=img]:visible")
        # five leading measures, two labels with two plots each, three planes
        assert visible.count() == 5 + 4 + 3
        page.get_by_text("more measures", exact=False).first.click()
        assert visible.count() > 12
        assert all(box["width"] > 150 and box["height"] > 90 for box in (each.bounding_box() for each in visible.all()))
        ids = page.evaluate("[...document.querySelectorAll('[id]')].map((element) => element.id)")
        assert len(ids) == len(set(ids))
        assert page.evaluate("[...document.querySelectorAll('nav a')].every((a) => document.querySelector(a.hash))")

        dice = page.locator("#case-table th", has_text=re.compile(r"^\s*Dice\s*$")).get_by_role("button")
        dice.click()
        place = page.locator("#case-table th").all_inner_texts().index("Dice") + 1
        texts = column(page, "case-table", place)
        values = [float(text) for text in texts if text != "–"]
        assert values == sorted(values, reverse=True)
        assert texts[-1] == "–"
        assert not re.search(r"\bnan\b", page.locator("main").inner_text(), re.IGNORECASE)


def test_pages_fit_a_phone(
    make_evaluation: Callable[..., EvaluationReport],
    make_methods: Callable[..., MethodsReport],
    opened: Open,
    tmp_path: Path,
) -> None:
    long = "a-very-long-label-without-any-space-that-nobody-would-type-but-a-program"
    write_evaluation_page(make_evaluation(labels=(long, "SN"), failures=True), tmp_path / "evaluation.html")
    write_methods_page(make_methods(methods=("scratch", long), labels=(long,)), tmp_path / "methods.html")
    for name in ("evaluation", "methods"):
        with opened(tmp_path / f"{name}.html", width=360) as page:
            assert page.evaluate("document.documentElement.scrollWidth") == 360


def test_hostile_names_stay_text(
    make_evaluation: Callable[..., EvaluationReport],
    make_methods: Callable[..., MethodsReport],
    opened: Open,
    tmp_path: Path,
) -> None:
    report = make_evaluation(
        labels=(HOSTILE, "$x^{"), cases=3, title=HOSTILE, swaps=(HOSTILE,), facts={HOSTILE: HOSTILE}
    )
    assert report.paired is not None
    report = make_evaluation(
        title=HOSTILE,
        subtitle=HOSTILE,
        swaps=(HOSTILE,),
        facts={HOSTILE: HOSTILE},
        examples=(),
        per_case=report.per_case.assign(case=HOSTILE),
        summary=report.summary,
        paired=report.paired.assign(case=HOSTILE),
        further_tables={HOSTILE: pd.DataFrame({HOSTILE: [HOSTILE]})},
    )
    write_evaluation_page(report, tmp_path / "evaluation.html")
    write_methods_page(
        make_methods(methods=(HOSTILE, "$x^{"), labels=(HOSTILE,), title=HOSTILE), tmp_path / "methods.html"
    )
    for name in ("evaluation", "methods"):
        with opened(tmp_path / f"{name}.html") as page:
            assert page.title() == HOSTILE
            assert page.locator("script").count() == 1
            assert page.locator("figure svg title", has_text=HOSTILE).count() > 0
            assert page.locator("figure svg text", has_text="$x^{").count() > 0


def test_paper_shows_what_is_folded_away(
    make_evaluation: Callable[..., EvaluationReport], opened: Open, tmp_path: Path
) -> None:
    write_evaluation_page(make_evaluation(cases=3, examples=()), tmp_path / "page.html")
    with opened(tmp_path / "page.html") as page:
        assert page.locator("details:not([open])").count() > 0
        page.evaluate("dispatchEvent(new Event('beforeprint'))")
        assert page.locator("details:not([open])").count() == 0
