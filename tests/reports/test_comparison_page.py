import base64
import io
import re
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from neurograft.reports import ComparisonReport, write_comparison_page
from neurograft.reports.comparison_page import comparison_page

Make = Callable[..., ComparisonReport]


def test_page_names_no_address_of_another_place(make_report: Make) -> None:
    page = comparison_page(make_report())
    addresses = set(re.findall(r"(?:src|href|action|url)\s*[=(]\s*[\"']?([^\"')\s>]+)", page))
    assert addresses
    assert all(address.startswith(("#", "data:")) for address in addresses)
    assert set(re.findall(r"https?://[^\s\"'<]+", page)) <= {"http://www.w3.org/2000/svg"}


def test_page_is_the_same_each_time(make_report: Make) -> None:
    assert comparison_page(make_report(subjects=3)) == comparison_page(make_report(subjects=3))


def test_parts_come_in_the_order_of_reading(make_report: Make) -> None:
    page = comparison_page(make_report())
    parts = ("<h1>", 'class="question"', 'id="answer"', 'id="summary-table"', 'aria-label="Dice per test subject',
             'id="curves"', 'id="slices"', 'id="contrast"', 'id="case-table"', 'id="method"', 'id="provenance"',
             'id="notes"')  # fmt: skip
    places = [page.index(part) for part in parts]
    assert places == sorted(places)


def test_provenance_and_notes_are_whole(make_report: Make) -> None:
    report = make_report(examples=(), notes=("first warning", "second warning"))
    page = comparison_page(report)
    for text in (*report.provenance.values(), *report.notes, *report.method, *report.answer):
        assert text in page


def test_every_score_can_be_saved(make_report: Make) -> None:
    report = make_report(examples=(), biomarkers=None)
    address = re.search(r'href="data:text/csv;charset=utf-8;base64,([^"]+)"', comparison_page(report))
    assert address is not None
    saved = pd.read_csv(io.BytesIO(base64.b64decode(address.group(1))), keep_default_na=False)
    assert len(saved) == len(report.scores)
    assert np.allclose(saved["dice"], report.scores["dice"])


def test_empty_predictions_are_counted(make_report: Make) -> None:
    page = comparison_page(make_report(examples=()))
    assert "n = 7 predictions; 13 excluded because the predicted mask is empty" in page
    assert page.count("n = 20 predictions; 0 excluded") == 5


def test_every_contrast_ratio_missing(make_report: Make) -> None:
    biomarkers = make_report(strategies=("full",)).biomarkers
    assert biomarkers is not None
    page = comparison_page(
        make_report(strategies=("full",), examples=(), biomarkers=biomarkers.assign(predicted_contrast_ratio=np.nan))
    )
    assert "n = 0 predictions; 20 excluded" in page


def test_validation_that_was_never_run_has_no_figure(make_report: Make) -> None:
    curves = {"full": pd.DataFrame({"step": [0, 1, 2], "training/loss": [1.0, np.nan, 0.5]})}
    page = comparison_page(make_report(curves=curves, examples=(), biomarkers=None))
    assert "Training loss against training step" in page
    assert "Validation Dice against" not in page


def test_many_strategies_and_numbers_of_people(make_report: Make, tmp_path: Path) -> None:
    report = make_report(strategies=tuple(f"strategy {place}" for place in range(10)), subjects=3)
    more = report.scores.assign(training_subjects=1)
    report = make_report(
        strategies=report.strategies,
        examples=(),
        scores=pd.concat([report.scores, more]),
        summary=pd.concat([report.summary, report.summary.assign(training_subjects=1)]),
    )
    write_comparison_page(report, tmp_path / "page.html")
    page = (tmp_path / "page.html").read_text("utf-8")
    assert "LC, 1 person to learn from" in page
    assert "LC, 5 people to learn from" in page
    assert "var(--series-8)" not in page


def test_table_that_lacks_a_column_is_refused(make_report: Make) -> None:
    report = make_report()
    with pytest.raises(ValueError, match="scores lacks the columns dice"):
        make_report(scores=report.scores.drop(columns="dice"))
    with pytest.raises(ValueError, match="no row"):
        make_report(summary=report.summary.iloc[:0])
