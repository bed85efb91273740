"""The page of a study, in a browser: it opens without a fault, sorts, and its viewer moves."""

import gzip
import io
import re
from base64 import b64decode
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from neurograft.reports.comparison import SliceExample
from neurograft.reports.learning_curve_figure import learning_curve_figure
from neurograft.reports.series_style import series_styles
from neurograft.reports.study import StudyReport
from neurograft.reports.study_markdown import study_markdown
from neurograft.reports.study_methods import methods_paragraph
from neurograft.reports.study_page import study_page, write_study_page
from neurograft.reports.study_report import _examples
from neurograft.reports.volume_viewer import viewer_case
from neurograft.studies.answers.label_need import method_curves, need_of
from neurograft.studies.answers.statement import answer_experiment
from neurograft.studies.folder import StudyFolder
from neurograft.studies.protocol import load_protocol
from neurograft.studies.protocol.schema import ExperimentConfig
from neurograft.studies.results import StudyResults
from neurograft.studies.tables import compare_study, summarise_study

Open = Callable[..., AbstractContextManager[Any]]


def made_scores() -> pd.DataFrame:
    generator = np.random.default_rng(0)
    rows = []
    for method, levels in {"none": [0.4], "scratch": [0.5, 0.6, 0.7], "full": [0.62, 0.68, 0.72]}.items():
        for size, level in zip(["0"] if method == "none" else ["2", "5", "14"], levels, strict=True):
            rows += [
                {
                    "experiment": "anterior-to-posterior", "method": method, "strategy": method, "source": "",
                    "variant": "", "size": size, "people": int(size), "test": "fixed", "draw": 0, "fold": None,
                    "seed": 0, "split": "test", "subject": f"<p{person}>", "case": f"<p{person}>", "label": "Posterior",
                    "kind": "label", "status": "ok", "dice": level + generator.normal(0, 0.04),
                }
                for person in range(12)
            ]  # fmt: skip
    return pd.DataFrame(rows)


def made_example() -> SliceExample:
    generator = np.random.default_rng(1)
    truth = np.zeros((24, 20, 16), np.int16)
    truth[8:14, 7:13, 5:11] = 1
    image = generator.normal(100, 10, truth.shape) + 80.0 * truth
    return SliceExample(
        "worst case", "</script>", "full, 14 people", 0.6, image, truth, np.roll(truth, 2, 0), (1, 1, 2), ("A",)
    )


@pytest.fixture(scope="module")
def report() -> StudyReport:
    protocol = load_protocol("p1-small", ["comparison.draws=300"])
    scores = made_scores()
    curves = tuple(method_curves(scores, "dice"))
    results = StudyResults(
        protocol, scores, summarise_study(protocol, scores), compare_study(protocol, scores), pd.DataFrame(),
        pd.DataFrame(), pd.DataFrame(), (answer_experiment(protocol, scores, "anterior-to-posterior"),), ("A claim.",),
        curves, tuple(need_of(curve, "dice", 0.7) for curve in curves),
    )  # fmt: skip
    paragraph, references = methods_paragraph(results)
    return StudyReport(
        results, tuple(results.sentences()), ("A claim.",), tuple(need.sentence() for need in results.needs),
        ("1 of 9 cells failed.",), (made_example(),), {"cells": "9"}, paragraph, references, ("A note.",),
    )  # fmt: skip


def test_the_page_in_a_browser(report: StudyReport, opened: Open, tmp_path: Path) -> None:
    write_study_page(report, tmp_path / "report.html")
    for width in (1200, 380):
        with opened(tmp_path / "report.html", width) as page:
            assert page.evaluate("document.documentElement.scrollWidth") <= width
            for link in page.query_selector_all("nav a"):
                assert page.query_selector(link.get_attribute("href")) is not None
            where = page.text_content(".viewer output")
            assert "truth A" in where
            canvas = page.query_selector('canvas[data-plane="axial"]')
            assert canvas is not None
            canvas.scroll_into_view_if_needed()
            before = page.evaluate("c => c.toDataURL()", canvas)
            canvas.click(position={"x": 3, "y": 3})
            moved = page.text_content(".viewer output")
            assert moved != where
            assert "truth none" in moved
            page.click('.viewer input[name="prediction"]')
            assert page.evaluate("c => c.toDataURL()", canvas) != before
    with opened(tmp_path / "report.html") as page:
        column = page.query_selector_all("#case-table-1 th button")[-1]
        column.click()
        cells = [float(row.text_content()) for row in page.query_selector_all("#case-table-1 tbody td:last-child")]
        assert cells == sorted(cells, reverse=True)


def test_every_score_is_in_the_page_as_a_compressed_file(report: StudyReport) -> None:
    held = re.search(r'href="data:application/gzip;base64,([^"]+)"', study_page(report))
    assert held is not None
    scores = pd.read_csv(io.BytesIO(gzip.decompress(b64decode(held[1]))))
    assert len(scores) == len(report.results.scores)
    assert scores["dice"].to_numpy() == pytest.approx(report.results.scores["dice"].to_numpy(), rel=1e-5)


@pytest.mark.parametrize(("unadapted", "in_words"), [(0.55, False), (0.03, True), (1.4, True)])
def test_a_source_far_off_does_not_press_the_curves_together(
    report: StudyReport, unadapted: float, in_words: bool
) -> None:
    curves = report.results.curves
    styles = series_styles([curve.method for curve in curves])
    figure = learning_curve_figure(curves, styles, unadapted, "Dice", "curve")
    drawn = re.sub(r"<title.*?</title>", "", figure, flags=re.DOTALL)
    assert ("what is drawn" in drawn) == in_words
    ticks = [float(text) for text in re.findall(r">(0\.\d+)</text>", drawn)]
    assert min(ticks) > 0.3
    assert max(ticks) < 1
    assert f"the source as it is: {unadapted:.3f}" in figure, "what is read out has it always"


def test_the_markdown_has_what_stands_open_on_the_page(report: StudyReport) -> None:
    facts = {"machines": "one: CPU", "versions": "torch 1\nnumpy 2"}
    text = study_markdown(replace(report, facts=facts))
    assert text.startswith(
        f"Warnings:\n\n- 1 of 9 cells failed.\n\nThe answer, of what there is:\n\n- {report.answer[0]}\n"
    )
    assert study_markdown(replace(report, warnings=())).startswith(f"- {report.answer[0]}\n")
    for words in ("The paper's claims:\n\n- A claim.", "- A note.", "- versions: torch 1; numpy 2"):
        assert words in text
    row = next(line for line in text.splitlines() if line.startswith("| full |"))
    assert row.count("0.6") >= 2, "a column a number of people"
    assert "one: CPU" not in text


def test_the_viewer_packs_what_it_is_given() -> None:
    example = made_example()
    case = viewer_case(example)
    shape = tuple(case.data["shape"])
    labels = np.frombuffer(b64decode(case.data["labels"]), np.uint8).reshape(shape)
    assert (labels & 15).sum() == (example.truth > 0).sum()
    assert ((labels >> 4) > 0).sum() == (example.prediction > 0).sum()
    assert len(b64decode(case.data["image"])) == np.prod(shape)


def test_the_methods_paragraph_cites_what_it_names(report: StudyReport) -> None:
    assert "44 people were set aside" in report.methods
    assert "2, 5, 7, 14 and 42 people" in report.methods
    cited = {int(part) for text in report.methods.split("[")[1:] for part in text.split("]")[0].split(",")}
    assert cited == set(range(1, len(report.references) + 1))


def paragraph_of(report: StudyReport, **changes: Any) -> str:
    """The methods paragraph of the study with another first experiment."""
    protocol = report.results.protocol
    first = ExperimentConfig.model_validate(protocol.experiments[0].model_dump() | changes)
    changed = protocol.model_copy(update={"experiments": (first, *protocol.experiments[1:])})
    return methods_paragraph(replace(report.results, protocol=changed))[0]


def test_the_methods_paragraph_says_what_each_experiment_did(report: StudyReport) -> None:
    assert "The seed was 0." in report.methods
    assert "were compared with scratch on the same" in report.methods
    seeded = paragraph_of(report, seeds=(0, 1, 2))
    assert "Seeds were 0, 1 and 2 in anterior-to-posterior; 0 in posterior-to-anterior." in seeded
    alone = paragraph_of(report, strategies=("scratch",))
    assert "Models started from random weights." in alone
    variant = {"own": {"strategies": ["full"]}}
    assert "Models started from anterior by the strategies full, and from random weights." in paragraph_of(
        report, strategies=("scratch",), variants=variant
    )
    pairs = paragraph_of(report, strategies=("none", "full"))
    assert "were compared with scratch where that was a method, else pairwise, on the same" in pairs


def test_an_experiment_without_transfer_has_its_verdicts_in_the_answer(report: StudyReport) -> None:
    """Beside one with transfer, which has sentences of its own."""
    results = report.results
    budgets = results.scores[results.scores["method"].isin(("scratch", "full"))].assign(
        experiment="posterior-to-anterior", strategy="scratch"
    )
    scores = pd.concat([results.scores, budgets], ignore_index=True)
    answers = (*results.answers, answer_experiment(results.protocol, scores, "posterior-to-anterior"))
    both = replace(results, answers=answers, comparisons=compare_study(results.protocol, scores))
    said = [text for text in both.sentences() if text.startswith("posterior-to-anterior, ")]
    assert [text.split(":")[0] for text in said] == [
        f"posterior-to-anterior, {size} people" for size in ("2", "5", "14")
    ]
    assert "full is better than scratch" in said[0]


def test_a_study_of_which_only_the_source_is_scored_has_no_slices_yet(report: StudyReport, tmp_path: Path) -> None:
    scores = report.results.scores
    begun = replace(report.results, scores=scores[scores["method"] == "none"], answers=())
    assert _examples(begun, StudyFolder(tmp_path)) == []
    held = replace(report.results, scores=scores.assign(split="validation"), answers=())
    assert _examples(held, StudyFolder(tmp_path)) == []
