import re
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from neurograft.evaluation.comparison.compare import compare_measures
from neurograft.reports import MethodsReport, write_methods_page
from neurograft.reports.methods_page import MOST_FIGURES, count_sentence, methods_page
from neurograft.reports.paired_lines_figure import subject_values

Make = Callable[..., MethodsReport]


def test_verdicts_come_first_then_figures_then_the_table(make_methods: Make, tmp_path: Path) -> None:
    report = make_methods(warnings=("Only one seed.",))
    write_methods_page(report, tmp_path / "page.html")
    page = (tmp_path / "page.html").read_text("utf-8")
    verdicts = [text.replace("dice", "Dice") for text in report.comparison["verdict"] if "dice" in text]
    parts = ("<h1>", *verdicts, "Only one seed.", 'aria-label="Dice of LC. scratch: mean',
             'aria-label="HD95 of LC', 'id="comparison-table"', 'id="facts"')  # fmt: skip
    places = [page.index(part) for part in parts]
    assert places == sorted(places)
    assert page.index("HD95, mm (larger direction, voxel boundary) of LC: full differs") < page.index("<nav")


def test_a_mark_is_a_subject_not_a_case(make_methods: Make) -> None:
    report = make_methods(measures=("dice",), subjects=7)
    page = methods_page(report)
    assert len(re.findall(r"<title>sub-\d\d, \w+: 0\.\d{3}</title>", page)) == 7 * 3
    values = subject_values(report.scores)
    assert list(values.columns) == ["scratch", "freeze", "full"]
    one = report.scores[(report.scores["method"] == "full") & (report.scores["subject"] == "sub-03")]
    assert len(one) == 2
    assert values.loc["sub-03", "full"] == pytest.approx(one["value"].mean())


def test_lines_join_only_what_a_subject_has(make_methods: Make) -> None:
    def segments(report: MethodsReport) -> int:
        path = next(path for path in re.findall(r'<path d="([^"]*)"', methods_page(report)) if path.count("M ") > 4)
        return path.count("L ")

    report = make_methods(measures=("dice",), subjects=6)
    assert segments(report) == 6 * 2
    gone = (report.scores["method"] == "full") & (report.scores["subject"] == "sub-00")
    some = make_methods(scores=report.scores[~gone])
    assert segments(some) == 6 * 2 - 1
    assert "LC" in methods_page(some)
    assert "1 subject without a value in every method" in methods_page(some)


def test_many_comparisons_are_counted_first(make_methods: Make) -> None:
    report = make_methods(labels=("A", "B", "C"))
    rows = report.comparison.assign(low=-1.0, high=1.0, p_corrected=0.5)
    rows.loc[:2, ["low", "high", "p_corrected"]] = [[0.1, 0.2, 0.01], [-0.2, -0.1, 0.2], [0.1, 0.3, 0.03]]
    assert count_sentence(make_methods(scores=report.scores, comparison=rows)) == (
        "In 3 of 12 comparisons the 95\N{NO-BREAK SPACE}% interval of the difference leaves zero out; after correction "
        "for several comparisons, 2 have p < 0.05."
    )
    alone = make_methods(scores=report.scores, comparison=rows.drop(columns="p_corrected"))
    assert count_sentence(alone).endswith("leaves zero out; a few of many do so by chance.")
    assert "The other 6 verdicts" in methods_page(alone)
    assert count_sentence(make_methods()) == ""


def test_figures_have_an_end_that_is_said(make_methods: Make) -> None:
    scores = make_methods(
        methods=("a", "b"), labels=tuple(f"label {place}" for place in range(MOST_FIGURES + 2)), measures=("dice",),
        subjects=2,
    ).scores  # fmt: skip
    report = make_methods(scores=scores, comparison=make_methods(methods=("a", "b")).comparison)
    page = methods_page(report)
    assert page.count('role="img"') == MOST_FIGURES
    assert "2 more pairs of measure and label are in the table, without a figure." in page


def test_undefined_method_is_said(make_methods: Make) -> None:
    scores = make_methods(measures=("dice",)).scores
    scores["value"] = scores["value"].where(scores["method"] != "freeze")
    page = methods_page(make_methods(scores=scores))
    assert "freeze: mean not defined, 0 subjects" in page
    visible = re.sub(r"<(style|script).*?</\1>|base64,[^\"]*", "", page, flags=re.DOTALL)
    assert not re.search(r"\bnan\b", visible, re.IGNORECASE)


def test_tables_that_lack_what_is_needed_are_refused(make_methods: Make) -> None:
    report = make_methods()
    with pytest.raises(ValueError, match="scores lacks the columns value"):
        make_methods(scores=report.scores.drop(columns="value"))
    with pytest.raises(ValueError, match="comparison lacks the columns verdict"):
        make_methods(comparison=report.comparison.drop(columns="verdict"))
    with pytest.raises(ValueError, match="nothing to report"):
        make_methods(comparison=pd.DataFrame(columns=report.comparison.columns))


def test_figures_of_the_comparison_itself(make_methods: Make) -> None:
    scores = make_methods(methods=("scratch", "full")).scores
    comparison = compare_measures(scores, {"dice": True, "hd95_max_voxel_mm": False}, draws=200)
    page = methods_page(make_methods(scores=scores, comparison=comparison))
    assert "<p>Dice of LC: scratch is worse than full" in page
    assert "<p>HD95, mm (larger direction, voxel boundary) of LC: scratch is worse than full" in page
    assert "<dt>p, sign flip</dt><dd>sign-flip permutation test of the mean difference" in page
    table = page[page.index('id="comparison-table"') :]
    assert f"{comparison['difference'].iloc[0]:.3f}".replace("-", "−") in table


def test_single_subject(make_methods: Make) -> None:
    report = make_methods(subjects=1)
    rows = report.comparison.assign(low=np.nan, high=np.nan, p_t=np.nan, verdict="One subject says nothing.")
    page = methods_page(make_methods(scores=report.scores, comparison=rows))
    assert "One subject says nothing." in page
